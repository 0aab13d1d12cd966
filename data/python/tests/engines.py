"""The engines, as functions that answer a query of the corpus.

``python engines.py INPUT ROWS REPORT DID START END`` compares them on ``INPUT``, of which
``carwalk export --report REPORT`` has written ``ROWS.parquet`` and ``ROWS.jsonl``. The last three
are those of `corpus.Subject`.
"""

from __future__ import annotations

import argparse
import importlib.resources
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import carwalk
import carwalk.duckdb
import carwalk.polars
import duckdb
import polars
from corpus import DUCKDB, POLARS, QUERIES, SPARK, Query, Subject

Rows = list[tuple[Any, ...]]
Ask = Callable[[Query], Rows]


def plain(rows: list[dict[str, Any]]) -> Rows:
    """Rows whose times are in UTC."""

    def value(item: Any) -> Any:
        return item.astimezone(UTC) if isinstance(item, datetime) else item

    return [tuple(map(value, row.values())) for row in rows]


def view_file(engine: str) -> str:
    return (importlib.resources.files("carwalk") / "views" / f"{engine}.sql").read_text()


def on_cars(paths: str, subject: Subject, narrow: bool = True) -> Ask:
    """DuckDB over CARs, with the needed columns or with all of them."""
    connection = carwalk.duckdb.connect(paths, on_error="skip")
    connection._narrow = narrow

    def ask(query: Query) -> Rows:
        result = connection.sql(DUCKDB.write(query.sql, subject))
        return plain(result.to_arrow_table().to_pylist())

    return ask


def on_exports(source: str, files: str, subject: Subject) -> Ask:
    """DuckDB over exported rows, and the report of the export."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"create view records as from {source}")
    connection.execute(f"create view files as from {files}")
    connection.execute(view_file("duckdb"))

    def ask(query: Query) -> Rows:
        result = connection.sql(DUCKDB.write(query.sql, subject))
        return plain(result.to_arrow_table().to_pylist())

    return ask


def jsonl(path: str) -> str:
    """A file of JSON Lines as a table with the types of the others."""
    texts = dict.fromkeys(("did", "rev", "collection", "rkey", "cid", "subject"), "varchar")
    types = texts | {"size": "bigint", "time": "timestamptz", "created_at": "timestamptz"}
    # A record of the type JSON keeps its text; views compare it as text.
    types["record"] = "json"
    return (
        f"(select * replace (record::varchar as record) from read_json('{path}', "
        f"columns={types}, maximum_object_size={1 << 28}))"
    )


def in_polars(paths: str, subject: Subject) -> Ask:
    """Polars over CARs: SQL, and expressions where it lacks something."""
    records = carwalk.polars.scan_polars(paths, on_error="skip")
    views = carwalk.polars.views(records)
    files = polars.LazyFrame(carwalk.files(paths))
    context = polars.SQLContext({"records": records, "files": files, **views})

    def ask(query: Query) -> Rows:
        if query.polars is not None:
            frame = query.polars(records)
        else:
            frame = context.execute(POLARS.write(query.sql, subject))
        return plain(frame.collect().to_dicts())

    return ask


def in_spark(spark: Any, paths: str, subject: Subject) -> Ask:
    """Spark over CARs."""
    import carwalk.spark

    carwalk.spark.create_views(spark, paths, on_error="skip")

    def ask(query: Query) -> Rows:
        return plain(spark.sql(SPARK.write(query.sql, subject)).toArrow().to_pylist())

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input")
    parser.add_argument("rows")
    parser.add_argument("report")
    parser.add_argument("did")
    parser.add_argument("start")
    parser.add_argument("end")
    parser.add_argument("--spark", metavar="FOLDER", help="a folder for the files of Spark")
    options = parser.parse_args()
    subject = Subject(options.did, options.start, options.end)
    paths, rows = options.input, options.rows
    files = f"(select distinct on (path) * from read_json('{options.report}'))"
    engines = {
        "DuckDB": on_cars(paths, subject),
        "DuckDB, all columns": on_cars(paths, subject, narrow=False),
        "Polars": in_polars(paths, subject),
        "Parquet": on_exports(f"'{rows}.parquet'", files, subject),
        "JSON Lines": on_exports(jsonl(f"{rows}.jsonl"), files, subject),
    }
    if options.spark:
        from spark_sessions import session

        settings = {"spark.driver.memory": "4g", "spark.sql.session.timeZone": "UTC"}
        spark = session("local[2]", Path(options.spark), settings)
        engines["Spark"] = in_spark(spark, os.path.abspath(paths), subject)
    differences = 0
    for query in QUERIES:
        expected: Rows | None = None
        line = f"{query.name}:"
        for name, ask in engines.items():
            begin = time.perf_counter()
            found = ask(query)
            line += f" {name} {time.perf_counter() - begin:.2f} s,"
            expected = found if expected is None else expected
            if found != expected:
                differences += 1
                pairs = zip(found, expected, strict=False)
                first = next((pair for pair in pairs if pair[0] != pair[1]), None)
                line += f" DIFFERS ({len(found)} rows): {first}"
        few = "" if len(expected or []) >= query.at_least else f" (fewer than {query.at_least})"
        print(line, f"{len(expected or [])} rows{few}", flush=True)
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
