"""What scans read, counted by what makes them fail, and selections compared with their rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import carwalk
import carwalk.duckdb
import polars
import pyarrow
import pytest
from carwalk._pushdown import Selection

import cars
import counting
from counting import EVERY_KEY, of_collection

CASES = int(os.environ.get("CARWALK_TEST_CASES", "1"))

COLLECTIONS = ["app.bsky.feed.like", "app.bsky.feed.post", "app.bsky.graph.follow", "a.b.c"]
TREE = ["did", "collection", "rkey", "cid", "time"]
RECORDS = ["size", "created_at", "subject", "record", "record_cbor"]

Rows = list[dict[str, Any]]
Ask = Callable[..., Rows]


def by_read(
    paths: list[Path],
    columns: list[str],
    *,
    collection: str | None = None,
    did: str | None = None,
    limit: int | None = None,
) -> Rows:
    records = carwalk.read(paths, columns=columns, collections=collection, dids=did, limit=limit)
    rows: Rows = pyarrow.table(records).to_pylist()
    return rows


def lazily(
    paths: list[Path],
    columns: list[str],
    *,
    collection: str | None = None,
    did: str | None = None,
    limit: int | None = None,
) -> polars.LazyFrame:
    frame = carwalk.scan_polars(paths)
    if collection:
        frame = frame.filter(polars.col("collection") == collection)
    if did:
        frame = frame.filter(polars.col("did").is_in([did]))
    return frame.select(columns).head(limit) if limit else frame.select(columns)


def by_polars(*arguments: Any, **options: Any) -> Rows:
    return lazily(*arguments, **options).collect(engine="streaming").to_dicts()


def by_polars_in_memory(*arguments: Any, **options: Any) -> Rows:
    return lazily(*arguments, **options).collect(engine="in-memory").to_dicts()


def by_polars_sql(
    paths: list[Path],
    columns: list[str],
    *,
    collection: str | None = None,
    did: str | None = None,
    limit: int | None = None,
) -> Rows:
    context = polars.SQLContext(records=carwalk.scan_polars(paths))
    conditions = [f"collection = '{collection}'"] if collection else []
    conditions += [f"did in ('{did}')"] if did else []
    where = f"where {' and '.join(conditions)}" if conditions else ""
    until = f"limit {limit}" if limit else ""
    query = f"select {', '.join(columns)} from records {where} {until}"
    return context.execute(query).collect().to_dicts()


def by_duckdb(
    paths: list[Path],
    columns: list[str],
    *,
    collection: str | None = None,
    did: str | None = None,
    limit: int | None = None,
) -> Rows:
    """Options narrow the scan. The columns and the limit are those of the query."""
    until = f"limit {limit}" if limit else ""
    connection = connected(tuple(paths), collection, did)
    cursor = connection.execute(f"select {', '.join(columns)} from records {until}")
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


@cache
def connected(
    paths: tuple[Path, ...], collection: str | None, did: str | None
) -> carwalk.duckdb.Connection:
    """A connection, which takes longer than a query. Several threads of DuckDB read ahead."""
    return carwalk.duckdb.connect(paths, collections=collection, dids=did, threads=1)


ENGINES = {
    "read": by_read,
    "duckdb": by_duckdb,
    "polars": by_polars,
    "polars in memory": by_polars_in_memory,
    "polars sql": by_polars_sql,
}
engines = pytest.mark.parametrize("ask", ENGINES.values(), ids=list(ENGINES))


def repository() -> cars.Repository:
    """80 records in four collections, no two of them equal."""
    keys = [f"{name}/{number:03}" for name in COLLECTIONS for number in range(0, 60, 3)]
    return cars.Repository({key: cars.post(key) for key in keys})


@pytest.mark.parametrize(
    ("ask", "collection"),
    list(zip(ENGINES.values(), [*COLLECTIONS, COLLECTIONS[1]], strict=True)),
    ids=list(ENGINES),
)
def test_one_collection_reads_its_subtrees_and_its_records(
    tmp_path: Path, ask: Ask, collection: str
) -> None:
    path, repo = tmp_path / "a.car", repository()
    expected = counting.needed_blocks(repo, of_collection(collection), records=True)
    assert len(expected) < len(repo.blocks()) / 2

    def scan(paths: list[Path]) -> None:
        rows = ask(paths, ["rkey", "record"], collection=collection)
        assert len(rows) == 20

    assert counting.verified_blocks(scan, repo, path) == expected
    assert counting.read_blocks(scan, repo, path) == expected


@engines
def test_without_a_record_column_no_record_is_read(tmp_path: Path, ask: Ask) -> None:
    path, repo = tmp_path / "a.car", repository()
    nodes = counting.needed_blocks(repo, EVERY_KEY, records=False)
    assert counting.read_blocks(lambda paths: ask(paths, TREE), repo, path) == nodes


@pytest.mark.parametrize(
    "ask", [by_read, by_polars, by_duckdb], ids=["read", "polars", "duckdb"]
)
def test_one_collection_without_a_record_column(tmp_path: Path, ask: Ask) -> None:
    path, repo, collection = tmp_path / "a.car", repository(), COLLECTIONS[1]
    nodes = counting.needed_blocks(repo, of_collection(collection), records=False)
    expected = {repo.cid(key) for key in repo.records if key.startswith(f"{collection}/")}

    def scan(paths: list[Path]) -> None:
        rows = ask(paths, TREE, collection=collection)
        assert {row["cid"] for row in rows} == set(map(str, expected))

    assert counting.read_blocks(scan, repo, path) == nodes
    assert counting.verified_blocks(scan, repo, path) == nodes


@engines
@pytest.mark.parametrize("column", RECORDS)
def test_each_record_column_reads_records(tmp_path: Path, ask: Ask, column: str) -> None:
    path = tmp_path / "a.car"
    repo = cars.Repository({f"a.b.c/{number}": cars.post(str(number)) for number in range(9)})
    every = counting.needed_blocks(repo, EVERY_KEY, records=True)
    assert counting.read_blocks(lambda paths: ask(paths, [column]), repo, path) == every


@engines
def test_a_whole_scan_verifies_every_block(tmp_path: Path, ask: Ask) -> None:
    path, repo = tmp_path / "a.car", repository()
    verified = counting.verified_blocks(lambda paths: ask(paths, ["rkey"]), repo, path)
    assert verified == set(dict(repo.blocks()))


@engines
def test_one_account_reads_one_file_beyond_its_commit(tmp_path: Path, ask: Ask) -> None:
    network = cars.network(accounts=30)
    paths = [tmp_path / f"{number:02}.car" for number in range(30)]
    for path, repo in zip(paths, network, strict=True):
        path.write_bytes(counting.cut_after_the_commit(repo))
    paths[17].write_bytes(network[17].car())

    def scan(paths: list[Path]) -> None:
        rows = ask(paths, ["did", "record"], did=network[17].did)
        assert [row["did"] for row in rows] == [network[17].did] * 11

    assert counting.opened_files(scan, paths) == set(paths)
    # Beyond its commit, the file of the account must be whole.
    paths[17].write_bytes(counting.cut_after_the_commit(network[17]))
    assert counting.fails(scan, paths, paths[17])
    # Without the filter, so must the others.
    assert counting.fails(lambda paths: ask(paths, ["did"]), paths, paths[0])


@engines
@pytest.mark.parametrize("columns", [["rkey"], ["rkey", "record"]])
def test_a_limit_ends_the_scan(tmp_path: Path, ask: Ask, columns: list[str]) -> None:
    network = cars.network(accounts=2)
    paths = [tmp_path / f"{number:02}.car" for number in range(30)]
    for path, repo in zip(paths, network, strict=False):
        path.write_bytes(repo.car())
    for limit in (1, 10, 11, 22):
        assert len(ask(paths, columns, limit=limit)) == limit
    # The third file is needed for the next row.
    assert counting.fails(lambda paths: ask(paths, columns, limit=23), paths, paths[2])

    def scan(paths: list[Path]) -> None:
        assert len(ask(paths, columns, limit=10)) == 10

    assert counting.opened_files(scan, paths[:2]) == {paths[0]}


# Texts that are prefixes of each other, with the bytes before and after `/`, and other texts.
LETTERS = ["a", "b", "-", ".", "0", ":", "_", "~"]
NAMES = ["a.b.c", "a.b.cd", "a.b.c.d", "a.b-.c", "a-0.b.c", "a.b0.c", "a.b-0.c", "a0.b.c", "a.b"]
DIDS = ["did:plc:a", "did:plc:ab", "did:web:a.b", "did:plc:b"]
MORE = ["", "/", "a/", "a.b.c/", "a.b.c0", "a.b.c/a", "z", "\0", "é", "\U0010ffff", "\ud800"]


def text(random: Random) -> str:
    return "".join(random.choices(LETTERS, k=random.randint(1, 4)))


def some_text(random: Random) -> str:
    return random.choice([text(random), *random.sample(NAMES + DIDS, 2), random.choice(MORE)])


def some_row(random: Random) -> dict[str, str]:
    collection = random.choice([*NAMES, text(random)])
    return {"did": random.choice(DIDS), "collection": collection, "rkey": text(random)}


COMPARISONS: dict[str, Callable[[bytes, bytes], bool]] = {
    "==": lambda left, right: left == right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}

Predicate = tuple[str, str, Any]


def some_predicate(random: Random) -> Predicate:
    column = random.choice(["did", "collection", "collection", "rkey", "rkey", "rev"])
    likely = {"did": DIDS, "collection": NAMES}.get(column, [text(random)])
    if random.random() < 0.3:
        some = [*likely, None, some_text(random)]
        values = random.choice([random.choices(some, k=random.randint(1, 4)), likely[:2], []])
        return column, "in", values
    value = random.choice([*random.sample(likely, 1), some_text(random)])
    return column, random.choice(list(COMPARISONS)), value


def matches(row: dict[str, str], predicate: Predicate) -> bool:
    column, operator, value = predicate
    if operator == "in":
        return any(matches(row, (column, "==", each)) for each in value if each is not None)
    left = row.get(column, "3l4npkzytcs2z").encode()
    return COMPARISONS[operator](left, value.encode(errors="surrogatepass"))


def is_selected(row: dict[str, str], arguments: dict[str, Any] | None) -> bool:
    if arguments is None:
        return False
    key = f"{row['collection']}/{row['rkey']}".encode()
    return (
        row["did"] in arguments.get("dids", [row["did"]])
        and row["collection"] in arguments.get("collections", [row["collection"]])
        and arguments.get("start", "").encode() <= key
        and ("end" not in arguments or key < arguments["end"].encode())
    )


def test_a_selection_has_every_row_that_matches(sample: str) -> None:
    random = Random(23)
    counts = {"matching": 0, "selected": 0, "all": 0}
    for _ in range(800 * CASES):
        predicates = [some_predicate(random) for _ in range(random.randint(1, 4))]
        selection = Selection.of()
        if random.random() < 0.2:
            selection = Selection.of(random.sample(NAMES[:3], 2), DIDS[:2], "a", "b")
        given = selection.arguments()
        for predicate in predicates:
            selection = selection.where(*predicate)
        arguments = selection.arguments()
        if arguments is not None:
            # These are arguments that the scan takes.
            carwalk.read(sample, **arguments)
        for row in (some_row(random) for _ in range(20)):
            expected = is_selected(row, given) and all(matches(row, each) for each in predicates)
            selected = is_selected(row, arguments)
            assert selected or not expected, (predicates, row, arguments)
            counts["matching"] += expected
            counts["selected"] += selected
            counts["all"] += 1
    # Neither always all nor always none.
    assert 0 < counts["matching"] < counts["selected"] < counts["all"] / 2


def test_a_selection_of_one_collection_and_a_record_key_is_exact() -> None:
    selection = Selection.of().where("collection", "==", "a.b.c").where("rkey", ">=", "3")
    arguments = {"collections": ["a.b.c"], "start": "a.b.c/3", "end": None}
    assert selection.arguments() == {k: v for k, v in arguments.items() if v is not None}
    selection = selection.where("rkey", "<", "4").where("did", "in", ["did:plc:a"])
    arguments |= {"end": "a.b.c/4", "dids": ["did:plc:a"]}
    assert selection.arguments() == arguments
    assert selection.where("rkey", "==", "5").arguments() is None
    assert selection.where("collection", "==", "a.b.d").arguments() is None
    assert selection.where("did", "in", []).arguments() is None
