"""Repositories as lazy frames of Polars.

Needs Polars 2 or newer: ``pip install 'polars>=2'``.
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

    The call checks the arguments and lists folders. Every query opens the listed files again. If
    the same scan occurs several times in one query, such as in a join of the frame with itself, the
    files are read once.

    The frame has all columns of `carwalk.read`, with `record_cbor` as the last. A query reads the
    columns that it uses, and records are looked up only for `size`, `created_at`, `subject`,
    `record` and `record_cbor`. A query that does not select columns uses all of them.

    A filter on `collection` or `rkey` narrows the scan if it compares the column with a text by
    `==`, `is_in`, `<`, `<=`, `>` or `>=`, and a filter on `did` if it does so by `==` or `is_in`.
    Such filters can be joined by `&`. A filter on `rkey` narrows the scan only together with `==`
    or `is_in` on `collection`, or with the argument `collections`. Other filters only select rows.
    If a filter narrows the keys, only the blocks that the scan reads are verified.

    Polars needs the package cloudpickle for filters that call Python functions.

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
        Then only filters on `did` narrow the scan, because other filters must not affect which
        files fail. A file in which records are missing fails only in queries that read records.
        With `collections`, `start` or `end`, rows before the fault may be returned: see
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

    Each view filters records by `collection` and selects columns. The first columns of all views
    are `did`, `rkey`, `uri` (`at://did/collection/rkey`) and `created_at`. The other columns are:

    - `posts`: `cid`, `text`, `langs` (the array as JSON text), `reply_root` and `reply_parent` (the
      URIs of the thread's first post and of the answered post)
    - `likes`, `reposts`: `subject`, the URI of a record, usually a post
    - `follows`, `blocks`: `subject`, the DID of an account
    - `profiles`: `display_name`, `description`
    - `lists`: `name`, `purpose`

    A view returns a string of a record as its text, a missing value or null as null, and any other
    value as JSON text. Polars writes integers below -2^63, which valid records do not have, as
    floats.

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
        message = "carwalk.polars needs Polars, which is not installed: pip install 'polars>=2'"
        raise ModuleNotFoundError(message, name="polars") from None
