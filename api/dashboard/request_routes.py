"""The request log of an app: what its servers and users have asked of late, and what came of it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.app_head import head_of
from api.dashboard.permissions import Operation
from api.dashboard.snippets import repeated_snippet
from api.dashboard.visit import Visit
from api.errors import catalogue
from tenants.apps import App
from tenants.clock import now
from tenants.errors import NotFound
from tenants.ids import KeyNumber
from tenants.keys import ApiKey, key_id, list_keys, parse_key_id
from tenants.request_log import KEPT_DAYS, KEPT_LINES, Line, Wanted, lines_of

PAGE = 50
MAX_LINE = 2**63 - 1
MAX_DIGITS = 19
MAX_WORDS = 200
CLASSES = {"1": "sockets opened", "2": "2xx", "3": "3xx", "4": "4xx", "5": "5xx"}
FIELDS = ("status", "code", "key", "words", "request")
MEANINGS = {str(entry["code"]): str(entry["title"]) for entry in catalogue()}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the filter's form says, as it was sent, and where in the log to look."""

    fields: dict[str, str]
    before: int | None
    after: int | None

    @classmethod
    def read(cls, visit: Visit) -> "Asked":
        """Read an address; raises `NotFound` for what no page of ours links to."""
        fields = {name: (visit.asked(name) or "")[:MAX_WORDS] for name in FIELDS}
        if fields["status"] not in {"", *CLASSES}:
            raise NotFound
        return cls(fields, visit.number("before"), visit.number("after"))

    def wanted(self, app: App) -> Wanted:
        """Give what it wants of an app's lines; raises `NotFound` for another app's key."""
        key = parse_key_id(app.scope, self.fields["key"]) if self.fields["key"] else None
        if self.fields["key"] and key is None:
            raise NotFound
        return Wanted(
            status=int(self.fields["status"]) if self.fields["status"] else None,
            code=self.fields["code"] or None,
            key=key,
            request_id=self.fields["request"] or None,
            words=self.fields["words"] or None,
        )

    @property
    def is_filtered(self) -> bool:
        """Whether anything is asked for but the newest."""
        return any(self.fields.values())

    def link(self, *, before: int | None = None, after: int | None = None) -> str:
        """Spell the query of a page of the same lines."""
        named = {**self.fields, "before": before, "after": after}
        return urlencode({name: value for name, value in named.items() if value})


@get("/apps/{app_id:str}/requests", operation=Operation.SEE_REQUESTS)
async def show_requests(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show a page of an app's request log, the newest line first."""
    app = await visit.app(app_id)
    asked = Asked.read(visit)
    wanted = asked.wanted(app)
    # One more than is shown tells whether there is a page beyond.
    found = await lines_of(
        visit.parts.postgres, app.scope.app, wanted, before=asked.before, after=asked.after, limit=PAGE + 1
    )
    is_more = len(found) > PAGE
    shown = found[:PAGE] if asked.after is None else found[-PAGE:]
    has_older = is_more if asked.after is None else bool(shown)
    has_newer = is_more if asked.after is not None else asked.before is not None and bool(shown)
    keys = await list_keys(visit.parts.postgres, app.scope.app)
    return visit.page(
        "requests.html",
        app=head_of(app),
        lines=[_shown(visit.parts.public_url, app, line, keys) for line in shown],
        asked=asked,
        classes=CLASSES,
        codes=sorted(MEANINGS),
        keys=keys,
        here=asked.link(before=asked.before, after=asked.after),
        older=asked.link(before=shown[-1].id) if has_older else None,
        newer=asked.link(after=shown[0].id) if has_newer else None,
        is_first=asked.before is None and asked.after is None,
        as_of=f"{now():%H:%M:%S} UTC",
        kept={"days": KEPT_DAYS, "lines": f"{KEPT_LINES:,}"},
        reference=f"{visit.parts.public_url}/reference",
    )


ROUTES = [show_requests]


def _shown(public_url: str, app: App, line: Line, keys: list[ApiKey]) -> dict[str, object]:
    return {
        "id": line.id,
        "at": line.at.isoformat(timespec="milliseconds"),
        "day": f"{line.at.day} {line.at:%b}",
        "time": f"{line.at:%H:%M:%S}",
        "moment": f"{line.at.day} {line.at:%b %Y, %H:%M:%S}.{line.at.microsecond // 1000:03d} UTC",
        "method": line.method,
        "path": line.path,
        "query": line.query,
        "status": line.status,
        "kind": "bad" if line.status >= 400 else "good",  # noqa: PLR2004 - HTTP's failures
        "code": line.code,
        "meaning": MEANINGS.get(line.code or ""),
        "took_ms": line.took_ms,
        "request_id": line.request_id,
        "key": _label(app, line.key, keys),
        "user": line.user,
        "is_user": line.is_user,
        "address": line.address,
        "left_out": line.left_out,
        "curl": repeated_snippet(public_url, line.method, line.path, line.query, line.user, status=line.status),
    }


def _label(app: App, number: KeyNumber | None, keys: list[ApiKey]) -> dict[str, str] | None:
    if number is None:
        return None
    label = next((key.label for key in keys if key.number == number), "")
    return {"id": key_id(app.scope.app, number), "label": label}
