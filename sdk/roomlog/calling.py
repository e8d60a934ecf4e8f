"""Calls over HTTP: from what a method was given to a request, from an answer to a value or an exception, with retries between."""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeAlias, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from roomlog._generated.errors import BY_CODE
from roomlog.credentials import Credential, Refusals
from roomlog.errors import ApiError, RoomlogError, UnexpectedAnswer, Unreachable
from roomlog.retries import Retries, read_retry_after
from roomlog.unknown import decode, to_wire

T = TypeVar("T")
Item = TypeVar("Item")
Page = TypeVar("Page")


class NotGiven:
    """Stands for an argument that was not given, where None means something else."""

    def __bool__(self) -> bool:
        """Count as false."""
        return False

    def __repr__(self) -> str:
        """Show as what it is."""
        return "NOT_GIVEN"


NOT_GIVEN: Final = NotGiven()
Given: TypeAlias = T | NotGiven
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})


@dataclass(frozen=True)
class Call:
    """One request, as a method writes it."""

    method: str
    template: str
    path: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: Mapping[str, Any] | None = None
    takes_key: bool = False
    key: str | None = None
    if_match: str | None = None

    @property
    def url(self) -> str:
        """The path, with what was given quoted: an id stays one segment. Raises ValueError for what can be none."""
        for name, value in self.path.items():
            if value in {"", ".", ".."} or "/" in value:
                raise ValueError(f"{name}: {value!r} is no id.")
        return self.template.format_map({name: quote(value, safe="") for name, value in self.path.items()})

    @property
    def is_repeatable(self) -> bool:
        """Whether it does the same when it is done twice."""
        return self.takes_key or self.method in REPEATABLE


@dataclass(frozen=True)
class Options:
    """How a client asks."""

    base_url: str
    timeout_s: float = 30.0
    retries: Retries = field(default_factory=Retries)
    acting_as: str | None = None
    user_agent: str = "roomlog-python"


def prepare(call: Call, options: Options) -> dict[str, Any]:
    """Write a call as what httpx2 takes; the credential comes later."""
    headers: dict[str, str] = {"Accept": "application/json", "User-Agent": options.user_agent}
    if options.acting_as is not None:
        headers["Roomlog-As"] = options.acting_as
    if call.takes_key:
        # Every attempt has the same: the service does it once.
        headers["Idempotency-Key"] = call.key or secrets.token_hex(16)
    if call.if_match is not None:
        headers["If-Match"] = call.if_match
    request: dict[str, Any] = {"method": call.method, "url": call.url, "headers": headers}
    query = {name: _text(value) for name, value in call.query.items() if value is not None and value is not NOT_GIVEN}
    if query:
        request["params"] = query
    if call.body is not None:
        body = {name: value for name, value in call.body.items() if value is not NOT_GIVEN}
        request["content"] = msgspec.json.encode(to_wire(body))
        headers["Content-Type"] = "application/json"
    return request


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_answer(answer: httpx2.Response) -> None:
    """Raise an `ApiError` for a refusal, `UnexpectedAnswer` for what is none of the service's."""
    if not answer.is_success:
        raise refusal(answer)


def read_answer(answer: httpx2.Response, kind: type[T]) -> T:
    """Read an answer as a value; raises like `check_answer`."""
    check_answer(answer)
    try:
        value = decode(answer.content, kind)
    except msgspec.MsgspecError as error:
        raise UnexpectedAnswer(f"{answer.request.method} {answer.request.url.path}: {error}") from error
    if hasattr(value, "etag"):
        setattr(value, "etag", answer.headers.get("etag"))  # noqa: B010 - whatever kind it is, it has one
    return value


def refusal(answer: httpx2.Response) -> RoomlogError:
    """Give the exception of a refusal."""
    request_id = answer.headers.get("x-request-id")
    try:
        problem = json.loads(answer.content)
        code = problem["code"]
    except (ValueError, KeyError, TypeError):
        where = f"{answer.request.method} {answer.request.url.path}"
        return UnexpectedAnswer(f"{where} was answered with {answer.status_code} and no problem: {answer.text[:200]!r}")
    error = BY_CODE.get(code, ApiError)(problem, answer.status_code, request_id)
    if error.retry_after_s is None:
        error.retry_after_s = read_retry_after(answer.headers.get("retry-after"))
    return error


class Attempts:
    """How often one call is made: what both twins decide between two attempts."""

    def __init__(self, call: Call, retries: Retries) -> None:
        """Begin."""
        self._call = call
        self._retries = retries
        self._attempt = 0
        self.refusals = Refusals()

    def after_failure(self, error: httpx2.TransportError) -> float:
        """Give how long to wait after an attempt without an answer; raises `Unreachable` if there is none after it."""
        never_went_out = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
        if self._attempt == self._retries.times or not (self._call.is_repeatable or never_went_out):
            raise Unreachable(f"{self._call.method} {self._call.url}: {error!r}") from error
        return self._next(None)

    def after_answer(self, answer: httpx2.Response, renewable: str | None) -> float | None:
        """Give how long to wait before asking again; None: this answer is the one.

        `renewable` is the credential that was used, if another can be had.
        """
        is_refused = answer.status_code == 401  # noqa: PLR2004
        if is_refused and renewable is not None and self.refusals.is_worth_another(renewable):
            return 0.0
        retry_after_s = read_retry_after(answer.headers.get("retry-after"))
        # With that header the service says that nothing was done.
        may_repeat = self._call.is_repeatable or (answer.status_code in {429, 503} and retry_after_s is not None)
        if not may_repeat or not self._retries.is_worth(self._attempt, answer.status_code):
            return None
        return self._next(retry_after_s)

    def _next(self, retry_after_s: float | None) -> float:
        wait_s = self._retries.wait_s(self._attempt, retry_after_s)
        self._attempt += 1
        return wait_s


class Caller:
    """Calls and waits."""

    def __init__(self, http: httpx2.Client, credential: Credential, options: Options) -> None:
        """Call by `http` as `credential`."""
        self._http = http
        self._credential = credential
        self.options = options

    def acting_as(self, user: str) -> "Caller":
        """Give one that calls in a user's name, over the same connections."""
        return Caller(self._http, self._credential, replace(self.options, acting_as=user))

    def call(self, call: Call, kind: type[T]) -> T:
        """Make a call and read its answer."""
        return read_answer(self.send(call), kind)

    def do(self, call: Call) -> None:
        """Make a call whose answer says nothing but that it is done."""
        check_answer(self.send(call))

    def send(self, call: Call) -> httpx2.Response:
        """Make a call, again where that helps, and give the last answer as it came."""
        request, attempts = prepare(call, self.options), Attempts(call, self.options.retries)
        while True:
            credential = self._credential.get(attempts.refusals.last)
            request["headers"]["Authorization"] = f"Bearer {credential}"
            try:
                answer = self._http.request(**request)
            except httpx2.TransportError as error:
                time.sleep(attempts.after_failure(error))
                continue
            wait_s = attempts.after_answer(answer, credential if self._credential.renews else None)
            if wait_s is None:
                return answer
            time.sleep(wait_s)


class AsyncCaller:
    """Calls and awaits."""

    def __init__(self, http: httpx2.AsyncClient, credential: Credential, options: Options) -> None:
        """Call by `http` as `credential`."""
        self._http = http
        self._credential = credential
        self.options = options

    def acting_as(self, user: str) -> "AsyncCaller":
        """Give one that calls in a user's name, over the same connections."""
        return AsyncCaller(self._http, self._credential, replace(self.options, acting_as=user))

    async def call(self, call: Call, kind: type[T]) -> T:
        """Make a call and read its answer."""
        return read_answer(await self.send(call), kind)

    async def do(self, call: Call) -> None:
        """Make a call whose answer says nothing but that it is done."""
        check_answer(await self.send(call))

    async def send(self, call: Call) -> httpx2.Response:
        """Make a call, again where that helps, and give the last answer as it came."""
        request, attempts = prepare(call, self.options), Attempts(call, self.options.retries)
        while True:
            credential = await self._credential.aget(attempts.refusals.last)
            request["headers"]["Authorization"] = f"Bearer {credential}"
            try:
                answer = await self._http.request(**request)
            except httpx2.TransportError as error:
                await asyncio.sleep(attempts.after_failure(error))
                continue
            wait_s = attempts.after_answer(answer, credential if self._credential.renews else None)
            if wait_s is None:
                return answer
            await asyncio.sleep(wait_s)


# ---- lists


class _Walk(Generic[Page]):
    """Where a list goes on: onwards by `next` and `after`, or, where the first page is the last one, back by `previous`."""

    def __init__(self, call: Call) -> None:
        self._call: Call | None = call
        self._is_back: bool | None = True if _given(call, "before") else None
        self._is_one = _given(call, "around")

    def next_call(self) -> Call | None:
        return self._call

    def is_back(self) -> bool:
        return bool(self._is_back)

    def note(self, page: Any) -> None:
        """Take in a page."""
        call = self._call
        if call is None or self._is_one:
            self._call = None
            return
        following, previous = page.next, getattr(page, "previous", None)
        if self._is_back is None:
            self._is_back = following is None and previous is not None and not _given(call, "after")
        at = previous if self._is_back else following
        name = "before" if self._is_back else "after"
        query = {each: value for each, value in call.query.items() if each not in {"before", "after"}}
        self._call = None if at is None else replace(call, query={**query, name: at})


def _given(call: Call, name: str) -> bool:
    return call.query.get(name, NOT_GIVEN) not in (None, NOT_GIVEN)


class Pages(Generic[Item, Page]):
    """A list that comes in pages: iterate over its items, or over `pages()`, or take the `first()` page alone.

    Pages are fetched as they are needed. A list that was asked for without a place to begin, and whose first page is its last,
    is walked back, from the newest item on.
    """

    def __init__(self, caller: Caller, call: Call, page: type[Page], items: str) -> None:
        """Begin with `call`."""
        self._caller = caller
        self._call = call
        self._page = page
        self._items = items

    def first(self) -> Page:
        """Give the first page."""
        return self._caller.call(self._call, self._page)

    def pages(self) -> Iterator[Page]:
        """Give page by page."""
        return (page for page, _ in self._walk())

    def __iter__(self) -> Iterator[Item]:
        """Give item by item."""
        for page, is_back in self._walk():
            items = getattr(page, self._items)
            yield from reversed(items) if is_back else items

    def _walk(self) -> Iterator[tuple[Page, bool]]:
        walk: _Walk[Page] = _Walk(self._call)
        while (call := walk.next_call()) is not None:
            page = self._caller.call(call, self._page)
            walk.note(page)
            yield page, walk.is_back()


class AsyncPages(Generic[Item, Page]):
    """A list that comes in pages: iterate over its items, or over `pages()`, or await the `first()` page alone.

    Pages are fetched as they are needed. A list that was asked for without a place to begin, and whose first page is its last,
    is walked back, from the newest item on.
    """

    def __init__(self, caller: AsyncCaller, call: Call, page: type[Page], items: str) -> None:
        """Begin with `call`."""
        self._caller = caller
        self._call = call
        self._page = page
        self._items = items

    async def first(self) -> Page:
        """Give the first page."""
        return await self._caller.call(self._call, self._page)

    async def pages(self) -> AsyncIterator[Page]:
        """Give page by page."""
        async with contextlib.aclosing(self._walk()) as walk:
            async for page, _ in walk:
                yield page

    async def __aiter__(self) -> AsyncIterator[Item]:
        """Give item by item."""
        async with contextlib.aclosing(self._walk()) as walk:
            async for page, is_back in walk:
                items = getattr(page, self._items)
                for item in reversed(items) if is_back else items:
                    yield item

    async def _walk(self) -> AsyncGenerator[tuple[Page, bool], None]:
        walk: _Walk[Page] = _Walk(self._call)
        while (call := walk.next_call()) is not None:
            page = await self._caller.call(call, self._page)
            walk.note(page)
            yield page, walk.is_back()
