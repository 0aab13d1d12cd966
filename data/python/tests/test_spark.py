"""Apache Spark, in local mode and with two executors of which one is killed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import carwalk
import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from conftest import ROOT

import cars
import corpus
import counting
import engines
import oracle
import processes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SAMPLES = ROOT / "data" / "samples"
EXAMPLES = ROOT / "data" / "python" / "examples"
TESTS = Path(__file__).parent
ALL = ",".join(carwalk.read(os.devnull).columns)

Row = dict[str, Any]


def missing() -> str | None:
    """What is not installed, if anything."""
    if importlib.util.find_spec("pyspark") is None:
        return "PySpark is not installed: pip install './data/python[spark]'"
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        return "Java is not installed, which Spark needs"
    return None


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """Skips the tests without Spark; fails them in `.ci/run`."""
    if reason := missing():
        if os.environ.get("CARWALK_REQUIRE_SPARK") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def test_without_pyspark() -> None:
    script = """
        import sys
        sys.modules["pyspark"] = None
        import carwalk
        try:
            import carwalk.spark
        except ModuleNotFoundError as error:
            print(error.name, error)
    """
    message = "carwalk.spark needs PySpark, which is not installed: pip install 'pyspark>=4.1'"
    assert processes.run(script) == f"pyspark {message}\n"


@pytest.fixture(scope="module")
def spark(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session in New York, in the top folder of the clone."""
    from spark_sessions import QUICK, session

    with pytest.MonkeyPatch.context() as patch:
        # Relative paths are those of the folder in which Java starts.
        patch.chdir(ROOT)
        for name in ("PYSPARK_PYTHON", "SPARK_HOME", "SPARK_LOCAL_IP"):
            # Restores them after the session has set them.
            patch.delenv(name, raising=False)
        found = session("local[2]", tmp_path_factory.mktemp("session"), QUICK)
        yield found
        found.stop()


def read(spark: SparkSession, path: object, **options: str) -> DataFrame:
    return spark.read.format("carwalk").options(**options).load(str(path))


def rows(frame: DataFrame) -> list[Row]:
    """Rows with times in UTC, sorted by the first columns."""
    found = [
        {name: utc(value) for name, value in row.items()} for row in frame.toArrow().to_pylist()
    ]
    return sorted(found, key=lambda row: list(map(str, row.values())))


def utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def expected() -> list[Row]:
    found = [row for path in SAMPLES.rglob("*.car") for row in oracle.rows(path.read_bytes())]
    return sorted(found, key=lambda row: list(map(str, row.values())))


@pytest.mark.parametrize("large", ["false", "true"])
def test_rows_are_those_of_the_files(spark: SparkSession, large: str) -> None:
    spark.conf.set("spark.sql.execution.arrow.useLargeVarTypes", large)
    found = rows(read(spark, SAMPLES, columns=ALL + ",record_cbor", partition_bytes="60000"))
    spark.conf.unset("spark.sql.execution.arrow.useLargeVarTypes")
    wanted = expected()
    for row in found:
        row["record"] = json.loads(row["record"])
    found.sort(key=lambda row: list(map(str, row.values())))
    wanted.sort(key=lambda row: list(map(str, row.values())))
    assert found == wanted


def test_times_are_instants_in_any_zone(spark: SparkSession) -> None:
    frame = read(spark, SAMPLES, columns="created_at,time")
    shown = frame.selectExpr("max(created_at)", "max(time)").selectExpr(
        "*", "date_format(`max(created_at)`, 'yyyy-MM-dd HH')"
    )
    [row] = shown.toArrow().to_pylist()
    last = max(row["created_at"] for row in expected() if row["created_at"])
    found = list(row.values())
    assert found[0] == last
    assert found[2] == f"{last:%Y-%m-%d} {(last.hour - 4) % 24:02}" or last.hour < 4


def test_a_frame_may_be_used_again(spark: SparkSession) -> None:
    """Spark 4.3 would give the tasks of one selection to all, if the source took predicates."""
    columns = "did,collection,rkey"
    frame = read(spark, SAMPLES, columns=columns)
    names = ["app.bsky.feed.post", "app.bsky.feed.like"]
    posts, likes = (frame.where(f"collection = '{name}'") for name in names)
    found = expected()
    counts = [sum(row["collection"] == name for row in found) for name in names]
    assert [posts.count(), likes.count(), frame.count()] == [*counts, len(found)]
    assert posts.union(likes).count() == sum(counts)
    assert posts.union(frame).count() == counts[0] + len(found)
    again = read(spark, SAMPLES, columns=columns).where(f"collection = '{names[1]}'")
    assert posts.join(likes, "did").count() == posts.join(again, "did").count() > 0
    frame.createOrReplaceTempView("used")
    subqueries = [f"(select count(*) from used where collection = '{name}')" for name in names]
    row = spark.sql(f"select {', '.join(subqueries)}, (select count(*) from used)").collect()[0]
    assert list(row) == [*counts, len(found)]


def test_a_frame_lists_its_folder_once(spark: SparkSession, folder: Path) -> None:
    """Spark would list it again for each predicate, if it passed predicates to sources."""
    frame = read(spark, folder, columns="collection")
    posts = frame.where("collection = 'app.bsky.feed.post'")
    assert (frame.count(), posts.count()) == (44, 20)
    (folder / "4.car").write_bytes(cars.network(5)[4].car())
    assert (frame.count(), posts.count(), read(spark, folder).count()) == (44, 20, 55)
    assert spark.conf.get("spark.sql.python.filterPushdown.enabled") == "false"


def test_options_read_only_the_blocks_that_they_need(spark: SparkSession, tmp_path: Path) -> None:
    """`test_spark_source.py` has more of this."""
    path, repository = tmp_path / "a.car", cars.network()[0]
    collection = "app.bsky.feed.post"
    keys = counting.of_collection(collection)
    needed = counting.needed_blocks(repository, keys, records=False)
    assert len(needed) < len(repository.blocks()) / 2

    def scan(_: list[Path]) -> None:
        assert read(spark, path, columns="rkey", collections=collection).count() == 5

    assert counting.read_blocks(scan, repository, path) == needed


def failure(frame: DataFrame) -> str:
    """The last line of the exception of a query."""
    from pyspark.errors import PySparkException

    with pytest.raises(PySparkException) as raised:
        frame.collect()
    lines = [line for line in str(raised.value).splitlines() if not line.startswith(" SQLSTATE")]
    return lines[-1]


def test_failed_files(spark: SparkSession, folder: Path) -> None:
    bad = folder / "1.car"
    bad.write_bytes(bad.read_bytes()[:-3])
    assert failure(read(spark, folder)).startswith(f"carwalk.CarError: {bad}: truncated: section")
    # The table of files may have the same options.
    options = {"on_error": "skip", "partition_bytes": "5000"}
    assert read(spark, folder, **options).count() == 33
    files = read(spark, folder, table="files", **options)
    assert rows(files) == pyarrow.table(carwalk.files(folder)).to_pylist()
    assert [row.path for row in files.where("outcome = 'failed'").collect()] == [str(bad)]


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        (SAMPLES, {"colums": "did"}, "ValueError: unknown option 'colums'; the options are path"),
        (SAMPLES, {"COLUMNS": "foo"}, 'ValueError: unknown column "foo"; the columns are did'),
        ("/no-such", {}, "carwalk.CarError: /no-such: io: reading failed: No such file"),
    ],
)
def test_wrong_inputs_are_errors_of_load(
    spark: SparkSession, path: object, options: dict[str, str], message: str
) -> None:
    from pyspark.errors import AnalysisException

    with pytest.raises(AnalysisException) as raised:
        read(spark, path, **options)
    assert message in str(raised.value)


def test_several_paths_patterns_and_manifests(spark: SparkSession, tmp_path: Path) -> None:
    reader = spark.read.format("carwalk").option("columns", "did,rkey")
    two = reader.load([str(SAMPLES / "older"), f"{SAMPLES}/00000[1-9].car"])
    manifest = tmp_path / "list.tsv"
    paths = sorted(SAMPLES.rglob("*.car"))
    manifest.write_text("".join(f"{path}\t{path.stat().st_size}\n" for path in paths[1:]))
    frame = spark.read.format("carwalk").option("columns", "did,rkey")
    listed = frame.options(manifest=str(manifest), partition_bytes="50000").load()
    wanted = pyarrow.table(carwalk.read(paths[1:], columns=["did", "rkey"])).num_rows
    assert listed.count() == two.count() == wanted
    assert rows(listed) == rows(two)


def test_large_files_are_read_in_pieces(spark: SparkSession) -> None:
    large = SAMPLES / "000004.car"
    whole = read(spark, large, columns=ALL)
    pieces = read(spark, large, columns=ALL, verify="reached", partition_bytes="9000")
    assert (whole.rdd.getNumPartitions(), pieces.rdd.getNumPartitions()) == (1, 7)
    assert rows(whole) == rows(pieces)


def test_sql_can_name_the_data_source(spark: SparkSession) -> None:
    spark.sql(
        f"create temporary view cars using carwalk options (path '{SAMPLES}', columns 'rkey')"
    )
    assert spark.sql("select count(*) from cars").collect()[0][0] == len(expected())


def json_text(value: Any) -> str | None:
    """A value of a record as the views have it."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def at(record: Any, *names: str) -> str | None:
    for name in names:
        record = record.get(name) if isinstance(record, dict) else None
    return json_text(record)


def view_row(view: str, row: Row) -> Row:
    record = row["record"]
    uri = f"at://{row['did']}/{row['collection']}/{row['rkey']}"
    first = {"did": row["did"], "rkey": row["rkey"], "uri": uri, "created_at": row["created_at"]}
    match view:
        case "posts":
            return first | {
                "cid": row["cid"],
                "text": at(record, "text"),
                "langs": at(record, "langs"),
                "reply_root": at(record, "reply", "root", "uri"),
                "reply_parent": at(record, "reply", "parent", "uri"),
            }
        case "profiles":
            names = {"display_name": "displayName", "description": "description"}
            return first | {column: at(record, name) for column, name in names.items()}
        case "lists":
            return first | {"name": at(record, "name"), "purpose": at(record, "purpose")}
    return first | {"subject": row["subject"]}


COLLECTIONS = {
    "app.bsky.feed.post": "posts",
    "app.bsky.feed.like": "likes",
    "app.bsky.feed.repost": "reposts",
    "app.bsky.graph.follow": "follows",
    "app.bsky.graph.block": "blocks",
    "app.bsky.actor.profile": "profiles",
    "app.bsky.graph.list": "lists",
}


def odd() -> cars.Repository:
    """Records whose members are not what they should be."""
    texts = ["", 'a"\\\n\u2028é😀']
    values = [None, True, -5, 2**53 + 1, *texts, [], ["en", 1, None], {}, {"uri": "x"}]
    records: dict[str, Any] = {}
    for collection in COLLECTIONS:
        for number, value in enumerate(values):
            names = ("text", "langs", "reply", "displayName", "description", "name", "purpose")
            records[f"{collection}/{number}"] = dict.fromkeys((*names, "subject"), value)
        reply = {"root": {"uri": value}, "parent": [{"uri": value}]}
        records[f"{collection}/reply"] = {"reply": reply, "createdAt": "2025-01-01T00:00:00Z"}
        records[f"{collection}/replies"] = {"reply": [reply], "text": {"b": 1, "aa": [{"c": "é"}]}}
        records[f"{collection}/text"] = "text"
        records[f"{collection}/list"] = [{"text": "a"}]
        records[f"{collection}/nothing"] = {}
    return cars.Repository({key: cars.cbor(value) for key, value in records.items()})


@pytest.mark.parametrize("source", ["samples", "odd", "parquet"])
def test_views(spark: SparkSession, tmp_path: Path, source: str) -> None:
    import carwalk.spark

    path: Path = SAMPLES
    if source != "samples":
        path = tmp_path / "odd.car"
        path.write_bytes(odd().car())
    files = [path] if path.is_file() else sorted(path.rglob("*.car"))
    if source == "parquet":
        pyarrow.parquet.write_table(pyarrow.table(carwalk.read(path)), tmp_path / "rows.parquet")
        carwalk.spark.create_views_over(spark.read.parquet(str(tmp_path / "rows.parquet")))
    else:
        carwalk.spark.create_views(spark, iter(files))
        assert spark.table("files").count() == len(files)
    records = pyarrow.table(carwalk.read(path))
    assert rows(spark.table("records")) == sorted(
        records.to_pylist(), key=lambda row: list(map(str, row.values()))
    )
    all_rows = [row for file in files for row in oracle.rows(file.read_bytes())]
    for collection, view in COLLECTIONS.items():
        wanted = [view_row(view, row) for row in all_rows if row["collection"] == collection]
        wanted.sort(key=lambda row: list(map(str, row.values())))
        assert rows(spark.table(view)) == wanted, view


def test_a_view_reads_its_collection_and_its_columns(spark: SparkSession, folder: Path) -> None:
    import carwalk.spark

    repository = cars.network()[0]
    like = next(key for key in repository.records if "like" in key)
    damaged = dict(repository.blocks()) | {repository.cid(like): b"\xa0"}
    (folder / "0.car").write_bytes(cars.car(next(iter(damaged)), damaged.items()))
    carwalk.spark.create_views(spark, folder)
    assert (spark.table("posts").count(), spark.table("profiles").count()) == (20, 4)
    assert "0.car: invalid: " in failure(spark.table("likes"))
    assert "0.car: invalid: " in failure(spark.table("records"))
    read_ = {name: plan(spark.table(name)) for name in ("posts", "likes")}
    assert ["record#" in text for text in read_.values()] == [True, False]


def plan(frame: DataFrame) -> str:
    java: Any = frame._jdf
    return str(java.queryExecution().analyzed().toString())


def test_views_need_columns(spark: SparkSession) -> None:
    import carwalk.spark

    with pytest.raises(ValueError, match="records has no column record; the views need did, col"):
        carwalk.spark.create_views_over(read(spark, SAMPLES))


def test_views_have_the_options_of_the_data_source(spark: SparkSession, folder: Path) -> None:
    import carwalk.spark

    (folder / "1.car").write_bytes(b"bad")
    manifest = folder / "list.tsv"
    manifest.write_text("".join(f"{folder}/{number}.car\t1\n" for number in range(4)))
    did = cars.network()[2].did
    carwalk.spark.create_views(spark, manifest=str(manifest), on_error="skip", dids=did)
    counts = [spark.table(name).count() for name in ("records", "files", "posts")]
    assert counts == [11, 4, 5]
    carwalk.spark.create_views(spark, folder, on_error="skip")
    counts = [spark.table(name).count() for name in ("records", "files", "posts")]
    assert counts == [33, 4, 15]
    assert spark.table("likes").join(spark.table("posts"), "did").count() == 75
    with pytest.raises(TypeError, match="create_views has no option 'columns'; the opt"):
        carwalk.spark.create_views(spark, folder, columns="did")
    # It would be an option, but the default of `verify` would be another.
    with pytest.raises(TypeError, match="create_views has no option 'ON_ERROR'; the opt"):
        carwalk.spark.create_views(spark, folder, ON_ERROR="skip")


def test_register_checks_versions_and_workers(spark: SparkSession) -> None:
    import carwalk.spark

    old: Any = SimpleNamespace(version="4.0.1")
    with pytest.raises(RuntimeError, match=r"needs Spark 4\.1 or newer, and this is 4\.0\.1"):
        carwalk.spark.register(old)
    for executable, reason in (("/no-such/python", "it is not there"), ("false", "it failed")):
        context = SimpleNamespace(pythonExec=executable)
        other: Any = SimpleNamespace(version="4.1.0", sparkContext=context)
        with pytest.raises(RuntimeError, match=f"{reason}.*: set .*PYSPARK_PYTHON before"):
            carwalk.spark.register(other)
    carwalk.spark.register(spark)


def test_the_page_prints_what_it_says(spark: SparkSession) -> None:
    page = ROOT / "data" / "python" / "docs" / "spark.md"
    names: dict[str, Any] = {}

    def block(match: re.Match[str]) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(match[1], str(page), "exec"), names)
        lines = (line.rstrip() for line in out.getvalue().rstrip().splitlines())
        output = "".join(f"{line}\n" for line in lines)
        shown = f"\n```text\n{output}```\n" if output else ""
        return f"```python\n{match[1]}```\n{shown}"

    text = page.read_text()
    ran = re.sub(r"^```python\n(.*?)^```\n(\n```text\n.*?^```\n)?", block, text, flags=re.M | re.S)
    if os.environ.get("CARWALK_WRITE_PAGES") == "1":
        page.write_text(ran)
    assert ran == page.read_text()


def run(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def counts(parquet: str) -> list[tuple[Any, ...]]:
    query = f"select day, language, posts from '{parquet}' order by all"
    return duckdb.execute(query).fetchall()


def posts_per_day() -> list[tuple[Any, ...]]:
    found: dict[Any, int] = {}
    for row in expected():
        if row["collection"] == "app.bsky.feed.post":
            for language in row["record"].get("langs") or [None]:
                key = (row["created_at"].date(), language)
                found[key] = found.get(key, 0) + 1
    return sorted((*key, count) for key, count in found.items())


def test_the_small_examples_give_the_counts(tmp_path: Path) -> None:
    for name in ("duckdb", "polars"):
        done = run(EXAMPLES / f"posts_per_day_{name}.py", SAMPLES, tmp_path / f"{name}.parquet")
        assert done.returncode == 0, done.stderr
        assert counts(f"{tmp_path}/{name}.parquet") == posts_per_day()


def test_the_job_gives_the_counts(
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = tmp_path / "bad.car"
    bad.write_bytes(b"bad")
    manifest = tmp_path / "list.tsv"
    paths = [*SAMPLES.rglob("*.car"), bad]
    manifest.write_text("".join(f"{path}\t{path.stat().st_size}\n" for path in paths))
    job = EXAMPLES / "posts_per_day.py"
    # The job takes the session that there is.
    zone = spark.conf.get("spark.sql.session.timeZone")
    monkeypatch.setattr(type(spark), "stop", lambda session: None)
    for arguments, code in (([str(manifest), "--manifest"], 1), ([str(SAMPLES)], 0)):
        output = tmp_path / f"spark-{code}"
        monkeypatch.setattr(sys, "argv", [str(job), *arguments, str(output)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(job), run_name="__main__")
        spark.conf.set("spark.sql.session.timeZone", str(zone))
        assert ended.value.code == code
        assert counts(f"{output}/*.parquet") == posts_per_day()
        assert (f"{bad}: not_a_car: " in capsys.readouterr().err) == (code == 1)


def test_the_corpus(spark: SparkSession, tmp_path: Path) -> None:
    """Every query gives the rows that DuckDB gives."""
    subject = corpus.write_folder(tmp_path, 20)
    zone = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    expected = engines.on_cars(str(tmp_path), subject)
    found = engines.in_spark(spark, str(tmp_path), subject)
    for query in corpus.QUERIES:
        assert found(query) == expected(query), query.name
    spark.conf.set("spark.sql.session.timeZone", str(zone))


def test_a_killed_executor_changes_nothing(tmp_path: Path) -> None:
    """`spark_cluster.py` has more cases."""
    options = ("--accounts", 60, "--times", 1, "--cases", "scan")
    done = run(TESTS / "spark_cluster.py", tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| scan | 2 | 1 | +1 |" in done.stdout
    assert "60 rows, equal" in done.stdout
