"""Read cursors on the wire."""

from typing import Annotated

import msgspec

from api.ids import MAX_NUMBER


class ReadCursor(msgspec.Struct, forbid_unknown_fields=True):
    """Up to which seq a member has read a room."""

    seq: Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)]
