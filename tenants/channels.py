"""Names of Redis channels and keys: built here and nowhere else, from internal numbers, digests and addresses only."""

import hashlib

from tenants.ids import AppId, UserNumber

PREFIX = "rl1"


def slot(name: str) -> str:
    """Give what decides in which slot of a Redis Cluster a name stands: what is between its first braces."""
    return name[name.index("{") + 1 : name.index("}")]


def room_channel(app: AppId, room: int) -> str:
    """Name a room's channel; the braces keep all that concerns one room in one slot of a Redis Cluster."""
    return f"{PREFIX}:{{{app:x}.{room:x}}}"


def probe_channel(process: int) -> str:
    """Name the channel on which a process listens for its own publications."""
    return f"{PREFIX}:probe:{{{process:x}}}"


def app_limit(app: AppId, name: str) -> str:
    """Name the bucket of one of an app's limits; the braces keep all buckets of an app in one slot."""
    return f"{PREFIX}:limit:{{{app:x}}}:{name}"


def user_limit(app: AppId, user: UserNumber, name: str) -> str:
    """Name the bucket of one of a user's limits, in the slot of its app's."""
    return f"{PREFIX}:limit:{{{app:x}}}:{name}:{user:x}"


def room_limit(app: AppId, room: str, name: str) -> str:
    """Name the bucket of one of a room's limits, in the slot of its app's; by the id that its app gives it, digested."""
    digest = hashlib.blake2b(room.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{PREFIX}:limit:{{{app:x}}}:{name}:{digest}"


def address_limit(address: str, name: str) -> str:
    """Name the bucket of one of a network address's limits."""
    return f"{PREFIX}:limit:{{@{address}}}:{name}"


def account_limit(email: str, name: str) -> str:
    """Name the bucket of what is tried of one account of the dashboard, whether or not there is one; by its address, digested."""
    digest = hashlib.blake2b(email.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{PREFIX}:limit:{{={digest}}}:{name}"
