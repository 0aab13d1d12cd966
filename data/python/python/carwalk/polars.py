"""Repositories as lazy frames of Polars.

Needs Polars: ``pip install polars``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars

    from carwalk._carwalk import _Paths, _Texts

__all__ = ["scan_polars", "views"]


def scan_polars(
    paths: _Paths,
    *,
    collections: _Texts | None = None,
    dids: _Texts | None = None,
    start: str | None = None,
    end: str | None = None,
    on_error: Literal["fail", "skip"] = "fail",
) -> polars.LazyFrame:
    """Returns the records of repositories as a lazy frame. Each query reads only what it needs.

    The call checks the arguments and lists folders. Files are read by the queries: all queries read
    the same list of files, and each opens them again. If equal scans occur several times in one
    query, such as in a join of the frame with itself, the files are read once.

    The frame has all columns of `carwalk.read`, with `record_cbor` as the last. A query reads the
    columns that it uses, and records are looked up only for `size`, `created_at`, `subject`,
    `record` and `record_cbor`. A query that selects no columns reads all of them.

    Filters narrow the scan if they compare `collection`, `did` or `rkey` with a text by `==`,
    `is_in`, `<`, `<=`, `>` or `>=`, alone or joined by `&`. Other filters only select rows. If a
    filter narrows the keys, only the blocks that the scan reads are verified.

    Polars needs the package cloudpickle for filters that call functions in Python for each row.

    `head` and `limit` end the scan early. After a filter, they do so in the streaming engine.

    Parameters
    ----------
    paths
        A file, a folder, or a list of them: see `carwalk.read`.
    collections
        Only records of these collections, such as `app.bsky.feed.post`. Default: all.
    dids
        Only repositories of these accounts. Default: all.
    start, end
        Only keys from `start` (inclusive) to `end` (exclusive), in byte order. A key is
        `collection/rkey`. Default: all.
    on_error
        What happens if a file cannot be read or is invalid. `fail`: the query ends with
        `polars.exceptions.ComputeError`. Its text has the path, the reason and the message, and its
        `__cause__` is a `CarError`. `skip`: the file is left out, and `carwalk.files` describes it.
        Only filters on `did` narrow the scan then, because the files that fail must not depend on
        the filters. A file in which records are missing fails only in queries that read records.
        With `collections`, `start` or `end`, rows before the fault may be returned, as by
        `carwalk.read`. Default: `fail`.

    Returns
    -------
    polars.LazyFrame
        The records. `polars.SQLContext(records=frame)` runs SQL on it.

    Raises
    ------
    ValueError
        If there are no paths, or a value is not allowed: see `carwalk.read`.
    TypeError
        If an argument has the wrong type.
    CarError
        If all paths are folders without CARs.
    ModuleNotFoundError
        If Polars is not installed.

    Examples
    --------
    >>> import carwalk.polars, polars
    >>> records = carwalk.polars.scan_polars("samples")
    >>> posts = records.filter(polars.col("collection") == "app.bsky.feed.post")
    >>> posts.select(polars.len()).collect().item()
    14
    >>> context = polars.SQLContext(records=records)
    >>> context.execute("select count(distinct did) as accounts from records").collect().item()
    1
    """
    with _polars_is_needed():
        from carwalk._polars.scan import scan
    return scan(paths, collections, dids, start, end, on_error)


def views(records: polars.LazyFrame) -> dict[str, polars.LazyFrame]:
    """Returns lazy frames of posts, likes, reposts, follows, blocks, profiles and lists.

    They are views of records: each is a filter on `collection` and a selection of columns. All
    begin with `did`, `rkey`, `uri` (`at://did/collection/rkey`) and `created_at`. Then follow, by
    the name of the view:

    - `posts`: `cid`, `text`, `langs` (the array as JSON text), `reply_root` and `reply_parent` (the
      URIs of these posts)
    - `likes`, `reposts`: `subject`, a URI
    - `follows`, `blocks`: `subject`, a DID
    - `profiles`: `display_name`, `description`
    - `lists`: `name`, `purpose`

    A value from the record is its text if it is a string, null if it is missing or null, else its
    JSON text. Polars writes integers below -2^63, which valid records do not have, as floats.

    Parameters
    ----------
    records
        A frame with the columns `did`, `collection`, `rkey`, `cid`, `created_at`, `subject` and
        `record`: one of `scan_polars`, or one that reads the files of an export.

    Returns
    -------
    dict[str, polars.LazyFrame]
        The views by their names, for `polars.SQLContext`.

    Raises
    ------
    ModuleNotFoundError
        If Polars is not installed.

    Examples
    --------
    >>> import carwalk.polars, polars
    >>> records = carwalk.polars.scan_polars("samples")
    >>> context = polars.SQLContext({"records": records} | carwalk.polars.views(records))
    >>> query = "select text from posts order by created_at limit 1"
    >>> context.execute(query).collect().item()
    'Hello! First post here.'
    """
    with _polars_is_needed():
        from carwalk._polars.views import views as views_of
    return views_of(records)


@contextmanager
def _polars_is_needed() -> Iterator[None]:
    """Explains how to install Polars, if it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "polars":
            raise
        message = "Polars is not installed: pip install polars"
        raise ModuleNotFoundError(message, name="polars") from None
