"""The views of records as lazy frames of Polars."""

from __future__ import annotations

import polars
from polars import Expr, LazyFrame, col

__all__ = ["views"]


def views(records: LazyFrame) -> dict[str, LazyFrame]:
    """The views of records by their names: see `carwalk.polars.views`."""
    subject = [col("subject")]
    reply = [_text("reply.root.uri", "reply_root"), _text("reply.parent.uri", "reply_parent")]
    post = [col("cid"), _text("text"), _text("langs"), *reply]
    profile = [_text("displayName", "display_name"), _text("description")]
    return {
        "posts": _view(records, "app.bsky.feed.post", post),
        "likes": _view(records, "app.bsky.feed.like", subject),
        "reposts": _view(records, "app.bsky.feed.repost", subject),
        "follows": _view(records, "app.bsky.graph.follow", subject),
        "blocks": _view(records, "app.bsky.graph.block", subject),
        "profiles": _view(records, "app.bsky.actor.profile", profile),
        "lists": _view(records, "app.bsky.graph.list", [_text("name"), _text("purpose")]),
    }


def _view(records: LazyFrame, collection: str, columns: list[Expr]) -> LazyFrame:
    uri = polars.format("at://{}/{}/{}", "did", "collection", "rkey").alias("uri")
    first = [col("did"), col("rkey"), uri, col("created_at")]
    return records.filter(col("collection") == collection).select(*first, *columns)


def _text(path: str, name: str | None = None) -> Expr:
    """A value from the record: text, or JSON text."""
    return col("record").str.json_path_match(f"$.{path}").alias(name or path)
