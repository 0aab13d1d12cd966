"""Ctrl-C and other signals, in scans and in repositories."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from conftest import SAMPLE
from processes import finish, opened, start


# What a consumer does with a scan of a pipe to which nobody writes, in the main thread.
CONSUMERS = {
    "iterator": "next(iter(records))",
    "pyarrow": "pyarrow.table(records)",
    "pyarrow batches": "list(pyarrow.RecordBatchReader.from_stream(records))",
    "pandas": "pandas.DataFrame.from_arrow(records)",
    "polars": "polars.DataFrame(records)",
    "duckdb": "duckdb.execute('set threads = 1'); duckdb.sql('from records').fetchall()",
    "files": "list(carwalk.files(pipe))",
    "repo": "carwalk.Repo(pipe)",
}


@pytest.mark.parametrize("name", CONSUMERS)
def test_ctrl_c_ends_a_scan(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / "silent.car"
    os.mkfifo(pipe)
    script = interrupted("carwalk.read(pipe)", pipe, CONSUMERS[name])
    with start(script) as process:
        with opened(pipe, process):
            process.send_signal(signal.SIGINT)
            out, err = finish(process)
    assert (out, process.returncode) == ("interrupted\n", 0), err


# The same, with a scan that never waits. DuckDB also looks at signals, and if it takes this one, it
# may complete the query first, as with its own functions.
BUSY = {
    "iterator": "sum(batch.num_rows for batch in records)",
    # A loop in C, which does not look at signals.
    "map": "sum(map(len, records))",
    "pyarrow": "pyarrow.table(records)",
    "polars": "polars.DataFrame(records)",
}


@pytest.mark.parametrize("name", BUSY)
def test_ctrl_c_ends_a_scan_of_many_batches(tmp_path: Path, name: str) -> None:
    """200,000 files would take minutes."""
    pipe = tmp_path / "first.car"
    os.mkfifo(pipe)
    records = f"carwalk.read([pipe] + [{str(SAMPLE)!r}] * 200_000, batch_size=64)"
    with start(interrupted(records, pipe, BUSY[name])) as process:
        with opened(pipe, process) as first:
            first.write(SAMPLE.read_bytes())
        process.send_signal(signal.SIGINT)
        out, err = finish(process)
    assert (out, process.returncode) == ("interrupted\n", 0), err


# Loops in C, which do not look at signals. `begin` prints a line, in C too, and has no items.
LOOPS = {
    "records": "chain.from_iterable(chain(begin, repeat(repo)))",
    "get": "map(repo.get, chain(begin, repeat(key)))",
    "open": "map(carwalk.Repo, chain(begin, repeat(path)))",
    "paths": "carwalk.read(chain(begin, repeat(path)))",
}


@pytest.mark.parametrize("name", LOOPS)
def test_ctrl_c_ends_a_loop_in_c(name: str) -> None:
    script = f"""
        from collections import deque
        from functools import partial
        from itertools import chain, repeat
        path, key = {str(SAMPLE)!r}, "app.bsky.actor.profile/self"
        repo = carwalk.Repo(path)
        begin = filter(None, map(partial(print, flush=True), ["begun"]))
        try:
            deque({LOOPS[name]}, maxlen=0)
        except KeyboardInterrupt:
            print("interrupted")
    """
    with start(script) as process:
        assert process.stdout and process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        out, err = finish(process)
    assert (out, process.returncode) == ("interrupted\n", 0), err


# How the main thread reads a stream that another thread made.
ELSEWHERE = {
    "reader": ("pyarrow.RecordBatchReader.from_stream(records)", "made[0].read_all()"),
    "capsule": ("Made(records.__arrow_c_stream__())", "polars.DataFrame(made[0])"),
}

MADE = """
        class Made:
            def __init__(self, capsule):
                self.capsule = capsule
            def __arrow_c_stream__(self, requested_schema=None):
                return self.capsule
"""


@pytest.mark.parametrize("name", ELSEWHERE)
def test_ctrl_c_ends_a_scan_of_another_thread(tmp_path: Path, name: str) -> None:
    """The thread that made the stream is also the first that imports the package."""
    pipe = tmp_path / "silent.car"
    os.mkfifo(pipe)
    make, consume = ELSEWHERE[name]
    script = f"""{MADE}
        import threading
        made = []
        def work():
            import carwalk
            records = carwalk.read({str(pipe)!r})
            made.append({make})
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        {interrupted("None", pipe, consume).lstrip()}
    """
    with start(script) as process:
        with opened(pipe, process):
            process.send_signal(signal.SIGINT)
            out, err = finish(process)
    assert (out, process.returncode) == ("interrupted\n", 0), err


@pytest.mark.parametrize("name", ["iterator", "pyarrow", "polars", "pandas"])
def test_handlers_of_ctrl_c_run_once(tmp_path: Path, name: str) -> None:
    """Its exception arrives, whatever it is."""
    pipe = tmp_path / "silent.car"
    os.mkfifo(pipe)
    script = f"""
        import signal
        calls, records = [], carwalk.read({str(pipe)!r})
        def handler(number, frame):
            calls.append(number)
            raise LookupError("enough")
        signal.signal(signal.SIGINT, handler)
        try:
            try:
                {CONSUMERS[name]}
            except LookupError:
                raise
            except Exception:
                for _ in range(10**6):
                    time.sleep(0.001)
        except LookupError as error:
            print(error.args, len(calls))
    """
    with start(script) as process:
        with opened(pipe, process):
            process.send_signal(signal.SIGINT)
            out, err = finish(process)
    assert (out, process.returncode) == ("('enough',) 1\n", 0), err


def interrupted(records: str, pipe: Path, consume: str) -> str:
    """A script that says whether Ctrl-C arrived while it read records."""
    return f"""
        pipe = {str(pipe)!r}
        records = {records}
        try:
            try:
                {consume}
            except Exception as error:
                # The consumer's error. Ctrl-C follows.
                for _ in range(10**6):
                    time.sleep(0.001)
        except KeyboardInterrupt:
            print("interrupted")
    """


def test_handlers_of_other_signals_run(tmp_path: Path) -> None:
    """A handler that raises ends the scan, and one that does not goes unnoticed."""
    pipe = tmp_path / "silent.car"
    os.mkfifo(pipe)
    script = f"""
        import signal
        def handler(number, frame):
            print("signal", flush=True)
            if number == signal.SIGUSR2:
                raise TimeoutError("enough")
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, handler)
        try:
            next(iter(carwalk.read({str(pipe)!r})))
        except TimeoutError as error:
            print(error)
    """
    with start(script) as process:
        with opened(pipe, process):
            process.send_signal(signal.SIGUSR1)
            assert process.stdout and process.stdout.readline() == "signal\n"
            process.send_signal(signal.SIGUSR2)
            out, err = finish(process)
    assert (out, process.returncode) == ("signal\nenough\n", 0), err
