"""The arguments of ``python -m carwalk sql``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carwalk._texts import is_unicode

__all__ = ["Options", "parse"]

FORMATS = ("table", "csv", "jsonl", "parquet")
_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}

_DESCRIPTION = """\
Runs an SQL query over AT Protocol repositories (CAR files) with DuckDB, and prints its result.

tables  records (did, rev, collection, rkey, cid, size, time, created_at, subject, record,
        record_cbor) and files (path, bytes, outcome, reason, error, did, rev, commit, records)
views   posts, likes, reposts, follows, blocks, profiles, lists
"""

_EPILOG = """\
The query can be several statements with ';' between them: the result of the last is printed.
--collection, --did, --start and --end narrow what is read for the table records. WHERE does not.

exit codes
  0  done; also if the program that reads a table ended early, as head does
  2  wrong usage, or an error of the query
  3  an input is invalid, or the file of -f is not UTF-8
  4  an input is partial: a block is missing
  5  reading or writing failed; also if the program that reads CSV or JSON Lines ended early
If several inputs fail, the exit code is the largest of theirs.

examples
  python -m carwalk sql "select collection, count(*) from records group by 1" cars/
  python -m carwalk sql "from posts" cars/ --collection app.bsky.feed.post -o posts.parquet
"""


@dataclass(frozen=True)
class Options:
    query: str
    inputs: list[str]
    format: str
    output: str | None
    """The file to write. None: standard output."""
    force: bool
    threads: int | None
    selection: dict[str, Any]
    """The other arguments of `carwalk.duckdb.connect`."""


def parse(program: str, arguments: Sequence[str]) -> Options:
    """Parses the arguments. Exits with code 2 and a message if they are wrong."""
    parser = _parser(program)
    given = parser.parse_intermixed_args(list(arguments))
    query, inputs = _query(parser, given)
    if "-" in inputs:
        parser.error("standard input is not an input: name it, as in /dev/stdin")
    output = None if given.output == "-" else given.output
    format_ = given.format or _ENDINGS.get(Path(output or "").suffix, "table")
    if format_ == "parquet" and output is None:
        parser.error("--format parquet needs -o OUT: it is written to files only")
    return Options(
        query=query,
        inputs=inputs,
        format=format_,
        output=output,
        force=given.force,
        threads=given.threads,
        selection={
            "collections": given.collection,
            "dids": given.did,
            "start": given.start,
            "end": given.end,
            "on_error": given.on_error,
        },
    )


def _query(parser: argparse.ArgumentParser, given: argparse.Namespace) -> tuple[str, list[str]]:
    """The text of the query, and the inputs."""
    words: list[str] = given.words
    if given.file is None:
        if not words:
            parser.error("there is no query")
        query, *inputs = words
        if not is_unicode(query):
            parser.error("the query is not UTF-8")
    else:
        query, inputs = _read(parser, given.file), words
    if not inputs:
        parser.error("there are no inputs: name CARs or folders after the query")
    return query, inputs


def _read(parser: argparse.ArgumentParser, name: str) -> str:
    try:
        text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return text.decode("utf-8-sig")
    except OSError as error:
        parser.exit(5, f"error: cannot read {name!r}: {error.strerror}\n")
    except UnicodeDecodeError as error:
        parser.exit(3, f"error: {name!r} is not UTF-8: {error.reason} at byte {error.start}\n")


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"{program} [options] QUERY INPUT..\n       {program} [options] -f FILE INPUT..",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("words", nargs="*", metavar="QUERY INPUT", help="the query, and CARs or folders of CARs")
    add("-f", "--file", metavar="FILE", help="read the query from FILE; '-' is standard input")
    add(
        "--format",
        choices=FORMATS,
        help="format of the result; parquet needs -o. Default: by the ending of OUT (.csv, .jsonl,"
        " .ndjson, .parquet), else table",
    )
    add(
        "-o",
        "--output",
        metavar="OUT",
        help="write the result to OUT, which gets its name when it is complete",
    )
    add("--force", action="store_true", help="overwrite OUT if it exists")
    add("--collection", action="append", metavar="NSID", help="only this collection; repeatable")
    add("--did", action="append", metavar="DID", help="only this account; repeatable")
    add("--start", metavar="KEY", help="only keys (collection/rkey) from this one, inclusive")
    add("--end", metavar="KEY", help="only keys before this one")
    add(
        "--on-error",
        choices=["fail", "skip"],
        default="fail",
        help="if an input fails: end the query, or leave the input out. Default: fail",
    )
    add(
        "--threads",
        type=int,
        metavar="N",
        help="number of files read at a time, and of DuckDB's threads, at most 1024. Default:"
        " number of cores",
    )
    return parser
