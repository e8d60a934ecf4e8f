"""What stands before the public service."""

import asyncio
import json
from typing import Any

import pytest

from api.edge.origins import Origins


async def answers(scope: dict[str, Any]) -> dict[bytes, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def service(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]})
        await send({"type": "http.response.body", "body": b""})

    await Origins(service)({"type": "http", "method": "GET", "scheme": "http", "headers": []} | scope, receive, send)
    return dict(sent[0]["headers"])


async def test_https_is_kept_to() -> None:
    """Where the request came by HTTPS, browsers are told to stay there."""
    assert b"max-age=" in (await answers({"scheme": "https"}))[b"strict-transport-security"]
    assert b"strict-transport-security" not in await answers({"scheme": "http"})


async def test_what_an_answer_says_of_caching_stands() -> None:
    """Keys that may be cached go on to be."""
    assert (await answers({}))[b"cache-control"] == b"max-age=60"


@pytest.mark.parametrize("has_begun", [False, True])
async def test_a_request_that_the_end_of_the_process_cuts_off_may_be_repeated(*, has_begun: bool) -> None:
    """503 with a problem and when to come back; what had begun is left as it is."""
    sent: list[Any] = []
    reached = asyncio.Event()

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def service(_scope: Any, _receive: Any, send: Any) -> None:
        if has_begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        reached.set()
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "scheme": "http", "headers": []}
    task = asyncio.create_task(Origins(service)(scope, receive, send))  # type: ignore[arg-type]
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if has_begun:
        assert len(sent) == 1
        return
    assert sent[0]["status"] == 503
    assert dict(sent[0]["headers"])[b"retry-after"] == b"1"
    assert json.loads(sent[1]["body"])["code"] == "unavailable"


@pytest.mark.parametrize("origin", [b"https://a.example\r\nx: y", b"", b"\xff", b"x" * 600])
async def test_what_is_no_origin_is_not_given_back(origin: bytes) -> None:
    """An answer's header is never made from what could not be one."""
    assert b"access-control-allow-origin" not in await answers({"headers": [(b"origin", origin)]})
