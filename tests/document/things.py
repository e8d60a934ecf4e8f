"""Things of an app's own, to fill the document's operations with."""

import secrets

from tests.support.world import App

Ids = dict[str, str]
"""What the parameters of paths and frames are filled with."""


async def own(app: App) -> Ids:
    """Make things of an app's own, each for itself to be ended; gives their ids."""
    room, user, gone = (f"{kind}-{secrets.token_hex(6)}" for kind in ("room", "user", "gone"))
    await app.room(room, ("ann", "bob", user))
    message = await app.say(room, "hush", "ann")
    key = (await app.ask("POST", "/v1/keys", {"label": "spare"})).json()
    signing = (await app.ask("POST", "/v1/signing-keys", {"algorithm": "EdDSA"})).json()
    await app.token(gone)
    job = (await app.ask("DELETE", f"/v1/users/{gone}")).json()
    return {
        "room_id": room,
        "message_id": message["id"],
        "key_id": key["id"],
        "signing": signing["id"],
        "user_id": user,
        "job_id": job["id"],
    }
