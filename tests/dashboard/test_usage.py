"""Usage: what an app did, as its people are shown it."""

import re

import asyncpg
import pytest

from api.dashboard.usage_routes import NAMES, Period
from tenants.clock import now
from tenants.ids import parse_app_name
from tenants.tallies import DAY, HOUR
from tests.support.dashboard import Browser, text_of

ADD = """
INSERT INTO tallies SELECT $1, date_trunc('day', now(), 'UTC') + make_interval(hours => $2::integer),
       $3::bigint, 2 * $3::bigint, 3 * $3::bigint
"""
ADD_USER = "INSERT INTO active_users SELECT $1, (now() AT TIME ZONE 'UTC')::date + $2::integer, $3::bigint, 1"


async def add(environment: dict[str, str], app: str, *hours: tuple[int, int]) -> None:
    """Have an app send so many messages in hours counted from the beginning of this day."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        for hour, messages in hours:
            await connection.execute(ADD, parse_app_name(app), hour, messages)
        for day in {hour // 24 for hour, _ in hours}:
            await connection.execute(ADD_USER, parse_app_name(app), day, 7)
    finally:
        await connection.close()


def rows_of(page: str) -> list[list[str]]:
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("</tr>")]
    return [[text_of(cell) for cell in row] for row in cells if row]


def tiles_of(page: str) -> dict[str, tuple[str, str]]:
    found = re.findall(
        r'tile"><h2>([^<]+)</h2>\s*<p class="figure">([^<]+)</p>\s*<p class="hint">(.*?)</p>', page, re.DOTALL
    )
    return {name: (figure, " ".join(text_of(told).split())) for name, figure, told in found}


async def test_an_app_that_did_nothing_is_told_what_will_be_counted(owner: Browser) -> None:
    """No table of noughts: what counts as what, and what to do first."""
    app = await owner.make_app()
    page = (await owner.get(f"/apps/{app}/usage")).text
    assert "Nothing to count yet" in page
    assert "<table" not in page
    for name in NAMES.values():
        assert f"<dt>{name}</dt>" in page


async def test_the_table_has_every_hour_so_far(owner: Browser, environment: dict[str, str]) -> None:
    """Each with its figures, and nothing of the days around or of another app; the sums stand above."""
    app, other = await owner.make_app(), await owner.make_app("Other")
    await add(environment, app, (0, 1_234), (-24, 1_000), (-25, 5))
    await add(environment, other, (0, 9))
    page = (await owner.get(f"/apps/{app}/usage")).text
    rows = rows_of(page)
    # The hour may turn between the answer and this look at the clock.
    assert len(rows) in {now().hour + 1, now().hour or 24}
    assert rows[0] == ["00:00", "1,234", "2,468", "3,702", "1"]
    assert all(row[1:] == ["0"] * 4 for row in rows[1:])
    tiles = tiles_of(page)
    assert tiles["Messages"] == ("1,234", "+23 % against 1,000 yesterday up to this hour")
    assert tiles["Active users"] == ("1", "±0 % against 1 yesterday up to this hour")
    assert "UTC" in text_of(page)


async def test_thirty_days_are_shown_by_the_day(owner: Browser, environment: dict[str, str]) -> None:
    """This one and the 29 before; the 30 before those are what it is compared with."""
    app = await owner.make_app()
    await add(environment, app, (0, 10), (-29 * 24, 40), (-30 * 24, 100), (-59 * 24, 100), (-60 * 24, 7))
    page = (await owner.get(f"/apps/{app}/usage?by=day")).text
    rows = rows_of(page)
    assert len(rows) == 30
    assert [row[1] for row in rows] == ["40"] + ["0"] * 28 + ["10"]
    assert tiles_of(page)["Messages"] == ("50", "−75 % against 200 in the 30 days before")
    assert tiles_of(page)["Active users"][0] == "1"


async def test_without_anything_before_no_change_is_made_up(owner: Browser, environment: dict[str, str]) -> None:
    """It says that there was none."""
    app = await owner.make_app()
    await add(environment, app, (0, 10))
    assert tiles_of((await owner.get(f"/apps/{app}/usage")).text)["Messages"] == (
        "10",
        "none yesterday up to this hour",
    )


@pytest.mark.parametrize("role", ["viewer", "developer", "admin"])
async def test_everybody_of_the_team_sees_it(owner: Browser, role: str) -> None:
    """It is linked from each page of the app."""
    app = await owner.make_app()
    person = await owner.invite(role)
    assert f'href="/apps/{app}/usage"' in (await person.get(f"/apps/{app}")).text
    assert (await person.get(f"/apps/{app}/usage?by=nonsense")).status_code == 200


async def test_periods_fit_together() -> None:
    """At every hour of a day: what is compared is as long, ends where it should, and does not overlap."""
    day = now().replace(hour=0, minute=59, second=59)
    for hour in range(24):
        moment = day + hour * HOUR
        today, month = Period.today(moment), Period.month(moment)
        assert today.until - today.first == (hour + 1) * HOUR
        assert today.first - today.before == today.end - today.first == today.until - today.before_until == DAY
        assert month.until - month.first == 30 * DAY == month.first - month.before
        assert month.before_until == month.first
        assert today.first < moment < today.until <= today.end == month.end
