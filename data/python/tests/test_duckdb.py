"""`carwalk.duckdb`: queries read the columns that they need, and nothing of that is seen."""

from __future__ import annotations

import doctest
import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import carwalk
import carwalk.duckdb
import cars
import duckdb
import oracle
import polars
import pytest
from carwalk import _carwalk
from carwalk._duckdb.plan import columns_of
from carwalk._duckdb.source import COLUMNS, merged
from carwalk.duckdb import Connection

from conftest import ROOT

POST, LIKE = "app.bsky.feed.post", "app.bsky.feed.like"


@pytest.fixture
def connection(folder: Path) -> Iterator[Connection]:
    with carwalk.duckdb.connect(folder) as connection:
        yield connection


def columns_read(connection: Connection, query: str, parameters: object = None) -> list[str]:
    """The columns of `records` that a query reads."""
    connection.execute(query, parameters).fetchall()
    session = connection._last
    assert session
    records = session._scans[-2]
    return [name for one in records._begun for name in one.columns]


NARROW = [
    ("select count(*) from records", ["did"]),
    ("select collection, count(*) from records group by 1", ["collection"]),
    ("select did from records where record like '%x%'", ["did", "record"]),
    ("select rkey from records order by size limit 3", ["rkey", "size"]),
    ("select time from records where did > ?", ["did", "time"]),
    ("select count(record_cbor) from records", ["record_cbor"]),
    ("select * exclude (record, record_cbor) from records", list(COLUMNS)[:-2]),
    ("select columns('^c.*d$') from records", ["cid"]),
    ("from likes", ["did", "collection", "rkey", "created_at", "subject"]),
    ("select uri from posts", ["did", "collection", "rkey"]),
    ("select r from records r", list(COLUMNS)),
    ("from records limit 0", []),
    ("select records from files", []),
    ("create table t as select did, cid from records", ["did", "cid"]),
    # What the plan cannot tell.
    ("pivot (select collection, did from records) on collection using count(*)", 2 * list(COLUMNS)),
    ("set variable v = (select max(cid) from records)", list(COLUMNS)),
    ("begin; create table t as select cid from records", list(COLUMNS)),
]


@pytest.mark.parametrize(("query", "columns"), NARROW, ids=[query for query, _ in NARROW])
def test_a_query_reads_the_columns_it_needs(
    connection: Connection, query: str, columns: list[str]
) -> None:
    parameters = ["did:"] if "?" in query else None
    assert columns_read(connection, query, parameters) == columns


def test_a_join_reads_the_columns_of_both_sides(connection: Connection) -> None:
    query = "select count(a.cid) from records a join records b using (rkey)"
    # One table serves both sides.
    assert columns_read(connection, query) == 2 * ["rkey", "cid"]


def test_planning_begins_no_scan(connection: Connection) -> None:
    before = _carwalk._scans_begun()
    cursor = connection.execute("select did from records limit 0")
    assert _carwalk._scans_begun() == before
    assert cursor.fetchall() == []
    connection.sql("from records")
    connection.execute("explain from records").fetchall()
    assert _carwalk._scans_begun() == before
    connection.execute("select did from records").fetchall()
    assert _carwalk._scans_begun() == before + 1


# Each has a total order, or one row.
EQUAL = [
    "from records order by all",
    "select * exclude (record) from records order by all",
    "select * replace (upper(did) as did) from records order by all",
    "select columns('c.*') from records order by all",
    "select records.* from records order by all",
    "select r from records r order by all",
    "select count(distinct record), count(distinct (did, rkey)) from records",
    "select did, record->>'$.text' as t from records where t like '%1%' order by all",
    "select distinct collection from records order by all",
    "select a.rkey, b.cid from records a join records b on a.cid = b.cid and a.did < b.did "
    "order by all",
    "select count(*) from records a left join records b on a.subject = b.record",
    "select p.uri, count(l.uri) from posts p left join likes l on l.subject = p.uri group by 1 "
    "order by all",
    "select rkey from records a where exists (select 1 from records b where b.subject like "
    "'%' || a.rkey) order by all",
    "select did, (select max(size) from records b where b.did = a.did) from records a order by all",
    "select did from records where did in (select did from records where size > 90) order by all",
    "select rkey from records a anti join likes using (rkey) order by all",
    "select did, rkey, row_number() over (partition by did order by created_at, cid) from records "
    "order by all",
    "select did, rkey from records qualify row_number() over (partition by did order by cid) = 1 "
    "order by all",
    "select did, sum(size) over w from records window w as (order by cid rows 2 preceding) "
    "order by all",
    "with r as materialized (from records) select a.did, b.size from r a, r b "
    "where a.cid = b.cid order by all",
    "with r as not materialized (from records) select count(a.record) from r a, r b "
    "where a.rkey = b.rkey",
    "with recursive r(n, c) as (select 0, min(cid) from records union all "
    "select n + 1, (select min(cid) from records where cid > r.c) from r where n < 5) "
    "from r order by all",
    "(select did from records) union all by name (select rkey, did from records) order by all",
    "(select cid from records) except (select cid from records where size > 200) order by all",
    "select key, count(*) from records, json_each(record) group by 1 order by all",
    "select r.rkey, t.k from records r, lateral (select json_keys(r.record) as k) t order by all",
    "pivot (select collection, did from records) on collection using count(*) order by did",
    "pivot records on collection in ('app.bsky.feed.post') using max(size) group by did "
    "order by did",
    "unpivot (select did, rkey, cid from records) on rkey, cid order by all",
    "select typeof(record), typeof(created_at), typeof(record_cbor) from records limit 1",
    "select min(typeof(columns(*))) from records",
    "describe records",
    "describe select * from posts",
    "summarize select did, size from records",
    "select rkey, record from records order by size desc, rkey, did limit 3",
    "select rkey, record_cbor from records order by time desc nulls last, cid, did limit 3",
    "select a.rkey from records a join (select cid from records order by cid limit 2) b "
    "using (cid) order by all",
    "select count(*) from records where record is not null and 1 = 0",
    "select count(*) from records where true or record = 'x'",
    "select case when size > 0 then 'x' else record end from records order by all limit 2",
    "select coalesce(did, record) from records order by all limit 2",
    "select any_value(size) filter (collection = 'app.bsky.feed.like') from records",
    "select did, list(rkey order by rkey) from records group by did order by all",
    "select arg_max(rkey, cid), histogram(collection) from records",
    "select did, collection, count(*) from records group by cube (did, collection) order by all",
    "select count(*) from records using sample reservoir(5 rows) repeatable (1)",
    "create table t as select did, record from records; from t order by all",
    "create view v as select did, record from records; select did from v order by all",
    "create view v as select did, record from records; select max(record) from v",
    "create macro m(c) as table select did, size from records where collection = c; "
    "select max(size) from m('app.bsky.feed.like')",
    "create macro f() as (select max(record) from records); select f()",
    "create temp table t as select rkey from records; select max(size) from t join records "
    "using (rkey)",
    "create table t (a varchar); insert into t select subject from records; from t order by all",
    "create table t as select did from records; update t set did = (select max(cid) from records); "
    "from t",
    "create table t as select cid from records; "
    "delete from t where cid in (select cid from records where size > 200); "
    "from t order by all",
    "begin; create table t as select cid from records; commit; select count(*), max(cid) from t",
    "prepare p as select max(record) from records where size > ?; select 1 from records; "
    "execute p(10)",
    "set variable x = (select max(subject) from records); select getvariable('x')",
    "select (select count(*) from files), count(*) from records join files using (did)",
    "select path like '%.car', records, rev from files order by did",
    "from query('select max(record) from records')",
    "select count(*) from query_table('records')",
    "select count(*) from records positional join (select cid from records)",
    "select a.cid from records a asof join records b on a.did = b.did and a.time >= b.time "
    "order by all",
    "select count(*) from records tablesample 100%",
    "pragma disable_optimizer; select max(cid) from records",
    "values ((select max(record) from records))",
    "select strftime(created_at, '%H'), created_at::varchar from records order by all limit 3",
    "select did from records where did > getvariable('none') or size > 1",
    "select hash(records) from records order by all",
    "select unnest([did, cid]) from records order by all",
    "with x as (select *, record->>'$.text' as text from records) select count(text) from x "
    "where collection = 'app.bsky.feed.post'",
]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    for number, repository in enumerate(cars.network()):
        (folder / f"{number}.car").write_bytes(repository.car())
    return folder


def both(network: Path) -> list[Connection]:
    """Connections that read the needed columns and all columns."""
    narrow, everything = (carwalk.duckdb.connect(network, threads=1) for _ in range(2))
    everything._narrow = False
    return [narrow, everything]


@pytest.fixture(scope="module")
def shared(network: Path) -> Iterator[list[Connection]]:
    connections = both(network)
    yield connections
    for connection in connections:
        connection.close()


Result = tuple[list[tuple[str, str]], list[Any]]


def by_execute(connection: Connection, query: str) -> Result:
    cursor = connection.execute(query)
    columns = [(name, str(kind)) for name, kind, *_ in cursor.description or []]
    return columns, cursor.fetchall()


def by_relation(connection: Connection, query: str) -> Result:
    relation = connection.sql(query)
    assert relation is not None
    columns = list(zip(relation.columns, map(str, relation.types), strict=True))
    return columns, relation.fetchall()


@pytest.mark.parametrize("query", [query for query in EQUAL if ";" not in query])
def test_results_do_not_depend_on_the_columns_that_are_read(
    shared: list[Connection], query: str
) -> None:
    results = [ask(one, query) for ask in (by_execute, by_relation) for one in shared]
    assert results[0][1]
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("query", [query for query in EQUAL if ";" in query])
def test_results_of_several_statements_do_not_depend_on_the_columns(
    network: Path, query: str
) -> None:
    narrow, everything = (by_execute(connection, query) for connection in both(network))
    assert narrow == everything and narrow[1]


def test_parameters(connection: Connection) -> None:
    count = "select count(*) from records where collection = "
    assert connection.execute(count + "?", [POST]).fetchall() == [(20,)]
    assert connection.execute(count + "$name", {"name": POST}).fetchall() == [(20,)]
    # They belong to the last statement.
    query = "create table t as select 1; " + count + "? and size > ?"
    assert connection.execute(query, [POST, 0]).fetchall() == [(20,)]
    with pytest.raises(duckdb.Error, match="parameter"):
        connection.execute(count + "?", [])


def test_the_tables_have_the_rows_of_the_package(connection: Connection, folder: Path) -> None:
    rows = [row for path in sorted(folder.iterdir()) for row in oracle.rows(path.read_bytes())]
    cursor = connection.execute("select * exclude (record) from records")
    names = [column[0] for column in cursor.description or []]
    found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        del row["record"]
    assert found == rows
    files = connection.sql("from files")
    assert files is not None
    expected = polars.DataFrame(carwalk.files(folder)).to_dicts()
    assert polars.DataFrame(files.to_arrow_table()).to_dicts() == expected


def test_arguments_narrow_what_is_read(folder: Path) -> None:
    did = str(polars.DataFrame(carwalk.read(folder))["did"][0])
    options: list[tuple[dict[str, Any], int]] = [
        ({"collections": POST}, 20),
        ({"collections": iter([POST, LIKE])}, 40),
        ({"dids": did}, 11),
        ({"dids": (did for _ in range(1)), "start": POST}, 5),
        ({"end": LIKE}, 4),
        ({"threads": 1}, 44),
    ]
    for arguments, count in options:
        with carwalk.duckdb.connect(folder, **arguments) as connection:
            for _ in range(2):
                assert connection.execute("select count(*) from records").fetchall() == [(count,)]


def test_arguments_are_checked_at_the_call(folder: Path, tmp_path: Path) -> None:
    carwalk.duckdb.connect(folder, threads=1024).close()
    for arguments, message in [
        ({"collections": "posts"}, "posts"),
        ({"dids": "me"}, "me"),
        ({"start": "b", "end": "a"}, "start"),
        ({"on_error": "ignore"}, "on_error"),
        ({"threads": 0}, "threads must be from 1 to 1024"),
    ]:
        with pytest.raises(ValueError, match=message):
            carwalk.duckdb.connect(folder, **arguments)  # type: ignore[arg-type]
    for wrong in ({"collections": 5}, {"threads": "2"}, {"start": 5}):
        with pytest.raises(TypeError):
            carwalk.duckdb.connect(folder, **wrong)
    with pytest.raises(ValueError, match="no inputs"):
        carwalk.duckdb.connect([])
    (tmp_path / "empty").mkdir()
    with pytest.raises(carwalk.CarError, match="no files named"):
        carwalk.duckdb.connect(tmp_path / "empty")
    with pytest.raises(TypeError, match="connect"):
        Connection()


def test_files_are_listed_once(folder: Path) -> None:
    with carwalk.duckdb.connect(folder) as connection:
        (folder / "new.car").write_bytes((folder / "0.car").read_bytes())
        assert connection.execute("select count(*) from files").fetchall() == [(4,)]
        assert connection.execute("select count(*) from records").fetchall() == [(44,)]


def test_a_failed_file(folder: Path) -> None:
    bad = folder / "1.car"
    bad.write_bytes(b"Not Found")
    with carwalk.duckdb.connect(folder) as connection:
        with pytest.raises(duckdb.Error, match=f"{bad}: not_a_car: "):
            connection.execute("select count(*) from records").fetchall()
        assert [failure.path for failure in connection.failures] == [str(bad)]
        relation = connection.sql("select count(*) from records")
        assert relation is not None and connection.failures == []
        with pytest.raises(duckdb.Error, match=f"{bad}: not_a_car: "):
            relation.fetchall()
        query = "select path, reason from files where outcome = 'failed'"
        assert connection.execute(query).fetchall() == [(str(bad), "not_a_car")]
        assert connection.failures == []


def test_failed_files_are_skipped(folder: Path) -> None:
    (folder / "1.car").write_bytes(b"")
    (folder / "3.car").write_bytes(b"Not Found")
    with carwalk.duckdb.connect(folder, on_error="skip") as connection:
        assert connection.failures == []
        # Three scans.
        query = (
            "create table t as select did from records; "
            "select count(*) from records a join records b using (did, collection, rkey)"
        )
        assert connection.execute(query).fetchall() == [(22,)]
        found = [(failure.path, failure.reason) for failure in connection.failures]
        bad = [(str(folder / "1.car"), "truncated"), (str(folder / "3.car"), "not_a_car")]
        assert found == bad
        connection.execute("select 1").fetchall()
        assert connection.failures == []


def test_a_failed_file_that_is_listed_twice_counts_once(folder: Path) -> None:
    bad = folder / "1.car"
    bad.write_bytes(b"Not Found")
    with carwalk.duckdb.connect([bad, folder, bad], on_error="skip") as connection:
        connection.execute("select count(*) from records").fetchall()
        assert [failure.path for failure in connection.failures] == [str(bad)]


def test_a_missing_record_fails_only_queries_that_read_records(folder: Path) -> None:
    repository = cars.network()[1]
    (root, _), *_ = blocks = repository.blocks()
    missing = repository.cid(next(iter(repository.records)))
    (folder / "1.car").write_bytes(cars.car(root, [one for one in blocks if one[0] != missing]))
    with carwalk.duckdb.connect(folder) as connection:
        assert connection.execute("select count(cid) from records").fetchall() == [(44,)]
        with pytest.raises(duckdb.Error, match="1.car: missing: "):
            connection.execute("select count(record) from records").fetchall()
    with carwalk.duckdb.connect(folder, on_error="skip") as connection:
        # Both scans read the same columns.
        query = "select (select count(*) from records), (select count(record) from records)"
        assert connection.execute(query).fetchall() == [(33, 33)]
        assert [failure.reason for failure in connection.failures] == ["missing"]


def test_failures_are_merged_in_the_order_of_the_files() -> None:
    a, b, c, d = (carwalk.Failure(name, "io", "x", 0) for name in "abcd")
    assert merged([b, a, b], list("abcd")) == [a, b]
    assert merged([a, c, b, c, d], list("dcba")) == [d, c, b, a]
    assert merged([a, b, a, b], list("aab")) == [a, b]
    assert merged([a], list("ab")) == [a]
    assert merged([], list("ab")) == []
    more = a._replace(rows=5)
    assert merged([a, more], ["a"]) == merged([more, a], ["a"]) == [more]
    # The name of one path is escaped.
    assert merged([c, a, b, a], ["c", "a\n", "b"]) == [c, a, b]


def notes(connection: Connection, query: str) -> str:
    with pytest.raises(duckdb.Error) as error:
        connection.execute(query)
    with pytest.raises(type(error.value)):
        connection.sql(query)
    return "\n".join(getattr(error.value, "__notes__", []))


def test_errors_list_what_there_is(connection: Connection) -> None:
    connection.execute("create table mine as select 1 as a")
    views = "blocks, files, follows, likes, lists, mine, posts, profiles, records, reposts"
    assert notes(connection, "from post") == f"tables and views: {views}"
    posts = "did, rkey, uri, created_at, cid, text, langs, reply_root, reply_parent"
    assert notes(connection, "select txt from posts") == f"columns of posts: {posts}"
    assert notes(connection, "select p.txt from posts p") == f"columns of posts: {posts}"
    found = notes(connection, "select x from records, files")
    assert f"columns of records: {', '.join(COLUMNS)}" in found
    assert "columns of files: path, bytes, outcome" in found
    assert notes(connection, "selec") == ""
    assert notes(connection, "") == ""
    with pytest.raises(duckdb.Error, match="no statement"):
        connection.execute(" -- nothing")


def test_the_first_error_of_a_transaction_is_raised(connection: Connection) -> None:
    assert notes(connection, "begin; from nope; rollback").startswith("tables and views")
    query = "begin; create table t as select did from records; rollback; from t"
    assert notes(connection, query).startswith("tables and views")
    # A call that does not commit changes nothing.
    connection.execute("begin; create table t as select 1")
    gc.collect()
    assert notes(connection, "from t").startswith("tables and views")


def test_a_result_is_not_changed_by_later_queries(connection: Connection) -> None:
    cursor = connection.execute("select rkey, record from records order by did, rkey")
    relation = connection.sql("select rkey, record from records order by did, rkey")
    connection.execute("select did from records").fetchall()
    pending = connection.execute("select did from records")
    del connection._last
    connection._last = None
    gc.collect()
    rows = cursor.fetchall()
    assert len(rows) == 44 and all(record.startswith("{") for _, record in rows)
    assert relation is not None
    assert relation.fetchall() == rows == relation.fetchall()
    assert relation.filter("rkey = 'self'").aggregate("count(record)").fetchall() == [(4,)]
    assert len(pending.fetchall()) == 44


def test_a_column_that_was_not_read_is_an_error_and_not_null(connection: Connection) -> None:
    cursor = connection.execute("select did from records")
    assert len(cursor.fetchall()) == 44
    # The valid twin: the same query by the connection.
    again = "select count(record) from records"
    with pytest.raises(duckdb.Error, match="the column record was not read"):
        cursor.execute(again).fetchall()
    assert connection.execute(again).fetchall() == [(44,)]
    relation = connection.sql("select did from records")
    assert relation is not None
    with pytest.raises(duckdb.Error, match="the column cid was not read"):
        other = relation.query("r", "select max(cid) from records")
        assert other is not None
        other.fetchall()


def test_what_holds_for_later_calls(connection: Connection) -> None:
    connection.execute("create table t as select 1 as a; create temp table u as select 1")
    assert connection.execute("from t").fetchall() == [(1,)]
    for query in ("from u", "execute p"):
        with pytest.raises(duckdb.Error):
            connection.execute(query)
    connection.execute("set timezone = 'Asia/Tokyo'")
    assert connection.execute("select current_setting('timezone')").fetchall() == [("UTC",)]
    result = connection.sql("create table w as select 2 as b")
    assert result is not None and connection.execute("from w").fetchall() == [(2,)]
    for query in ("create table records as select 1", "create view posts as select 1"):
        with pytest.raises(duckdb.CatalogException, match="already exists"):
            connection.execute(query)


def test_statements_end_with_semicolons_and_comments(connection: Connection) -> None:
    for query in ("select 1;", "select 1 -- ;", "select 1 /* é; */ ; -- x\n;", ";select 1;;"):
        relation = connection.sql(query)
        assert relation is not None and relation.fetchall() == [(1,)]
        assert relation.aggregate("count(*)").fetchall() == [(1,)]
        assert connection.execute(query).fetchall() == [(1,)]


def test_threads_share_a_connection(connection: Connection) -> None:
    counts: list[Any] = []

    def ask() -> None:
        for _ in range(5):
            counts.extend(connection.execute("select count(record) from records").fetchall())
            counts.extend(connection.execute("select count(cid) from records").fetchall())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [(44,)] * 40


def test_a_closed_connection(folder: Path) -> None:
    with carwalk.duckdb.connect(folder) as connection:
        assert connection.execute("select 1").fetchall() == [(1,)]
    for _ in range(2):
        connection.close()
    with pytest.raises(duckdb.Error, match="closed"):
        connection.execute("select 1")


def test_a_limit_ends_the_scan(tmp_path: Path) -> None:
    """The last file does not exist, but it is not needed."""
    repository = cars.Repository({f"a.b.c/{n:06}": cars.post("x" * 200) for n in range(3000)})
    (tmp_path / "0.car").write_bytes(repository.car())
    paths = [tmp_path / "0.car"] * 300 + [tmp_path / "none.car"]
    with carwalk.duckdb.connect(paths, threads=1) as connection:
        rows = connection.execute("select rkey, record from records limit 10").fetchall()
        assert [rkey for rkey, _ in rows] == [f"{n:06}" for n in range(10)]
        with pytest.raises(duckdb.Error, match="none.car"):
            connection.execute("select count(rkey) from records").fetchall()


def test_variables_are_not_tables(connection: Connection) -> None:
    for name in ("query", "parameters", "session", "duckdb"):
        assert notes(connection, f"from {name}").startswith("tables and views: ")


def test_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(carwalk.duckdb)
    assert (result.failed, result.attempted > 10) == (0, True)


def test_plans() -> None:
    scan = '{"name": "PYTHON_ARROW_SCAN", "children": [], "extra_info": {%s}}'

    def found(info: str) -> set[str] | None:
        plan = '[{"name": "FILTER", "children": [%s], "extra_info": {}}]' % (scan % info)
        columns = columns_of(plan, ["did", "record", "record_cbor"])
        return None if columns is None else set(columns)

    assert found('"Projections": ["did", "x"]') == {"did"}
    assert found('"Projections": "record_cbor"') == {"record_cbor"}
    assert found('"Projections": []') == set()
    assert found('"Projections": "did", "Filters": "record > 5"') == {"did", "record"}
    assert found('"Projections": "x", "New": [{"a": "optional: did<3"}]') == {"did"}
    assert found("") is None
    assert found('"Projections": [["did"]]') is None
    assert found('"Projections": {"did": 1}') is None
    for odd in ("", "{}", '[{"name": "X"}]', '[{"name": 1, "children": [], "extra_info": {}}]'):
        assert columns_of(odd, ["did"]) is None
    assert columns_of("[]", ["did"]) == frozenset[str]()
    deep = '{"name": "A", "extra_info": {}, "children": ['
    assert columns_of(f"{deep * 5000}{']}' * 5000}", ["did"]) in (None, frozenset())


def test_the_package_can_be_imported_without_duckdb() -> None:
    lines = [
        "import sys",
        "sys.modules['duckdb'] = None",
        "import carwalk",
        "try: import carwalk.duckdb",
        "except ModuleNotFoundError as error: print(error)",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "pip install 'duckdb>=2'" in done.stdout
    command = [sys.executable, "-c", "\n".join([*lines[:2], "import carwalk.__main__ as m",
        "m.main(['sql', 'select 1', 'x.car'])"])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.startswith("error: ") and "pip install 'duckdb>=2'" in done.stderr
