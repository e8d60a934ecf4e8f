"""Payloads on Redis: one event each, complete, so that a tail need not ask PostgreSQL for what arrives in order."""

import msgspec

from api.ids import Epoch, RoomNumber, Seq
from api.log.event import Event, Kind
from tenants.ids import AppId, UserNumber


class Payload(msgspec.Struct, array_like=True, frozen=True):
    """An event between processes of one version of Roomlog; not a public format."""

    app: int
    room: int
    epoch: int
    tag: int
    seq: int
    kind: int
    at: str
    facts: str
    body: str | None
    number: int | None
    target: int | None
    subject: int | None
    private: bool | None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Payload)


def write_payload(event: Event) -> bytes:
    """Encode an event for its room's channel."""
    return _ENCODER.encode(
        Payload(
            event.app,
            event.room,
            event.epoch.ordinal,
            event.epoch.tag,
            event.seq,
            event.kind,
            event.at,
            event.facts,
            event.body,
            event.number,
            event.target,
            event.subject,
            event.private,
        )
    )


def read_payload(payload: bytes) -> Event:
    """Decode what `write_payload` encoded; raises ValueError on anything else."""
    read = _DECODER.decode(payload)
    return Event(
        app=AppId(read.app),
        room=RoomNumber(read.room),
        seq=Seq(read.seq),
        epoch=Epoch(read.epoch, read.tag),
        kind=Kind(read.kind),
        at=read.at,
        facts=read.facts,
        body=read.body,
        number=read.number,
        target=None if read.target is None else Seq(read.target),
        subject=None if read.subject is None else UserNumber(read.subject),
        private=read.private,
    )
