"""Each page of the documentation runs from its first line to its last, and prints what it says.

Of the commands for a shell, those run whose output the page shows. With ``CARWALK_WRITE_PAGES=1``,
the output is written into the pages instead.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, required

# `test_spark.py` runs the page about Spark.
DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(page for page in DOCS.glob("*.md") if page.stem != "spark")
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.M | re.S)

WORD = re.compile(r"[\w.:-]+")


def run(code: str, page: Path, names: dict[str, Any]) -> str:
    """What a block prints. Errors point to the lines of the page."""
    line = page.read_text().split(code)[0].count("\n")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile("\n" * line + code, str(page), "exec"), names)
    return out.getvalue()


def run_in_shell(code: str) -> str:
    """What commands print, with this Python."""
    code = code.replace(".venv/bin/python", shlex.quote(sys.executable))
    done = subprocess.run(["bash", "-ec", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def trimmed(output: str) -> str:
    lines = (line.rstrip() for line in output.rstrip().splitlines())
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_prints_what_it_says(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    required("matplotlib")
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, Any] = {}

    def block(match: re.Match[str]) -> str:
        language, code, text = match.groups()
        if language == "sh" and text is None:
            return match.group()
        output = run_in_shell(code) if language == "sh" else run(code, page, names)
        output = trimmed(output)
        assert bool(output) == (text is not None), f"{page.name}: {code}prints {output!r}"
        shown = f"\n```text\n{output}```\n" if output else ""
        return f"```{language}\n{code}```\n{shown}"

    text = page.read_text()
    ran = BLOCK.sub(block, text)
    if os.environ.get("CARWALK_WRITE_PAGES") == "1":
        page.write_text(ran)
    else:
        # Frames may be drawn in another way.
        assert WORD.findall(ran) == WORD.findall(text)
