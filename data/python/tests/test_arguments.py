"""Arguments that are refused, at the call, with what there is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import carwalk
import pytest
from carwalk import _carwalk

KNOWN = "did, rev, collection, rkey, cid, size, time, created_at, subject, record, record_cbor"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ["uri"]}, f'unknown column "uri"; the columns are {KNOWN}'),
        ({"columns": ["did,rev"]}, f'unknown column "did,rev"; the columns are {KNOWN}'),
        ({"columns": [""]}, f"an empty name of a column; the columns are {KNOWN}"),
        ({"collections": ["posts"]}, 'collections: "posts" is not the name of a collection (an NSID such as'),
        ({"collections": "app.bsky.feed.*"}, 'collections: "app.bsky.feed.*" is not the name of a collection'),
        ({"dids": ["did:plc:a", "a.example.com"]}, 'dids: "a.example.com" is not a DID such as did:plc:ewvi7nxzyoun6zhxrhs64oiz'),
        ({"limit": -1}, "limit must be from 0 to 18446744073709551615, not -1"),
        ({"limit": 2**64}, "limit must be from 0 to 18446744073709551615, not 18446744073709551616"),
        ({"limit": 10**5000}, "limit must be from 0 to 18446744073709551615, not an int of 16610 bits"),
        ({"threads": -(10**5000)}, "threads must be from 1 to 1024, not an int of 16610 bits"),
        ({"threads": 0}, "threads must be from 1 to 1024, not 0"),
        ({"threads": 1025}, "threads must be from 1 to 1024, not 1025"),
        ({"batch_size": 0}, "batch_size must be from 1 to 4294967295, not 0"),
        ({"batch_size": -5}, "batch_size must be from 1 to 4294967295, not -5"),
        ({"on_error": "ignore"}, 'on_error must be "fail" or "skip", not "ignore"'),
        ({"start": "b", "end": "a"}, "start, end and collections contradict each other"),
        ({"start": "a", "end": "a"}, "start, end and collections contradict each other"),
        ({"start": "z", "collections": "a.b.c"}, "start, end and collections contradict"),
        ({"columns": ["did", "\ud800"]}, r"columns: '\ud800' has a lone surrogate"),
        ({"collections": "\ud800"}, r"collections: '\ud800' has a lone surrogate"),
        ({"dids": ["\udcff"]}, r"dids: '\udcff' has a lone surrogate"),
        ({"start": "a\ud800"}, r"start: 'a\ud800' has a lone surrogate"),
        ({"end": "a\ud800"}, r"end: 'a\ud800' has a lone surrogate"),
        ({"verify": "some"}, 'verify must be "all" or "reached", not "some"'),
        ({"on_error": "\ud800"}, r"on_error: '\ud800' has a lone surrogate"),
    ],
)
def test_values_that_are_not_allowed(sample: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        carwalk.read(sample, **arguments)
    assert message in str(raised.value)
    assert not isinstance(raised.value, carwalk.CarError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": 7}, "columns must be a str or a list of str, not int"),
        ({"columns": b"did"}, "columns must be a str or a list of str, not bytes"),
        ({"columns": ["did", None]}, "items of columns must be str, not NoneType"),
        ({"collections": 1.5}, "collections must be a str or a list of str, not float"),
        ({"dids": [b"did:plc:a"]}, "items of dids must be str, not bytes"),
        ({"limit": "10"}, "limit must be an int, not str"),
        ({"limit": 1.0}, "limit must be an int, not float"),
        ({"threads": "all"}, "threads must be an int, not str"),
        ({"batch_size": []}, "batch_size must be an int, not list"),
        ({"start": 1}, "start must be a str, not int"),
        ({"end": b"a"}, "end must be a str, not bytes"),
        ({"on_error": 1}, "on_error must be a str, not int"),
        ({"on_error": None}, "on_error must be a str, not NoneType"),
        ({"verify": True}, "verify must be a str, not bool"),
        ({"colums": ["did"]}, "colums"),
    ],
)
def test_types_that_are_wrong(sample: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as raised:
        carwalk.read(sample, **arguments)
    assert message in str(raised.value)


@pytest.mark.parametrize("function", [carwalk.read, carwalk.files])
def test_paths(function: Any, tmp_path: Path, sample: str) -> None:
    with pytest.raises(ValueError, match="paths is empty: there are no inputs"):
        function([])
    with pytest.raises(TypeError, match="paths must be a path .* or a list of paths, not int"):
        function(7)
    expected = r"items of paths must be paths \(str, bytes or os.PathLike\), not int"
    with pytest.raises(TypeError, match=expected):
        function([sample, 7])
    with pytest.raises(TypeError, match="not NoneType"):
        function(None)
    with pytest.raises(TypeError):
        function(sample, ["did"])
    with pytest.raises(ValueError, match="threads must be from 1 to 1024"):
        function(sample, threads=0)


class AnyPath:
    """An os.PathLike."""

    def __init__(self, result: object) -> None:
        self.result = result

    def __fspath__(self) -> object:
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


# What takes one path, with the name of its argument.
TAKERS = [
    (carwalk.read, "paths"),
    (lambda path: carwalk.read([path]), "paths"),
    (carwalk.files, "paths"),
    (carwalk.Repo, "source"),
]


@pytest.mark.parametrize(("function", "name"), TAKERS)
def test_paths_that_no_file_has(function: Any, name: str, sample: str) -> None:
    for path in ("", AnyPath(""), AnyPath(b"")):
        with pytest.raises(ValueError, match=f"^{name}: a path is empty$"):
            function(path)
    for path in ("a\ud800b", AnyPath("a\ud800b")):
        with pytest.raises(ValueError) as raised:
            function(path)
        assert type(raised.value) is ValueError
        assert str(raised.value) == rf"{name}: 'a\ud800b' cannot be encoded as a path"
    for path in (sample, Path(sample), AnyPath(sample), AnyPath(os.fsencode(sample))):
        function(path)


@pytest.mark.parametrize(("function", "name"), TAKERS)
def test_exceptions_of_path_objects_are_raised(function: Any, name: str) -> None:
    for error in (ZeroDivisionError("no"), TypeError("no"), KeyboardInterrupt("no")):
        with pytest.raises(type(error)) as raised:
            function(AnyPath(error))
        assert raised.value is error
    with pytest.raises(TypeError) as mistyped:
        function(AnyPath(3))
    assert str(mistyped.value) == f"{name}: AnyPath.__fspath__() must return str or bytes, not int"


@pytest.mark.parametrize("name", ["limit", "threads", "batch_size"])
def test_exceptions_of_numbers_are_raised(sample: str, name: str) -> None:
    class Number:
        def __init__(self, error: BaseException | None) -> None:
            self.error = error

        def __index__(self) -> int:
            if self.error:
                raise self.error
            return 3

    carwalk.read(sample, **{name: Number(None)})  # type: ignore[arg-type]
    for error in (ZeroDivisionError("no"), TypeError("no"), KeyboardInterrupt("no")):
        with pytest.raises(type(error)) as raised:
            carwalk.read(sample, **{name: Number(error)})  # type: ignore[arg-type]
        assert raised.value is error


def test_arguments_of_a_repo(sample: str) -> None:
    repo: Any = carwalk.Repo(sample)
    with pytest.raises(TypeError, match="^path must be a str, not int$"):
        repo.get(1)
    with pytest.raises(TypeError, match="^key must be a str, not bytes$"):
        repo.verify(b"did:key:z")
    with pytest.raises(ValueError, match=r"^path: 'a\.b\.c/\\ud800' has a lone surrogate$"):
        repo.get("a.b.c/\ud800")
    with pytest.raises(ValueError, match=r"^key: '\\ud800' has a lone surrogate$"):
        repo.verify("\ud800")
    repo.verify(None)
    expected = r"^source must be a path \(str or os.PathLike\) or a CAR \(bytes or bytearray\), not "
    with pytest.raises(TypeError, match=expected + "memoryview$"):
        carwalk.Repo(memoryview(b""))  # type: ignore[arg-type]


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_folders_without_cars(tmp_path: Path, sample: str, on_error: Any) -> None:
    """As in an export: alone it is an error, among others an input that fails."""
    with pytest.raises(carwalk.CarError) as raised:
        carwalk.read(tmp_path, on_error=on_error)
    assert (raised.value.path, raised.value.reason) == (str(tmp_path), "io")
    assert "files named *.car, *.car.gz or *.car.zst" in raised.value.error
    records = carwalk.read([tmp_path, sample], on_error=on_error, columns=["did"])
    if on_error == "fail":
        with pytest.raises(carwalk.CarError, match="io: .*the folder has no CARs"):
            list(records)
    else:
        assert sum(batch.num_rows for batch in records) == 40
        assert [(failure.path, failure.reason) for failure in records.failures] == [
            (str(tmp_path), "io")
        ]


def test_numbers_may_be_those_of_numpy(sample: str) -> None:
    numpy = pytest.importorskip("numpy")
    records = carwalk.read(sample, limit=numpy.int64(3), columns=[])
    assert [batch.num_rows for batch in records] == [3]


def test_inputs_are_the_files_of_a_scan(folder: Path) -> None:
    """Engines divide them among tasks."""
    (folder / "sub").mkdir()
    (folder / "sub" / "5.car").write_bytes(b"123")
    (folder / "other.txt").write_bytes(b"")
    missing = str(folder / "no-such.car")
    found = _carwalk._inputs([folder, missing])
    paths = sorted(folder.glob("*.car")) + [folder / "sub" / "5.car"]
    assert found == [(str(path), path.stat().st_size) for path in paths] + [(missing, None)]
    with pytest.raises(ValueError, match="paths is empty"):
        _carwalk._inputs([])
