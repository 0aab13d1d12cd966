"""The views of the engines have equal rows, and those that the records say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import carwalk
import carwalk.duckdb
import carwalk.polars
import duckdb
import oracle
import polars
import pytest
from cars import Repository

from corpus import odd_records, write_folder

FEED, GRAPH = "app.bsky.feed", "app.bsky.graph"


def at(*names: str) -> Callable[[dict[str, Any]], str | None]:
    """A value of the record as text, None, or JSON."""

    def value(row: dict[str, Any]) -> str | None:
        found = row["record"]
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        if found is None or isinstance(found, str):
            return found
        return json.dumps(found, separators=(",", ":"), ensure_ascii=False)

    return value


def column(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda row: row[name]


VIEWS: dict[str, tuple[str, dict[str, Callable[[dict[str, Any]], Any]]]] = {
    "posts": (
        f"{FEED}.post",
        {
            "cid": column("cid"),
            "text": at("text"),
            "langs": at("langs"),
            "reply_root": at("reply", "root", "uri"),
            "reply_parent": at("reply", "parent", "uri"),
        },
    ),
    "likes": (f"{FEED}.like", {"subject": column("subject")}),
    "reposts": (f"{FEED}.repost", {"subject": column("subject")}),
    "follows": (f"{GRAPH}.follow", {"subject": column("subject")}),
    "blocks": (f"{GRAPH}.block", {"subject": column("subject")}),
    "profiles": (
        "app.bsky.actor.profile",
        {"display_name": at("displayName"), "description": at("description")},
    ),
    "lists": (f"{GRAPH}.list", {"name": at("name"), "purpose": at("purpose")}),
}


def expected(paths: list[Path], view: str) -> list[dict[str, Any]]:
    collection, columns = VIEWS[view]
    rows = [row for path in paths for row in oracle.rows(path.read_bytes())]
    return [
        {
            "did": row["did"],
            "rkey": row["rkey"],
            "uri": f"at://{row['did']}/{collection}/{row['rkey']}",
            "created_at": row["created_at"],
            **{name: value(row) for name, value in columns.items()},
        }
        for row in rows
        if row["collection"] == collection
    ]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A network, and odd records as far as the simple decoder of the tests reads them."""
    folder = tmp_path_factory.mktemp("views")
    write_folder(folder, 12)
    records = {
        key: block for key, block in odd_records().items() if key.split("/")[1][-3:] not in _RAW
    }
    (folder / "odd.car").write_bytes(Repository(records).car())
    return [
        path for path in sorted(folder.rglob("*.car")) if not path.name.startswith("bad-")
    ]


# The keys of blocks that are not CBOR, or nested too deeply for JSON.
_RAW = {
    key.split("/")[1][-3:]
    for key, block in odd_records().items()
    if block in (b"not CBOR", b"bytes", b"\x81" * 150 + b"\x80")
}


@pytest.fixture(scope="module")
def connection(paths: list[Path]) -> Iterator[carwalk.duckdb.Connection]:
    with carwalk.duckdb.connect(paths) as connection:
        yield connection


def rows_of(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.mark.parametrize("view", VIEWS)
def test_duckdb(connection: carwalk.duckdb.Connection, paths: list[Path], view: str) -> None:
    rows = expected(paths, view)
    found = rows_of(connection.execute(f"from {view}"))
    assert rows and found == rows
    assert list(found[0]) == list(rows[0])


@pytest.mark.parametrize("view", VIEWS)
def test_polars(connection: carwalk.duckdb.Connection, paths: list[Path], view: str) -> None:
    views = carwalk.polars.views(carwalk.polars.scan_polars(paths))
    assert views[view].collect().to_dicts() == rows_of(connection.execute(f"from {view}"))


@pytest.mark.parametrize("format_", ["parquet", "jsonl"])
def test_an_export(paths: list[Path], tmp_path: Path, format_: str) -> None:
    """The file of the views is for exports too."""
    rows = tmp_path / f"rows.{format_}"
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        if format_ == "parquet":
            polars.DataFrame(carwalk.read(paths)).write_parquet(rows)
            database.execute(f"create view records as from '{rows}'")
        else:
            frame = polars.DataFrame(carwalk.read(paths))
            with rows.open("w") as file:
                for row in frame.to_dicts():
                    row["record"] = None if row["record"] is None else json.loads(row["record"])
                    file.write(json.dumps(row, default=str) + "\n")
            database.execute(
                f"create view records as from read_json('{rows}', columns = {{did: 'VARCHAR', "
                "collection: 'VARCHAR', rkey: 'VARCHAR', cid: 'VARCHAR', "
                "created_at: 'TIMESTAMPTZ', subject: 'VARCHAR', record: 'JSON'})"
            )
        database.execute(files("carwalk").joinpath("views", "duckdb.sql").read_text("utf-8"))
        for view in VIEWS:
            assert rows_of(database.execute(f"from {view}")) == expected(paths, view), view
        # The file can be run again.
        database.execute(files("carwalk").joinpath("views", "duckdb.sql").read_text("utf-8"))
