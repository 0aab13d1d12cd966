"""Inputs that are not sound, beside those that are, with `fail` and with `skip`."""

from __future__ import annotations

import gzip
import os
import resource
from collections.abc import Callable
from pathlib import Path

import carwalk
import pyarrow
import pytest

import cars


def good() -> cars.Repository:
    return cars.Repository({f"a.b.c/{number}": cars.post(str(number)) for number in range(5)})


def forged() -> bytes:
    data = bytearray(good().car())
    data[-1] ^= 1
    return bytes(data)


def partial() -> bytes:
    blocks = good().blocks()
    return cars.car(blocks[0][0], blocks[:-1])


def unsorted() -> bytes:
    """A tree whose keys are in the wrong order."""
    block = cars.post("1")
    cid = cars.Cid.of(block)
    keys = [key for key in (f"a.b.c/{n}" for n in range(50)) if cars.layer(key) == 0][:2]
    node, _ = cars.node(None, [(key, cid) for key in reversed(keys)], [(None, [])] * 2, {})
    entries = [(key, cid) for key in reversed(keys)]
    node, below = cars.node(None, entries, [(None, [])] * 2, {cid: block})
    commit = good().commit(node)
    return cars.car(cars.Cid.of(commit), [(cars.Cid.of(commit), commit), *below])


def long_block() -> bytes:
    """A section that declares one byte more than a block may have."""
    data = good().car()
    return data + cars.varint((2 << 20) + 37) + bytes(100)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.car": (lambda: b"", "truncated"),
    "cut.car": (lambda: good().car()[:-3], "truncated"),
    "forged.car": (forged, "invalid"),
    "partial.car": (partial, "missing"),
    "unsorted.car": (unsorted, "invalid"),
    "legacy.car": (lambda: cars.Repository(good().records, version=2).car(), "legacy"),
    "long.car": (long_block, "limit"),
    "json.car": (lambda: b'{"error":"RepoNotFound"}', "not_a_car"),
    "text.car": (lambda: b"Not Found", "not_a_car"),
    "cut.car.gz": (lambda: gzip.compress(good().car())[:40], "truncated"),
    "damaged.car.gz": (lambda: gzip.compress(good().car())[:-8] + bytes(8), "invalid"),
}


def write(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(BAD[name][0]())
    return path


@pytest.mark.parametrize("name", BAD)
def test_fail_raises_and_has_the_rows_before(tmp_path: Path, name: str) -> None:
    bad, reason = write(tmp_path, name), BAD[name][1]
    first, last = tmp_path / "0.car", tmp_path / "z.car"
    for path in (first, last):
        path.write_bytes(good().car())
    for threads in (1, 3):
        found = []
        with pytest.raises(carwalk.CarError) as raised:
            for batch in carwalk.read([first, bad, last], threads=threads):
                found += pyarrow.record_batch(batch).to_pylist()
        error = raised.value
        assert (error.path, error.reason) == (str(bad), reason)
        assert str(error) == f"{bad}: {reason}: {error.error}"
        assert error.error and "\n" not in error.error
        assert [row["rkey"] for row in found] == list("01234")


@pytest.mark.parametrize("name", BAD)
def test_skip_leaves_the_input_out(tmp_path: Path, name: str) -> None:
    bad, reason = write(tmp_path, name), BAD[name][1]
    for number in "12":
        (tmp_path / f"{number}.car").write_bytes(good().car())
    records = carwalk.read(tmp_path, on_error="skip")
    assert records.failures == []
    assert pyarrow.table(records).num_rows == 10
    (failure,) = records.failures
    assert isinstance(failure, carwalk.Failure)
    assert (failure.path, failure.reason, failure.rows) == (str(bad), reason, 0)
    with pytest.raises(carwalk.CarError) as raised:
        list(carwalk.read(bad))
    assert raised.value.error == failure.error


@pytest.mark.parametrize("name", BAD)
def test_repo_fails_as_a_scan_does(tmp_path: Path, name: str) -> None:
    bad, reason = write(tmp_path, name), BAD[name][1]
    for source in (bad, bad.read_bytes()):
        with pytest.raises(carwalk.CarError) as raised:
            carwalk.Repo(source).verify()
        with pytest.raises(carwalk.CarError) as scanned:
            list(carwalk.read(bad))
        path = None if isinstance(source, bytes) else str(bad)
        assert (raised.value.path, raised.value.reason) == (path, reason)
        assert raised.value.error == scanned.value.error


@pytest.mark.parametrize("name", BAD)
def test_the_error_of_a_stream_has_the_same_text(tmp_path: Path, name: str) -> None:
    records = carwalk.read(write(tmp_path, name))
    with pytest.raises(carwalk.CarError) as raised:
        list(records)
    with pytest.raises(pyarrow.ArrowInvalid) as streamed:
        pyarrow.table(records)
    assert str(raised.value) in str(streamed.value)


def test_files_that_are_not_there(tmp_path: Path, sample: str) -> None:
    missing, dangling = tmp_path / "none.car", tmp_path / "dangling.car"
    dangling.symlink_to("none")
    for path in (missing, dangling):
        with pytest.raises(carwalk.CarError) as raised:
            list(carwalk.read([path, sample]))
        assert (raised.value.path, raised.value.reason) == (str(path), "io")
        with pytest.raises(carwalk.CarError, match=f"^{path}: io: reading failed: "):
            carwalk.Repo(path)
    records = carwalk.read([missing, sample, tmp_path], on_error="skip", columns=[])
    assert sum(batch.num_rows for batch in records) == 40
    assert [failure.path for failure in records.failures] == [str(missing), str(dangling)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_files_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.car"
    path.write_bytes(good().car())
    path.chmod(0)
    with pytest.raises(carwalk.CarError, match=": io: "):
        list(carwalk.read(path))


def test_paths_that_are_not_text(tmp_path: Path) -> None:
    """A path is passed on as it is. In messages it is one line of text."""
    strange = os.fsencode(tmp_path) + b"/a\n\xff.car"
    with pytest.raises(carwalk.CarError) as raised:
        list(carwalk.read(strange))
    assert raised.value.path is not None and raised.value.path.endswith('/a\\n\\xFF.car"')
    Path(os.fsdecode(strange)).write_bytes(good().car())
    assert [batch.num_rows for batch in carwalk.read(strange)] == [5]
    assert carwalk.Repo(os.fsdecode(strange)).count() == 5


def test_a_narrow_scan_says_how_many_rows_it_returned(tmp_path: Path) -> None:
    """The last of 2,000 records of 64 KiB is missing. A narrow scan has returned some by then."""
    text = "x" * (64 << 10)
    records = {f"a.b.c/{number:04}": cars.post(text) for number in range(2000)}
    records["a.b.c/2000"] = cars.post("missing")
    repository = cars.Repository(records)
    blocks = dict(repository.blocks())
    del blocks[repository.cid("a.b.c/2000")]
    (tmp_path / "a.car").write_bytes(cars.car(repository.blocks()[0][0], blocks.items()))
    scan = carwalk.read(tmp_path, columns=["record"], on_error="skip")
    assert sum(batch.num_rows for batch in scan) == 0
    assert [(failure.reason, failure.rows) for failure in scan.failures] == [("missing", 0)]
    scan = carwalk.read(tmp_path, columns=["record"], collections="a.b.c", on_error="skip")
    rows = sum(batch.num_rows for batch in scan)
    assert 0 < rows < 2000
    assert [(failure.reason, failure.rows) for failure in scan.failures] == [("missing", rows)]


def test_many_long_records(tmp_path: Path) -> None:
    """65,536 records of 2 MiB: one block under as many keys, and 128 GiB of rows."""
    overhead = len(cars.post("")) + 4
    block = cars.post("x" * ((2 << 20) - overhead))
    assert len(block) == 2 << 20
    keys = [f"a.b.c/{number:05}" for number in range(65_536)]
    repository = cars.Repository(dict.fromkeys(keys, block))
    (tmp_path / "a.car").write_bytes(cars_of_one_block(repository, block))
    scan = carwalk.read(tmp_path, columns=["size"])
    assert sum(batch.num_rows for batch in scan) == 65_536
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, batch in enumerate(carwalk.read(tmp_path, columns=["record", "record_cbor"])):
        array = pyarrow.record_batch(batch)
        assert 1 <= batch.num_rows <= 8
        assert array.nbytes <= 20 << 20
        if number == 20:
            break
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 << 10, f"{grown} KiB"


def cars_of_one_block(repository: cars.Repository, block: bytes) -> bytes:
    """The CAR of a repository whose records are all the same block. It is hashed only once."""
    cid = cars.Cid.of(block)
    root, blocks = cars.tree([(key, cid) for key in sorted(repository.records)], {})
    commit = repository.commit(root)
    found = {cars.Cid.of(commit): commit, **dict(blocks), cid: block}
    return cars.car(cars.Cid.of(commit), found.items())


def test_which_blocks_are_verified(tmp_path: Path) -> None:
    """A damaged record of another collection, and the same without damage."""
    records = good().records | {"z.b.c/other": cars.post("unrelated")}
    data = cars.Repository(records).car()
    at = data.index(b"unrelated")
    for name, car in (("good", data), ("bad", data[:at] + b"0" + data[at + 1 :])):
        path = tmp_path / f"{name}.car"
        path.write_bytes(car)
        for verify in (None, "all", "reached"):
            narrow = carwalk.read(path, collections="a.b.c", verify=verify)
            whole = carwalk.read(path, columns=["rkey"], verify=verify)
            rows = [count(narrow), count(whole)]
            expected: list[int | None] = [5, 6]
            if name == "bad":
                # Without record columns, a scan of everything reads no record either.
                expected = {None: [5, None], "all": [None, None], "reached": [5, 6]}[verify]
            assert rows == expected, (name, verify)


def count(records: carwalk.Records) -> int | None:
    """The number of rows. None if the scan failed."""
    try:
        return sum(batch.num_rows for batch in records)
    except carwalk.CarError as error:
        assert error.reason == "invalid"
        return None
