"""Counts with another user up to LAST, each saying the number after the other's; knows nothing of faults."""

import asyncio
import sys

from roomlog import AsyncRoomlog


async def main(url: str, token: str, me: str, last: str) -> None:
    async with AsyncRoomlog(token=token, url=url) as client, client.rooms.open("general") as room:
        print(room.state.seq, 0, me, flush=True)
        if me == "alice":
            await room.send("1")
        async for event in room:
            number = int(event.message.parts[0].text)
            print(event.seq, number, event.message.sender, flush=True)
            if number == int(last):
                break
            if event.message.sender != me:
                await room.send(str(number + 1))


asyncio.run(main(*sys.argv[1:]))
