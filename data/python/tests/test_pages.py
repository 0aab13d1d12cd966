"""Each page of the documentation runs from its first line to its last, and prints what it says.

With ``CARWALK_WRITE_PAGES=1``, the output is written into the pages instead.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, required

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.M | re.S)

WORD = re.compile(r"[\w.:-]+")


def run(code: str, page: Path, names: dict[str, Any]) -> str:
    """What a block prints. Errors point to the lines of the page."""
    line = page.read_text().split(code)[0].count("\n")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile("\n" * line + code, str(page), "exec"), names)
    lines = (line.rstrip() for line in out.getvalue().rstrip().splitlines())
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_prints_what_it_says(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    required("matplotlib")
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, Any] = {}

    def block(match: re.Match[str]) -> str:
        code, text = match.groups()
        output = run(code, page, names)
        assert bool(output) == (text is not None), f"{page.name}: {code}prints {output!r}"
        shown = f"\n```text\n{output}```\n" if output else ""
        return f"```python\n{code}```\n{shown}"

    text = page.read_text()
    ran = BLOCK.sub(block, text)
    if os.environ.get("CARWALK_WRITE_PAGES") == "1":
        page.write_text(ran)
    else:
        # Frames may be drawn in another way.
        assert WORD.findall(ran) == WORD.findall(text)
