"""The service tells what it is, and serves nothing else."""

import json

import pytest

from tests.support.document import ROOT
from tests.support.world import World


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
async def test_the_service_serves_its_documents(world: World, name: str) -> None:
    """What it serves is the committed document."""
    answer = await world.app.http.get(f"/v1/{name}")
    assert answer.json() == json.loads((ROOT / "openapi" / name).read_text())


async def test_the_reference_page_runs_its_own_script_only(world: World) -> None:
    """The page needs nothing from elsewhere, and may load nothing from there."""
    page = await world.app.http.get("/reference")
    assert 'src="/reference/redoc.js"' in page.text
    assert "://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert len((await world.app.http.get("/reference/redoc.js")).content) > 100_000


@pytest.mark.parametrize(
    "path",
    ["/", "/schema", "/schema/openapi.json", "/docs", "/metrics", "/livez", "/readyz", "/statusz", "/operator/tenants"],
)
async def test_what_is_not_documented_does_not_answer(world: World, path: str) -> None:
    """Neither the framework's own pages nor those of the internal listener are served in public."""
    answer = await world.app.ask("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
