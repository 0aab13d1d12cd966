"""The tables of a connection as Arrow objects, which DuckDB reads by their stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carwalk._carwalk import Records, files, read
from carwalk._types import Failure

__all__ = ["COLUMNS", "Planned", "Scans", "Source", "merged"]

COLUMNS = {
    "did": "VARCHAR",
    "rev": "VARCHAR",
    "collection": "VARCHAR",
    "rkey": "VARCHAR",
    "cid": "VARCHAR",
    "size": "BIGINT",
    "time": "TIMESTAMPTZ",
    "created_at": "TIMESTAMPTZ",
    "subject": "VARCHAR",
    "record": "VARCHAR",
    "record_cbor": "BLOB",
}
"""The columns of the table `records`, with DuckDB's types."""


class Planned:
    """A table for `EXPLAIN`: it has a schema and no rows."""

    def __init__(self, schema: Records) -> None:
        self._schema = schema

    def __arrow_c_schema__(self) -> Any:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        # DuckDB runs parts of some statements to plan the rest, such as the values of a PIVOT.
        # The plan for a table without rows would be wrong.
        raise RuntimeError("a table was read to plan a statement")


class Scans:
    """A table for one statement. Each of its scans has its own failures."""

    def __init__(self, schema: Records, make: Callable[[], Records]) -> None:
        self._schema = schema
        self._make = make
        self._begun: list[Records] = []

    def __arrow_c_schema__(self) -> Any:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        records = self._make()
        self._begun.append(records)
        return records.__arrow_c_stream__()

    @property
    def failures(self) -> list[Failure]:
        """The failed files of all scans, one scan after the other."""
        return [failure for records in self._begun for failure in records.failures]


class Source:
    """The files of a connection, and how they are read.

    Making a table of many files takes time, so schemas are those of tables of one file.
    """

    def __init__(self, paths: list[str], threads: int | None, options: dict[str, Any]) -> None:
        self._paths = paths
        self._threads = threads
        self._options = options
        # These raise the errors of the arguments.
        self._all = self._read(paths[:1], list(COLUMNS))
        self._files = files(paths[:1], threads=threads)

    def __len__(self) -> int:
        """The number of different files."""
        return len(set(self._paths))

    def planned(self) -> tuple[Planned, Planned]:
        return Planned(self._all), Planned(self._files)

    def failures(self, scans: list[Scans]) -> list[Failure]:
        """The failed files of tables, each file once, in the order of the files."""
        return merged([failure for one in scans for failure in one.failures], self._paths)

    def records(self, columns: list[str]) -> Scans:
        schema = self._read(self._paths[:1], columns)
        return Scans(schema, lambda: self._read(self._paths, columns))

    def files(self) -> Scans:
        return Scans(self._files, lambda: files(self._paths, threads=self._threads))

    def _read(self, paths: list[str], columns: list[str]) -> Records:
        return read(paths, columns=columns, threads=self._threads, **self._options)


def merged(failures: list[Failure], paths: list[str]) -> list[Failure]:
    """One failure of each path, the one with the most rows, in the order of the paths."""
    found: dict[str, Failure] = {}
    for failure in failures:
        before = found.get(failure.path, failure)
        found[failure.path] = max(before, failure, key=lambda one: one.rows)
    if len(found) < 2:
        return list(found.values())
    places = {path: place for place, path in enumerate(paths)}
    try:
        return sorted(found.values(), key=lambda failure: places[failure.path])
    except KeyError:
        # The name of a path with odd characters is escaped. One scan has the order of the paths.
        return list(found.values())
