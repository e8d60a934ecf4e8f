"""Serving a connection, whatever carries it: registered, written, watched, let go of."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from api.subscriptions.connection import Connection
from api.subscriptions.connections import Connections
from api.subscriptions.frames import CloseCode
from tenants.authority import Credentialed

log = structlog.get_logger()

GONE = "gone"

ReceiveAny = Callable[[], Awaitable[dict[str, Any]]]
SendAny = Callable[[dict[str, Any]], Awaitable[None]]


class Hangup(Exception):
    """The connection is to be closed with a code."""

    def __init__(self, code: CloseCode, reason: str | None = None) -> None:
        """Close with `code`, for its own reason or a more exact one."""
        super().__init__(code)
        self.code = code
        self.reason = reason or code.name.lower()


class Gone(Exception):
    """The client has closed the connection or vanished."""


@asynccontextmanager
async def registered(connections: Connections, connection: Connection, who: Credentialed) -> AsyncGenerator[None]:
    """Have the sweep, the drain and revocations reach a connection, and let go of all that it holds at the end.

    Nothing may be awaited between the last look at the credential and this, or a revocation in between is missed.
    """
    connections.add(connection, who)
    end: str = GONE
    try:
        yield
        end = GONE if connection.close_code is None else str(int(connection.close_code))
    except Hangup as hangup:
        end = str(int(hangup.code))
        raise
    finally:
        connections.closed[end] += 1
        connections.remove(connection)
        await connection.end()


async def run(connection: Connection, *listening: Coroutine[Any, Any, None]) -> CloseCode | None:
    """Write until the connection is to be closed, and give the code; or until one of the transport's own parts ends.

    Raises what those raise: `Gone`, `Hangup`, OSError; any other fault is logged and becomes a `Hangup`.
    """
    tasks = [asyncio.create_task(part) for part in (connection.write(), *listening)]
    try:
        done, _ = await asyncio.wait((*tasks, connection.given_up), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except (Gone, Hangup, OSError):
        raise
    except Exception as error:
        log.exception("connection_failed", **connection.caller.log_fields())
        raise Hangup(CloseCode.FAULT) from error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return connection.close_code


async def gone(receive: ReceiveAny) -> None:
    """Raise `Gone` when the client of an HTTP request has left; what else it sends is passed over."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise Gone
