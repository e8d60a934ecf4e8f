"""`roomlog.testing`, used as a customer does: a small suite of theirs, and what the guide shows, in a pytest of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.snippets import snippets

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "openapi" / "guide" / "testing.md"
SUITE = Path(__file__).parent / "customer" / "suite.py"


@pytest.mark.timeout(300)  # it starts the whole server twice
def test_a_customer_s_suite_passes(tmp_path: Path) -> None:
    """One server for their session; each knob makes its fault, the client survives it, and what differs is told."""
    shutil.copy(SUITE, tmp_path / "test_chat.py")
    shown = [each.text for each in snippets(GUIDE) if each.language == "python"]
    for number, text in enumerate(shown):
        (tmp_path / f"test_guide_{number}.py").write_text(text)
    (tmp_path / "pytest.ini").touch()
    plugins = ["no:randomly", "no:asyncio", "no:valkey", "no:cacheprovider", "roomlog.testing.plugin"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *(f"-p{name}" for name in plugins)],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sdk'}", "ROOMLOG_SERVER": f"{sys.executable} -m api"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{9 + sum(text.count('def test_') for text in shown)} passed" in ended.stdout
