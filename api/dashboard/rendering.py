"""Pages out: templates with what is shown in them, all of it as text."""

import base64
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tenants.clock import to_rfc3339
from tenants.grants import Grant

HERE = Path(__file__).parent
PAGES = HERE / "pages"
STATIC = HERE / "static"
VENDOR = STATIC / "vendor"
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def read_static() -> dict[str, bytes]:
    """Give our own static files, and those of others that we keep a copy of, by their names."""
    paths = [*STATIC.iterdir(), *VENDOR.iterdir()]
    return {path.name: path.read_bytes() for path in sorted(paths) if path.suffix in TYPES}


def integrity_of(body: bytes) -> str:
    """Give what a browser must find a file's digest to be, before it runs it."""
    return "sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode()


def version_of(files: dict[str, bytes]) -> str:
    """Name what the files hold, so that browsers may keep them for as long as they are the same."""
    whole = hashlib.sha256()
    for name, body in files.items():
        whole.update(name.encode() + b"\0" + hashlib.sha256(body).digest())
    return whole.hexdigest()[:16]


FILES = read_static()
VERSION = version_of(FILES)
INTEGRITY = {path.name: integrity_of(FILES[path.name]) for path in VENDOR.iterdir() if path.suffix in TYPES}
"""Of the files that others wrote."""


def moment(at: datetime | str | None) -> Markup:
    """Write a moment for people, and for machines beside it."""
    if at is None:
        return Markup("never")
    text = to_rfc3339(at) if isinstance(at, datetime) else at
    parsed = datetime.fromisoformat(text)
    return Markup('<time datetime="{}">{}</time>').format(text, parsed.strftime("%-d %b %Y, %H:%M UTC"))


def instant(at: str) -> Markup:
    """Write a moment to the millisecond, as what happens one right after the other is told apart."""
    parsed = datetime.fromisoformat(at)
    text = f"{parsed.strftime('%-d %b %Y, %H:%M:%S')}.{parsed.microsecond // 1000:03} UTC"
    return Markup('<time datetime="{}">{}</time>').format(at, text)


def pretty(detail: object) -> str:
    """Write details for people, one a line where there are several."""
    return json.dumps(detail, indent=1, ensure_ascii=False)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    environment.filters["instant"] = instant
    environment.filters["pretty"] = pretty
    return environment


_ENVIRONMENT = _environment()
EVERYWHERE: dict[str, Any] = {"static": f"/static/{VERSION}", "integrity": INTEGRITY, "all_grants": len(Grant)}


def render(page: str, **shown: Any) -> str:  # noqa: ANN401 - whatever the page shows
    """Give a page's HTML."""
    return _ENVIRONMENT.get_template(page).render(EVERYWHERE | shown)
