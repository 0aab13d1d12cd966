"""Repositories in Apache Spark 4.1 or newer: a data source, and views.

    import carwalk.spark
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    carwalk.spark.register(spark)
    records = spark.read.format("carwalk").load("data/samples")
    records.groupBy("collection").count().show()

    carwalk.spark.create_views(spark, "data/samples")
    spark.sql("select text, langs from posts order by created_at desc limit 10").show()

`docs/spark.md` describes the options, and what the machines of a cluster need.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import resources
from typing import TypeAlias

import carwalk

try:
    from pyspark.sql import DataFrame, SparkSession
except ModuleNotFoundError as error:
    if error.name not in ("pyspark", "pyspark.sql"):
        raise
    raise ModuleNotFoundError(
        "carwalk.spark needs PySpark, which is not installed: pip install 'pyspark>=4.1'",
        name="pyspark",
    ) from error

from carwalk._spark.source import CarSource

__all__ = ["create_views", "create_views_over", "register"]

NEEDED = ("did", "collection", "rkey", "cid", "created_at", "subject", "record")
"""The columns that the views read."""

VIEW_OPTIONS = ("manifest", "dids", "on_error", "verify", "partition_bytes")

Paths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

VIEW = re.compile(r"create or replace temporary view (\w+) as\n(.*)", re.S)
COLLECTION = re.compile(r"where collection = '([\w.]+)'")


def register(spark: SparkSession) -> None:
    """Registers the data source `carwalk` in a session.

    Then `spark.read.format("carwalk")` reads repositories, with these options:

    - `path`, or the argument of `load`: a file, a folder, or a pattern such as `cars/*.car`. `load`
      also takes a list of them.
    - `manifest`, instead of `path`: a file with one line per CAR: its path, a tab and its length in
      bytes.
    - `table`: `records` (the default) or `files`. See `carwalk.read` and `carwalk.files`.
    - `columns`: names of columns, separated by commas. Spark reads all of them, whatever the query
      needs. Default: all but `record` and `record_cbor`.
    - `collections`, `dids` (separated by commas), `start`, `end`, `on_error`, `verify`: see
      `carwalk.read`.
    - `partition_bytes`: about how many bytes of files a task reads. Default: 134217728.

    Only the options narrow the scan. Spark applies predicates to the rows. The source does not
    accept them, because Spark 4.3 then uses the partitions of one scan for all scans of the
    same DataFrame, which would lose rows.

    Parameters
    ----------
    spark
        The session. Other sessions of the same application need a call of their own.

    Raises
    ------
    RuntimeError
        If Spark is older than 4.1, or the Python of its workers cannot import carwalk or pyarrow.
    """
    if _version(spark) < (4, 1):
        raise RuntimeError(f"carwalk needs Spark 4.1 or newer, and this is {spark.version}")
    _check_workers(spark)
    spark.dataSource.register(CarSource)


def create_views(spark: SparkSession, paths: Paths | None = None, **options: str) -> None:
    """Creates temporary views of CARs.

    The views are `records`, `files`, and `posts`, `likes`, `reposts`, `follows`, `blocks`,
    `profiles` and `lists`. Each of the last seven reads only its collection, and only the columns
    that it needs. Existing temporary views with these names are replaced. Calls `register`.

        carwalk.spark.create_views(spark, "data/samples", on_error="skip")
        spark.sql("select text, langs from posts order by created_at desc limit 10").show()

    Parameters
    ----------
    spark
        The session.
    paths
        A file, a folder or a pattern, or a list of them. None if there is a `manifest`.
    options
        Options of the data source: `manifest`, `dids`, `on_error`, `verify`, `partition_bytes`.
        With `on_error="skip"`, the default of `verify` is `all`, so that a file with a damaged
        block has no rows in any of the views. A file with a missing block can have rows in views
        that do not need the block. In the others, it can have the rows before the block.

    Raises
    ------
    TypeError
        If there is another option.
    pyspark.errors.AnalysisException
        If an option is wrong, or a path does not exist.
    """
    for name in options:
        if name not in VIEW_OPTIONS:
            there_are = ", ".join(VIEW_OPTIONS)
            raise TypeError(f"create_views has no option {name!r}; the options are {there_are}")
    if options.get("on_error") == "skip":
        options = {"verify": "all", **options}
    register(spark)
    for name, frame in _views(spark, _inputs(paths), options).items():
        frame.createOrReplaceTempView(name)


def create_views_over(records: DataFrame) -> None:
    """Creates the temporary view `records` and the seven views over exported records.

        carwalk.spark.create_views_over(spark.read.parquet("out"))

    `views/spark.sql` in this package has the definitions. Existing temporary views with these names
    are replaced.

    Parameters
    ----------
    records
        Records that `carwalk export` has written.

    Raises
    ------
    ValueError
        If `records` does not have the columns that the views read.
    """
    missing = [name for name in NEEDED if name not in records.columns]
    if missing:
        raise ValueError(
            f"records has no column {', '.join(missing)}; the views need {', '.join(NEEDED)}"
        )
    records.createOrReplaceTempView("records")
    for statement in _statements():
        records.sparkSession.sql(statement)


def _views(spark: SparkSession, inputs: list[str], options: dict[str, str]) -> dict[str, DataFrame]:
    # Views over one view `records` would read all collections and columns, so each view has a scan
    # of its own. The collection and columns of the scan are those named in the view's query. If one
    # were overlooked, Spark would report a missing column.
    views = {}
    for statement in _statements():
        name, query = _view(statement)
        columns = ",".join(column for column in NEEDED if re.search(rf"\b{column}\b", query))
        [collection] = COLLECTION.findall(query)
        own = {"columns": columns, "collections": collection}
        frame = _load(spark, inputs, options | own)
        views[name] = spark.sql(query.replace("from records", "from {records}"), records=frame)
    every = ",".join(carwalk.read(os.devnull).columns)
    views["records"] = _load(spark, inputs, options | {"columns": every})
    # The options `dids` and `verify` are only for the table `records`.
    of_files = {name: value for name, value in options.items() if name not in ("dids", "verify")}
    views["files"] = _load(spark, inputs, of_files | {"table": "files"})
    return views


def _inputs(paths: Paths | None) -> list[str]:
    if paths is None:
        return []
    if isinstance(paths, str | os.PathLike):
        return [os.fspath(paths)]
    return [os.fspath(path) for path in paths]


def _load(spark: SparkSession, inputs: list[str], options: dict[str, str]) -> DataFrame:
    reader = spark.read.format("carwalk").options(**options)
    return reader.load(inputs) if inputs else reader.load()


def _view(statement: str) -> tuple[str, str]:
    """The name and the query of a view."""
    match = VIEW.fullmatch(statement)
    assert match is not None
    return match[1], match[2]


def _statements() -> list[str]:
    text = resources.files("carwalk").joinpath("views/spark.sql").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("--"))
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]


def _version(spark: SparkSession) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", spark.version)[:2])


def _check_workers(spark: SparkSession) -> None:
    """Raises `RuntimeError` if Spark's workers cannot import carwalk or pyarrow.

    Otherwise a query would end with `EOFException`, which does not show the cause. By default Spark
    starts `python3`, which can be another Python than that of this process.
    """
    try:
        executable: str = spark.sparkContext.pythonExec
    except AttributeError:
        # A session of Spark Connect: its workers are on another machine.
        return
    found = shutil.which(executable)
    if found == sys.executable:
        return
    if found is not None:
        command = [found, "-c", "import carwalk, pyarrow"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        reason = (done.stderr.strip().splitlines() or ["it failed"])[-1]
    else:
        reason = "it is not there"
    raise RuntimeError(
        f"Spark's workers run {executable}, which cannot import carwalk and pyarrow ({reason}):"
        f" set the environment variable PYSPARK_PYTHON before the session begins, here to"
        f" {sys.executable}"
    )
