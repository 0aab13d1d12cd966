"""AT Protocol repositories (CAR files) as data frames.

`read` returns the records of many repositories as a table, which DuckDB, Polars, pandas and pyarrow
read directly. `files` returns a table of the files. `Repo` is a single repository. `scan_polars`
returns the records as a lazy frame of Polars.

    >>> import carwalk
    >>> posts = carwalk.read("samples", collections="app.bsky.feed.post", columns=["rkey"])
    >>> sum(batch.num_rows for batch in posts)
    14

By default every block of a file is verified against its hash before any of its rows are returned. A
scan that is narrowed by keys, collections or a limit verifies only the blocks that it reads. The
rules of the tree are checked in each node that is read.

Modules for engines, which need the engine to be installed: `carwalk.duckdb`, `carwalk.polars` and
`carwalk.spark`.
"""

from typing import TYPE_CHECKING, Any

from carwalk._carwalk import Batch, Record, Records, Repo, files, read
from carwalk._types import CarError, Failure

if TYPE_CHECKING:
    from carwalk.polars import scan_polars

__all__ = [
    "Batch",
    "CarError",
    "Failure",
    "Record",
    "Records",
    "Repo",
    "files",
    "read",
    "scan_polars",
]


def __getattr__(name: str) -> Any:
    # Polars is imported when it is needed, because it may not be installed.
    if name == "scan_polars":
        from carwalk.polars import scan_polars

        return scan_polars
    raise AttributeError(f"module 'carwalk' has no attribute {name!r}")
