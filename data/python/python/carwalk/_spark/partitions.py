"""Groups of files, each for one task of Spark.

The groups depend only on the list of files, so that a repeated task reads the same files.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import pyarrow

import carwalk
from carwalk import _carwalk
from carwalk._spark.options import Options

__all__ = ["Files", "Lines", "partitions", "paths_of"]

LEAST = 4096
"""The number of bytes that a smaller file counts as: a task takes a while for each file."""

MOST = 65_536
"""The maximum number of files of a partition, which bounds memory on the driver and in tasks."""

LONGEST = 8192
"""The length of the longest line of a manifest. A path has at most 4,096 bytes on Linux."""

PIECES = 1024
"""The maximum number of partitions of one file."""

COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""The first bytes of files that gzip or zstd wrote."""


@dataclass(frozen=True)
class Files:
    """Files, and the range of keys to read in them."""

    paths: tuple[bytes, ...]
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class Lines:
    """Lines of a manifest, which the task reads itself."""

    offset: int
    length: int
    first: int
    """The number of the first line."""
    digest: bytes


class Item(NamedTuple):
    """A file, and the line of the manifest that lists it."""

    path: bytes
    size: int
    line: bytes = b""


def partitions(options: Options) -> list[Files | Lines]:
    """The partitions of a scan: at least one."""
    if options.manifest is not None:
        return _of_manifest(options, options.manifest)
    items = (Item(os.fsencode(path), size or 0) for path, size in _carwalk._inputs(options.paths))
    found: list[Files | Lines] = []
    for group in _groups(items, options.partition_bytes):
        found += _split(group, options) or [Files(tuple(item.path for item in group))]
    return found


def paths_of(partition: Files | Lines, options: Options) -> list[bytes]:
    """The files of a partition."""
    if isinstance(partition, Files):
        return list(partition.paths)
    assert options.manifest is not None
    with open(options.manifest, "rb") as file:
        file.seek(partition.offset)
        text = file.read(partition.length)
    if _digest(text) != partition.digest:
        raise ValueError(
            f"{options.manifest}: line {partition.first} and those after it have changed since"
            " the query was planned, or this machine has another file of this name"
        )
    folder = os.fsencode(options.folder)
    items = _items(io.BytesIO(text), options.manifest, partition.first)
    return [os.path.join(folder, item.path) for item in items]


def _groups(items: Iterable[Item], partition_bytes: int) -> Iterator[list[Item]]:
    """Groups of at most `MOST` consecutive files with so many bytes, or of one larger file."""
    group: list[Item] = []
    size = 0
    for item in items:
        counted = max(item.size, LEAST)
        if group and (size + counted > partition_bytes or len(group) == MOST):
            yield group
            group, size = [], 0
        group.append(item)
        size += counted
    if group:
        yield group


def _of_manifest(options: Options, manifest: str) -> list[Files | Lines]:
    """Reads a manifest once. Only the lines of one group are in memory at a time."""
    found: list[Files | Lines] = []
    offset, first = 0, 1
    with open(manifest, "rb") as file:
        for group in _groups(_items(file, manifest), options.partition_bytes):
            text = b"".join(item.line for item in group)
            lines = Lines(offset, len(text), first, _digest(text))
            found += _split(group, options) or [lines]
            offset, first = offset + len(text), first + len(group)
    if not found:
        raise ValueError(f"{manifest}: the manifest is empty")
    return found


def _items(file: BinaryIO, manifest: str, first: int = 1) -> Iterator[Item]:
    # This runs for each of perhaps millions of lines.
    for number, line in enumerate(iter(partial(file.readline, LONGEST), b""), first):
        path, _, size = line.rpartition(b"\t")
        digits = size.removesuffix(b"\n")
        if not (path and digits.isdigit() and len(digits) <= 18 and len(line) < LONGEST):
            shown = line[:80].decode(errors="replace")
            raise ValueError(
                f"{manifest}: line {number} is {shown!r}, and not a path, a tab and a number of"
                " bytes"
            )
        yield Item(path, int(digits), line)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def _split(group: list[Item], options: Options) -> list[Files]:
    """Ranges of keys of a large file, each for one task. Empty if the file is not split."""
    if options.verify != "reached" or options.on_error != "fail" or options.table != "records":
        return []
    path = os.path.join(os.fsencode(options.folder), group[0].path)
    pieces = min(-(-group[0].size // options.partition_bytes), PIECES)
    # Each piece would decompress the whole file.
    if pieces < 2 or _is_compressed(path):
        return []
    try:
        keys = _evenly_spaced(path, pieces, options.selection.arguments() or {})
    except carwalk.CarError:
        # The scan of the whole file reports the error.
        return []
    bounds = [None, *keys, None]
    return [Files((path,), *pair) for pair in zip(bounds, bounds[1:], strict=False)]


def _is_compressed(path: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4).startswith(COMPRESSED)
    except OSError:
        return True


def _evenly_spaced(path: bytes, pieces: int, arguments: dict[str, Any]) -> list[str]:
    """The first keys of all pieces but the first one. Memory does not depend on the file."""
    columns = ["collection", "rkey"]
    records = carwalk.read(path, columns=columns, verify="reached", threads=1, **arguments)
    keys: list[str] = []
    stride, seen = 1, 0
    for batch in records:
        collections, rkeys = pyarrow.record_batch(batch).columns
        for row in range(-seen % stride, len(collections), stride):
            keys.append(f"{collections[row]}/{rkeys[row]}")
        seen += len(collections)
        while len(keys) >= 32 * pieces:
            keys, stride = keys[::2], stride * 2
    chosen = {keys[len(keys) * piece // pieces] for piece in range(1, pieces) if keys}
    return sorted(chosen - set(keys[:1]), key=str.encode)
