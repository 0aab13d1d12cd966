"""Python in another process, to interrupt, fork and end it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import BinaryIO

# Long enough for any machine. Only a test that hangs waits so long.
PATIENCE = 60


def start(script: str) -> subprocess.Popen[str]:
    modules = ("carwalk", "duckdb", "pandas", "polars", "pyarrow")
    imported = [name for name in modules if name in script and f"import {name}" not in script]
    lines = ["import " + ", ".join(["time", *imported])]
    script = textwrap.dedent(script)
    lines += script.splitlines()
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def opened(pipe: Path, process: subprocess.Popen[str]) -> BinaryIO:
    """Opens a pipe for writing, once the process has opened it for reading."""
    while process.poll() is None:
        try:
            return open(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb")
        except OSError as error:
            assert error.errno == errno.ENXIO
            time.sleep(0.001)
    raise AssertionError(process.communicate())


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return process.communicate(timeout=PATIENCE)
    finally:
        process.kill()


def run(script: str) -> str:
    with start(script) as process:
        out, err = finish(process)
    assert process.returncode == 0, err
    return out
