"""Lazy frames of Polars, compared with the same queries on a data frame of all rows."""

from __future__ import annotations

import ast
import doctest
import gc
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

import carwalk
import carwalk.polars
import polars
import pyarrow
import pytest
from carwalk import _carwalk
from carwalk._polars import scan as polars_scan
from carwalk._polars.predicate import narrow
from carwalk._pushdown import Selection
from polars import DataFrame, Expr, LazyFrame, col, lit
from polars.exceptions import ComputeError
from polars.testing import assert_frame_equal

import cars
import oracle
from conftest import ROOT, SAMPLE
from processes import PATIENCE, finish, opened, run, start
from test_consumers import scans_begun, threads

CASES = int(os.environ.get("CARWALK_TEST_CASES", "1"))

COLUMNS = "did rev collection rkey cid size time created_at subject record record_cbor".split()
SAMPLES = ROOT / "data" / "samples"
POST, LIKE = "app.bsky.feed.post", "app.bsky.feed.like"

Engine = Literal["in-memory", "streaming"]
Query = Callable[[LazyFrame], LazyFrame]
engines = pytest.mark.parametrize("engine", ["in-memory", "streaming"])


@pytest.fixture(scope="module")
def table() -> DataFrame:
    """All rows of the samples."""
    return DataFrame(carwalk.read(SAMPLES, columns=COLUMNS))


DIDS = [carwalk.Repo(SAMPLES / f"{number:06}.car").did for number in range(3)]
RKEY = "3m"
URI = polars.format("at://{}/{}/{}", "did", "collection", "rkey")

QUERIES: dict[str, Query] = {
    "all": lambda rows: rows,
    "no columns": lambda rows: rows.select([]),
    "columns in another order": lambda rows: rows.select("record", "did", "size"),
    "count": lambda rows: rows.select(polars.len()),
    "count of some": lambda rows: rows.filter(col("did") == DIDS[0]).select(polars.len()),
    "sum": lambda rows: rows.select(col("size").sum()),
    "group": lambda rows: rows.group_by("collection").agg(polars.len()).sort("collection"),
    "one collection": lambda rows: rows.filter(col("collection") == POST),
    "filter on a column that is not selected": lambda rows: rows.filter(
        (col("collection") == POST) & col("record").str.contains("a")
    ).select("rkey"),
    "some accounts": lambda rows: rows.filter(col("did").is_in(DIDS[:2]) & (col("rkey") >= RKEY)),
    "an account twice": lambda rows: rows.filter(did=DIDS[0]).filter(did=DIDS[1]),
    "no account": lambda rows: rows.filter(col("did") == "did:plc:none").select("record"),
    "not a DID": lambda rows: rows.filter(col("did") == "none"),
    "no keys": lambda rows: rows.filter((col("rkey") < "3") & (lit("4") < col("rkey"))),
    "never": lambda rows: rows.filter(lit(False)),
    "or": lambda rows: rows.filter((col("did") == DIDS[0]) | (col("rkey") < RKEY)),
    "not": lambda rows: rows.filter(~(col("did") == DIDS[0])),
    "xor": lambda rows: rows.filter((col("did") == DIDS[0]) ^ (col("collection") == POST)),
    "renamed": lambda rows: rows.rename({"did": "rkey", "rkey": "did"}).filter(rkey=DIDS[0]),
    "replaced": lambda rows: rows.with_columns(did=col("rkey")).filter(col("did") >= RKEY),
    "head": lambda rows: rows.head(10),
    "head 0": lambda rows: rows.head(0),
    "head, then filter": lambda rows: rows.head(100).filter(col("collection") == POST),
    "head, then filter, then head": lambda rows: rows.head(300).filter(did=DIDS[0]).head(5),
    "filter, then head": lambda rows: rows.filter(col("collection") == POST).head(3),
    "tail": lambda rows: rows.tail(5),
    "tail, then filter": lambda rows: rows.tail(200).filter(col("collection") == LIKE),
    "slice": lambda rows: rows.slice(5, 10),
    "slice from the end": lambda rows: rows.slice(-7, 3),
    "slice, then filter": lambda rows: rows.slice(5, 200).filter(col("collection") == LIKE),
    "filter, then slice": lambda rows: rows.filter(col("collection") == LIKE).slice(3, 4),
    "row numbers, then filter": lambda rows: rows.with_row_index().filter(collection=POST),
    "largest": lambda rows: rows.sort(*COLUMNS[:6]).tail(5),
    "first of all, then filter": lambda rows: (
        rows.sort(*COLUMNS[3::-1]).head(99).filter(collection=LIKE)
    ),
    "compared with an aggregate": lambda rows: rows.filter(col("size") == col("size").max()),
    "compared with the row before": lambda rows: rows.filter(col("did") != col("did").shift(1)),
    "first of each": lambda rows: rows.filter(col("collection").is_first_distinct()),
    "sums so far": lambda rows: rows.filter(col("size").cum_sum() < 5000),
    "window": lambda rows: rows.filter(col("size") == col("size").max().over("did")),
    "a function in Python": lambda rows: rows.filter(
        col("rkey").map_batches(lambda keys: keys.str.ends_with("2"), return_dtype=polars.Boolean)
    ),
    "join with itself": lambda rows: rows.join(
        rows, on=["did", "rev", "collection", "rkey"]
    ).select("did", "rev", "rkey", "record_right"),
    "join of two selections": lambda rows: (
        rows.filter(collection=LIKE)
        .join(rows.filter(collection=POST).select(text="record", subject=URI), on="subject")
        .select("did", "rkey", "text")
    ),
    "semi join": lambda rows: rows.filter(collection=POST).join(
        rows.filter(collection=LIKE), left_on=URI, right_on="subject", how="semi"
    ),
    "concat": lambda rows: polars.concat([rows.head(3), rows.filter(did=DIDS[1]).head(2)]),
    "distinct": lambda rows: rows.select("did", "rev").unique(),
}


@engines
@pytest.mark.parametrize("name", QUERIES)
def test_queries(table: DataFrame, engine: Engine, name: str) -> None:
    found = QUERIES[name](carwalk.scan_polars(SAMPLES)).collect(engine=engine)
    expected = QUERIES[name](table.lazy()).collect()
    order = "join" not in name and name != "distinct"
    assert_frame_equal(found, expected, check_row_order=order)


def test_rows_are_those_of_another_reader() -> None:
    found = carwalk.scan_polars(SAMPLES).collect().to_dicts()
    for row in found:
        row["record"] = json.loads(row["record"])
    paths = sorted(SAMPLES.rglob("*.car"), key=str)
    assert found == [row for path in paths for row in oracle.rows(path.read_bytes())]


def test_schema(sample: str) -> None:
    frame = carwalk.scan_polars(sample)
    before = scans_begun()
    assert frame.collect_schema().names() == COLUMNS
    assert scans_begun() == before
    assert frame.collect_schema() == frame.collect().schema
    assert frame.head(0).collect().schema == frame.collect_schema()


SQL = {
    "select count(*) as n from records": lambda rows: rows.select(n=polars.len()),
    "select rkey from records limit 7": lambda rows: rows.select("rkey").head(7),
    (
        f"select rkey from records where did in ('{DIDS[0]}', '{DIDS[1]}') "
        "and rkey between '3m' and '3n'"
    ): (
        lambda rows: rows.filter(
            col("did").is_in(DIDS[:2]), col("rkey") >= "3m", col("rkey") <= "3n"
        ).select("rkey")
    ),
    f"with x as (select * from records limit 99) select cid from x where collection = '{POST}'": (
        lambda rows: rows.head(99).filter(collection=POST).select("cid")
    ),
    f"select distinct subject from records where '{LIKE}' = collection order by subject": (
        lambda rows: rows.filter(collection=LIKE).select("subject").unique().sort("subject")
    ),
}


@pytest.mark.parametrize("query", SQL)
def test_sql(table: DataFrame, query: str) -> None:
    context = polars.SQLContext(records=carwalk.scan_polars(SAMPLES))
    expected = SQL[query](table.lazy()).collect()
    # SQL counts in other integers.
    assert_frame_equal(context.execute(query).collect(), expected, check_dtypes=False)


def some_filter(random: Random, table: DataFrame) -> Expr:
    """A random comparison, and two of them joined."""
    if random.random() < 0.4:
        left, right = some_filter(random, table), some_filter(random, table)
        return random.choice([left & right, left & right, left | right, ~left])
    name = random.choice(["did", "collection", "rkey", "rkey", "size"])
    values = [table[name][random.randrange(table.height)] for _ in range(random.randint(1, 3))]
    if random.random() < 0.3:
        return col(name).is_in(values)
    left, right = random.choice([(col(name), lit(values[0])), (lit(values[0]), col(name))])
    return random.choice([left == right, left < right, left <= right, left > right, left >= right])


def some_query(random: Random, table: DataFrame) -> list[Query]:
    steps: list[Query] = []
    for _ in range(random.randint(1, 4)):
        predicate, number = some_filter(random, table), random.randint(0, 300)
        names = random.sample(COLUMNS, random.randint(1, 4))
        steps.append(
            random.choice(
                [
                    lambda rows, predicate=predicate: rows.filter(predicate),
                    lambda rows, predicate=predicate: rows.filter(predicate),
                    lambda rows, number=number: rows.head(number),
                    lambda rows, number=number: rows.tail(number),
                    lambda rows, number=number: rows.slice(number // 2, number),
                ]
            )
        )
    return [*steps, lambda rows: rows.select(names)]


def test_random_queries(table: DataFrame) -> None:
    random = Random(24)
    frames = {
        "fail": carwalk.scan_polars(SAMPLES),
        "skip": carwalk.scan_polars([SAMPLES, ROOT / "README.md"], on_error="skip"),
    }
    nonempty = 0
    for number in range(60 * CASES):
        steps = some_query(random, table)
        found, expected = frames[random.choice(list(frames))], table.lazy()
        for step in steps:
            found, expected = step(found), step(expected)
        engine = cast(Engine, ["in-memory", "streaming"][number % 2])
        result = expected.collect()
        assert_frame_equal(found.collect(engine=engine), result)
        nonempty += result.height > 0
    assert nonempty > 20 * CASES


# What of a predicate narrows a scan.
NARROWING: dict[str, tuple[Expr, dict[str, Any] | None]] = {
    "==": (col("collection") == POST, {"collections": [POST]}),
    "== turned": (lit(POST) == col("collection"), {"collections": [POST]}),
    "is_in": (col("did").is_in(DIDS[:2]), {"dids": sorted(DIDS[:2])}),
    "is_in a set": (col("did").is_in({DIDS[0]}), {"dids": [DIDS[0]]}),
    "is_in a series": (col("did").is_in(polars.Series(DIDS[:1]).implode()), {"dids": DIDS[:1]}),
    "is_in with null": (col("did").is_in([DIDS[0], None]), {"dids": [DIDS[0]]}),
    "and": (
        (col("did") == DIDS[0]) & (col("collection") == POST),
        {"dids": [DIDS[0]], "collections": [POST]},
    ),
    "range": (
        (col("collection") == POST) & (col("rkey") >= "a") & (lit("b") > col("rkey")),
        {"collections": [POST], "start": f"{POST}/a", "end": f"{POST}/b"},
    ),
    "> and <=": (
        (col("collection") == POST) & (col("rkey") > "a") & (lit("b") >= col("rkey")),
        {"collections": [POST], "start": f"{POST}/a\0", "end": f"{POST}/b\0"},
    ),
    "< and >=, turned": (
        (lit(POST) == col("collection")) & (lit("a") < col("rkey")) & (col("rkey") < "b"),
        {"collections": [POST], "start": f"{POST}/a\0", "end": f"{POST}/b"},
    ),
    "<=, turned": (
        (col("collection") == POST) & (lit("a") <= col("rkey")) & (col("rkey") <= "b"),
        {"collections": [POST], "start": f"{POST}/a", "end": f"{POST}/b\0"},
    ),
    "part of and": ((col("did") == DIDS[0]) & (col("size") > 3), {"dids": [DIDS[0]]}),
    "one of or": ((col("did") == DIDS[0]) | (col("size") > 3), {}),
    "not": (~(col("did") == DIDS[0]), {}),
    "!=": (col("did") != DIDS[0], {}),
    "no rows": ((col("did") == DIDS[0]) & (col("did") == DIDS[1]), None),
    "equal or both null": (col("did").eq_missing(DIDS[0]), {}),
    "is_in with equal nulls": (col("did").is_in([DIDS[0], None], nulls_equal=True), {}),
    "two columns": (col("did") == col("rkey"), {}),
    "cast": (col("did").cast(polars.Categorical) == DIDS[0], {}),
    "function of a column": (col("collection").str.to_lowercase() == POST, {}),
    "function of a value": (col("collection") == lit(POST).str.to_uppercase(), {}),
    "a number": (col("size") == 3, {}),
    "another column": (col("rev") == "3l4npkzytcs2z", {}),
    "several values": (col("did") == polars.Series(DIDS[:2]), {}),
    "malformed": (col("did") == "a.example.com", {}),
    "true": (lit(True), {}),
    "a column": (col("did").is_null(), {}),
}


@pytest.mark.parametrize("name", NARROWING)
def test_predicates_that_narrow(name: str) -> None:
    predicate, expected = NARROWING[name]
    # Polars serializes predicates between the query and the scan.
    for each in (predicate, Expr.deserialize(predicate.meta.serialize())):
        assert narrow(Selection.of(), each).arguments() == expected


def test_predicates_of_many_parts() -> None:
    def joined(number: int, *, left: bool) -> Expr:
        whole = col("did") == DIDS[0]
        for part in (col("rkey") != str(part) for part in range(number)):
            whole = whole & part if left else part & whole
        return whole

    for left in (True, False):
        assert narrow(Selection.of(), joined(5000, left=left)).arguments() == {"dids": [DIDS[0]]}
        # Polars itself takes seconds for thousands.
        frame = carwalk.scan_polars(SAMPLES).filter(joined(300, left=left)).select("did")
        assert set(frame.collect()["did"]) == {DIDS[0]}


def test_a_predicate_that_polars_cannot_pass_on(
    table: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It filters the rows itself then, such as with thousands of parts."""

    def fail(*_: Any, **__: Any) -> None:
        raise ComputeError("depth limit exceeded")

    monkeypatch.setattr(Expr, "deserialize", fail)
    for name in ("one collection", "head, then filter", "filter, then head"):
        found = QUERIES[name](carwalk.scan_polars(SAMPLES)).collect()
        assert_frame_equal(found, QUERIES[name](table.lazy()).collect())


def test_a_predicate_with_many_values() -> None:
    values = [f"did:plc:{number}" for number in range(200_000)] + DIDS[:1]
    frame = carwalk.scan_polars(SAMPLES).filter(col("did").is_in(values)).select("did")
    assert set(frame.collect()["did"]) == {DIDS[0]}


def test_a_function_in_python_gets_no_frame_without_rows(
    sample: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scans that take long have frames without rows, which the filter does not ask for."""
    heights: list[int] = []

    def is_short(keys: polars.Series) -> polars.Series:
        heights.append(len(keys))
        return keys.str.len_bytes() < 5

    def with_empty(records: carwalk.Records) -> Iterator[DataFrame]:
        for batch in records:
            yield from (DataFrame(batch).clear(), DataFrame(batch))

    monkeypatch.setattr(polars_scan, "_frames", with_empty)
    schema = carwalk.scan_polars(sample).collect_schema()
    source = polars_scan._Source([sample], Selection.of(), "fail", schema)
    predicate = col("rkey").map_batches(is_short, return_dtype=polars.Boolean)
    frames = list(source(["rkey"], predicate, None, None))
    assert [frame.columns for frame in frames] == [["rkey"]] * 2
    assert polars.concat(frames)["rkey"].to_list() == ["self"]
    assert heights and 0 not in heights


class Strange:
    """An expression of another version of Polars."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @property
    def meta(self) -> Any:
        raise self.error


def test_predicates_that_cannot_be_understood_narrow_nothing() -> None:
    selection = Selection.of(POST)
    for error in (AttributeError("meta"), TypeError("x"), polars.exceptions.PanicException("x")):
        assert narrow(selection, cast(Expr, Strange(error))) is selection
    with pytest.raises(KeyboardInterrupt):
        narrow(selection, cast(Expr, Strange(KeyboardInterrupt())))


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_requests_that_this_version_of_polars_does_not_make(
    table: DataFrame, on_error: Literal["fail", "skip"]
) -> None:
    """The interface allows them: columns without those of the predicate, and no columns."""
    files = [path for path, _ in _carwalk._inputs(SAMPLES)]
    source = polars_scan._Source(files, Selection.of(), on_error, table.schema)
    predicate = col("collection") == POST

    def rows(columns: list[str] | None, number: int | None, size: int | None) -> DataFrame:
        empty = table.clear().select(table.columns if columns is None else columns)
        return polars.concat([*source(columns, predicate, number, size)] or [empty])

    expected = table.filter(predicate)
    assert_frame_equal(rows(None, None, None), expected)
    assert_frame_equal(rows(["size", "rkey"], None, 7), expected.select("size", "rkey"))
    assert rows([], None, 0).shape == (expected.height, 0)
    first = table.head(300).filter(predicate)
    assert first.height < expected.height
    for size in (1, 7, 300, None, 2**40):
        assert_frame_equal(rows(["cid"], 300, size), first.select("cid"))
        assert rows(None, 0, size).height == 0


def test_arguments_select_rows(table: DataFrame) -> None:
    # Iterators can be read only once.
    frame = carwalk.scan_polars(
        iter([SAMPLES]),
        collections=iter([POST, LIKE]),
        dids=iter(DIDS[:2]),
        start=f"{LIKE}/3m",
        end=f"{POST}/3mp",
    )
    key = polars.format("{}/{}", "collection", "rkey")
    expected = table.filter(
        col("did").is_in(DIDS[:2]),
        col("collection").is_in([POST, LIKE]),
        (key >= f"{LIKE}/3m") & (key < f"{POST}/3mp"),
    )
    assert expected.height > 10
    for _ in range(2):
        assert_frame_equal(frame.collect(), expected)
    likes = frame.filter(collection=LIKE)
    assert_frame_equal(likes.collect(), expected.filter(collection=LIKE))
    assert carwalk.scan_polars(SAMPLES, collections=[]).collect().height == 0
    assert carwalk.scan_polars(SAMPLES, dids="did:plc:none").collect().height == 0


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"collections": ["posts"]}, ValueError, 'collections: "posts" is not the name of a'),
    ({"dids": "a.example.com"}, ValueError, 'dids: "a.example.com" is not a DID'),
    ({"start": "b", "end": "a"}, ValueError, "start, end and collections contradict each other"),
    ({"on_error": "ignore"}, ValueError, 'on_error must be "fail" or "skip", not "ignore"'),
    ({"collections": 7}, TypeError, "collections must be a str or a list of str, not int"),
    ({"start": 1}, TypeError, "start must be a str, not int"),
    ({"paths": []}, ValueError, "paths is empty: there are no inputs"),
    ({"paths": 7}, TypeError, "paths must be a path"),
    ({"limit": 7}, TypeError, "limit"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), WRONG)
def test_wrong_arguments(
    sample: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        carwalk.scan_polars(**{"paths": sample} | arguments)
    assert message in str(raised.value)


def test_columns_that_do_not_exist(sample: str) -> None:
    message = '"uri"; valid columns: .*"rkey"'
    with pytest.raises(polars.exceptions.ColumnNotFoundError, match=message):
        carwalk.scan_polars(sample).select("uri").collect()


def test_folders_without_cars(tmp_path: Path, sample: str) -> None:
    with pytest.raises(carwalk.CarError, match=r"files named \*\.car"):
        carwalk.scan_polars(tmp_path)
    with pytest.raises(ComputeError, match="io: .*the folder has no CARs"):
        carwalk.scan_polars([tmp_path, sample]).collect()
    frame = carwalk.scan_polars([tmp_path, sample], on_error="skip")
    assert frame.select(polars.len()).collect().item() == 40


def test_folders_are_listed_at_the_call(folder: Path) -> None:
    frame = carwalk.scan_polars(folder).select("did")
    (folder / "9.car").write_bytes((folder / "0.car").read_bytes())
    assert frame.collect().height == 44
    (folder / "3.car").unlink()
    with pytest.raises(ComputeError, match=r"3\.car: io: "):
        frame.collect()


CONSUMERS: dict[str, Callable[[LazyFrame], object]] = {
    "in-memory": lambda frame: frame.collect(engine="in-memory"),
    "streaming": lambda frame: frame.collect(engine="streaming"),
    "batches": lambda frame: list(frame.collect_batches()),
    "sink": lambda frame: frame.sink_parquet(os.devnull),
    "group": lambda frame: frame.group_by("did").agg(polars.len()).collect(),
    "join": lambda frame: frame.join(frame.select("did"), on="did").collect(),
    "filter": lambda frame: frame.filter(col("size") > 0).collect(),
    "sql": lambda frame: polars.SQLContext(x=frame).execute("select cid from x").collect(),
    "all": lambda frame: polars.collect_all([frame, frame.select("did")]),
}


@pytest.mark.parametrize("name", CONSUMERS)
def test_errors_of_files(folder: Path, name: str) -> None:
    CONSUMERS[name](carwalk.scan_polars(folder))
    bad = folder / "1.car"
    bad.write_bytes(b"Not Found")
    with pytest.raises(ComputeError) as raised:
        CONSUMERS[name](carwalk.scan_polars(folder))
    error = raised.value.__cause__
    assert isinstance(error, carwalk.CarError)
    assert (error.path, error.reason) == (str(bad), "not_a_car")
    assert str(raised.value) == str(error) == f"{bad}: not_a_car: {error.error}"
    CONSUMERS[name](carwalk.scan_polars(folder, on_error="skip"))


def damaged(folder: Path) -> Path:
    """Damages a like in the first file."""
    repository = cars.network()[0]
    key = next(key for key in repository.records if key.startswith(LIKE))
    blocks = [
        (cid, b"\xa0" if cid == repository.cid(key) else block)
        for cid, block in repository.blocks()
    ]
    path = folder / "0.car"
    path.write_bytes(cars.car(blocks[0][0], blocks))
    return path


@engines
def test_skip_leaves_the_same_files_out_of_every_query(folder: Path, engine: Engine) -> None:
    """As if the files that fail were not there, whatever the query reads of them."""
    whole = carwalk.scan_polars(folder)
    damaged(folder)
    good = carwalk.scan_polars([folder / f"{number}.car" for number in (1, 2, 3)])
    skipping = carwalk.scan_polars(folder, on_error="skip")
    for query in QUERIES.values():
        found = query(skipping).collect(engine=engine)
        assert_frame_equal(found, query(good).collect(engine=engine), check_row_order=False)
    did = cars.network()[0].did
    assert skipping.filter(did=did).collect(engine=engine).height == 0
    assert skipping.head(3).select("did").unique().collect(engine=engine).item() != did
    # With `fail`, a query that does not read the damaged record has the rows.
    posts = whole.filter(collection=POST)
    assert posts.filter(did=did).collect(engine=engine).height == 5
    with pytest.raises(ComputeError, match=r"0\.car: invalid: "):
        whole.filter(col("collection").str.starts_with(POST)).collect(engine=engine)


@engines
def test_equal_scans_of_a_query_are_made_once(folder: Path, engine: Engine) -> None:
    frame = carwalk.scan_polars(folder)
    before = scans_begun()
    keys = frame.select("did", "collection", "rkey")
    joined = keys.join(keys, on=["did", "collection", "rkey"])
    assert joined.collect(engine=engine).height == 44
    assert scans_begun() - before == 1
    frame.filter(collection=POST).collect(engine=engine)
    assert scans_begun() - before == 2


@engines
def test_scans_of_other_files_are_not_equal(folder: Path, engine: Engine) -> None:
    """Neither are those with other options."""
    scans = [carwalk.scan_polars(folder / f"{number}.car") for number in range(2)]
    scans += [carwalk.scan_polars(folder / "0.car", collections=name) for name in (POST, LIKE)]
    scans += [carwalk.scan_polars(folder / "0.car", start=f"{LIKE}/"), scans[0]]
    expected = [frame.select("did", "cid").collect(engine=engine) for frame in scans]
    assert len({str(frame.to_dicts()) for frame in expected}) == 5
    combined = polars.concat([frame.select("did", "cid") for frame in scans])
    assert_frame_equal(combined.collect(engine=engine), polars.concat(expected))


def test_plans_name_the_scan(sample: str) -> None:
    plan = carwalk.scan_polars(sample).filter(collection=POST).select("rkey").explain()
    assert "PYTHON[carwalk] SCAN" in plan
    assert f'SELECTION: col("collection") == "{POST}"' in plan
    assert "PROJECT 2/11 COLUMNS" in plan
    assert "INFO: 1 file; on_error: fail" in plan
    dids = [f"did:plc:{number}" for number in range(5)]
    frame = carwalk.scan_polars(
        [sample] * 3, dids=dids, start="a\nb", collections=[], on_error="skip"
    )
    expected = (
        "INFO: 3 files; collections: none; dids: 'did:plc:0', 'did:plc:1', 'did:plc:2' and 2 more; "
        r"start: 'a\nb'; on_error: skip"
    )
    assert expected in frame.explain()


@pytest.mark.parametrize("number", [1, 10])
def test_a_consumer_that_stops_ends_the_threads(folder: Path, number: int) -> None:
    frame = carwalk.scan_polars([folder] * 500)
    assert frame.head(number).collect().height == number
    wait_for_the_end_of_threads()
    assert frame.filter(collection=POST).head(number).collect(engine="streaming").height == number
    wait_for_the_end_of_threads()
    batches: Iterator[DataFrame] | None = iter(frame.collect_batches(chunk_size=10))
    assert batches and next(batches).height > 0
    del batches
    gc.collect()
    wait_for_the_end_of_threads()


def wait_for_the_end_of_threads() -> None:
    """Polars may drop a source a little after the query."""
    for _ in range(PATIENCE * 1000):
        if threads() == 0:
            return
        time.sleep(0.001)
    raise AssertionError(f"{threads()} threads of scans did not end")


def test_sinks(folder: Path, tmp_path: Path) -> None:
    frame = carwalk.scan_polars(folder)
    path = tmp_path / "out.parquet"
    frame.filter(collection=LIKE).sink_parquet(path)
    assert_frame_equal(polars.read_parquet(path), frame.filter(collection=LIKE).collect())
    batches = list(frame.collect_batches())
    assert_frame_equal(polars.concat(batches), frame.collect())


@pytest.mark.parametrize(
    "consume",
    [
        "frame.collect(engine='in-memory')",
        "frame.collect(engine='streaming')",
        "frame.filter(did='did:plc:none').collect()",
        "list(frame.collect_batches())",
        "frame.sink_parquet('/dev/null')",
    ],
)
def test_ctrl_c_ends_a_query(tmp_path: Path, consume: str) -> None:
    pipe = tmp_path / "silent.car"
    os.mkfifo(pipe)
    with start(interrupted([pipe], consume)) as process:
        with opened(pipe, process):
            process.send_signal(signal.SIGINT)
            out, err = finish(process)
    assert (out, process.returncode) == ("interrupted\n", 0), err


def test_ctrl_c_ends_a_query_of_many_files(tmp_path: Path) -> None:
    """20,000 files of 2,000 records would take minutes."""
    pipe, path = tmp_path / "first.car", tmp_path / "a.car"
    os.mkfifo(pipe)
    repository = cars.Repository({f"a.b.c/{n:04}": cars.post(str(n)) for n in range(2000)})
    path.write_bytes(repository.car())
    script = interrupted([pipe, *[path] * 20_000], "frame.collect(engine='streaming')")
    with start(script) as process:
        with opened(pipe, process) as first:
            first.write(SAMPLE.read_bytes())
        process.send_signal(signal.SIGINT)
        out, err = finish(process)
    assert (out, process.returncode) == ("interrupted\n", 0), err


def interrupted(paths: list[Path], consume: str) -> str:
    """A script that prints whether Ctrl-C arrived. Polars may raise it again, a little later."""
    first, rest = str(paths[0]), [str(path) for path in paths[1:2]]
    return f"""
        import carwalk, polars
        frame = carwalk.scan_polars([{first!r}] + {rest} * {len(paths) - 1})
        caught = []
        try:
            try:
                {consume}
            finally:
                caught.append("interrupted")
                time.sleep(0.1)
        except KeyboardInterrupt:
            print(*caught)
    """


def test_without_polars() -> None:
    script = """
        import sys
        sys.modules["polars"] = None
        import carwalk
        import carwalk.polars
        for call in (lambda: carwalk.scan_polars("x"), lambda: carwalk.polars.views(None)):
            try:
                call()
            except ModuleNotFoundError as error:
                print(error.name, error)
    """
    message = "carwalk.polars needs Polars, which is not installed: pip install 'polars>=2'"
    assert run(script) == f"polars {message}\n" * 2


def test_the_examples_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(carwalk.polars)
    assert (result.failed, result.attempted > 8) == (0, True)


REPLIES: list[Any] = [
    {"root": {"uri": "at://a"}, "parent": {"uri": "at://b"}},
    {"root": {"uri": None}, "parent": {}},
    {"root": {"uri": 7}, "parent": {"uri": ["at://b"]}},
    {"root": [{"uri": "at://a"}], "parent": "at://b"},
    [{"root": {"uri": "at://a"}}],
    {"root.uri": "at://a", "parent": {"uri": {"uri": "at://b"}}},
    "at://a",
    None,
]
VALUES: list[Any] = [
    *["", "null", "Ünï \u2028 \"\\\n\0", "7", 7, 2**64 - 1, -(2**63), True, False, None],
    *[1.5, 1e300, 1e16, -0.0, 5e-324, [], {}, ["a", None], {"b": [1], "a": "é"}],
    *[b"\0", cars.Cid.of(b"")],
]


def test_views_of_odd_records(tmp_path: Path) -> None:
    """Values of every type, at every place."""
    records = {f"{POST}/{n:03}": {"text": v, "langs": v} for n, v in enumerate(VALUES)}
    records |= {f"{POST}/r{n:03}": {"reply": v} for n, v in enumerate(REPLIES)}
    for number, value in enumerate(VALUES):
        lists = {"name": value, "purpose": value}
        profile = {"displayName": value, "description": value}
        records |= {f"app.bsky.graph.list/{number:03}": lists}
        records |= {f"app.bsky.actor.profile/{number:03}": profile}
    blocks = {key: cars.cbor(value) for key, value in records.items()}
    blocks |= {f"{POST}/x1": b"\xff", f"{POST}/x2": cars.cbor([{"text": "a"}])}
    blocks |= {f"{POST}/x3": b"\x07"}
    (tmp_path / "a.car").write_bytes(cars.Repository(blocks).car())
    views = carwalk.polars.views(carwalk.scan_polars(tmp_path))
    replies = {"reply_root": "reply.root.uri", "reply_parent": "reply.parent.uri"}
    for view, names in {
        "posts": {"text": "text", "langs": "langs"} | replies,
        "lists": {"name": "name", "purpose": "purpose"},
        "profiles": {"display_name": "displayName", "description": "description"},
    }.items():
        rows = views[view].collect().to_dicts()
        assert len(rows) >= len(VALUES)
        for row in rows:
            record = json.loads(text) if (text := record_of(tmp_path, row["uri"])) else None
            for name, path in names.items():
                assert row[name] == value_at(record, path.split(".")), (row, record)


def record_of(folder: Path, uri: str) -> str | None:
    found = carwalk.Repo(folder / "a.car").get(uri.split("/", 3)[3])
    assert found
    return found.json


def value_at(value: Any, path: list[str]) -> str | None:
    """A text as it is, null as nothing, and anything else as JSON."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_views(table: DataFrame) -> None:
    records = carwalk.scan_polars(SAMPLES)
    views = carwalk.polars.views(records)
    first = ["did", "rkey", "uri", "created_at"]
    collections = {
        "posts": (POST, ["cid", "text", "langs", "reply_root", "reply_parent"]),
        "likes": (LIKE, ["subject"]),
        "reposts": ("app.bsky.feed.repost", ["subject"]),
        "follows": ("app.bsky.graph.follow", ["subject"]),
        "blocks": ("app.bsky.graph.block", ["subject"]),
        "profiles": ("app.bsky.actor.profile", ["display_name", "description"]),
        "lists": ("app.bsky.graph.list", ["name", "purpose"]),
    }
    assert list(views) == list(collections)
    for name, (collection, more) in collections.items():
        found = views[name].collect()
        expected = table.filter(collection=collection)
        assert found.columns == [*first, *more]
        assert found["uri"].to_list() == expected.select(uri=URI)["uri"].to_list()
        for column in {"did", "rkey", "created_at", "cid", "subject"} & {*found.columns}:
            assert_frame_equal(found.select(column), expected.select(column))


def test_views_in_sql() -> None:
    records = carwalk.scan_polars(SAMPLES)
    context = polars.SQLContext({"records": records} | carwalk.polars.views(records))
    query = """
        select posts.uri, count(*) as likes
        from posts join likes on likes.subject = posts.uri
        group by posts.uri order by likes desc, posts.uri limit 3
    """
    found = context.execute(query).collect()
    rows = [row for path in SAMPLES.rglob("*.car") for row in oracle.rows(path.read_bytes())]
    uris = [f"at://{row['did']}/{POST}/{row['rkey']}" for row in rows if row["collection"] == POST]
    posts = Counter(uris)
    likes = Counter(row["subject"] for row in rows if row["collection"] == LIKE)
    joined = {uri: likes[uri] * times for uri, times in posts.items()}
    expected = sorted(joined.items(), key=lambda item: (-item[1], item[0]))[:3]
    assert found.rows() == expected


def test_views_of_exported_rows(tmp_path: Path) -> None:
    """They need only the columns that they name."""
    path = tmp_path / "rows.parquet"
    carwalk.scan_polars(SAMPLES).drop("record_cbor", "time").sink_parquet(path)
    exported = carwalk.polars.views(polars.scan_parquet(path))
    for name, view in carwalk.polars.views(carwalk.scan_polars(SAMPLES)).items():
        assert_frame_equal(exported[name].collect(), view.collect())


def test_a_view_reads_only_its_collection_and_columns(folder: Path) -> None:
    damaged(folder)
    views = carwalk.polars.views(carwalk.scan_polars(folder))
    assert views["posts"].select("text").collect().height == 20
    assert views["likes"].select("uri").collect().height == 20
    with pytest.raises(ComputeError, match=r"0\.car: invalid: "):
        views["likes"].collect()
