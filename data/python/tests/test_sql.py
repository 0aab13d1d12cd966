"""`python -m carwalk sql`: options, formats, files, exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import carwalk
import duckdb
import pytest
from carwalk.__main__ import main

from processes import PATIENCE, finish, opened

COMMAND = [sys.executable, "-m", "carwalk"]
COUNT = "select count(*) as n from records"


class Done(NamedTuple):
    stdout: str
    stderr: str


def run(*arguments: str | Path, code: int = 0, given: str = "") -> Done:
    """Runs the command `sql`, and checks its exit code.

    It runs in this process, because starting Python and DuckDB takes most of the time.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with redirected(1, out), redirected(2, err), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
            with open(1, "w", closefd=False) as stdout, open(2, "w", closefd=False) as stderr:
                patch.setattr(sys, "stdout", stdout)
                patch.setattr(sys, "stderr", stderr)
                try:
                    found = main(["sql", *map(str, arguments)])
                except SystemExit as exit:
                    found = exit.code  # type: ignore[assignment]
        done = Done(*(text_of(file) for file in (out, err)))
    assert found == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@contextmanager
def redirected(number: int, file: IO[bytes]) -> Iterator[None]:
    """Redirects a descriptor: DuckDB and the command do not only write through `sys.stdout`."""
    saved = os.dup(number)
    os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        os.dup2(saved, number)
        os.close(saved)


def text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def lines(*arguments: str | Path) -> list[dict[str, object]]:
    out = run(*arguments, "--format", "jsonl").stdout
    return [json.loads(line) for line in out.splitlines()]


def test_a_table(sample: str) -> None:
    query = "select collection, count(*) as n from records group by 1 order by 2 desc limit 2"
    assert run(query, sample).stdout == (
        " collection         │  n\n"
        "────────────────────┼────\n"
        " app.bsky.feed.like │ 16\n"
        " app.bsky.feed.post │ 14\n"
        "(2 rows)\n"
    )
    assert run("from lists", sample).stdout.endswith("\n(0 rows)\n")
    assert run("select null as n, '空é' as wide", sample).stdout == (
        " n    │ wide\n──────┼──────\n NULL │ 空é\n(1 row)\n".replace("wide\n", "wide\n")
    )


def test_a_table_in_a_pipe_has_all_rows_and_columns(sample: str) -> None:
    out = run("select range, repeat('x', 300) as x from range(3000)", sample).stdout
    assert out.count("x" * 300) == 3000 and out.endswith("(3,000 rows)\n")


def test_a_table_escapes_what_a_terminal_would_obey(sample: str) -> None:
    query = "select 'a' || chr(27) || chr(10) || chr(8238) || 'b' as \"x\ty\""
    out = run(query, sample).stdout
    assert "a\\u{1b}\\n\\u{202e}b" in out and " x\\ty\n" in out
    # A twin without such characters.
    assert " a\\b 'ü'\n" in run("select 'a\\b ''ü''' as x", sample).stdout


def in_terminal(*arguments: str) -> str:
    leader, follower = pty.openpty()
    environment = os.environ | {"COLUMNS": "60", "LINES": "24"}
    with subprocess.Popen(
        [*COMMAND, "sql", *arguments], stdout=follower, stdin=subprocess.DEVNULL, env=environment
    ) as process:
        os.close(follower)
        out = b""
        try:
            while piece := os.read(leader, 65536):
                out += piece
        except OSError:
            # The other side is closed.
            pass
        os.close(leader)
    assert process.returncode == 0
    return out.decode().replace("\r\n", "\n")


def test_a_terminal_gets_an_excerpt_that_says_so(sample: str) -> None:
    out = in_terminal("select range as i, repeat('x', 300) as x from range(1000)", sample)
    shown = out.splitlines()
    assert max(map(len, shown[:-1])) <= 60
    assert shown[-1].startswith("(1,000 rows; 40 shown; long texts are cut; ")
    assert [line.split()[0] for line in shown[2:-1]] == [
        *map(str, range(20)), "…", *map(str, range(980, 1000))
    ]
    assert in_terminal("select 1 as a from range(40)", sample).endswith("\n(40 rows)\n")
    csv_ = in_terminal("select chr(27) as a", sample, "--format", "csv")
    assert csv_ == "a\n\\u{1b}\n"


def test_csv(sample: str) -> None:
    query = "select null as a, '' as b, 'x,\"y' as c, '\\xFF'::blob as d, 1.50::decimal(4,2) as e"
    out = run(query, sample, "--format", "csv").stdout
    assert out == 'a,b,c,d,e\n,"","x,""y",/w==,1.50\n'
    out = run("select rkey, record from records", sample, "--format", "csv").stdout
    assert len(list(csv.reader(io.StringIO(out)))) == 41
    assert run("select 1 as a limit 0", sample, "--format", "csv").stdout == "a\n"


def test_jsonl(sample: str) -> None:
    rows = lines("select rkey, created_at, record, record::json as object from posts join records "
                 "using (did, rkey, created_at) order by rkey limit 1", sample)
    assert rows[0]["created_at"] == "2024-09-21 08:02:11+00"
    assert isinstance(rows[0]["record"], str)
    assert rows[0]["object"] == json.loads(rows[0]["record"])
    values = """
        select null as n, 12345678901234567890.12::decimal(38, 2) as d, 'nan'::double as f,
            '-inf'::float as g, 0.1::double as h, null::double as i, '\\x00\\xFF'::blob as b,
            timestamptz '2024-01-01 01:00:00.5+01' as t, timestamp 'infinity' as u,
            [1, null] as l, {'a': 'NaN', 'f': 1.5::double} as s, true as o, 'é\u2028"' as x
    """
    out = run(values, sample, "--format", "jsonl").stdout
    assert '"d":12345678901234567890.12,' in out
    row = json.loads(out, parse_constant=pytest.fail)
    assert row == {
        "n": None, "d": 12345678901234567890.12, "f": "nan", "g": "-inf", "h": 0.1, "i": None,
        "b": "AP8=", "t": "2024-01-01 00:00:00.5+00", "u": "infinity", "l": [1, None],
        "s": {"a": "NaN", "f": 1.5}, "o": True, "x": 'é\u2028"',
    }  # fmt: skip
    for odd in (
        "['nan'::double]",
        "to_json('nan'::double)",
        "'[-Infinity]'::json",
        "[to_json('inf'::float)]",
        "{'a': 'nan'::double}::variant",
    ):
        error = run(f"select {odd} as l", sample, "--format", "jsonl", code=2).stderr
        assert "JSON has no NaN" in error
    valid = "select '{\"NaN\":\"\\\\\\\"Infinity\"}'::json as a, {'NaN': 1}::variant as b"
    assert lines(valid, sample) == [{"a": {"NaN": '\\"Infinity'}, "b": {"NaN": 1}}]
    assert run("select 1 limit 0", sample, "--format", "jsonl").stdout == ""


def test_equal_names_are_numbered(sample: str) -> None:
    assert lines("select 1 as a, 2 as a, 3 as A, 4 as a_1", sample) == [
        {"a": 1, "a_1": 2, "A_2": 3, "a_1_1": 4}
    ]
    assert run("select 1 as a, 2 as a", sample).stdout.startswith(" a │ a\n")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "ndjson", "parquet"])
def test_a_file(sample: str, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"it's.{ending}"
    assert run("from posts", sample, "-o", out).stdout == ""
    assert os.listdir(tmp_path) == [out.name]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~mask
    (tmp_path / "a").symlink_to(out)
    name = str(out).replace("'", "''")
    assert duckdb.execute(f"select count(*) from '{name}'").fetchall() == [(14,)]


def test_an_existing_file(sample: str, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    out.write_text("mine")
    out.chmod(0o600)
    error = run(COUNT, sample, "-o", out, code=5).stderr
    assert error == f"error: cannot write {str(out)!r}: it exists already (see --force)\n"
    assert out.read_text() == "mine"
    link = tmp_path / "link.csv"
    link.symlink_to(out)
    run(COUNT, sample, "-o", link, "--force")
    assert link.is_symlink() and out.read_text() == "n\n40\n"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    # A query that fails leaves it as it is.
    run("select error('no')", sample, "-o", out, "--force", code=2)
    assert out.read_text() == "n\n40\n"
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "link.csv"]


def test_files_that_cannot_be_written(sample: str, tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    for name in ("no/such.csv", ".", "dangling"):
        assert "error: cannot write" in run(COUNT, sample, "-o", tmp_path / name, code=5).stderr
    assert os.listdir(tmp_path) == ["dangling"]
    run(COUNT, sample, "-o", "/dev/null", "--format", "csv")
    assert run(COUNT, sample, "-o", "-", "--format", "csv").stdout == "n\n40\n"
    table = tmp_path / "table.txt"
    run(COUNT, sample, "-o", table)
    assert table.read_text().endswith("(1 row)\n")
    error = run("create table t as select 1", sample, "-o", tmp_path / "t.csv", code=2).stderr
    assert "no result" in error


def test_a_full_device(sample: str) -> None:
    """Also if DuckDB still writes rows when the device is full."""
    for query, format_ in [
        (COUNT, "table"),
        (COUNT, "csv"),
        ("select range from range(1000000)", "jsonl"),
    ]:
        command = [*COMMAND, "sql", query, sample, "--format", format_]
        with open("/dev/full", "wb") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        message = "error: cannot write the output: No space left on device\n"
        assert (done.returncode, done.stderr) == (5, message)


def test_closed_standard_streams(folder: Path, tmp_path: Path) -> None:
    """Messages do not go to standard output instead, and rows not into a file."""
    out = tmp_path / "out.csv"
    (folder / "1.car").write_bytes(b"Not Found")
    arguments = f"sql '{COUNT}' '{folder}' --on-error skip --format csv"
    for redirected_, stdout in [(f"2>&- -o '{out}'", ""), ("2>&-", "n\n33\n"), (">&-", "")]:
        shell = f"exec '{sys.executable}' -m carwalk {arguments} {redirected_}"
        done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (3, stdout)
        assert done.stderr.count("Not Found") == 0 and "Traceback" not in done.stderr
    assert out.read_text() == "n\n33\n"


def test_names_that_are_not_utf8(sample: str, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"d\xff")
    folder.mkdir()
    for format_ in ("csv", "parquet", "table"):
        run(COUNT, sample, "-o", folder / os.fsdecode(b"\xff"), "--force", "--format", format_)
    assert os.listdir(os.fsencode(folder)) == [b"\xff"]
    assert (folder / os.fsdecode(b"\xff")).read_text().endswith("(1 row)\n")
    query = os.fsdecode(b"select '\xff'")
    assert "the query is not UTF-8" in run(query, sample, code=2).stderr


def test_output_is_appended_to(sample: str, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    command = [*COMMAND, "sql", COUNT, sample, "--format", "csv"]
    for _ in range(2):
        with out.open("ab") as file:
            subprocess.run(command, stdout=file, check=True)
    assert out.read_text() == "n\n40\n" * 2


def test_the_query_in_a_file(sample: str, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    create = "create table t as select did from records;\n"
    file.write_text(create + "select count(*) as n from t; -- é\n")
    assert lines("-f", file, sample) == [{"n": 40}]
    assert run("-f", "-", sample, "--format", "csv", given=COUNT).stdout == "n\n40\n"
    assert "cannot read" in run("-f", tmp_path / "none", sample, code=5).stderr
    file.write_bytes(b"select \xff")
    assert "is not UTF-8" in run("-f", file, sample, code=3).stderr
    assert "no statement" in run("-f", "-", sample, code=2).stderr


def test_options_narrow_what_is_read(folder: Path) -> None:
    post, like = "app.bsky.feed.post", "app.bsky.feed.like"
    [did, *_] = (row["did"] for row in lines("select distinct did from records order by 1", folder))
    for options, count in [
        (["--collection", post], 20),
        (["--collection", post, "--collection", like], 40),
        (["--did", str(did)], 11),
        (["--start", post], 20),
        (["--end", like], 4),
        (["--threads", "1"], 44),
    ]:
        assert lines(*options, COUNT, folder) == [{"n": count}]
        assert lines(COUNT, *options, folder) == [{"n": count}]


def test_statements_of_all_kinds(sample: str) -> None:
    for query in ("create table t as select 1", "set threads = 1", "create view v as select 1"):
        for format_ in ("table", "csv", "jsonl"):
            assert run(query, sample, "--format", format_).stdout == ""
    insert = "create table t as select 1 as a; insert into t values (2) returning a"
    assert lines(insert, sample) == [{"a": 2}]
    assert lines("pivot records on collection in ('x') using count(*) group by rev", sample)
    assert len(lines("describe posts", sample)) == 9
    plan = run("explain select did from records", sample).stdout
    assert "Arrow Scan" in plan and "\\n" not in plan


def test_wrong_usage(sample: str, tmp_path: Path) -> None:
    assert run("select 1", sample).stderr == ""
    for arguments, message in [
        ([], "there is no query"),
        (["select 1"], "there are no inputs"),
        (["select 1", "-"], "standard input is not an input"),
        (["select 1", sample, "--format", "xml"], "table"),
        (["select 1", sample, "--format", "parquet"], "needs -o OUT"),
        (["select 1", sample, "--on-error", "ignore"], "skip"),
        (["select 1", sample, "--threads", "0"], "threads must be from 1 to 1024"),
        (["select 1", sample, "--collection", "posts"], "posts"),
        (["select 1", sample, "--did", "me"], "me"),
        (["select 1", sample, "--start", "b", "--end", "a"], "start"),
        (["select 1", sample, "--unknown"], "--unknown"),
        (["select 1", str(tmp_path)], "no files named"),
    ]:
        done = run(*arguments, code=2)
        assert message in done.stderr and done.stdout == ""


def test_errors_of_the_query(sample: str) -> None:
    error = run("from nothing", sample, code=2).stderr
    assert error.startswith("error: Catalog Error: Table with name nothing does not exist!")
    views = "blocks, files, follows, likes, lists, posts, profiles, records, reposts"
    assert error.endswith(f"\ntables and views: {views}\n")
    error = run("select txt from likes", sample, code=2).stderr
    assert error.endswith("\ncolumns of likes: did, rkey, uri, created_at, subject\n")
    assert "syntax error" in run("selec", sample, code=2).stderr
    error = run("select (chr(27) || 'x')::int", sample, code=2).stderr
    assert "\\u{1b}x" in error and "\x1b" not in error


def test_failed_inputs(folder: Path) -> None:
    bad, gone = folder / "1.car", folder / "none.car"
    bad.write_bytes(b"Not Found")
    failure = carwalk.read(bad, on_error="skip")
    assert list(failure) == []
    message = f"{bad}: not_a_car: {failure.failures[0].error}"
    assert run(COUNT, folder, code=3).stderr == f"error: {message}\n"
    done = run(COUNT, folder, gone, "--on-error", "skip", "--format", "csv", code=5)
    assert done.stdout == "n\n33\n"
    first, second, last = done.stderr.splitlines()
    assert (first, last) == (message, "2 of 5 inputs failed")
    assert second.startswith(f"{gone}: io: ")
    query = "select reason from files where outcome = 'failed'"
    assert lines(query, folder) == [{"reason": "not_a_car"}]
    # The rows of the others are written.
    out = folder / "out.parquet"
    run(COUNT, folder, "--on-error", "skip", "-o", out, code=3)
    assert duckdb.execute(f"from '{out}'").fetchall() == [(33,)]


def test_no_file_after_a_failed_input(folder: Path, tmp_path: Path) -> None:
    (folder / "1.car").write_bytes(b"Not Found")
    (tmp_path / "out").mkdir()
    run("select did from records", folder, "-o", tmp_path / "out" / "a.csv", code=3)
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize(("format_", "code"), [("table", 0), ("csv", 5), ("jsonl", 5)])
def test_a_closed_pipe_ends_it_quietly(sample: str, format_: str, code: int) -> None:
    query = "select range from range(10000000)"
    command = [*COMMAND, "sql", query, sample, "--format", format_]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    """The query waits for a pipe that nobody writes to. The signals after the first are ignored."""
    pipe, out = tmp_path / "silent.car", tmp_path / "out.csv"
    os.mkfifo(pipe)
    command = [*COMMAND, "sql", "select did from records", str(pipe), "-o", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        with opened(pipe, process):
            assert any(name.startswith(".carwalk-") for name in os.listdir(tmp_path))
            for _ in range(20):
                process.send_signal(number)
                time.sleep(0.002)
            _, error = finish(process)
    assert (process.returncode, error) == (-number, "")
    assert os.listdir(tmp_path) == ["silent.car"]


def test_the_package_as_a_program() -> None:
    for arguments, code, text in [
        ([], 2, "usage: python -m carwalk"),
        (["--help"], 0, "sql"),
        (["sql", "--help"], 0, "exit codes"),
        (["--version"], 0, "carwalk "),
        (["ls"], 2, "invalid choice"),
    ]:
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
        assert done.returncode == code and text in done.stdout + done.stderr
