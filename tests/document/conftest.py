"""The long form: `./test document --examples 100 --seed 7`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--examples", type=int, default=3, help="requests that are made up for each operation")
    parser.addoption("--seed", type=int, default=1, help="others are made up for another")
