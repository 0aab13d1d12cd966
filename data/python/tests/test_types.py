"""The type stubs: equal to the module, with its documentation, and useful."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import carwalk
from carwalk import _carwalk

PACKAGE = Path(carwalk.__file__).parent

# The classes that are written in Python.
TYPES = {"CarError", "Failure"}


def mypy(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_stubs_are_those_of_the_module() -> None:
    result = mypy("mypy.stubtest", "carwalk._carwalk")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    public = {name for name in _carwalk.__all__ if not name.startswith("_")}
    assert set(carwalk.__all__) == public | {*TYPES, "scan_polars"}


def test_stubs_and_module_have_the_same_documentation() -> None:
    stub = ast.parse((PACKAGE / "_carwalk.pyi").read_text())
    compared = 0
    for item in stub.body:
        if isinstance(item, ast.FunctionDef | ast.ClassDef):
            members = item.body if isinstance(item, ast.ClassDef) else []
            nested = [member for member in members if isinstance(member, ast.FunctionDef)]
            owner = getattr(_carwalk, item.name)
            pairs = [(item, owner)]
            pairs += [(member, getattr(owner, member.name)) for member in nested]
            for node, value in pairs:
                assert isinstance(node, ast.FunctionDef | ast.ClassDef)
                if ast.get_docstring(node) or not node.name.startswith("__"):
                    assert ast.get_docstring(node) == inspect.getdoc(value), node.name
                    compared += 1
    assert compared > 25


EXAMPLE = """
from pathlib import Path
import carwalk
import polars
import pyarrow

records = carwalk.read(Path("a.car"), columns=["did"], limit=3, on_error="skip")
table: pyarrow.Table = pyarrow.table(records)
frame = polars.DataFrame(records)
for batch in records:
    rows: int = batch.num_rows
for path, reason, error, count in records.failures:
    print(path.upper(), reason.upper(), error.upper(), count + 1)
repo = carwalk.Repo(b"")
record = repo.get("a.b.c/1")
texts: list[str | None] = [each.json for each in repo]
try:
    repo.verify("did:key:z")
except carwalk.CarError as fault:
    print(fault.reason.upper())
"""

WRONG = """
import carwalk

carwalk.read("a.car", on_error="ignore")  # 4
carwalk.read(7)  # 5
carwalk.read("a.car", ["did"])  # 6
carwalk.Repo(b"").get("a.b.c/1").cid  # 7
carwalk.CarError("a").path.upper()  # 8
"""


def test_types_of_an_example(tmp_path: Path) -> None:
    example, wrong = tmp_path / "example.py", tmp_path / "wrong.py"
    example.write_text(EXAMPLE)
    wrong.write_text(WRONG)
    options = ("--strict", "--ignore-missing-imports", "--cache-dir", str(tmp_path / "cache"))
    result = mypy("mypy", *options, str(example), str(wrong))
    lines = [line for line in result.stdout.splitlines() if ": error: " in line]
    assert {line.split(":")[1] for line in lines if "wrong.py" in line} == set("45678")
    assert [line for line in lines if "wrong.py" not in line] == []
