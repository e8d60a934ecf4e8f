"""What a tenant lets each of its users and rooms do."""

import asyncio

import pytest

from tests.support.dashboard import Browser, text_of
from tests.support.plain import plain_client

WITHIN_S = 5.0


async def limits_of(browser: Browser, key: str) -> dict[str, object]:
    async with plain_client(browser.service.url) as http:
        answer = await http.get("/v1/limits", headers={"Authorization": f"Bearer {key}"})
    told = answer.json()
    return {each["name"]: (each["per_s"], each["burst"]) for each in told["limits"]} | told["quotas"]


async def until_limits(browser: Browser, key: str, wanted: dict[str, object]) -> None:
    """Wait until every process goes by a change: it takes a second at most."""
    async with asyncio.timeout(WITHIN_S):
        while await limits_of(browser, key) != wanted:
            await asyncio.sleep(0.02)


async def test_a_tenant_s_own_limits_hold_and_end(owner: Browser) -> None:
    """What is set is what holds, each figure by itself; what is emptied is the operator's again."""
    app = await owner.make_app()
    _, key = await owner.make_key(app, grants=["rooms:write"])
    before = await limits_of(owner, key)
    wish = {"user_sends_per_s": "0.5", "user_requests_burst": "20", "room_members_burst": "7"}
    answer = await owner.post(f"/apps/{app}/limits", wish)
    assert answer.headers["location"] == f"/apps/{app}/limits?done=limits_changed"
    changed = {"user_sends": (0.5, 50), "user_requests": (50, 20), "room_members": 7}
    await until_limits(owner, key, before | changed)
    page = (await owner.get(f"/apps/{app}/limits")).text
    assert 'value="0.5"' in page
    async with plain_client(owner.service.url) as http:
        members = [f"user {number}" for number in range(8)]
        many = await http.post("/v1/rooms", json={"members": members}, headers={"Authorization": f"Bearer {key}"})
    assert many.json()["code"] == "quota_exceeded"
    await owner.post(f"/apps/{app}/limits", {})
    await until_limits(owner, key, before)


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("user_sends_per_s", "10.5"),
        ("user_sends_per_s", "0"),
        ("user_sends_per_s", "1e1"),
        ("user_sends_burst", "51"),
        ("user_sends_burst", "0"),
        ("user_sends_burst", "1.5"),
        ("room_members_burst", "20001"),
        ("user_connections_burst", "-1"),
        ("user_connections_burst", "\N{ARABIC-INDIC DIGIT FIVE}"),
    ],
)
async def test_no_tenant_sets_more_than_it_has(owner: Browser, field: str, typed: str) -> None:
    """It is told which figure is wrong and what it may be, finds there what it typed, and nothing is changed."""
    app = await owner.make_app()
    _, key = await owner.make_key(app)
    before = await limits_of(owner, key)
    answer = await owner.post(f"/apps/{app}/limits", {field: typed, "room_sends_burst": "3"})
    assert answer.status_code == 400
    assert "A number from" in text_of(answer.text)
    assert f'value="{typed}"' in answer.text
    assert await limits_of(owner, key) == before


async def test_what_the_operator_lowers_is_the_most(owner: Browser) -> None:
    """A tenant's own limit of before is not above it."""
    app = await owner.make_app()
    _, key = await owner.make_key(app)
    before = await limits_of(owner, key)
    await owner.post(f"/apps/{app}/limits", {"user_sends_burst": "40", "user_sends_per_s": "2"})
    operator = {"Authorization": f"Bearer {owner.service.operator_token}"}
    async with plain_client(owner.service.internal_url, headers=operator) as http:
        wish = {"limits": {"user_sends": {"per_s": 5, "burst": 10}}}
        assert (await http.patch(f"/operator/apps/{app}", json=wish)).status_code == 200
    await until_limits(owner, key, before | {"user_sends": (2, 10)})
