"""Counts with another user up to LAST, each saying the number after the other's; knows nothing of faults."""

import sys

from roomlog import Roomlog

url, token, me, last = sys.argv[1:]
with Roomlog(token=token, url=url) as client, client.rooms.open("general") as room:
    print(room.state.seq, 0, me, flush=True)
    if me == "alice":
        room.send("1")
    for event in room:
        number = int(event.message.parts[0].text)
        print(event.seq, number, event.message.sender, flush=True)
        if number == int(last):
            break
        if event.message.sender != me:
            room.send(str(number + 1))
