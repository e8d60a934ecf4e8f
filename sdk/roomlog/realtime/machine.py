"""The client's whole state machine, as data: what a connection and each of its rooms do, whatever happens, in any state.

`connection` and `room` act on it and decide nothing by themselves; a test walks every state and every event.
"""

from enum import Enum, auto


class Link(Enum):
    """What the connection is doing. Its driver does what the state says, and what comes of it is the next event."""

    IDLE = auto()
    """Nobody has opened a room."""
    CONNECTING = auto()
    """Opening a socket, with a credential that holds."""
    GREETING = auto()
    """Waiting for `connected`."""
    OPEN = auto()
    """Asking for rooms, taking events, sending what is in the outbox."""
    WAITING = auto()
    """Waiting before the next attempt, longer each time, a random part of it."""
    CLOSED = auto()
    """Over: closed by the application, or refused for good."""


class LinkEvent(Enum):
    """What happens to a connection."""

    START = auto()
    """A first room is opened."""
    CONNECTED = auto()
    """The socket is open."""
    GREETED = auto()
    """The service knows who we are."""
    LOST = auto()
    """It did not come about, broke, was silent for too long, or was closed in a way that passes."""
    MOVE = auto()
    """The service is going, and our moment to move has come."""
    REFUSED = auto()
    """The credential does not hold, and there is no other."""
    TIMER = auto()
    """The wait is over."""
    STOP = auto()
    """The application closes it."""


LINK: dict[Link, dict[LinkEvent, Link]] = {
    Link.IDLE: {LinkEvent.START: Link.CONNECTING, LinkEvent.STOP: Link.CLOSED},
    Link.CONNECTING: {
        LinkEvent.CONNECTED: Link.GREETING,
        LinkEvent.LOST: Link.WAITING,
        LinkEvent.REFUSED: Link.CLOSED,
        LinkEvent.STOP: Link.CLOSED,
    },
    Link.GREETING: {
        LinkEvent.GREETED: Link.OPEN,
        LinkEvent.LOST: Link.WAITING,
        LinkEvent.REFUSED: Link.CLOSED,
        LinkEvent.STOP: Link.CLOSED,
    },
    Link.OPEN: {
        LinkEvent.LOST: Link.WAITING,
        LinkEvent.MOVE: Link.CONNECTING,
        LinkEvent.REFUSED: Link.CLOSED,
        LinkEvent.STOP: Link.CLOSED,
    },
    Link.WAITING: {LinkEvent.TIMER: Link.CONNECTING, LinkEvent.STOP: Link.CLOSED},
    Link.CLOSED: {},
}
"""Where each event leads. What is not listed cannot happen in that state, and is a fault of this package if it does."""


class Place(Enum):
    """What a room of a connection is doing."""

    WANTED = auto()
    """To be asked for as soon as the connection is open."""
    ASKED = auto()
    """Asked for; `subscribed` is to come. What comes before it belongs to an earlier subscription and is passed over."""
    FILLING = auto()
    """Subscribed without a cursor that held: its snapshot is the next thing to come."""
    FOLLOWING = auto()
    """Every event is the one after the last."""
    FULL = auto()
    """The application is behind: left off, to be asked for again from where its buffer ends."""
    RESTING = auto()
    """Refused for a while; to be asked for again after that."""
    ENDED = auto()
    """Nothing more comes: closed by the application, or ended by the service."""


class PlaceEvent(Enum):
    """What happens to a room."""

    ASK = auto()
    """The connection is open and asks for it."""
    SUBSCRIBED = auto()
    """The service begins, with a snapshot."""
    RESUMED = auto()
    """The service goes on from our cursor."""
    STATE = auto()
    """A snapshot or a reset: the room as it stands."""
    EVENT = auto()
    """An event with its place in the log, which is the next one."""
    GAP = auto()
    """An event whose place is not the next one: a fault of the service."""
    OVERFLOW = auto()
    """The buffer is full."""
    DRAINED = auto()
    """The application has caught up with half of the buffer."""
    DEFERRED = auto()
    """The service refuses for now."""
    TIMER = auto()
    """That time is over."""
    LOST = auto()
    """The connection is gone."""
    ENDED = auto()
    """The service ends or refuses it, or the application closes it."""


_OVER = {PlaceEvent.ENDED: Place.ENDED}
ROOM: dict[Place, dict[PlaceEvent, Place]] = {
    Place.WANTED: {PlaceEvent.ASK: Place.ASKED, PlaceEvent.LOST: Place.WANTED, **_OVER},
    Place.ASKED: {
        PlaceEvent.SUBSCRIBED: Place.FILLING,
        PlaceEvent.RESUMED: Place.FOLLOWING,
        PlaceEvent.DEFERRED: Place.RESTING,
        PlaceEvent.LOST: Place.WANTED,
        **_OVER,
    },
    Place.FILLING: {
        PlaceEvent.STATE: Place.FOLLOWING,
        PlaceEvent.GAP: Place.WANTED,
        PlaceEvent.LOST: Place.WANTED,
        **_OVER,
    },
    Place.FOLLOWING: {
        PlaceEvent.EVENT: Place.FOLLOWING,
        PlaceEvent.STATE: Place.FOLLOWING,
        PlaceEvent.GAP: Place.WANTED,
        PlaceEvent.OVERFLOW: Place.FULL,
        PlaceEvent.LOST: Place.WANTED,
        **_OVER,
    },
    Place.FULL: {PlaceEvent.DRAINED: Place.WANTED, PlaceEvent.LOST: Place.FULL, **_OVER},
    Place.RESTING: {PlaceEvent.TIMER: Place.WANTED, PlaceEvent.LOST: Place.WANTED, **_OVER},
    Place.ENDED: {},
}
"""Where each event leads. What is not listed is passed over in that state: a late frame of a subscription that is no more."""


def moved(state: Link, event: LinkEvent) -> Link:
    """Give a connection's next state; raises KeyError for what cannot happen."""
    return LINK[state][event]


def placed(state: Place, event: PlaceEvent) -> Place | None:
    """Give a room's next state; None for what is passed over."""
    return ROOM[state].get(event)
