"""AT Protocol repositories (CAR files) as data frames.

`read` returns the records of many repositories as a table, which DuckDB, Polars, pandas and pyarrow
read directly. `files` returns a table of the files. `Repo` is a single repository.

    >>> import carwalk
    >>> posts = carwalk.read("samples", collections="app.bsky.feed.post", columns=["rkey"])
    >>> sum(batch.num_rows for batch in posts)
    14

By default every block of a file is verified against its hash before any of its rows are returned. A
scan that is narrowed by keys, collections or a limit verifies only the blocks that it reads. The
rules of the tree are checked in each node that is read.
"""

from carwalk._carwalk import Batch, Record, Records, Repo, files, read
from carwalk._types import CarError, Failure

__all__ = ["Batch", "CarError", "Failure", "Record", "Records", "Repo", "files", "read"]
