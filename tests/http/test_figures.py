"""What the internal listener shows: figures that move, and that whoever watches can rely on."""

import json
import re
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.document import public_client
from tests.support.plain import plain_client
from tests.support.processes import Service
from tests.support.world import World

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


async def figures(service: Service) -> dict[str, float]:
    """Give all samples, named as in the text."""
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(await text(service))
        for sample in family.samples
    }


async def text(service: Service) -> str:
    async with plain_client(service.internal_url) as http:
        answer = await http.get("/metrics")
        assert answer.status_code == 200
        return answer.text


async def exported(service: Service) -> set[str]:
    names: set[str] = set()
    for family in text_string_to_metric_families(await text(service)):
        names |= {family.name + suffix for suffix in SUFFIXES[family.type]}
    return names


def expressions() -> list[str]:
    rules = [rule for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
    panels = json.loads((DEPLOY / "grafana" / "roomlog.json").read_text())["panels"]
    return [rule["expr"] for rule in rules] + [
        target["expr"] for panel in panels for target in panel.get("targets", [])
    ]


async def test_alerts_and_dashboard_ask_for_figures_that_there_are(service: Service) -> None:
    """An alert on a figure that nobody exports would never fire, and nobody would miss it."""
    there = await exported(service)
    asked = {name for text in expressions() for name in re.findall(r"\b(?:roomlog|process|python)_[a-z_]+", text)}
    assert len(asked) > 40
    assert asked <= there


async def test_every_figure_of_ours_is_on_the_dashboard_or_said_to_be_a_detail(service: Service) -> None:
    """The dashboard covers what a process tells of itself, but for what is only looked at while searching."""
    details = {"tails", "door", "payloads", "audit_looks", "database"}
    asked = " ".join(expressions())
    for name in await exported(service):
        if name.startswith("roomlog_") and name.endswith("_total"):
            is_detail = any(name.startswith(f"roomlog_{detail}") for detail in details)
            assert is_detail or name in asked, name


async def test_each_page_has_its_chapter_in_the_runbook() -> None:
    """Who is woken finds what to do: the anchor that the alert names is a heading."""
    headings = re.findall(r"^### (\w+)", (DEPLOY / "RUNBOOK.md").read_text(), re.MULTILINE)
    anchors = {heading.lower() for heading in headings}
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            file, _, anchor = rule["annotations"]["runbook"].partition("#")
            assert file == "deploy/RUNBOOK.md"
            assert anchor in anchors, rule["alert"]
            assert rule["labels"]["severity"] in {"page", "ticket"}


async def test_what_happens_is_counted(world: World, service: Service) -> None:
    """A send, a delivery, a reset, a closed socket and a request move the figures that are named after them."""
    before = await figures(service)
    await world.app.room("r", ("ann",))
    async with world.app.socket("ann") as socket:
        await socket.open("r", cursor="nonsense")
        said = await world.app.say("r", "hello", "ann")
        await socket.until_seq(said["seq"])
    await world.app.ask("GET", "/v1/rooms/nowhere", user="ann")
    after = await figures(service)

    def moved(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert moved("roomlog_ack_seconds_count") >= 1
    assert moved("roomlog_delivery_seconds_count") >= 1
    assert moved("roomlog_lane_wait_seconds_count") >= 1
    assert moved("roomlog_resets_total{reason=cursor_invalid}") == 1
    assert moved("roomlog_connections_opened_total") == 1
    assert moved("roomlog_connections_closed_total{code=gone}") == 1
    assert moved("roomlog_requests_total{route=GET /v1/rooms/{room_id}}{status=4xx}") == 1
    assert moved("roomlog_requests_total{route=POST /v1/rooms/{room_id}/messages}{status=2xx}") == 1
    assert after["roomlog_probe_trip_seconds_count"] > 0
    assert after["roomlog_database_max_connections"] >= 100
    assert after["process_open_fds"] > 0


async def test_paths_that_nobody_serves_make_no_labels(service: Service) -> None:
    """A stranger who asks for a thousand paths makes one line in the figures."""
    async with public_client(service.url) as http:
        for number in range(20):
            await http.get(f"/v1/unheard-of/{number}")
    names = [name for name in await figures(service) if name.startswith("roomlog_requests_total")]
    assert not [name for name in names if "unheard" in name]
    assert [name for name in names if "{route=other}{status=4xx}" in name]


async def test_a_closed_socket_is_counted_by_its_code(service: Service, world: World) -> None:
    """Whoever is closed for what he sent stands under the code that he got."""
    name = "roomlog_connections_closed_total{code=4400}"
    before = (await figures(service)).get(name, 0)
    async with world.app.socket("ann") as socket:
        await socket.raw.send(b"\0")
        await socket.raw.wait_closed()
        assert socket.raw.close_code == 4400
    assert (await figures(service))[name] == before + 1


async def test_the_status_tells_how_a_process_is(service: Service) -> None:
    """One page for whoever looks into a process by hand."""
    async with plain_client(service.internal_url) as http:
        status = (await http.get("/statusz")).json()
    assert status["mode"] in {"live", "degraded"}
    assert status["epoch"] == 1
    assert status["audit_age_ms"] < 5000
    assert status["schemas"]
    assert {"probe_age_ms", "lane_queue", "loop_lag_ms", "version", "draining"} <= status.keys()
