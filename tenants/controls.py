"""Control rows: what every process must hear of within a second, with Redis or without.

They travel in `commits`, beside the heads of rooms, and so reach each process exactly once through its audit.
"""

from typing import Literal

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.marks import Mark


class KeyRevoked(msgspec.Struct, tag="key_revoked", frozen=True):
    """An API key has been revoked."""

    app: int
    key: int

    @property
    def mark(self) -> Mark:
        """Name what this is about."""
        return ("key", self.app, self.key)


class KeyRotated(msgspec.Struct, tag="key_rotated", frozen=True):
    """An API key has a new secret; what the old one has opened ends at `until` (Unix time)."""

    app: int
    key: int
    until: float

    @property
    def mark(self) -> Mark:
        """Name what this is about."""
        return ("key", self.app, self.key)


class SigningKeyRetired(msgspec.Struct, tag="signing_key_retired", frozen=True):
    """A signing key verifies nothing any more."""

    app: int
    key_id: str

    @property
    def mark(self) -> Mark:
        """Name what this is about."""
        return ("signing_key", self.app, self.key_id)


class TokenRevoked(msgspec.Struct, tag="token_revoked", frozen=True):
    """A user's token, known by its `jti` or its digest, holds no more."""

    app: int
    token: str

    @property
    def mark(self) -> Mark:
        """Name what this is about."""
        return ("token", self.app, self.token)


class UserRevoked(msgspec.Struct, tag="user_revoked", frozen=True):
    """A user has been deleted, or the tokens issued to it before a moment (Unix time) hold no more."""

    app: int
    user: int
    before: float | None = None
    """None: the user is no more, and nothing in its name holds."""

    @property
    def mark(self) -> Mark:
        """Name what this is about."""
        return ("user", self.app, self.user)


class TokensRevoked(msgspec.Struct, tag="tokens_revoked", frozen=True):
    """All users' tokens of an app that were issued before a moment (Unix time) hold no more."""

    app: int
    before: float

    @property
    def mark(self) -> Mark:
        """Name what this is about."""
        return ("app", self.app, 0)


class FloorMoved(msgspec.Struct, tag="floor_moved", frozen=True):
    """A room has let go of what stands before a seq."""

    app: int
    room: int
    floor: int

    @property
    def mark(self) -> Mark:
        """Name what this is about, by which no credential is known."""
        return ("room", self.app, self.room)


class AppChanged(msgspec.Struct, tag="app_changed", frozen=True):
    """What an app is set to has changed: its policy is to be read anew."""

    app: int
    ended: Literal["suspended", "deleted"] | None = None
    """Why nothing that the app has opened may stay open; None: all may."""

    @property
    def mark(self) -> Mark:
        """Name what this is about."""
        return ("app", self.app, 0)


Control = (
    KeyRevoked | KeyRotated | SigningKeyRetired | TokenRevoked | TokensRevoked | UserRevoked | FloorMoved | AppChanged
)

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
