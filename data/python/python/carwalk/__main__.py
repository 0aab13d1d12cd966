"""The command line of the package: ``python -m carwalk sql "SELECT .." INPUT..``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from carwalk._sql.arguments import parse

PROGRAM = "python -m carwalk"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command, and returns its exit code."""
    _open_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["sql"]:
        options = parse(f"{PROGRAM} sql", given[1:])
        # DuckDB is loaded only here: --help does not need it.
        try:
            from carwalk._sql.run import run
        except ModuleNotFoundError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        return run(options)
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Queries AT Protocol repositories (CAR files).",
        epilog=f"{PROGRAM} sql --help describes the options of the command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"carwalk {version('carwalk')}")
    parser.add_argument("command", choices=["sql"], help="sql: runs an SQL query, with DuckDB")
    if not given:
        parser.print_help(sys.stderr)
        return 2
    parser.parse_args(given)
    return 2


def _open_streams() -> None:
    """Discards what is written to a standard stream that is closed.

    Without this, other files would get its descriptor, and standard output the messages.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))


if __name__ == "__main__":
    sys.exit(main())
