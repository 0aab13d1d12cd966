"""The rows that `read` returns, compared with those of an independent reader."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import carwalk
import pyarrow
import pytest

import cars
import oracle

COLUMNS = "did rev collection rkey cid size time created_at subject record".split()


def rows(records: carwalk.Records) -> list[dict[str, Any]]:
    """All rows, with `record` as an object."""
    found: list[dict[str, Any]] = pyarrow.table(records).to_pylist()
    for row in found:
        if row.get("record") is not None:
            row["record"] = json.loads(row["record"])
    return found


def expected(paths: list[Path], columns: list[str]) -> list[dict[str, Any]]:
    found = [row for path in paths for row in oracle.rows(path.read_bytes())]
    return [{name: row[name] for name in columns} for row in found]


def test_all_columns_of_the_sample(sample: str) -> None:
    every = [*COLUMNS, "record_cbor"]
    assert rows(carwalk.read(sample, columns=every)) == expected([Path(sample)], every)


@pytest.mark.parametrize("threads", [1, 3])
def test_default_columns_of_a_folder(folder: Path, threads: int) -> None:
    records = carwalk.read(folder, threads=threads)
    assert records.columns == COLUMNS
    assert rows(records) == expected(sorted(folder.iterdir()), COLUMNS)


def test_types_of_columns(sample: str) -> None:
    schema = pyarrow.schema(carwalk.read(sample, columns=[*COLUMNS, "record_cbor"]))
    types = dict(zip(schema.names, map(str, schema.types), strict=True))
    times = dict.fromkeys(["time", "created_at"], "timestamp[us, tz=UTC]")
    others = {"size": "int64", "record_cbor": "binary"} | times
    assert types == dict.fromkeys([*COLUMNS, "record_cbor"], "string") | others
    assert all(field.nullable for field in schema)


def test_columns_are_in_the_order_of_the_table_and_count_once(sample: str) -> None:
    assert carwalk.read(sample, columns=["rkey", "did", "rkey"]).columns == ["did", "rkey"]
    assert carwalk.read(sample, columns="rkey").columns == ["rkey"]
    assert carwalk.read(sample, columns=iter(["cid"])).columns == ["cid"]


def test_without_columns_there_are_numbers_of_rows(folder: Path) -> None:
    records = carwalk.read(folder, columns=[])
    assert records.columns == []
    assert sum(batch.num_rows for batch in records) == 44
    assert [len(batch.columns) for batch in records] == [0]


def test_odd_values_are_null(tmp_path: Path) -> None:
    def created(time: str) -> bytes:
        return cars.cbor({"createdAt": time})

    repository = cars.Repository(
        {
            "a.b.c/0": created("0000-01-01T00:00:00Z"),
            "a.b.c/1": created("0001-01-01T00:00:00Z"),
            "a.b.c/2": created("99999-01-01T00:00:00Z"),
            "a.b.c/3": created("2024-09-09T19:46:02.1234567+02:00"),
            "a.b.c/4": b"raw",
            "a.b.c/5": b"\xff",
            "a.b.c/6": cars.cbor({"subject": ""}),
            "a.b.c/7": cars.cbor({"subject": {"uri": 7}}),
            "noslash": created("0001-01-01T00:00:00Z"),
        },
        codecs={"a.b.c/4": cars.RAW},
    )
    (tmp_path / "a.car").write_bytes(repository.car())
    columns = ["rkey", "size", "created_at", "subject", "record"]
    found = rows(carwalk.read(tmp_path, columns=columns))
    assert [row["rkey"] for row in found] == list("01234567")
    assert [row["record"] for row in found][4:6] == [None, None]
    assert [row["subject"] for row in found] == [None] * 8
    times = [row["created_at"] and row["created_at"].isoformat() for row in found]
    assert times[:4] == [
        None,
        "0001-01-01T00:00:00+00:00",
        None,
        "2024-09-09T17:46:02.123456+00:00",
    ]
    assert [row["size"] for row in found][4:6] == [3, 1]


def test_collections_are_one_walk_in_key_order(folder: Path) -> None:
    names = ["app.bsky.feed.post", "app.bsky.actor.profile", "app.bsky.feed.post"]
    records = carwalk.read(folder / "1.car", columns=["collection"], collections=names)
    found = [row["collection"] for row in rows(records)]
    assert found == ["app.bsky.actor.profile"] + ["app.bsky.feed.post"] * 5
    assert rows(carwalk.read(folder, collections="com.example.none")) == []
    assert rows(carwalk.read(folder, collections=[])) == []


def test_dids_select_repositories(folder: Path) -> None:
    dids = [repository.did for repository in cars.network()]
    records = carwalk.read(folder, columns=["did"], dids=[dids[2], dids[0]])
    assert [row["did"] for row in rows(records)] == [dids[0]] * 11 + [dids[2]] * 11
    assert rows(carwalk.read(folder, dids=[])) == []
    assert rows(carwalk.read(folder, dids="did:web:example.com")) == []
    assert records.failures == []


def test_of_other_accounts_only_the_commit_is_read(folder: Path) -> None:
    """Damage behind the commit of another account is not found."""
    first, second = cars.network()[:2]
    damaged = bytearray(second.car())
    damaged[-1] ^= 1
    (folder / "1.car").write_bytes(damaged)
    assert len(rows(carwalk.read(folder, columns=["did"], dids=first.did))) == 11
    with pytest.raises(carwalk.CarError):
        list(carwalk.read(folder, columns=["did"]))


def test_start_is_inclusive_and_end_exclusive(tmp_path: Path) -> None:
    keys = ["a.b.c/1", "a.b.c/2", "a.b.c/3", "a.b.d/1", "a.b.d/2", "a.b.e/1"]
    repository = cars.Repository({key: cars.cbor({"key": key}) for key in keys})
    (tmp_path / "a.car").write_bytes(repository.car())

    def found(**bounds: Any) -> list[str]:
        records = carwalk.read(tmp_path, columns=["collection", "rkey"], **bounds)
        return ["{collection}/{rkey}".format(**row) for row in rows(records)]

    assert found(start="a.b.c/2") == keys[1:]
    assert found(end="a.b.d/2") == keys[:4]
    assert found(start="a.b.c/3", end="a.b.e/1") == keys[2:5]
    assert found(start="a.b.d", end="a.b.e") == keys[3:5]
    assert found(start="a.b.c/2", collections=["a.b.c", "a.b.e"]) == [*keys[1:3], keys[5]]
    assert found(start="z") == []


def test_limit_is_for_all_inputs_together(folder: Path) -> None:
    every = rows(carwalk.read(folder))
    for limit in (0, 1, 11, 12, 43, 44, 45, 2**63):
        for threads in (1, 3):
            records = carwalk.read(folder, limit=limit, threads=threads)
            assert rows(records) == every[:limit]


def test_batches_have_at_most_so_many_rows(folder: Path) -> None:
    records = carwalk.read(folder, columns=["rkey"], batch_size=7)
    sizes = [batch.num_rows for batch in records]
    assert sum(sizes) == 44
    assert max(sizes) <= 7
    assert [batch.num_rows for batch in carwalk.read(folder, columns=["rkey"])] == [44]


def test_compressed_files_are_read_whatever_their_names(folder: Path) -> None:
    plain = rows(carwalk.read(folder))
    for number, compress in enumerate([gzip.compress, zstd]):
        path = folder / f"{number}.car"
        path.write_bytes(compress(path.read_bytes()))
    (folder / "2.car").rename(folder / "2.car.zst")
    assert rows(carwalk.read(folder)) == plain


def zstd(data: bytes) -> bytes:
    compressed = pyarrow.Codec("zstd").compress(data, asbytes=True)
    assert isinstance(compressed, bytes)
    return compressed


def test_paths_are_files_folders_and_lists_of_both(folder: Path, sample: str) -> None:
    def count(paths: Any) -> int:
        return sum(batch.num_rows for batch in carwalk.read(paths, columns=[]))

    (folder / "deep").mkdir()
    (folder / "deep" / "x.car").write_bytes(Path(sample).read_bytes())
    (folder / "notes.txt").write_text("not listed")
    assert count(sample) == 40
    assert count(Path(sample)) == 40
    assert count(os.fsencode(sample)) == 40
    assert count([sample, sample]) == 80
    assert count((folder, Path(sample))) == 44 + 40 + 40
    assert count(path for path in [folder / "0.car"]) == 11


def test_folders_are_listed_at_the_call_and_files_opened_later(folder: Path) -> None:
    records = carwalk.read(folder, columns=["did"])
    (folder / "9.car").write_bytes((folder / "0.car").read_bytes())
    assert len(rows(records)) == 44
    (folder / "3.car").unlink()
    with pytest.raises(carwalk.CarError, match=r"3\.car: io: "):
        list(records)


def test_records_that_no_column_needs_may_be_missing(tmp_path: Path) -> None:
    repository = cars.Repository({"a.b.c/1": cars.post("1"), "a.b.c/2": cars.post("2")})
    blocks = [block for block in repository.blocks() if block[0] != repository.cid("a.b.c/2")]
    (tmp_path / "a.car").write_bytes(cars.car(blocks[0][0], blocks))
    assert len(rows(carwalk.read(tmp_path, columns=["did", "rkey", "cid", "time"]))) == 2
    for column in ("size", "created_at", "subject", "record", "record_cbor"):
        with pytest.raises(carwalk.CarError, match=": missing: "):
            list(carwalk.read(tmp_path, columns=[column]))


def test_narrow_scans_hash_only_what_they_reach(tmp_path: Path) -> None:
    """A record that does not match its CID is found if it is read, or if all of a file is."""
    repository = cars.Repository({"a.b.c/1": cars.post("1"), "a.b.d/1": cars.post("2")})
    forged = [
        (cid, b"\xa0" if cid == repository.cid("a.b.d/1") else block)
        for cid, block in repository.blocks()
    ]
    (tmp_path / "a.car").write_bytes(cars.car(forged[0][0], forged))
    assert len(rows(carwalk.read(tmp_path, collections="a.b.c"))) == 1
    assert len(rows(carwalk.read(tmp_path, limit=1))) == 1
    for options in ({"collections": "a.b.d"}, {"start": "a.b.d"}, {}):
        with pytest.raises(carwalk.CarError, match=": invalid: "):
            list(carwalk.read(tmp_path, **options))  # type: ignore[arg-type]


def test_files_is_a_table_of_the_inputs(folder: Path, sample: str) -> None:
    (folder / "1.car").write_bytes(b"Not Found")
    records = carwalk.files([folder, sample, folder / "none.car"])
    assert records.columns == "path bytes outcome reason error did rev commit records".split()
    found = pyarrow.table(records).to_pylist()
    assert [row["outcome"] for row in found] == ["done", "failed"] + ["done"] * 3 + ["failed"]
    assert [row["records"] for row in found] == [11, None, 11, 11, 40, None]
    assert [row["reason"] for row in found] == [None, "not_a_car", None, None, None, "io"]
    assert [row["bytes"] for row in found][1] == 9
    root, blocks = oracle.blocks(Path(sample).read_bytes())
    commit = oracle.decode(blocks[root])
    assert found[4] == {
        "path": sample,
        "bytes": 12_641,
        "outcome": "done",
        "reason": None,
        "error": None,
        "did": commit["did"],
        "rev": commit["rev"],
        "commit": str(root),
        "records": 40,
    }
    assert "reading failed" in found[5]["error"]
    assert records.failures == []
