"""What stands before the dashboard, without the dashboard."""

from typing import Any

import pytest

from api.dashboard.headers import Headers


async def asked(url: str, host: bytes, kind: str = "http") -> list[dict[str, Any]]:
    """Give what is answered to a request that names a host."""
    told: list[dict[str, Any]] = []

    async def service(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    await Headers(service, url)({"type": kind, "headers": [(b"host", host)]}, None, send)  # type: ignore[arg-type]
    return told


@pytest.mark.parametrize(
    ("url", "host", "is_secure"),
    [
        ("https://dashboard.example.com", b"dashboard.example.com", True),
        ("https://dashboard.example.com:443", b"Dashboard.example.com", True),
        ("http://127.0.0.1:8070", b"127.0.0.1:8070", False),
    ],
)
async def test_on_https_browsers_are_to_keep_to_it(url: str, host: bytes, *, is_secure: bool) -> None:
    """Not on http, which is for trying things out; what an answer says itself is not said twice."""
    (start,) = await asked(url, host)
    headers = dict(start["headers"])
    assert start["status"] == 200
    assert (b"strict-transport-security" in headers) is is_secure
    assert len(start["headers"]) == len(headers)
    assert headers[b"cache-control"] == b"public"


async def test_another_host_s_name_and_sockets_are_refused() -> None:
    """With the headers of every answer, and without a word of ours."""
    start, body = await asked("https://dashboard.example.com", b"evil.example")
    assert start["status"] == 421
    assert b"strict-transport-security" in dict(start["headers"])
    assert b"<" not in body["body"]
    (closed,) = await asked("https://dashboard.example.com", b"dashboard.example.com", "websocket")
    assert closed["type"] == "websocket.close"
