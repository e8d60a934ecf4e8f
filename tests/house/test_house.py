"""What must agree."""

import ast
import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest

from api.errors import catalogue
from api.log.event import Kind
from api.log.item import Needs, Outcome
from api.settings import Settings, Told

ROOT = Path(__file__).parent.parent.parent
PYTHON = [path for folder in ("api", "tenants") for path in (ROOT / folder).rglob("*.py")]
TESTS = list((ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("name", ["api", "tenants"])
def test_our_packages_are_ours(name: str) -> None:
    """No package of the same name from elsewhere stands in front of this repository's."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin == str(ROOT / name / "__init__.py")


def test_packages_are_docstrings() -> None:
    """Names are imported from where they are defined."""
    for path in PYTHON:
        if path.name == "__init__.py":
            body = ast.parse(path.read_text()).body
            assert len(body) == 1, path
            assert isinstance(body[0], ast.Expr), path


def test_imports_stand_at_the_top() -> None:
    """A cycle is a design fault and is not hidden inside a function."""
    for path in PYTHON:
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = [node for node in ast.walk(function) if isinstance(node, (ast.Import, ast.ImportFrom))]
                assert not inner, f"{path}:{function.name}"


def test_every_test_states_a_promise() -> None:
    """Its docstring is a sentence that is true if it passes."""
    for path in TESTS:
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and function.name.startswith("test_"):
                assert ast.get_docstring(function), f"{path.name}:{function.name}"


def test_lock_files_name_no_host_and_hash_everything() -> None:
    """A lock says what, not from where."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--index-url" not in text
        assert "--find-links" not in text
        for requirement in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in requirement, requirement
    locks = [path for path in (ROOT / "tests").rglob("package-lock.json") if "node_modules" not in path.parts]
    assert len(locks) > 1
    for path in locks:
        text = path.read_text()
        assert "://" not in text, path
        for name, package in json.loads(text)["packages"].items():
            assert "resolved" not in package, (path, name)
            assert not name or package["integrity"].startswith("sha512-"), (path, name)


def test_the_wheel_holds_api_and_tenants_alone() -> None:
    """The server is an application: nothing else of ours gets into site-packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["api", "tenants"]
    assert project["project"]["name"] == "roomlog-server"


def test_every_code_is_one_class_s_and_says_the_way_out() -> None:
    """No two refusals share a code."""
    codes = [entry["code"] for entry in catalogue()]
    assert len(codes) == len(set(codes))
    assert all(entry["title"] and entry["meaning"] for entry in catalogue())


def test_the_numbers_in_sql_are_those_in_python() -> None:
    """The legend of the append function names kinds, outcomes and needs as the code does."""
    sql = (ROOT / "migrations" / "sql" / "0001_2_append.sql").read_text()
    legend = sql[: sql.index("CREATE FUNCTION")]
    for kind in set(Kind) - {Kind.UNKNOWN}:
        assert re.search(rf"\b{kind.value} {re.escape(kind.wire_name)}\b", legend), kind
    for outcome in set(Outcome) - {Outcome.POISON}:
        assert re.search(rf"\b{outcome.value} {outcome.name.lower()}\b", legend), outcome
    assert len(re.findall(r"·", legend[legend.index("needs:") :].split("\n--\n")[0])) >= len(Needs) - 1


def test_every_setting_stands_in_the_readme() -> None:
    """The table of settings names what is read, and nothing else."""
    source = (ROOT / "api" / "settings.py").read_text() + (ROOT / "api" / "embedded.py").read_text()
    read = set(re.findall(r'"((?:ROOMLOG_|DATABASE_|REDIS_)[A-Z_]+)"', source))
    readme = (ROOT / "README.md").read_text()
    told = set(re.findall(r"^\| `((?:ROOMLOG_|DATABASE_|REDIS_)[A-Z_]+)`", readme, re.MULTILINE))
    assert told == read


@pytest.mark.parametrize("setting", Settings.told(), ids=lambda setting: setting.name)
def test_the_readme_tells_each_default_and_bound(setting: Told) -> None:
    """A row's second cell is the default of the code (– for what must be given), its third one names the bounds."""
    rows = [line.split(" | ", 2) for line in (ROOT / "README.md").read_text().splitlines()]
    default, text = next(row[1:] for row in rows if row[0] == f"| `{setting.name}`")
    assert default == ("–" if setting.is_required else setting.default)
    assert setting.bounds is None or setting.bounds in text, f"write “{setting.bounds}” into the row"


def test_nothing_but_the_dashboard_reads_cookies() -> None:
    """What browsers send by themselves is looked at in one module alone: elsewhere others' pages have nothing to ride on."""
    for path in PYTHON:
        if path == ROOT / "api" / "dashboard" / "cookie.py":
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            named = [getattr(node, "attr", ""), getattr(node, "id", ""), getattr(node, "arg", "")]
            told = node.value if isinstance(node, ast.Constant) else ""
            text = " ".join([*(str(name) for name in named), told.decode() if isinstance(told, bytes) else str(told)])
            if "cookie" in text.lower():
                assert " " in text.strip(), f"{path}: {text.strip()}"  # a sentence may speak of cookies


def test_no_path_of_a_machine_stands_in_the_project() -> None:
    """The project speaks of itself alone."""
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        is_ours = path.is_file() and not parts[0].startswith(
            (".git", ".venv", ".data", ".hypothesis", ".ruff", ".mypy")
        )
        if is_ours and path.suffix in {".py", ".md", ".toml", ".txt", ".sql", ".sh", ".json", ""}:
            assert str(ROOT) not in path.read_text(errors="replace"), path
