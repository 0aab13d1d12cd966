"""What several tests need."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import pytest

import cars

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "samples" / "repo.car"


def pytest_configure() -> None:
    # A background job of a shell ignores Ctrl-C, and one of nohup ignores SIGHUP. Processes of
    # tests would inherit that, and wait forever. They do not inherit a function.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def required(module: str) -> None:
    """Skips a test without a module that `[test]` does not install; fails it in `.ci/run`."""
    if importlib.util.find_spec(module) is None:
        message = f"{module} is not installed: pip install './data/python[docs]'"
        if os.environ.get("CARWALK_REQUIRE_TOOLS") == "1":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture
def sample() -> str:
    """The path of the sample of the repository: 40 records."""
    return str(SAMPLE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with four repositories of eleven records each."""
    for number, repository in enumerate(cars.network()):
        (tmp_path / f"{number}.car").write_bytes(repository.car())
    return tmp_path
