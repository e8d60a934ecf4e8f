"""What a batch of users may be. Pure."""

from api.custom_data import changed_text
from api.errors import BadRequest
from api.names import user_id
from api.users.schemas import UserBatchRequest
from tenants.ids import UserId


def checked_batch(batch: UserBatchRequest) -> list[tuple[UserId, str | None, str | None]]:
    """Give each user's id, name and data; raises `BadRequest` that points at the first one that is wrong."""
    checked: dict[UserId, tuple[UserId, str | None, str | None]] = {}
    for index, user in enumerate(batch.users):
        pointer = f"/users/{index}"
        named = user_id(user.id, f"{pointer}/id")
        if named in checked:
            raise BadRequest("A batch names each user once.", pointer=f"{pointer}/id")
        checked[named] = (named, user.name, changed_text(user.data, f"{pointer}/data"))
    return list(checked.values())
