"""The Spark data source without Spark: its options, its partitions and what a task reads."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from pathlib import Path
from random import Random
from typing import Any

import carwalk
import pyarrow
import pytest
from conftest import ROOT

import cars
import counting

datasource = pytest.importorskip("pyspark.sql.datasource", reason="PySpark is not installed")

from carwalk._spark.partitions import Files, Lines  # noqa: E402
from carwalk._spark.source import CarReader, CarSource  # noqa: E402

Row = dict[str, Any]
SAMPLES = ROOT / "data" / "samples"
DEFAULT = [name for name in carwalk.read(os.devnull).columns if name != "record"]


def reader(**options: object) -> CarReader:
    """A reader as the driver makes it."""
    texts = {name: str(value) for name, value in options.items()}
    source = CarSource(datasource.CaseInsensitiveDict(texts))
    source = pickle.loads(pickle.dumps(source))
    made = source.reader(source.schema())
    assert isinstance(made, CarReader)
    return made


def partitions(made: CarReader) -> list[Any]:
    found = made.partitions()
    assert [item.value for item in found] == [item.value for item in made.partitions()]
    return [item.value for item in found]


def rows_of(made: CarReader) -> list[Row]:
    task = pickle.loads(pickle.dumps(made))
    batches = [
        batch
        for partition in pickle.loads(pickle.dumps(made.partitions()))
        for batch in task.read(partition)
    ]
    return [row for batch in batches for row in batch.to_pylist()]


def rows(**options: object) -> list[Row]:
    return rows_of(reader(**options))


def expected(paths: Any, **arguments: Any) -> list[Row]:
    table = pyarrow.table(carwalk.read(paths, **{"columns": DEFAULT} | arguments))
    found: list[Row] = table.to_pylist()
    return found


def manifest(folder: Path, lines: list[tuple[str | Path, int]]) -> Path:
    path = folder / "list.tsv"
    path.write_bytes(b"".join(os.fsencode(f"{car}\t{size}\n") for car, size in lines))
    return path


def listed(folder: Path) -> list[tuple[str | Path, int]]:
    return [(path, path.stat().st_size) for path in sorted(folder.rglob("*.car"))]


def test_the_default_columns_are_all_but_the_record() -> None:
    assert rows(path=SAMPLES) == expected(SAMPLES)


def test_columns_are_those_that_are_named() -> None:
    names = ["did", "record", "record_cbor"]
    found = rows(path=SAMPLES, columns="record_cbor, did,record")
    assert found == expected(SAMPLES, columns=names)
    assert list(found[0]) == names


def test_options_narrow_the_scan() -> None:
    posts = {"collections": "app.bsky.feed.post,app.bsky.feed.like"}
    dids = sorted({row["did"] for row in expected(SAMPLES)})[:2]
    range_ = {"start": "app.bsky.feed.post/3l", "end": "app.bsky.feed.post/3m5"}
    for options in (posts, {"dids": ", ".join(dids)}, range_, posts | range_):
        arguments: dict[str, Any] = dict(options)
        for name in ("collections", "dids"):
            if name in arguments:
                arguments[name] = [item.strip() for item in arguments[name].split(",")]
        assert rows(path=SAMPLES, **options) == expected(SAMPLES, **arguments) != []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colums": "did"}, "unknown option 'colums'; the options are path, manifest, table, colu"),
        ({"columns": "did,foo"}, 'unknown column "foo"; the columns are did, rev, collection, rk'),
        ({"columns": "did,"}, "an empty name of a column; the columns are did, rev"),
        ({"collections": "post"}, 'collections: "post" is not the name of a collection'),
        ({"dids": "me"}, 'dids: "me" is not a DID'),
        ({"start": "b", "end": "a"}, "no key fits all of them"),
        ({"on_error": "ignore"}, 'on_error must be "fail" or "skip", not "ignore"'),
        ({"verify": "none"}, 'verify must be "all" or "reached", not "none"'),
        ({"table": "posts"}, 'table must be "records" or "files", not "posts"'),
        ({"partition_bytes": "0"}, 'partition_bytes must be a number of bytes, at least 1, not'),
        ({"partition_bytes": "128m"}, "must be a number of bytes"),
        ({"paths": "a.car"}, 'several paths are given as a list, as in .load(["a.car"'),
        ({"paths": '"a.car"'}, "several paths are given as a list"),
        ({"table": "files", "dids": "did:web:a.b"}, "the table files has no option 'dids'; the op"),
        ({"table": "files", "columns": "rkey"}, 'unknown column "rkey"; the columns are path, by'),
        ({"manifest": "list.tsv"}, "the options path and manifest exclude each other"),
    ],
)
def test_wrong_options_are_errors(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        reader(path=SAMPLES, **options)
    assert message in str(raised.value)


def test_names_of_options_have_any_case() -> None:
    assert rows(PATH=SAMPLES, Columns="did") == expected(SAMPLES, columns=["did"])


def test_a_schema_cannot_be_chosen() -> None:
    source = CarSource({"path": str(SAMPLES), "columns": "did"})
    assert source.reader(source.schema())
    from pyspark.sql.types import StringType, StructType

    with pytest.raises(ValueError, match="only the option columns; it is struct<did:string>"):
        source.reader(StructType().add("name", StringType()))


def test_paths_are_files_folders_lists_patterns_and_uris(folder: Path) -> None:
    whole = expected(folder)
    assert rows(path=folder) == rows(path=f"file:{folder}") == whole
    assert rows(path=f"file://{folder}") == rows(path=f"file://localhost{folder}") == whole
    assert rows(path=f"{folder}/*.car") == whole
    two = [folder / "2.car", folder / "0.car"]
    assert rows(paths=json.dumps(list(map(str, two)))) == expected(two)
    assert rows(path=f"{folder}/[13].car") == expected([folder / "1.car", folder / "3.car"])


def test_a_path_that_exists_is_not_a_pattern(folder: Path) -> None:
    (folder / "0.car").rename(folder / "[1].car")
    assert rows(path=folder / "[1].car") == expected(folder / "[1].car") != []


def test_relative_paths_are_absolute_in_tasks(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(folder)
    made = reader(path="0.car")
    listing = reader(manifest=manifest(tmp_path, [("0.car", 1)]).name)
    monkeypatch.chdir("/")
    assert rows_of(made) == rows_of(listing) == expected(folder / "0.car")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "there are no inputs"),
        ({"path": ""}, "an empty path"),
        ({"path": "s3a://bucket/cars"}, "no s3a: addresses"),
        ({"path": "/no-such/*.car"}, "/no-such/*.car: no file matches this pattern"),
        ({"path": "/no-such.car"}, "/no-such.car: io: reading failed: No such file"),
        ({"path": "/no-such.car", "on_error": "skip"}, "/no-such.car: io: reading failed"),
        ({"paths": f'["{SAMPLES}", "/no-such.car"]'}, "/no-such.car: io: reading failed"),
        ({"manifest": "/no-such.tsv"}, "/no-such.tsv does not exist, or is not a file"),
    ],
)
def test_inputs_that_do_not_exist_are_errors(options: dict[str, str], message: str) -> None:
    with pytest.raises((ValueError, carwalk.CarError)) as raised:
        reader(**options)
    assert message in str(raised.value)


def test_a_folder_without_cars_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(carwalk.CarError, match="the folder has no files named"):
        partitions(reader(path=tmp_path))


def test_failed_files_fail_the_scan_or_are_left_out(folder: Path) -> None:
    bad = folder / "1.car"
    bad.write_bytes(bad.read_bytes()[:-3])
    with pytest.raises(carwalk.CarError, match=f"{bad}: truncated: "):
        rows(path=folder)
    paths = json.dumps([str(folder), "/no-such.car"])
    good = [folder / f"{number}.car" for number in (0, 2, 3)]
    assert rows(paths=paths, on_error="skip") == expected(good)
    files = rows(paths=paths, table="files")
    assert files == pyarrow.table(carwalk.files([folder, Path("/no-such.car")])).to_pylist()
    outcomes = [file["outcome"] for file in files]
    assert outcomes == ["done", "failed", "done", "done", "failed"]


def test_files_have_the_columns_that_are_named(folder: Path) -> None:
    both = pyarrow.table(carwalk.files(folder)).select(["path", "records"]).to_pylist()
    assert rows(path=folder, table="files", columns="records,path") == both


def test_partitions_are_groups_by_bytes() -> None:
    limit = 60_000
    found = partitions(reader(path=SAMPLES, partition_bytes=limit))
    sizes = [[os.path.getsize(path) for path in item.paths] for item in found]
    assert all(sum(group) <= limit or len(group) == 1 for group in sizes)
    # No group could have taken the next file as well.
    assert all(
        sum(group) + following[0] > limit
        for group, following in zip(sizes, sizes[1:], strict=False)
    )
    assert [path for item in found for path in item.paths] == [
        os.fsencode(path) for path, _ in listed(SAMPLES)
    ]
    assert rows(path=SAMPLES, partition_bytes=limit) == expected(SAMPLES)


def test_small_files_make_bounded_groups(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02}.car").touch()
    found = partitions(reader(path=tmp_path, partition_bytes=5 * 4096))
    assert [len(item.paths) for item in found] == [5] * 4


def test_a_manifest_lists_files(tmp_path: Path) -> None:
    path = manifest(tmp_path, listed(SAMPLES))
    assert rows(manifest=path) == expected(SAMPLES)
    made = reader(manifest=path, partition_bytes=60_000)
    found = partitions(made)
    assert len(found) == len(partitions(reader(path=SAMPLES, partition_bytes=60_000))) > 3
    # The tasks read the lines themselves.
    assert all(isinstance(item, Lines) for item in found)
    assert sum(item.length for item in found) == path.stat().st_size
    assert rows_of(made) == expected(SAMPLES)
    assert len(rows(manifest=path, table="files")) == 11


def test_a_manifest_need_not_end_with_a_newline(tmp_path: Path) -> None:
    path = manifest(tmp_path, listed(SAMPLES))
    path.write_bytes(path.read_bytes()[:-1])
    assert rows(manifest=path, partition_bytes=30_000) == expected(SAMPLES)


def test_a_manifest_may_have_any_path(folder: Path) -> None:
    names = [b"a\tb.car", b"\xff.car", b"c d.car", b"\r.car"]
    for number, name in enumerate(names):
        os.rename(folder / f"{number}.car", os.fsencode(folder) + b"/" + name)
    paths = [os.fsencode(folder) + b"/" + name for name in names]
    listing = manifest(folder, [(os.fsdecode(path), os.path.getsize(path)) for path in paths])
    assert rows(manifest=listing) == expected(paths)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"a.car",
        b"a.car 12",
        b"\t12",
        b"a.car\t",
        b"a.car\t-1",
        b"a.car\t1_0",
        b"a.car\t1.5",
        b"a.car\t1\r",
        b"a.car\t1234567890123456789",
        b"a.car\t" + "²".encode(),
        b"a" * 9000 + b"\t1",
    ],
)
def test_malformed_lines_are_errors(tmp_path: Path, line: bytes) -> None:
    path = manifest(tmp_path, listed(SAMPLES))
    good = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*good[:4], line, *good[4:]]))
    with pytest.raises(ValueError, match=r"list\.tsv: line 5 is .*a path, a tab and a number"):
        partitions(reader(manifest=path))


def test_an_empty_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the manifest is empty"):
        partitions(reader(manifest=manifest(tmp_path, [])))


def test_a_task_sees_that_a_manifest_has_changed(tmp_path: Path) -> None:
    lines = listed(SAMPLES)
    made = reader(manifest=manifest(tmp_path, lines), partition_bytes=60_000)
    planned = made.partitions()
    last = planned[-1]
    assert sum(batch.num_rows for batch in made.read(last)) > 0
    for changed in (lines[:-1], [(path, size + 1) for path, size in lines], lines[::-1]):
        manifest(tmp_path, changed)
        with pytest.raises(ValueError, match=f"line {last.value.first} and those after it have"):
            list(made.read(last))
    (tmp_path / "list.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"list\.tsv"):
        list(made.read(last))


def test_a_folder_in_a_manifest_is_a_failed_file(folder: Path) -> None:
    (folder / "x.car").mkdir()
    (folder / "x.car" / "0.car").write_bytes(cars.network()[0].car())
    cars_ = [folder / f"{number}.car" for number in range(4)]
    path = manifest(folder, [(car, 1) for car in (*cars_[:3], folder / "x.car", cars_[3])])
    with pytest.raises(carwalk.CarError, match=r"x\.car: io: this is a folder, not a file"):
        rows(manifest=path)
    assert rows(manifest=path, on_error="skip") == expected(cars_)
    files = {file["path"]: file for file in rows(manifest=path, table="files")}
    assert files.pop(str(folder / "x.car")) == dict.fromkeys(carwalk.files(os.devnull).columns) | {
        "path": str(folder / "x.car"),
        "outcome": "failed",
        "reason": "io",
        "error": "this is a folder, not a file",
    }
    assert list(files.values()) == pyarrow.table(carwalk.files(cars_)).to_pylist()
    manifest(folder, [(folder / "x.car", 1)])
    assert rows(manifest=path, on_error="skip") == []
    assert [row["outcome"] for row in rows(manifest=path, table="files")] == ["failed"]


def test_a_partition_has_a_bounded_number_of_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carwalk._spark.partitions.MOST", 3)
    made = reader(path=folder, partition_bytes=10**40)
    assert [len(item.paths) for item in partitions(made)] == [3, 1]
    assert rows_of(made) == expected(folder)
    listing = manifest(folder, [(path, 0) for path, _ in listed(folder)])
    assert len(partitions(reader(manifest=listing, partition_bytes=10**40))) == 2


def test_tasks_do_not_get_the_paths_of_all_files(folder: Path) -> None:
    one, all_ = (reader(path=f"{folder}/{name}.car") for name in ("0", "*"))
    assert len(partitions(all_)[0].paths) == 4
    assert len(pickle.dumps(all_)) == len(pickle.dumps(one))


def test_what_skip_returns_of_a_file_with_a_fault(tmp_path: Path) -> None:
    """What `docs/spark.md` says. The rows of the first posts are a batch of their own."""
    keys = [f"app.bsky.feed.{name}" for name in ["like/1", *(f"post/{n:02}" for n in range(11))]]
    repository = cars.Repository({key: cars.post(key + "x" * 1_900_000) for key in keys})
    blocks = dict(repository.blocks())

    def count(**options: str) -> int:
        columns = options.pop("columns", "record")
        return len(rows(path=path, on_error="skip", columns=columns, **options))

    whole, narrow = {"verify": "all"}, {"verify": "all", "collections": "app.bsky.feed.post"}
    reached = narrow | {"verify": "reached"}
    # The fault is in a block that the narrowed scan does not read, or in its last record.
    for key, some in ((keys[0], {11}), (keys[-1], set(range(1, 11)))):
        cid = repository.cid(key)
        path = tmp_path / "damaged.car"
        damaged = blocks | {cid: blocks[cid][:-1] + b"\xf6"}
        path.write_bytes(cars.car(next(iter(blocks)), damaged.items()))
        assert (count(**whole), count(**narrow)) == (0, 0)
        assert count(**reached) in some
        assert count(columns="rkey", verify="reached") == 12
        assert [file["outcome"] for file in rows(path=path, table="files")] == ["failed"]
        path = tmp_path / "missing.car"
        rest = [(other, block) for other, block in blocks.items() if other != cid]
        path.write_bytes(cars.car(next(iter(blocks)), rest))
        assert count(**whole) == 0
        assert count(**narrow) in some
        assert count(**reached) in some
        assert count(columns="rkey") == 12
        assert [file["outcome"] for file in rows(path=path, table="files")] == ["failed"]


LARGE = SAMPLES / "000004.car"
SPLIT = {"path": LARGE, "verify": "reached", "partition_bytes": 10_000}


def test_large_files_are_split_by_keys() -> None:
    made = reader(**SPLIT)
    found = partitions(made)
    assert len(found) == 7
    assert rows_of(made) == expected(LARGE)
    counts = [sum(batch.num_rows for batch in made.read(item)) for item in made.partitions()]
    assert max(counts) - min(counts) <= 2


def test_pieces_are_parts_of_what_is_selected() -> None:
    made = reader(**SPLIT, collections="app.bsky.feed.post")
    posts = expected(LARGE, collections="app.bsky.feed.post")
    assert rows_of(made) == posts
    pieces = [sum(batch.num_rows for batch in made.read(item)) for item in made.partitions()]
    assert len(pieces) == 7 and max(pieces) < len(posts) / 4
    key = f"app.bsky.feed.post/{posts[5]['rkey']}"
    assert rows(**SPLIT, start=key, end=f"{key}0") == posts[5:6]
    assert rows(**SPLIT, dids="did:web:example.com") == []


NAMES = ["a.b.c", "a.b.c-d.e", "a.b.cd", "aa.b.c", "z.y.x"]


def some_options(random: Random, keys: list[str]) -> dict[str, str]:
    """Options that narrow a scan."""
    options = {}
    if random.random() < 0.5:
        options["collections"] = ",".join(random.sample(NAMES, random.randrange(1, 4)))
    for name in ("start", "end"):
        if random.random() < 0.4:
            key = random.choice(keys)
            options[name] = key[: random.randrange(1, len(key) + 1)]
    if random.random() < 0.2:
        options["dids"] = random.choice([cars.DID, "did:web:example.com"])
    return options


def test_pieces_are_the_whole(tmp_path: Path) -> None:
    random = Random(1)
    path = tmp_path / "a.car"
    rkeys = ["".join(random.choices("a-_.:~0", k=random.randrange(1, 5))) for _ in range(200)]
    keys = sorted({f"{random.choice(NAMES)}/{rkey}" for rkey in rkeys if rkey not in (".", "..")})
    path.write_bytes(cars.Repository({key: cars.post(key) for key in keys}).car())
    split = 0
    for _ in range(40 * int(os.environ.get("CARWALK_TEST_CASES", "1"))):
        options = some_options(random, keys)
        bytes_ = random.choice([1, 500, 3000, 10_000])
        try:
            whole = rows(path=path, **options)
        except ValueError:
            continue  # The bounds select no key.
        made = reader(path=path, verify="reached", partition_bytes=bytes_, **options)
        assert rows_of(made) == whole, options
        split += len(partitions(made)) > 1
    assert split > 8


def test_a_file_has_no_more_pieces_than_keys(tmp_path: Path) -> None:
    path = tmp_path / "large.car"
    path.write_bytes(cars.Repository({f"a.b.c/{n}": cars.post("x" * 9000) for n in "12"}).car())
    assert len(partitions(reader(**SPLIT | {"path": path, "partition_bytes": 100}))) == 2
    path.write_bytes(cars.Repository({}).car())
    made = reader(**SPLIT | {"path": path, "partition_bytes": 10})
    assert rows_of(made) == [] and len(partitions(made)) == 1


def test_manifests_may_list_large_files(tmp_path: Path) -> None:
    path = manifest(tmp_path, listed(SAMPLES))
    made = reader(**{name: value for name, value in SPLIT.items() if name != "path"}, manifest=path)
    assert any(isinstance(item, Files) for item in partitions(made))
    assert rows_of(made) == expected(SAMPLES)


@pytest.mark.parametrize(
    "options", [{"verify": "all"}, {"on_error": "skip"}, {"partition_bytes": 10**6}]
)
def test_other_files_are_not_split(options: dict[str, Any]) -> None:
    assert len(partitions(reader(**SPLIT | options))) == 1
    without = {name: value for name, value in SPLIT.items() if name != "verify"}
    assert len(partitions(reader(**without))) == 1


def test_compressed_and_failed_files_are_not_split(tmp_path: Path) -> None:
    zipped, cut = tmp_path / "zipped.car.gz", tmp_path / "cut.car"
    zipped.write_bytes(gzip.compress(LARGE.read_bytes(), 1))
    cut.write_bytes(LARGE.read_bytes()[:-3])
    assert zipped.stat().st_size > 10_000
    for path in (zipped, cut):
        assert len(partitions(reader(**SPLIT | {"path": path}))) == 1
    assert rows(**SPLIT | {"path": zipped}) == expected(LARGE)
    with pytest.raises(carwalk.CarError, match="truncated"):
        rows(**SPLIT | {"path": cut})


def test_options_read_only_the_blocks_that_they_need(tmp_path: Path) -> None:
    path, collection = tmp_path / "a.car", "app.bsky.feed.post"
    names = ["a.b.c", collection, "app.bsky.graph.follow"]
    repository = cars.Repository(
        {key: cars.post(key) for key in (f"{name}/{n:03}" for name in names for n in range(20))}
    )
    keys = counting.of_collection(collection)
    for columns, records in (("rkey,record", True), ("did,collection,rkey,cid", False)):

        def scan(_: list[Path], columns: str = columns) -> None:
            assert len(rows(path=path, collections=collection, columns=columns)) == 20

        needed = counting.needed_blocks(repository, keys, records=records)
        assert len(needed) < len(repository.blocks()) / 2
        assert counting.verified_blocks(scan, repository, path) == needed
        assert counting.read_blocks(scan, repository, path) == needed
