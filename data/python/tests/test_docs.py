"""The examples of the README and of the package's documentation run."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import carwalk
import pytest

from conftest import ROOT

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.M | re.S)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_lines_of_the_readme_run(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(blocks("python")[number], "README.md", "exec"), {})
    assert capsys.readouterr().out


def test_the_readme_prints_the_first_data_frame(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(blocks("python")[0], "README.md", "exec"), {})
    # The lines of the frame may be drawn in another way.
    printed, expected = (
        re.findall(r"[\w.:-]+", text) for text in (capsys.readouterr().out, blocks("text")[0])
    )
    assert printed == expected


def test_the_examples_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(carwalk)
    assert (result.failed, result.attempted > 2) == (0, True)
