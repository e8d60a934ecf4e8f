"""Checking a deployment before it is relied on: settings, stores, schema, epoch, clocks, limits."""

import asyncio
import json
import resource
from collections.abc import Mapping

from api.log.epochs import Epochs
from api.settings import BadSettings, Settings
from tenants.checks import (
    Finding,
    Verdict,
    check_postgres,
    check_postgres_clock,
    check_redis,
    reach_postgres,
    read_revisions,
)
from tenants.schema import KNOWN_REVISIONS

DESCRIPTORS_WANTED = 4_096
"""A process that can hold fewer connections than this is one to try things with."""


def run_check(environ: Mapping[str, str], *, as_json: bool) -> int:
    """Print a line for each check; gives the exit status, 1 if the service would not run or must not."""
    findings = asyncio.run(_check(environ))
    if as_json:
        told = [{"name": each.name, "verdict": each.verdict.lower(), "text": each.text} for each in findings]
        print(json.dumps(told, indent=2))  # noqa: T201 - what the command is for
    else:
        for each in findings:
            print(f"{each.verdict:<4} {each.name}: {each.text}")  # noqa: T201
    return int(any(each.verdict is Verdict.FAIL for each in findings))


async def _check(environ: Mapping[str, str]) -> list[Finding]:
    try:
        settings = Settings.read(environ)
    except BadSettings as error:
        return [Finding("settings", Verdict.FAIL, f"{line}.") for line in str(error).splitlines()]
    found = [_settings(settings), _descriptors()]
    async with reach_postgres(settings.database_url, found) as connection:
        if connection is not None:
            found += await check_postgres(connection, settings.workers)
            found.append(await check_postgres_clock(connection))
            schema = _schema(await read_revisions(connection))
            found.append(schema)
            if schema.verdict is not Verdict.FAIL:
                newest, is_here = await Epochs.standing(connection)
                found.append(_epoch(newest, is_here=is_here))
    return found + await check_redis(settings.redis_url)


def _settings(settings: Settings) -> Finding:
    if settings.operator_token is not None and settings.internal_host not in {"127.0.0.1", "::1", "localhost"}:
        text = (
            f"The internal listener, with the operator's REST, listens on {settings.internal_host}: "
            "see that no stranger reaches it."
        )
        return Finding("settings", Verdict.WARN, text)
    return Finding("settings", Verdict.OK, "All are there and within their bounds.")


def _descriptors() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < DESCRIPTORS_WANTED:
        text = f"A process may have {soft} open files and so fewer clients. Raise it: LimitNOFILE=65536 or ulimit -n."
        return Finding("file descriptors", Verdict.WARN, text)
    return Finding("file descriptors", Verdict.OK, f"A process may have {soft}.")


def _schema(revisions: set[str]) -> Finding:
    known = ", ".join(sorted(KNOWN_REVISIONS))
    if not revisions:
        return Finding("schema", Verdict.FAIL, "The database has no schema yet. Run: roomlog-server migrate.")
    found = ", ".join(sorted(revisions))
    if revisions <= KNOWN_REVISIONS:
        return Finding("schema", Verdict.OK, f"It is {found}, which this version serves.")
    text = (
        f"It is {found}, this version serves {known}. Run roomlog-server migrate, or a newer version of roomlog-server."
    )
    return Finding("schema", Verdict.FAIL, text)


def _epoch(newest: int | None, *, is_here: bool) -> Finding:
    if newest is None:
        return Finding("epoch", Verdict.OK, "None yet: the first start begins epoch 1.")
    if is_here:
        return Finding("epoch", Verdict.OK, f"The database lives in epoch {newest}.")
    text = (
        f"The database has been restored or promoted since epoch {newest}: the next start begins epoch {newest + 1}. "
        "Make sure that the old server is gone."
    )
    return Finding("epoch", Verdict.WARN, text)
