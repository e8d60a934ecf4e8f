"""What an app is set to, by the operator."""

import httpx2
import pytest

from tests.support.plain import plain_client
from tests.support.world import World


async def change(world: World, settings: dict[str, object]) -> httpx2.Response:
    service = world.app.service
    headers = {"Authorization": f"Bearer {service.operator_token}"}
    async with plain_client(service.internal_url, headers=headers) as operator:
        return await operator.patch(f"/operator/apps/{world.app.id}", json=settings)


async def test_what_is_absent_stays(world: World) -> None:
    """A change sets what it names and leaves the rest; null ends a retention."""
    first = await change(world, {"name": "B", "retention_s": 3600, "limits": {"rooms": 1}})
    assert first.status_code == 200, first.text
    assert (first.json()["retention_s"], first.json()["allowed_origins"]) == (3600, ["*"])
    second = (await change(world, {"allowed_origins": ["https://chat.example:8443"]})).json()
    assert (second["name"], second["retention_s"], second["limits"]) == ("B", 3600, {"rooms": 1})
    assert (await change(world, {"retention_s": None, "suspended": True})).json()["retention_s"] is None
    assert (await change(world, {"suspended": False})).json()["suspended"] is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"allowed_origins": ["chat.example"]},
        {"allowed_origins": ["https://chat.example/"]},
        {"allowed_origins": ["https://*.example"]},
        {"retention_s": 0},
        {"limits": [1]},
        {"limits": {"unknown": 1}},
        {"limits": {"rooms": -1}},
        {"limits": {"app_sends": {"per_s": 0, "burst": 1}}},
        {"limits": {"app_sends": {"per_s": 1, "burst": 0}}},
        {"unknown": 1},
    ],
)
async def test_what_no_app_can_be_set_to_is_refused(world: World, wrong: dict[str, object]) -> None:
    """A wrong value is refused with its pointer, and nothing is changed."""
    answer = await change(world, wrong)
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"
