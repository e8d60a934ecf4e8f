"""Control rows: what every process must hear of within a second, with Redis or without.

They travel in `commits`, beside the heads of rooms, and so reach each process exactly once through its audit.
"""

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class KeyRevoked(msgspec.Struct, tag="key_revoked", frozen=True):
    """An API key has been revoked."""

    app: int
    key: int


class KeyRotated(msgspec.Struct, tag="key_rotated", frozen=True):
    """An API key has a new secret; what the old one has opened ends at `until` (Unix time)."""

    app: int
    key: int
    until: float


class SigningKeyRetired(msgspec.Struct, tag="signing_key_retired", frozen=True):
    """A signing key verifies nothing any more."""

    app: int
    key_id: str


class UserRevoked(msgspec.Struct, tag="user_revoked", frozen=True):
    """A user has been deleted: nothing in its name holds."""

    app: int
    user: int


class FloorMoved(msgspec.Struct, tag="floor_moved", frozen=True):
    """A room has let go of what stands before a seq."""

    app: int
    room: int
    floor: int


class AppChanged(msgspec.Struct, tag="app_changed", frozen=True):
    """What an app is set to has changed: its policy is to be read anew."""

    app: int


Control = KeyRevoked | KeyRotated | SigningKeyRetired | UserRevoked | FloorMoved | AppChanged

_DECODER: msgspec.json.Decoder[Control] = msgspec.json.Decoder(Control)
SEND = text("INSERT INTO commits (apps, rooms, heads, control) VALUES ('{}', '{}', '{}', :control)")


async def send_control(connection: AsyncConnection, control: Control) -> None:
    """Add a control to the transaction that makes it true."""
    await connection.execute(SEND, {"control": msgspec.json.encode(control).decode()})


def read_control(control: str) -> Control | None:
    """Read a control row; None for one of a newer version."""
    try:
        return _DECODER.decode(control)
    except msgspec.ValidationError:
        return None
