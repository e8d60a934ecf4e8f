"""Pages of messages: as they stand now, in the order of their seqs, with who may read them decided in the same statement."""

from dataclasses import dataclass

from api.errors import MessageNotFound, RoomNotFound
from api.ids import Place, RoomId, Seq
from api.log.epochs import Epochs
from api.log.event import Event, Kind
from api.log.read import message_row
from tenants.clock import to_rfc3339
from tenants.postgres import Postgres
from tenants.scope import Caller

# $4: up to which seq the last message is the page's anchor (NULL: the end); $5, $6: how many messages up to and including
# the anchor, and after it. The numbers of messages have no gaps, so a page is a range of them, found in one index, whose
# limits are there for the reason given at SNAPSHOT in `api.log.read`. One more is read before it, which tells whether there
# is one. Where history begins late, no anchor lies before its beginning.
PAGE = """
SELECT r.room, r.private, r.head_seq, r.head_number, m.role, anchor.number AS anchor,
       ARRAY(SELECT ROW (c.seq, c.number, l.seq, l.epoch, l.kind, l.at, l.facts, l.body, l.target)
               FROM (SELECT e.app_id, e.room, e.seq, e.number, coalesce(e.latest, e.seq) AS latest FROM events e
                      WHERE e.app_id = r.app_id AND e.room = r.room AND e.seq >= coalesce(m.visible_from, 0)
                        AND e.number >= anchor.number - $5 AND e.number <= anchor.number + $6
                      ORDER BY e.number LIMIT $5 + $6 + 1) AS c
              CROSS JOIN LATERAL
                    (SELECT * FROM events e
                      WHERE e.app_id = c.app_id AND e.room = c.room AND e.seq = c.latest LIMIT 1) AS l
              ORDER BY c.number) AS messages
  FROM rooms r
  LEFT JOIN members m ON m.app_id = r.app_id AND m.room = r.room AND m.user_number = $3
 CROSS JOIN LATERAL (
       SELECT CASE WHEN $4::bigint IS NULL THEN r.head_number ELSE coalesce(
         (SELECT e.number FROM events e
           WHERE e.app_id = r.app_id AND e.room = r.room AND e.seq <= greatest($4, m.visible_from)
             AND e.number IS NOT NULL
           ORDER BY e.seq DESC LIMIT 1), 0) END AS number
       OFFSET 0) AS anchor -- OFFSET 0: found once, not at each mention
 WHERE r.app_id = $1 AND r.room_id = $2 AND r.deleted_at IS NULL
"""
ONE = """
SELECT r.room, r.private, m.role, c.epoch AS created_epoch, c.at AS created_at, c.facts AS created_facts,
       CASE WHEN c.seq IS NOT NULL THEN
         ROW (c.seq, c.number, l.seq, l.epoch, l.kind, l.at, l.facts, l.body, l.target) END AS message
  FROM rooms r
  LEFT JOIN members m ON m.app_id = r.app_id AND m.room = r.room AND m.user_number = $3
  LEFT JOIN events c ON c.app_id = r.app_id AND c.room = r.room AND c.seq = $4 AND c.kind = 1
   AND c.seq >= coalesce(m.visible_from, 0)
  LEFT JOIN events l ON l.app_id = c.app_id AND l.room = c.room AND l.seq = coalesce(c.latest, c.seq)
 WHERE r.app_id = $1 AND r.room_id = $2 AND r.deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Messages in ascending order, each as its newest event left it, and how to go on from them."""

    messages: list[Event]
    previous: Seq | None
    """Pass as `before` for the page before this one; None at the beginning."""
    next: Seq | None
    """Pass as `after` for the page after this one; None at the end."""
    head: Seq


@dataclass(frozen=True, slots=True)
class OneMessage:
    """A message: the event that created it, and the newest one about it."""

    created: Event
    latest: Event


class Pages:
    """Reads messages of one database."""

    def __init__(self, postgres: Postgres, epochs: Epochs) -> None:
        """Read through the pool of `postgres`; all methods raise `Unavailable` when it is out of reach."""
        self._postgres = postgres
        self._epochs = epochs

    async def page(self, caller: Caller, room_id: RoomId, *, upto: int | None, back: int, forth: int) -> Page:
        """Give `back` messages up to seq `upto` (None: the end) and `forth` after it; raises `RoomNotFound`."""
        user = None if caller.user is None else caller.user.number
        rows = await self._postgres.fetch([caller.scope.app], PAGE, caller.scope.app, room_id, user, upto, back, forth)
        if not rows or _is_closed(caller, private=rows[0]["private"], role=rows[0]["role"]):
            raise RoomNotFound
        row = rows[0]
        messages = [message_row(caller.scope.app, row["room"], message, self._epochs) for message in row["messages"]]
        more_before = bool(messages) and messages[0].number == row["anchor"] - back
        messages = messages[1:] if more_before else messages
        if not messages:
            return Page([], None, None, row["head_seq"])
        last = messages[-1]
        more_after = last.number < row["head_number"]
        return Page(
            [message.latest for message in messages],
            messages[0].seq if more_before else None,
            last.seq if more_after else None,
            row["head_seq"],
        )

    async def one(self, caller: Caller, room_id: RoomId, place: Place | None) -> OneMessage:
        """Give the message whose id says `place`; raises `RoomNotFound`, `MessageNotFound`."""
        user = None if caller.user is None else caller.user.number
        seq = None if place is None else place.seq
        rows = await self._postgres.fetch([caller.scope.app], ONE, caller.scope.app, room_id, user, seq)
        if not rows or _is_closed(caller, private=rows[0]["private"], role=rows[0]["role"]):
            raise RoomNotFound
        row = rows[0]
        if place is None or row["message"] is None or place.room != row["room"]:
            raise MessageNotFound
        # An id made in a lost epoch must not find the message that has its number now.
        if not self._epochs.knows(place.epoch) or row["created_epoch"] != place.epoch.ordinal:
            raise MessageNotFound
        message = message_row(caller.scope.app, place.room, row["message"], self._epochs)
        created = Event(
            app=caller.scope.app,
            room=place.room,
            seq=message.seq,
            epoch=place.epoch,
            kind=Kind.MESSAGE_CREATED,
            at=to_rfc3339(row["created_at"]),
            facts=row["created_facts"],
            body=None,
            number=message.number,
        )
        return OneMessage(created, message.latest)


def _is_closed(caller: Caller, *, private: bool, role: str | None) -> bool:
    return private and role is None and not caller.sees_all
