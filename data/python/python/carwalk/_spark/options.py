"""The options of the Spark data source."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import carwalk
from carwalk._pushdown import Selection

__all__ = ["Options"]

PARTITION_BYTES = 128 << 20

RECORDS = (
    "path",
    "manifest",
    "table",
    "columns",
    "collections",
    "dids",
    "start",
    "end",
    "on_error",
    "verify",
    "partition_bytes",
)
FILES = ("path", "manifest", "table", "columns", "on_error", "partition_bytes")
"""The options of the table `files`. `on_error` changes nothing: failed files are rows."""

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


@dataclass(frozen=True)
class Options:
    """Checked options. Paths are absolute."""

    paths: tuple[str, ...]
    manifest: str | None
    table: Literal["records", "files"]
    columns: tuple[str, ...]
    selection: Selection
    on_error: Literal["fail", "skip"]
    verify: Literal["all", "reached"] | None
    partition_bytes: int
    folder: str
    """The working directory, in which relative paths of a manifest are looked up."""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Options:
        """The options that a user gave; their names are in lower case."""
        table = _choice(given, "table", "records", ("records", "files"))
        _check_names(given, table)
        on_error = _choice(given, "on_error", "fail", ("fail", "skip"))
        verify = _choice(given, "verify", "", ("all", "reached"))
        optional = table == "files" or on_error == "skip"
        return cls(
            paths=tuple(_inputs(given, optional)),
            manifest=_manifest(given),
            table=table,
            columns=_columns(given, table),
            selection=_selection(given),
            on_error=on_error,
            verify=verify or None,
            partition_bytes=_bytes(given),
            folder=os.getcwd(),
        )


def _check_names(given: Mapping[str, str], table: str) -> None:
    known = RECORDS if table == "records" else FILES
    for name in given:
        # Spark passes the list of `load([..])` as `paths`.
        if name in known or name == "paths":
            continue
        there_are = f"the options are {', '.join(known)}"
        if name in RECORDS:
            raise ValueError(f"the table files has no option {name!r}; {there_are}")
        raise ValueError(f"unknown option {name!r}; {there_are}")


def _choice(given: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> Any:
    value = given.get(name, default)
    if name in given and value not in choices:
        allowed = " or ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f'{name} must be {allowed}, not "{value}"')
    return value


def _bytes(given: Mapping[str, str]) -> int:
    text = given.get("partition_bytes", str(PARTITION_BYTES)).strip()
    if not re.fullmatch("[0-9]{1,99}", text) or int(text) == 0:
        raise ValueError(f'partition_bytes must be a number of bytes, at least 1, not "{text}"')
    return int(text)


def _names(given: Mapping[str, str], name: str) -> list[str] | None:
    if name not in given:
        return None
    return [item.strip() for item in given[name].split(",")]


def _columns(given: Mapping[str, str], table: str) -> tuple[str, ...]:
    """The names of the columns, in the order of the table."""
    names = _names(given, "columns")
    if table == "records":
        default = [name for name in carwalk.read(os.devnull).columns if name != "record"]
        return tuple(carwalk.read(os.devnull, columns=names or default).columns)
    known = carwalk.files(os.devnull).columns
    for name in names or []:
        if name not in known:
            raise ValueError(f'unknown column "{name}"; the columns are {", ".join(known)}')
    return tuple(name for name in known if names is None or name in names)


def _selection(given: Mapping[str, str]) -> Selection:
    arguments: dict[str, Any] = {
        "collections": _names(given, "collections"),
        "dids": _names(given, "dids"),
        "start": given.get("start"),
        "end": given.get("end"),
    }
    # The call checks the arguments, and opens no file.
    carwalk.read(os.devnull, **arguments)
    return Selection.of(**arguments)


def _manifest(given: Mapping[str, str]) -> str | None:
    if "manifest" not in given:
        return None
    if "path" in given or "paths" in given:
        raise ValueError("the options path and manifest exclude each other")
    manifest = _local(given["manifest"])
    if not os.path.isfile(manifest):
        raise ValueError(f"the manifest {manifest} does not exist, or is not a file")
    return manifest


def _inputs(given: Mapping[str, str], optional: bool) -> list[str]:
    """The paths; those that do not exist only if they are optional."""
    paths = [given["path"]] if "path" in given else []
    if "paths" in given:
        paths += _list(given["paths"])
    if not paths and "manifest" not in given:
        raise ValueError('there are no inputs: give a path, as in .load("folder"), or a manifest')
    found = [name for path in paths for name in _expanded(_local(path))]
    if not optional:
        for path in found:
            if not os.path.exists(path):
                raise _missing(path)
    if found and not any(map(os.path.exists, found)) and given.get("table") != "files":
        raise _missing(found[0])
    return found


def _list(text: str) -> list[str]:
    """The list that `load` was called with, which Spark passes as JSON."""
    try:
        paths = json.loads(text)
    except ValueError:
        paths = None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ValueError('several paths are given as a list, as in .load(["a.car", "folder"])')
    return paths


def _missing(path: str) -> carwalk.CarError:
    return carwalk.CarError(path, "io", "reading failed: No such file or directory")


def _local(path: str) -> str:
    """The absolute path of a path or a `file:` URI."""
    if not path:
        raise ValueError("an empty path")
    scheme = SCHEME.match(path)
    if scheme and scheme[1].lower() == "file":
        path = re.sub("^file:(//(localhost)?(?=/))?", "", path, flags=re.I)
    elif scheme and not os.path.exists(path):
        raise ValueError(
            f"{path}: carwalk reads files of mounted file systems, and no {scheme[1]}: addresses"
        )
    # `abspath` would also remove `..`, which is wrong after a symbolic link.
    return os.path.join(os.getcwd(), path)


def _expanded(path: str) -> list[str]:
    """The paths that a pattern matches, in order. A path that exists is not a pattern."""
    if os.path.exists(path) or not glob.has_magic(path):
        return [path]
    found = sorted(glob.glob(path, recursive=True), key=os.fsencode)
    if not found:
        raise ValueError(f"{path}: no file matches this pattern")
    return found
