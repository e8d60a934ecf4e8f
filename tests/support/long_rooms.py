"""Rooms with more in them than a test could say one by one."""

from sqlalchemy import text

from api.ids import RoomNumber
from tests.support.inside import Inside

# Copies of a room's last message, of lengths that go round, as if they had been sent.
FILL = text("""
INSERT INTO events (app_id, room, seq, number, epoch, kind, sender, facts, body, key_hash, request_hash, at)
SELECT app_id, room, seq + n, number + n, epoch, kind, sender, facts, body || repeat('x', (n * 37 % 101)::integer),
       uuid_send(gen_random_uuid()), request_hash, at
  FROM events, generate_series(1, :count) AS n
 WHERE app_id = :app AND room = :room AND seq = (SELECT head_seq FROM rooms WHERE app_id = :app AND room = :room)
""")
RAISE = text("""
UPDATE rooms SET head_seq = head_seq + :count, head_number = head_number + :count WHERE app_id = :app AND room = :room
""")


async def talk(here: Inside, room: str, *texts: str) -> RoomNumber:
    number = await here.room(room, "ann")
    for said in texts:
        await here.say(room, said, "ann")
    return number


async def fill(here: Inside, room: RoomNumber, count: int) -> None:
    values = {"app": here.scope.app, "room": room, "count": count}
    async with here.as_owner() as connection:
        await connection.execute(FILL, values)
        await connection.execute(RAISE, values)
