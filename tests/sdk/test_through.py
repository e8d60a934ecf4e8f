"""The short form of `./test sdk through`."""

import os
import sys

import pytest

from roomlog.testing import running_chat_server
from tests.sdk.through import FAULTS, Run, missing
from tests.support.processes import ROOT

SECONDS = 12


@pytest.mark.timeout(180)  # connections come back after random waits of up to 15 s
async def test_a_bad_network_shows_as_nothing_but_a_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing raised or logged as an error, every event once and in order, every message once, all rooms as the server's."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'sdk'}")
    with running_chat_server([sys.executable, "-m", "api"]) as server:
        told = await Run(server, seed=1).go(SECONDS)
    assert told.complaints == []
    assert missing(told) == 0
    assert told.ended > 0
    assert set(told.faults) <= set(FAULTS)
