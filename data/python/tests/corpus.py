"""Queries for every engine, and a folder of repositories to ask them of.

All queries have a total order without nulls, which engines sort in different ways, so that results
can be compared row by row. One text serves all engines where their dialects agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import social
from cars import DID, RAW, Repository, cbor, post, tid

Expression = Callable[[Any], Any]


@dataclass(frozen=True)
class Query:
    """A question.

    ``{month(column)}`` stands for a month as text, like ``2026-01``. ``{text}`` and ``{lang}`` are
    the text of a post and its first language. ``{did}``, ``{start}`` and ``{end}`` select an
    account, and posts by their record keys.
    """

    name: str
    sql: str
    polars: Expression | None = None
    """The same with expressions, where Polars' SQL lacks something. It gets the records."""
    at_least: int = 10
    """Rows that there should be in a large network."""


@dataclass(frozen=True)
class Dialect:
    """How an engine writes what SQL has no common words for."""

    month: str
    json: str
    json_item: str

    def write(self, sql: str, subject: Subject) -> str:
        for column in ("created_at", "time"):
            sql = sql.replace(f"{{month({column})}}", self.month.format(column))
        sql = sql.replace("{text}", self.json.format("text"))
        sql = sql.replace("{lang}", self.json_item.format("langs"))
        for name, value in vars(subject).items():
            sql = sql.replace(f"{{{name}}}", value)
        return sql


@dataclass(frozen=True)
class Subject:
    """What the queries ask about."""

    did: str
    start: str
    end: str


DUCKDB = Dialect(
    month="strftime({}, '%Y-%m')", json="(record->>'$.{}')", json_item="(record->>'$.{}[0]')"
)
SPARK = Dialect(
    month="date_format({}, 'yyyy-MM')",
    json="get_json_object(record, '$.{}')",
    json_item="get_json_object(record, '$.{}[0]')",
)
# Polars' SQL does not read JSON.
POLARS = Dialect(month="strftime({}, '%Y-%m')", json="", json_item="")


def with_words(records: Any) -> Any:
    """Posts by a word in their text, with expressions of Polars."""
    import polars

    text, lang = (polars.col("record").str.json_path_match(at) for at in ("$.text", "$.langs[0]"))
    posts = records.filter(polars.col("collection") == "app.bsky.feed.post")
    found = posts.filter(text.str.contains("cat", literal=True))
    month = polars.col("created_at").dt.strftime("%Y-%m").alias("month")
    groups = found.select(month, lang.alias("lang")).drop_nulls().group_by("month", "lang")
    return groups.agg(n=polars.len()).sort("month", "lang")


QUERIES = [
    Query(
        "records by collection",
        "select collection, count(*) as n from records group by collection "
        "order by n desc, collection",
        at_least=6,
    ),
    Query(
        "accounts with most records",
        "select did, rev, count(*) as n from records group by did, rev "
        "order by n desc, did, rev limit 25",
    ),
    Query(
        "sizes by collection",
        "select collection, min(size) as least, max(size) as most, sum(size) as total "
        "from records group by collection order by collection",
        at_least=6,
    ),
    Query(
        "most followed",
        "select subject, count(*) as n from follows where subject is not null "
        "group by subject order by n desc, subject limit 25",
    ),
    Query(
        "names of the most followed",
        "with counts as (select subject, count(*) as n from follows group by subject) "
        "select counts.subject, n, display_name from counts "
        "join profiles on counts.subject = profiles.did "
        "order by n desc, counts.subject, display_name limit 25",
    ),
    Query(
        "mutual follows",
        "select a.did as did, a.subject as subject from follows a "
        "join follows b on a.subject = b.did and a.did = b.subject "
        "where a.did < a.subject order by did, subject limit 25",
    ),
    Query(
        "posts with most likes",
        "with counts as (select subject, count(*) as n from likes group by subject) "
        "select uri, n, text from posts join counts on posts.uri = counts.subject "
        "order by n desc, uri, text limit 25",
    ),
    Query(
        "posts by month",
        "select {month(created_at)} as month, count(*) as n from posts "
        "where created_at is not null group by {month(created_at)} order by month",
    ),
    Query(
        "record keys by month",
        "select {month(time)} as month, collection, count(*) as n from records "
        "where time is not null and collection like 'app.bsky.graph.%' "
        "group by {month(time)}, collection order by month, collection",
    ),
    Query(
        "languages of posts",
        "select langs, count(*) as n from posts where langs is not null "
        "group by langs order by n desc, langs limit 25",
        at_least=5,
    ),
    Query(
        "posts with most replies",
        "with counts as (select reply_parent, count(*) as n from posts "
        "where reply_parent is not null group by reply_parent) "
        "select uri, n, text from posts join counts on posts.uri = counts.reply_parent "
        "order by n desc, uri, text limit 25",
    ),
    Query(
        "largest records",
        "select did, collection, rkey, cid, size from records "
        "order by size desc, did, collection, rkey, cid limit 25",
    ),
    Query(
        "one account",
        "select collection, rkey, cid, created_at from records where did = '{did}' "
        "order by collection, rkey, cid limit 50",
    ),
    Query(
        "one collection",
        "select did, rkey, subject, created_at from records "
        "where collection = 'app.bsky.feed.repost' order by did, rkey, subject limit 50",
    ),
    Query(
        "a range of keys",
        "select did, rkey, size from records where collection = 'app.bsky.feed.post' "
        "and rkey >= '{start}' and rkey < '{end}' order by rkey, did, size limit 50",
    ),
    Query(
        "collections in a list",
        "select collection, count(distinct subject) as n from records "
        "where collection in "
        "('app.bsky.feed.like', 'app.bsky.feed.repost', 'app.bsky.graph.follow') "
        "group by collection order by collection",
        at_least=3,
    ),
    Query(
        "a word in posts",
        "select {month(created_at)} as month, {lang} as lang, count(*) as n from records "
        "where collection = 'app.bsky.feed.post' and {text} like '%cat%' "
        "and {lang} is not null and created_at is not null "
        "group by {month(created_at)}, {lang} order by month, lang",
        polars=with_words,
    ),
    Query(
        "odd records",
        "select collection, rkey, cid from records "
        "where record is null or created_at is null or (time is null and rkey <> 'self') "
        "order by collection, rkey, cid limit 50",
    ),
    Query(
        "odd posts",
        "select rkey, text, langs, reply_root, reply_parent from posts "
        "where created_at is null or text is null order by rkey, text, langs limit 50",
    ),
    Query(
        "the newest post of each account",
        "select did, rkey, text from (select did, rkey, text, "
        "row_number() over (partition by did order by rkey desc, uri, text) as number "
        "from posts) numbered "
        "where number = 1 order by did limit 25",
    ),
    Query(
        "accounts without a list",
        "select profiles.did, display_name from profiles left join "
        "(select distinct did as author from lists) writers on profiles.did = author "
        "where author is null order by profiles.did, display_name limit 25",
    ),
    Query(
        "likes and reposts of a month",
        "select month, kind, count(*) as n from ("
        "select {month(created_at)} as month, 'like' as kind from likes union all "
        "select {month(created_at)} as month, 'repost' as kind from reposts) both_kinds "
        "where month is not null group by month, kind order by month, kind",
    ),
    Query(
        "kinds of lists",
        "select coalesce(purpose, '') as what, coalesce(name, '') as title, count(*) as n "
        "from lists "
        "group by coalesce(purpose, ''), coalesce(name, '') order by n desc, what, title limit 25",
    ),
    Query(
        "failed files",
        "select outcome, coalesce(reason, '') as reason, count(*) as n, count(did) as dids "
        "from files group by outcome, coalesce(reason, '') order by outcome, reason",
        at_least=1,
    ),
    Query(
        "files of an account",
        "select path, bytes, rev, records from files where did = '{did}' order by path",
        at_least=1,
    ),
]


def odd_records() -> dict[str, bytes]:
    """Records that no app writes, and keys that are not TIDs."""
    micros = 1_750_000_000_000_000
    link = {"uri": "at://did:plc:a/app.bsky.feed.post/x", "cid": "bafy"}
    posts: list[Any] = [
        {"text": 5},
        {"text": None, "langs": None},
        {"text": ["a", {"b": 1}], "langs": "en"},
        {"text": {"a": "é\n\"'\\ 空"}, "langs": []},
        {"text": "quotes \" ' \\ and \t tabs\n", "langs": ["en", "pt-BR"], "createdAt": "today"},
        {"text": "", "reply": [{"root": link}], "createdAt": 5},
        {"text": "odd reply", "reply": {"root": "at://x", "parent": {"uri": 7}}},
        {"text": True, "langs": [None, 1, ["x"]], "createdAt": "2025-01-01T00:00:00"},
        {"text": 2**63 - 1, "langs": {"0": "en"}},
        {"text": 1.5, "blob": b"\x00\xff"},
        {"Text": "another name", "text\x00": "a name with a null"},
        {"text": "a \x00 in a text", "langs": ["\x00"]},
        [],
        ["text", "a list"],
        "a text",
        7,
        None,
    ]
    records = {
        f"app.bsky.feed.post/{tid(micros + number)}": cbor(value)
        for number, value in enumerate(posts)
    }
    records["app.bsky.feed.post/no-tid"] = post("a key that is not a TID")
    records["app.bsky.feed.post/" + tid(micros + 100)] = b"not CBOR"
    records["app.bsky.feed.post/" + tid(micros + 101)] = b"bytes"
    records["app.bsky.feed.post/" + tid(micros + 102)] = b"\x81" * 150 + b"\x80"
    records["com.example.thing/a:b~c"] = cbor({"subject": {"uri": 5}})
    like = {"subject": link, "createdAt": "2025-02-30"}
    records["app.bsky.feed.like/" + tid(micros)] = cbor(like)
    records["app.bsky.graph.follow/" + tid(micros)] = cbor({"subject": ["did:plc:a"]})
    records["app.bsky.graph.list/" + tid(micros)] = cbor({"name": {"a": 1}, "purpose": None})
    records["app.bsky.actor.profile/self"] = cbor({"displayName": "", "description": 0})
    records["app.bsky.actor.profile/other"] = cbor({"displayName": "second"})
    return records


def write_failures(folder: Path) -> None:
    """Writes files that fail, each for another reason, and a pair for one of them."""
    good = Repository(odd_records(), did=DID).car()
    (folder / "bad-empty.car").write_bytes(b"")
    (folder / "bad-page.car").write_bytes(b"<html>not found</html>")
    (folder / "bad-truncated.car").write_bytes(good[: len(good) // 2])
    (folder / "bad-hash.car").write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    (folder / "bad-legacy.car").write_bytes(Repository(odd_records(), version=2).car())


def write_folder(folder: Path, accounts: int) -> Subject:
    """Writes a network, odd records, and files that fail. Returns what to ask about."""
    social.write(folder, accounts)
    raw = f"app.bsky.feed.post/{tid(1_750_000_000_000_101)}"
    odd = Repository(odd_records(), did=DID, codecs={raw: RAW})
    (folder / "odd.car").write_bytes(odd.car())
    write_failures(folder)
    first = next(iter(social.network(accounts)))
    spring = (tid(int(social.MICROS) + day * 86_400_000_000) for day in (430, 460))
    return Subject(first.did, *spring)
