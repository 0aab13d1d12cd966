"""Scans and the interpreter: pickling, threads, forks, its end."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from pathlib import Path

import carwalk
import pyarrow

import cars
from conftest import SAMPLE
from processes import PATIENCE, finish, opened, run, start


def test_pickling_makes_the_same_call_again(folder: Path, sample: str) -> None:
    options = {
        "columns": ["did", "rkey"],
        "collections": ["app.bsky.feed.post"],
        "dids": ["did:plc:ewvi7nxzyoun6zhxrhs64oiz"],
        "start": "app",
        "end": "app.bsky.feed.post/3l4o",
        "limit": 3,
        "threads": 2,
        "batch_size": 2,
        "on_error": "skip",
    }
    for records in (
        carwalk.read([folder, sample], **options),  # type: ignore[arg-type]
        carwalk.read(folder),
        carwalk.files(folder, threads=2),
    ):
        for again in (pickle.loads(pickle.dumps(records)), copy.copy(records)):
            assert repr(again) == repr(records)
            assert again.columns == records.columns
            assert pyarrow.table(again) == pyarrow.table(records)


def test_the_text_of_records_is_the_call(folder: Path, sample: str) -> None:
    assert repr(carwalk.read(sample)) == f"carwalk.read({sample!r})"
    records = carwalk.read([sample], columns="did", limit=0, batch_size=65536, on_error="fail")
    expected = f"carwalk.read([{sample!r}], columns=['did'], limit=0, batch_size=65536)"
    assert repr(records) == expected
    assert repr(carwalk.files([sample] * 5)) == f"carwalk.files([{sample!r}, ...])"


def test_threads_share_an_iterator(folder: Path) -> None:
    """Each batch is returned once, whoever asks."""
    iterator = iter(carwalk.read([folder] * 20, columns=["rkey"], batch_size=5, threads=2))
    counts = []

    def count() -> None:
        counts.append(sum(batch.num_rows for batch in iterator))

    run_threads(count, 4)
    assert sum(counts) == 44 * 20


def test_threads_read_one_records(folder: Path) -> None:
    """Each consumer has a scan of its own."""
    records = carwalk.read([folder] * 20, columns=["rkey"], batch_size=5)
    counts = []

    def count() -> None:
        counts.append(pyarrow.table(records).num_rows)
        assert records.failures == []

    run_threads(count, 4)
    assert counts == [44 * 20] * 4


def run_threads(work: object, number: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_failures_are_those_of_the_scan_that_began_last(folder: Path) -> None:
    (folder / "0.car").write_bytes(b"Not Found")
    records = carwalk.read(folder, on_error="skip", columns=["did"], batch_size=1)
    first, second = iter(records), iter(records)
    next(first)
    assert len(records.failures) == 1
    (folder / "0.car").write_bytes((folder / "1.car").read_bytes())
    assert sum(1 for _ in second) == 44
    assert records.failures == []
    # The rest of the first scan changes nothing.
    assert sum(1 for _ in first) == 32
    assert records.failures == []


def test_scanning_does_not_hold_the_interpreter(tmp_path: Path) -> None:
    """A scan waits for a pipe that this thread writes to: it must get the interpreter."""
    pipe = tmp_path / "a.car"
    os.mkfifo(pipe)

    def write() -> None:
        pipe.write_bytes(SAMPLE.read_bytes())

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert [batch.num_rows for batch in carwalk.read(pipe, columns=["did"])] == [40]
    writer.join(PATIENCE)
    for consume in ("pyarrow.table(records)", "polars.DataFrame(records)", "carwalk.Repo(pipe)"):
        script = f"""
            import threading
            from pathlib import Path
            data, pipe = Path({str(SAMPLE)!r}).read_bytes(), Path({str(pipe)!r})
            threading.Thread(target=lambda: pipe.write_bytes(data), daemon=True).start()
            records = carwalk.read(pipe)
            {consume}
            print("read")
        """
        assert run(script) == "read\n"


def test_a_consumer_that_holds_the_interpreter(tmp_path: Path) -> None:
    """While it waits, in a thread that did not make the stream, other threads run."""
    pipe = tmp_path / "a.car"
    os.mkfifo(pipe)
    script = f"""
        import ctypes, threading
        from pathlib import Path
        data, pipe = Path({str(SAMPLE)!r}).read_bytes(), Path({str(pipe)!r})
        capsule = carwalk.read(pipe).__arrow_c_stream__()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.argtypes, pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
        stream = pointer(capsule, b"arrow_array_stream")
        # The second member of the struct. Functions of this type are called with the interpreter.
        get_next = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
            ctypes.cast(stream, ctypes.POINTER(ctypes.c_void_p))[1]
        )
        array = (ctypes.c_int64 * 10)()
        thread = threading.Thread(target=lambda: print(get_next(stream, array), array[0]))
        thread.start()
        pipe.write_bytes(data)
        thread.join()
    """
    assert run(script) == "0 40\n"


def test_dropping_a_scan_does_not_hold_the_interpreter(tmp_path: Path) -> None:
    """It waits for its threads, of which one reads a silent pipe.

    That thread can see that it should end before it reads on. Then nothing waits, and the scan is
    dropped again.
    """
    pipe = tmp_path / "silent.car"
    os.mkfifo(pipe)
    paths = [str(SAMPLE), str(pipe)]
    script = f"""
        import fcntl, os, termios, threading
        turns = 0
        def turn():
            global turns
            while True:
                time.sleep(0.001)
                turns += 1
        threading.Thread(target=turn, daemon=True).start()
        def turns_during_drop():
            pipe = os.open({str(pipe)!r}, os.O_RDWR)
            os.write(pipe, {SAMPLE.read_bytes()[:1]!r})
            iterator = iter(carwalk.read({paths}, batch_size=1, threads=2))
            next(iterator)
            while any(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))):
                time.sleep(0.001)
            before = turns
            del iterator
            return turns - before
        print(any(turns_during_drop() > 1 for _ in range(20)))
    """
    assert run(script) == "True\n"


def test_a_scan_does_not_survive_a_fork(folder: Path) -> None:
    """In the new process, neither reading on nor dropping hangs, and new scans work."""
    script = f"""
        import os
        records = carwalk.read([{str(folder)!r}] * 20, columns=["did"], batch_size=1, threads=2)
        iterator = iter(records)
        next(iterator)
        reader = pyarrow.RecordBatchReader.from_stream(records)
        reader.read_next_batch()
        unread = iter(records)
        if os.fork() == 0:
            try:
                next(iterator)
            except RuntimeError as error:
                print("iterator:", str(error).split(":")[0])
            try:
                reader.read_next_batch()
            except pyarrow.ArrowInvalid as error:
                print("reader:", "in another process" in str(error))
            del iterator, reader
            print("unread:", sum(1 for _ in unread), flush=True)
            os._exit(0)
        assert os.wait()[1] == 0
        print("parent:", sum(1 for _ in iterator), flush=True)
    """
    lines = run(script).splitlines()
    assert lines == [
        "iterator: the scan began before a fork, in another process",
        "reader: True",
        "unread: 880",
        "parent: 879",
    ]


def test_the_interpreter_can_end_in_the_middle_of_a_scan(folder: Path) -> None:
    script = f"""
        records = carwalk.read([{str(folder)!r}] * 20, columns=["did"], batch_size=1)
        iterator = iter(records)
        next(iterator)
        reader = pyarrow.RecordBatchReader.from_stream(records)
        reader.read_next_batch()
        keep = [iterator, reader]
        print("end")
    """
    assert run(script) == "end\n"


def test_the_interpreter_ends_while_a_thread_of_duckdb_reads(tmp_path: Path) -> None:
    """DuckDB waits for its queries at the end, so the stream of a silent pipe has to end.

    Its thread then asks for the interpreter, which ends some versions of Python with an error.
    """
    pipe = tmp_path / "silent.car"
    os.mkfifo(pipe)
    script = f"""
        import threading
        def work():
            records = carwalk.read({str(pipe)!r})
            try:
                duckdb.connect().sql("select count(*) from records").fetchall()
            except Exception:
                pass
        threading.Thread(target=work, daemon=True).start()
        input()
        print("end", flush=True)
    """
    with start(script) as process:
        with opened(pipe, process):
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
            out, _ = finish(process)
    assert out == "end\n"


def test_records_can_be_read_after_a_fork(tmp_path: Path) -> None:
    """A fork in the middle of another thread's reading does not hang."""
    records = {f"a.b.c/{number:05}": cars.post(str(number)) for number in range(5000)}
    path = tmp_path / "a.car"
    path.write_bytes(cars.Repository(records).car())
    script = f"""
        import os, threading
        repo = carwalk.Repo({str(path)!r})
        iterators = [iter(repo)]
        def work():
            while True:
                for _ in iterators[0]:
                    pass
                iterators[0] = iter(repo)
        threading.Thread(target=work, daemon=True).start()
        alone = iter(repo)
        next(alone)
        for _ in range(50):
            shared = iterators[0]
            if os.fork() == 0:
                try:
                    next(shared, None)
                except RuntimeError as error:
                    assert "forked: iterate over the Repo again" in str(error)
                os._exit(sum(1 for _ in alone) != 4999)
            assert os.wait()[1] == 0
        print("end")
    """
    assert run(script) == "end\n"
