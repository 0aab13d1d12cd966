"""Single repositories: `Repo` and `Record`."""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path
from typing import Any

import carwalk
import pytest

import cars
import oracle


def sources(path: str) -> list[Any]:
    data = Path(path).read_bytes()
    return [path, Path(path), data, bytearray(data), gzip.compress(data)]


def test_a_repository_from_a_path_or_bytes(sample: str) -> None:
    root, blocks = oracle.blocks(Path(sample).read_bytes())
    commit = oracle.decode(blocks[root])
    for source in sources(sample):
        repo = carwalk.Repo(source)
        assert (repo.did, repo.rev, repo.commit) == (commit["did"], commit["rev"], str(root))
        assert repo.count() == 40
        assert repo.verify() is None  # type: ignore[func-returns-value]
        assert repr(repo) == f"<carwalk.Repo {commit['did']} at {commit['rev']}>"


def test_records_in_key_order(sample: str) -> None:
    expected = oracle.rows(Path(sample).read_bytes())
    for source in sources(sample):
        for repo in (carwalk.Repo(source),) * 2:
            found = list(repo)
            assert len(found) == len(expected)
            for record, row in zip(found, expected, strict=True):
                uri = f"at://{row['did']}/{row['collection']}/{row['rkey']}"
                assert (record.collection, record.rkey) == (row["collection"], row["rkey"])
                assert (record.uri, record.cid) == (uri, row["cid"])
                assert record.cbor == row["record_cbor"]
                assert record.json and json.loads(record.json) == row["record"]


def test_more_records_than_are_taken_at_a_time(tmp_path: Path) -> None:
    records = {f"a.b.c/{number:04}": cars.post("x" * number * 10) for number in range(1500)}
    path = tmp_path / "a.car"
    path.write_bytes(cars.Repository(records).car())
    assert path.stat().st_size > 8 << 20
    repo = carwalk.Repo(path)
    assert {f"{record.collection}/{record.rkey}": record.cbor for record in repo} == records
    assert repo.count() == 1500
    # Iterators keep the repository alive, and are independent of each other.
    one, other = iter(repo), iter(repo)
    del repo
    first = [next(one) for _ in range(300)]
    assert [next(other) for _ in range(300)] == first


def test_threads_share_an_iterator(tmp_path: Path) -> None:
    records = {f"a.b.c/{number:04}": cars.post(str(number)) for number in range(3000)}
    iterator = iter(carwalk.Repo(cars.Repository(records).car()))
    found: list[str] = []
    work = [threading.Thread(target=lambda: found.extend(r.rkey for r in iterator)) for _ in "123"]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(60)
    assert sorted(found) == [f"{number:04}" for number in range(3000)]


def test_get(sample: str) -> None:
    repo = carwalk.Repo(sample)
    for record in repo:
        assert repo.get(f"{record.collection}/{record.rkey}") == record
    assert repo.get("app.bsky.actor.profile/none") is None
    for path in ("app.bsky.actor.profile", "", "a/b/c", "/"):
        with pytest.raises(ValueError):
            repo.get(path)
    with pytest.raises(ValueError, match="at://"):
        repo.get(f"at://{repo.did}/app.bsky.actor.profile/self")
    with pytest.raises(TypeError):
        repo.get(b"app.bsky.actor.profile/self")  # type: ignore[arg-type]


def test_records_are_equal_by_uri_and_cid() -> None:
    repository = cars.Repository({"a.b.c/1": cars.post("1"), "a.b.c/2": cars.post("1")})
    one, two = carwalk.Repo(repository.car())
    assert one.cid == two.cid and one != two
    again = carwalk.Repo(repository.car()).get("a.b.c/1")
    assert again == one and hash(again) == hash(one) and {one, two, again} == {one, two}
    repository.records["a.b.c/1"] = cars.post("2")
    assert carwalk.Repo(repository.car()).get("a.b.c/1") != one
    assert one != "a.b.c/1"
    assert repr(one) == f"<carwalk.Record at://{cars.DID}/a.b.c/1 {one.cid}>"


def test_records_without_json() -> None:
    records = {"a.b.c/1": b"raw", "a.b.c/2": b"\xff", "a.b.c/3": cars.cbor({"n": 1})}
    repo = carwalk.Repo(cars.Repository(records, codecs={"a.b.c/1": cars.RAW}).car())
    assert [record.json for record in repo] == [None, None, '{"n":1}']
    assert [record.cbor for record in repo] == list(records.values())


def test_an_empty_repository() -> None:
    repo = carwalk.Repo(cars.Repository({}).car())
    assert (list(repo), repo.count(), repo.get("a.b.c/1")) == ([], 0, None)
    repo.verify()


def test_signatures() -> None:
    repository = cars.Repository({"a.b.c/1": cars.post("1")}, key=12345)
    repo = carwalk.Repo(repository.car())
    repo.verify(cars.did_key(12345))
    repo.verify(key=cars.did_key(12345).removeprefix("did:key:"))
    with pytest.raises(carwalk.CarError, match="signature") as raised:
        repo.verify(cars.did_key(54321))
    assert raised.value.reason == "invalid"
    for key in ("", cars.DID, "did:key:zzz"):
        with pytest.raises(ValueError, match="^key: "):
            repo.verify(key)
    unsigned = carwalk.Repo(cars.Repository(repository.records).car())
    unsigned.verify()
    with pytest.raises(carwalk.CarError):
        unsigned.verify(cars.did_key(12345))


def test_what_is_verified_when(tmp_path: Path) -> None:
    """A missing record is found by whoever needs it, a forged one when the CAR is opened."""
    repository = cars.Repository({f"a.b.c/{number}": cars.post(str(number)) for number in range(9)})
    blocks = [block for block in repository.blocks() if block[0] != repository.cid("a.b.c/5")]
    repo = carwalk.Repo(cars.car(blocks[0][0], blocks))
    assert repo.count() == 9
    assert repo.get("a.b.c/4") is not None
    found = []
    with pytest.raises(carwalk.CarError, match="^missing: ") as raised:
        for record in repo:
            found.append(record.rkey)
    assert found == list("01234")
    assert raised.value.path is None
    for call in (repo.verify, lambda: repo.get("a.b.c/5")):
        with pytest.raises(carwalk.CarError, match="^missing: "):
            call()
    forged = bytearray(repository.car())
    forged[-1] ^= 1
    (tmp_path / "a.car").write_bytes(forged)
    with pytest.raises(carwalk.CarError, match=f"^{tmp_path}/a.car: invalid: "):
        carwalk.Repo(tmp_path / "a.car")


def test_invalid_paths() -> None:
    """A key without two halves ends iteration. Invalid syntax in a half fails `verify` only."""
    repo = carwalk.Repo(cars.Repository({"notes/1": cars.post("1"), "x.y.z/1": b"\xa0"}).car())
    assert [record.collection for record in repo] == ["notes", "x.y.z"]
    with pytest.raises(carwalk.CarError, match="1 path is invalid"):
        repo.verify()
    iterator = iter(carwalk.Repo(cars.Repository({"a.b.c/1": b"\xa0", "noslash": b"\xa0"}).car()))
    assert next(iterator).rkey == "1"
    with pytest.raises(carwalk.CarError, match="^invalid: "):
        next(iterator)
    assert list(iterator) == []


def test_sources_that_are_wrong() -> None:
    for source in (7, None, ["samples/repo.car"], memoryview(b"")):
        with pytest.raises(TypeError, match="source must be a path .* or a CAR .*, not"):
            carwalk.Repo(source)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        carwalk.Record()
    with pytest.raises(TypeError):
        carwalk.Records()


def test_errors_can_be_pickled_and_made() -> None:
    import pickle

    for path, text in (("a.car", "a.car: io: gone"), (None, "io: gone")):
        error = carwalk.CarError(path, "io", "gone")
        again = pickle.loads(pickle.dumps(error))
        for each in (error, again):
            assert str(each) == text
            assert (each.path, each.reason, each.error) == (path, "io", "gone")
    assert isinstance(error, Exception) and not isinstance(error, ValueError)
    assert carwalk.CarError.__module__ == carwalk.Failure.__module__ == "carwalk"
