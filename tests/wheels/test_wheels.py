"""What is shipped: both wheels, each installed in an environment that has nothing else of ours."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roomlog.testing import ChatServer, running_chat_server
from tests.support.snippets import snippets

ROOT = Path(__file__).parents[2]
CHATTERS = Path(__file__).parent / "chatters"
LAST = 300
KILLED_AT = 100
WITHIN_S = 90.0
pytestmark = pytest.mark.timeout(300)  # whatever comes first builds, installs and starts it all


def run(*command: Path | str, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    ended = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=240)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


class Environment:
    """A virtual environment, made by uv or else by pip."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self._uv = shutil.which("uv")
        made = [self._uv, "venv", "-q", "--python", sys.executable] if self._uv else [sys.executable, "-m", "venv"]
        run(*made, folder, cwd=folder.parent)

    def install(self, *what: Path | str) -> None:
        pip = [self._uv, "pip"] if self._uv else [self.python, "-m", "pip", "--disable-pip-version-check"]
        where = ["--python", self.python] if self._uv else []
        run(*pip, "install", "-q", *where, *what, cwd=self.folder)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, by distribution, built from what git has."""
    folder = tmp_path_factory.mktemp("wheels")
    built: dict[str, Path] = {}
    for name, source in (("roomlog", ROOT / "sdk"), ("roomlog_server", ROOT)):
        if uv := shutil.which("uv"):
            run(uv, "build", "-q", "--wheel", "--out-dir", folder, source, cwd=folder)
        else:
            Environment(folder / f"build-{name}").install("build")
            run(folder / f"build-{name}/bin/python", "-m", "build", "--wheel", "-o", folder, source, cwd=folder)
        [built[name]] = folder.glob(f"{name}-*.whl")
    return built


@pytest.fixture(scope="module")
def customer(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the client alone, and what that needs in the versions of our lock."""
    environment = Environment(tmp_path_factory.mktemp("customer") / "venv")
    locked = environment.folder.parent / "constraints.txt"
    locked.write_text("\n".join(re.findall(r"^\S+==\S+", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)))
    environment.install(wheels["roomlog"], "-c", locked)
    return environment


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The server from its wheel, as the command that runs it."""
    environment = Environment(tmp_path_factory.mktemp("server") / "venv")
    environment.install("--require-hashes", "-r", ROOT / "requirements.txt")
    environment.install("--no-deps", wheels["roomlog_server"])
    return [str(environment.folder / "bin" / "roomlog-server")]


@pytest.fixture(scope="module")
def chat(installed: list[str]) -> Iterator[ChatServer]:
    """It runs in an empty folder that lies nowhere near a checkout."""
    with running_chat_server(installed) as server:
        yield server


def told(chat: ChatServer) -> dict[str, Any]:
    return dict(json.loads((chat.data / "dev.json").read_text()))


def test_the_client_s_wheel_is_typed_and_whole(wheels: dict[str, Path], customer: Environment) -> None:
    """It holds the package, its types and its plugin, and nothing of the server, its generator or its tests."""
    with zipfile.ZipFile(wheels["roomlog"]) as wheel:
        names = wheel.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"roomlog"}
    assert {"roomlog/py.typed", "roomlog/testing/plugin.py", "roomlog/_generated/models.py"} <= set(names)
    found = run(
        customer.python,
        "-c",
        "import importlib.util, importlib.metadata, roomlog\n"
        "print([name for name in ('api', 'tenants', 'sdk', 'pytest', 'jinja2') if importlib.util.find_spec(name)])\n"
        "print([point.value for point in importlib.metadata.entry_points(group='pytest11', name='roomlog')])\n"
        "print(roomlog.__version__ == importlib.metadata.version('roomlog'))",
        cwd=customer.folder,
    )
    assert found.splitlines() == ["[]", "['roomlog.testing.plugin']", "True"]


def test_a_customer_s_own_package_named_api_is_not_run(installed: list[str]) -> None:
    """The server starts beside it, in a project of theirs."""
    with tempfile.TemporaryDirectory(prefix="roomlog-") as name:
        folder = Path(name)
        # As root, PostgreSQL runs as somebody else and must get through.
        folder.chmod(0o711)
        (folder / "api").mkdir()
        (folder / "api" / "__init__.py").write_text("raise SystemExit(1)")
        server = ChatServer(folder, installed)
        try:
            server.start()
            assert (folder / "dev.json").exists()
        finally:
            server.close()


def test_the_server_runs_from_its_wheel_in_an_empty_folder(chat: ChatServer) -> None:
    """Migrations, the document and the reference page come along."""
    assert ROOT not in chat.data.parents
    url = told(chat)["url"]
    with urllib.request.urlopen(f"{url}/v1/openapi.json") as answer:
        assert json.load(answer) == json.loads((ROOT / "openapi" / "openapi.json").read_text())
    with urllib.request.urlopen(f"{url}/reference") as answer:
        assert b"<html" in answer.read()


def test_the_lines_of_the_readme_run_on_the_wheel(customer: Environment, chat: ChatServer) -> None:
    """The first example says hello and hears it, after what has been said before."""
    example = next(each for each in snippets(ROOT / "sdk" / "README.md") if each.language == "python")
    names = f"url, token = {told(chat)['url']!r}, {told(chat)['users'][0]['token']!r}\n"
    process = started(customer, "-u", "-c", names + example.text)
    try:
        assert process.stdout is not None
        assert any("MessageCreated" in line for line in process.stdout)
    finally:
        end(process)


def test_two_programs_chat_on_over_the_death_of_the_server(customer: Environment, chat: ChatServer) -> None:
    """The server and its databases are killed in mid-conversation and start again: no number is lost, none comes twice."""
    with chat.client() as server:
        server.rooms.delete("general")
        server.rooms.create(id="general", members=["alice", "bob"])
    url, (alice, bob) = told(chat)["url"], told(chat)["users"]
    bob_runs = started(customer, CHATTERS / "awaiting.py", url, bob["token"], "bob", str(LAST))
    assert bob_runs.stdout is not None
    heard: list[list[list[str]]] = [[], [bob_runs.stdout.readline().split()]]
    alice_runs = started(customer, CHATTERS / "plain.py", url, alice["token"], "alice", str(LAST))
    processes = [alice_runs, bob_runs]
    is_time = threading.Event()

    def listen(number: int) -> None:
        for line in processes[number].stdout or ():
            heard[number].append(line.split())
            if len(heard[number]) == KILLED_AT:
                is_time.set()

    threads = [threading.Thread(target=listen, args=(number,)) for number in range(2)]
    try:
        for thread in threads:
            thread.start()
        assert is_time.wait(WITHIN_S), heard
        chat.kill()
        assert max(map(len, heard)) < LAST
        chat.start()
        assert [process.wait(WITHIN_S) for process in processes] == [0, 0]
    finally:
        for process in processes:
            end(process)
        for thread in threads:
            thread.join()
    assert [number for _, number, _ in heard[0]] == [str(number) for number in range(LAST + 1)]
    assert heard[1][1:] == heard[0][1:]


def started(environment: Environment, *arguments: Path | str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [environment.python, *arguments],
        cwd=environment.folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdout=subprocess.PIPE,
        text=True,
    )


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
