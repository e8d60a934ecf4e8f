"""What forms wish for apps and keys: read, checked, and said of in a sentence where it cannot be."""

import re
from datetime import datetime, timedelta

from api.dashboard.forms import Form, Wrong
from tenants.apps import AppSettings
from tenants.clock import now
from tenants.grants import ALL, Grant
from tenants.policies import Environment

MAX_ORIGINS = 100
MAX_RETENTION_DAYS = 36_600
DAY_S = 86_400
_ORIGIN = re.compile(r"\*|https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII)

EXPIRIES = {"never": None, "30": 30, "90": 90, "365": 365}
"""Days for which a key may hold."""
OVERLAPS = {"0": "at once", "3600": "in an hour", "86400": "in a day", "604800": "in a week"}
"""Seconds for which the secret before goes on to hold, and when it ends in words."""


def environment_of(form: Form) -> Environment:
    """Read whether an app is for trying out or for use; raises `Wrong`."""
    match form.text("environment"):
        case "test":
            return "test"
        case "live":
            return "live"
        case _:
            raise Wrong("environment", "Choose test or live.")


def settings_of(form: Form) -> AppSettings:
    """Read an app's settings; raises `Wrong`."""
    origins = [line.strip().lower().rstrip("/") for line in form.typed("origins").splitlines() if line.strip()]
    strange = next((origin for origin in origins if len(origin) > 255 or _ORIGIN.fullmatch(origin) is None), None)  # noqa: PLR2004
    if strange is not None:
        raise Wrong("origins", f"{strange} is no origin: write https://example.com, one a line, or * for any.")
    if len(origins) > MAX_ORIGINS:
        raise Wrong("origins", f"At most {MAX_ORIGINS} origins.")
    return AppSettings(
        name=form.name("name"), allowed_origins=list(dict.fromkeys(origins)), retention_s=_retention(form)
    )


def expiry_of(form: Form) -> datetime | None:
    """Read until when a key holds; raises `Wrong`."""
    chosen = form.text("expires")
    if chosen not in EXPIRIES:
        raise Wrong("expires", "Choose until when it holds.")
    days = EXPIRIES[chosen]
    return None if days is None else now() + timedelta(days=days)


def grants_of(form: Form) -> frozenset[Grant] | None:
    """Read what a key may do, None for everything; raises `Wrong`."""
    try:
        grants = frozenset(Grant(name) for name in form.chosen("grants"))
    except ValueError as error:
        raise Wrong("grants", "Choose among what is listed.") from error
    if not grants:
        raise Wrong("grants", "Choose at least one thing that the key may do.")
    return None if grants == ALL else grants


def overlap_of(form: Form) -> int:
    """Read for how many seconds the secret before goes on to hold; raises `Wrong`."""
    chosen = form.text("overlap")
    if chosen not in OVERLAPS:
        raise Wrong("overlap", "Choose when the old secret ends.")
    return int(chosen)


def _retention(form: Form) -> int | None:
    days = form.text("retention_days")
    if not days:
        return None
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:9]) <= MAX_RETENTION_DAYS and len(days) < 9):  # noqa: PLR2004
        raise Wrong("retention_days", f"A number of days from 1 to {MAX_RETENTION_DAYS}, or nothing to keep all.")
    return int(days) * DAY_S
