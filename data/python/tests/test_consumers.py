"""Consumers take `Records` as they are."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import carwalk
import duckdb
import pandas
import polars
import pyarrow
import pytest
from carwalk import _carwalk


def scans_begun() -> int:
    return _carwalk._scans_begun()


def table(folder: Path) -> list[dict[str, Any]]:
    batches = [pyarrow.record_batch(batch) for batch in carwalk.read(folder)]
    found: list[dict[str, Any]] = pyarrow.Table.from_batches(batches).to_pylist()
    return found


def test_pyarrow(folder: Path) -> None:
    records = carwalk.read(folder)
    assert pyarrow.table(records).to_pylist() == table(folder)
    reader = pyarrow.RecordBatchReader.from_stream(records)
    assert reader.read_all().to_pylist() == table(folder)
    assert pyarrow.schema(records) == pyarrow.table(records).schema


def test_polars(folder: Path) -> None:
    frame = polars.DataFrame(carwalk.read(folder))
    assert frame.to_dicts() == table(folder)
    assert frame.schema["time"] == polars.Datetime("us", "UTC")
    batches = carwalk.read(folder, batch_size=10)
    assert polars.concat(map(polars.DataFrame, batches)).to_dicts() == table(folder)


def test_pandas(folder: Path) -> None:
    frame = pandas.DataFrame.from_arrow(carwalk.read(folder))
    expected = pyarrow.Table.from_pylist(table(folder)).to_pandas()
    assert frame["cid"].to_list() == expected["cid"].to_list()
    assert frame["time"].notna().sum() == 40
    assert len(frame) == 44


def test_duckdb(folder: Path) -> None:
    records = carwalk.read(folder)
    assert duckdb.sql("select count(*), count(time) from records").fetchall() == [(44, 40)]
    texts = duckdb.sql(
        "select record->>'text' as text from records where collection = 'app.bsky.feed.post' "
        "order by text limit 2"
    ).fetchall()
    assert texts == [("post 0 of 0",), ("post 0 of 1",)]
    assert duckdb.sql("select * from records").arrow().read_all().num_rows == 44


def test_duckdb_with_the_newest_revision_of_each_account(folder: Path) -> None:
    files = carwalk.files(folder)
    query = "select did, arg_max(path, rev) as path from files where outcome = 'done' group by did"
    assert duckdb.sql(f"select count(*) from ({query})").fetchall() == [(4,)]


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from records",
        "select collection, count(*) from records group by 1 order by 2 desc",
        "select sum(length(record)) from records where record->>'text' like '%1%'",
        "select * from records order by cid limit 3",
    ],
)
def test_one_duckdb_query_begins_one_scan(folder: Path, query: str) -> None:
    records = carwalk.read(folder)
    connection = duckdb.connect()
    connection.register("records", records)
    before = scans_begun()
    assert connection.sql(query).fetchall()
    assert scans_begun() - before == 1
    connection.close()


def test_schemas_and_unread_streams_begin_no_scan(folder: Path) -> None:
    before = scans_begun()
    records = carwalk.read(folder)
    assert len(pyarrow.schema(records)) == 10
    reader = pyarrow.RecordBatchReader.from_stream(records)
    assert len(reader.schema) == 10
    capsules = [records.__arrow_c_stream__() for _ in range(3)]
    iterator = iter(records)
    del reader, capsules, iterator
    gc.collect()
    assert scans_begun() == before
    next(iter(records))
    assert scans_begun() == before + 1


@pytest.mark.parametrize("name", ["stream", "iterator"])
def test_a_consumer_that_stops_in_the_middle_ends_the_threads(folder: Path, name: str) -> None:
    records = carwalk.read([folder] * 500, columns=["record"], batch_size=1, threads=3)
    assert wait_for_threads(0) == 0
    if name == "stream":
        reader: Any = pyarrow.RecordBatchReader.from_stream(records)
        assert reader.read_next_batch().num_rows == 1
    else:
        reader = iter(records)
        assert next(reader).num_rows == 1
    assert threads() > 0
    del reader
    gc.collect()
    assert wait_for_threads(0) == 0


def wait_for_threads(number: int) -> int:
    """Waits until this process has so many threads of scans. Those that end are still there."""
    for _ in range(10_000):
        if threads() == number:
            break
        os.sched_yield()
    return threads()


def threads() -> int:
    names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
    return sum(name.startswith("carwalk") for name in names)


def test_rows_without_columns(folder: Path) -> None:
    records = carwalk.read(folder, columns=[])
    reader = pyarrow.RecordBatchReader.from_stream(records)
    assert sum(batch.num_rows for batch in reader) == 44


def test_batches(folder: Path) -> None:
    (batch,) = carwalk.read(folder, columns=["did", "size"])
    assert (batch.num_rows, len(batch), batch.columns) == (44, 44, ["did", "size"])
    assert repr(batch) == "<carwalk.Batch of 44 rows: did, size>"
    taken = pyarrow.record_batch(batch)
    # A batch can be taken again, and lives on without the Records.
    assert pyarrow.record_batch(batch) == taken
    assert pyarrow.schema(batch) == taken.schema
    assert polars.DataFrame(batch).height == 44
    assert pyarrow.array(batch).type == pyarrow.struct(list(taken.schema))


def test_capsules_have_the_names_of_the_interface(folder: Path) -> None:
    records = carwalk.read(folder, columns=["did"])
    (batch,) = records
    assert '"arrow_schema"' in repr(records.__arrow_c_schema__())
    assert '"arrow_array_stream"' in repr(records.__arrow_c_stream__())
    assert '"arrow_array_stream"' in repr(records.__arrow_c_stream__(requested_schema=None))
    schema, array = batch.__arrow_c_array__(batch.__arrow_c_schema__())
    assert '"arrow_schema"' in repr(schema)
    assert '"arrow_array"' in repr(array)


def test_errors_of_consumers_name_the_input(folder: Path) -> None:
    bad = folder / "1.car"
    bad.write_bytes(b"Not Found")
    records = carwalk.read(folder)
    text = f"{bad}: not_a_car: "
    with pytest.raises(pyarrow.ArrowInvalid, match=text):
        pyarrow.table(records)
    with pytest.raises(duckdb.Error, match=text):
        duckdb.sql("select count(*) from records").fetchall()
    with pytest.raises(Exception, match=text):
        polars.DataFrame(records)
    with pytest.raises(pyarrow.ArrowInvalid, match=text):
        pandas.DataFrame.from_arrow(records)
    skipping = carwalk.read(folder, on_error="skip", columns=["did"])
    assert duckdb.sql("select count(*) from skipping").fetchall() == [(33,)]
    assert [failure.path for failure in skipping.failures] == [str(bad)]
