"""What is asked most, served past the framework: the same handler with the same caller and key, and the same answers.

The framework's routing, signatures and responses took 160 of the 464 CPU µs of a message sent by REST.
"""

from typing import Any, Protocol, cast

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import HTTPScope, Receive, Send

from api.edge.auth import provide_caller, provide_key
from api.edge.given import Given
from api.edge.origins import ASGIMessage, ASGIReceive, ASGISend, ASGIService
from api.edge.problems import on_fault, on_framework_refusal, on_refusal
from tenants.errors import ServiceError


class Handler(Protocol):
    """Answers what is asked of a room, under an idempotency key."""

    async def __call__(self, **given: Any) -> Response[bytes]:  # noqa: ANN401 - each by the name that the framework has for it
        """Answer."""
        ...


class Straight:
    """Stands before the framework, and takes from it the one operation of a room whose path has this end."""

    def __init__(self, framework: ASGIService, handler: HTTPRouteHandler, given: Given) -> None:
        """Serve what is `handler`'s, whose path is `…/{room_id:str}/…`; leave everything else to `framework`."""
        (template,) = handler.paths
        self._framework = framework
        self._handler = handler
        self._answer = cast("Handler", handler.fn)
        self._given = given
        (self._method,) = handler.http_methods
        self._start, self._end = template.split("{room_id:str}")
        self._template = f"{self._start}{{room_id}}{self._end}"

    async def __call__(self, scope: ASGIMessage, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request."""
        path = scope["path"]
        room_id = path[len(self._start) : -len(self._end)]
        is_ours = (
            scope["type"] == "http"
            and scope["method"] == self._method
            and path.startswith(self._start)
            and path.endswith(self._end)
            and room_id
            and "/" not in room_id
        )
        if not is_ours:
            await self._framework(scope, receive, send)
            return
        scope["path_template"] = self._template
        scope["path_params"] = {"room_id": room_id}
        scope["route_handler"] = self._handler
        request = Request[Any, Any, Any](cast("HTTPScope", scope), cast("Receive", receive), cast("Send", send))
        answer = await self._ask(request, room_id)
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        headers += [
            (b"content-type", str(answer.media_type).encode()),
            (b"content-length", str(len(answer.content)).encode()),
        ]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.content})

    async def _ask(self, request: Request[Any, Any, Any], room_id: str) -> Response[bytes]:
        try:
            caller = await provide_caller(request, self._given)
            key = await provide_key(request, caller)
            return await self._answer(request=request, room_id=room_id, caller=caller, key=key, given=self._given)
        except ServiceError as error:
            return on_refusal(request, error)
        except HTTPException as error:
            return on_framework_refusal(request, error)
        except Exception as error:  # noqa: BLE001 - answered and logged, as the framework has it done
            return on_fault(request, error)
