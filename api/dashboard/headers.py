"""What every answer of the dashboard says to browsers, and the hosts by whose name it answers at all."""

import secrets
from typing import Any

from api.dashboard.csrf import origin_of
from api.edge.origins import ASGIMessage, ASGIReceive, ASGISend, ASGIService

NONCE = "nonce"
"""Where a request's scope has the nonce of its answer."""
NONCE_BYTES = 16
HSTS = b"max-age=63072000"
CLOSE_POLICY = 1008
WRONG_HOST = b"The dashboard does not answer by this name.\n"


class Headers:
    """Stands before the dashboard: refuses other hosts' names and sockets, and adds the headers."""

    def __init__(self, service: ASGIService, dashboard_url: str) -> None:
        """Stand before `service`, which answers at `dashboard_url` and by no other name."""
        scheme, _, host = origin_of(dashboard_url).partition("://")
        self._service = service
        self._host = host.encode()
        self._is_secure = scheme == "https"

    async def __call__(self, scope: ASGIMessage, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": CLOSE_POLICY})
            return
        nonce = scope[NONCE] = secrets.token_urlsafe(NONCE_BYTES)
        ours = self._headers(nonce)

        async def send_with_headers(message: ASGIMessage) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*_those_not_in(ours, message["headers"]), *message["headers"]]
            await send(message)

        hosts = [value.lower() for name, value in scope["headers"] if name == b"host"]
        if hosts != [self._host]:
            # Plain, for whoever has this name may be after what a page would say of itself.
            plain = [(b"content-type", b"text/plain; charset=utf-8")]
            await send_with_headers({"type": "http.response.start", "status": 421, "headers": plain})
            await send_with_headers({"type": "http.response.body", "body": WRONG_HOST})
            return
        await self._service(scope, receive, send_with_headers)

    def _headers(self, nonce: str) -> list[tuple[bytes, bytes]]:
        headers = [
            (b"content-security-policy", content_policy(nonce).encode()),
            (b"x-content-type-options", b"nosniff"),
            # Not no-referrer, under which browsers send `Origin: null` with our own forms.
            (b"referrer-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cache-control", b"no-store"),
        ]
        return [*headers, (b"strict-transport-security", HSTS)] if self._is_secure else headers


def content_policy(nonce: str, api_url: str | None = None) -> str:
    """Say what a page may load: scripts that carry the nonce, our styles and pictures; and whose answers, the API's if named."""
    api = "" if api_url is None else f" {origin_of(api_url)} {origin_of(api_url).replace('http', 'ws', 1)}"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'nonce-{nonce}' 'strict-dynamic'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self'{api}",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
            "require-trusted-types-for 'script'",
            # Of htmx, which swaps in what we render, and then only elements that carry the page's nonce do anything.
            "trusted-types htmx",
        ]
    )


def _those_not_in(ours: list[tuple[bytes, bytes]], said: Any) -> list[tuple[bytes, bytes]]:  # noqa: ANN401 - of ASGI
    names = {name.lower() for name, _ in said}
    return [(name, value) for name, value in ours if name not in names]
