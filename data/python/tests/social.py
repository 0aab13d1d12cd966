"""Makes a social network: repositories whose likes, follows and replies point to each other.

``python social.py FOLDER ACCOUNTS`` writes a CAR for each account, and an older one of the first.
Equal arguments make equal bytes. ``data/samples`` is the network of ten accounts.
"""

from __future__ import annotations

import base64
import hashlib
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from cars import Cid, Repository, cbor, tid

T = TypeVar("T")

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
MICROS = int(BEGIN.timestamp()) * 1_000_000
DAYS = 548
"""The network exists for a year and a half, and grows."""

LANGUAGES = ["en", "en", "en", "en", "ja", "ja", "pt", "de", "fr"]
WORDS = {
    "en": "the sky is blue today and we walk over hills to see birds rain coffee train music cat",
    "ja": "空 今日 雨 猫 電車 音楽 鳥 山 青い 見る 歩く 珈琲 とても",
    "pt": "o céu hoje está azul vamos andar ver pássaros chuva café trem música gato",
    "de": "der Himmel ist heute blau wir gehen über Hügel Vögel Regen Kaffee Zug Musik Katze",
    "fr": "le ciel est bleu nous marchons voir des oiseaux pluie café train musique chat",
}


class Post:
    """A post, as far as others refer to it."""

    def __init__(self, did: str, key: str, block: bytes, time: int, root: Post | None) -> None:
        self.uri = f"at://{did}/{key}"
        self.cid = Cid.of(block)
        self.time = time
        self.root = root or self

    def ref(self) -> dict[str, Any]:
        return {"uri": self.uri, "cid": str(self.cid)}


class Account:
    """An account, and its records so far."""

    def __init__(self, number: int, random: Random) -> None:
        digest = hashlib.sha256(f"account {number}".encode()).digest()
        self.did = "did:plc:" + base64.b32encode(digest).decode().lower()[:24]
        self.number = number
        self.language = pick(random, LANGUAGES)
        # Most are quiet, few write much.
        self.activity = math.exp(random.gauss(2.6, 1.1))
        self.begin = int(DAYS * 0.8 * random.random() ** 0.7)
        self.records: dict[str, bytes] = {}
        self.last = MICROS

    def add(self, collection: str, time: int, record: dict[str, Any], rkey: str = "") -> str:
        while not rkey or f"{collection}/{rkey}" in self.records:
            rkey = tid(time, self.number & 1023)
            time += 1
        key = f"{collection}/{rkey}"
        self.records[key] = cbor({"$type": collection} | record)
        self.last = max(self.last, time)
        return key

    def repository(self) -> Repository:
        return Repository(self.records, did=self.did, rev=tid(self.last + 1, self.number & 1023))


def pick(random: Random, items: list[T]) -> T:
    return items[int(random.random() * len(items))]


def popular(random: Random, items: list[T]) -> T:
    """One of the items; the first ones far more often."""
    return items[int(random.random() ** 3 * len(items))]


def recent(random: Random, posts: list[Post]) -> Post:
    """One of the last posts; the newest ones far more often."""
    return posts[-1 - int(random.random() ** 3 * min(500, len(posts)))]


def stamp(time: int) -> str:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def times(random: Random, account: Account, count: int) -> list[int]:
    """Times after an account began, in order."""
    days = [account.begin + random.random() * (DAYS - account.begin) for _ in range(count)]
    return sorted(MICROS + int(day * 86_400_000_000) for day in days)


def text(random: Random, language: str) -> str:
    words = WORDS[language].split()
    count = 3 + int(random.expovariate(1 / 14))
    return " ".join(pick(random, words) for _ in range(count))[:280]


def write_posts(random: Random, accounts: list[Account]) -> list[Post]:
    """Adds the posts of all accounts in the order of time, so that replies follow what they answer."""
    planned = [
        (time, account.number)
        for account in accounts
        for time in times(random, account, 1 + int(account.activity))
    ]
    posts: list[Post] = []
    for time, number in sorted(planned):
        account = accounts[number]
        record: dict[str, Any] = {
            "text": text(random, account.language),
            "createdAt": stamp(time),
            "langs": [account.language],
        }
        parent = recent(random, posts) if posts and random.random() < 0.4 else None
        if parent:
            record["reply"] = {"root": parent.root.ref(), "parent": parent.ref()}
        key = account.add("app.bsky.feed.post", time, record)
        root = parent.root if parent else None
        posts.append(Post(account.did, key, account.records[key], time, root))
    return posts


def write_profile(random: Random, account: Account) -> None:
    name = f"{pick(random, WORDS[account.language].split())} {account.number}"
    profile = {"displayName": name, "description": text(random, account.language)}
    begin = MICROS + account.begin * 86_400_000_000
    account.add("app.bsky.actor.profile", begin, profile | {"createdAt": stamp(begin)}, "self")


def write_reactions(random: Random, account: Account, by_popularity: list[Post]) -> None:
    for collection, share in (("app.bsky.feed.like", 2.5), ("app.bsky.feed.repost", 0.4)):
        for time in times(random, account, int(account.activity * share)):
            subject = popular(random, by_popularity)
            time = max(time, subject.time + 1_000_000)
            account.add(collection, time, {"subject": subject.ref(), "createdAt": stamp(time)})


def write_graph(random: Random, account: Account, accounts: list[Account]) -> None:
    others = [other for other in accounts[:2000] if other is not account]
    for time in times(random, account, min(int(account.activity * 1.5), len(others))):
        subject = {"subject": popular(random, others).did, "createdAt": stamp(time)}
        account.add("app.bsky.graph.follow", time, subject)
    if others and random.random() < 0.2:
        [time] = times(random, account, 1)
        subject = {"subject": pick(random, others).did, "createdAt": stamp(time)}
        account.add("app.bsky.graph.block", time, subject)
    if random.random() < 0.2:
        [time] = times(random, account, 1)
        purpose = "app.bsky.graph.defs#" + pick(random, ["curatelist", "modlist"])
        name = " ".join(pick(random, WORDS["en"].split()) for _ in range(2))
        record = {"name": name, "purpose": purpose, "createdAt": stamp(time)}
        account.add("app.bsky.graph.list", time, record)


def network(count: int, seed: int = 1) -> Iterator[Repository]:
    """The repositories of so many accounts: about 100 records each, 30 in the median."""
    random = Random(seed)
    accounts = [Account(number, random) for number in range(count)]
    posts = write_posts(random, accounts)
    by_popularity = sorted(posts, key=lambda post: (random.random(), post.uri))
    for account in accounts:
        write_profile(random, account)
        write_reactions(random, account, by_popularity)
        write_graph(random, account, accounts)
        yield account.repository()


def older(repository: Repository) -> Repository:
    """The repository as it was when it had half of its records."""
    rkeys = sorted(key.split("/")[1] for key in repository.records if not key.endswith("/self"))
    last = rkeys[len(rkeys) // 2]
    records = {
        key: block
        for key, block in repository.records.items()
        if key.endswith("/self") or key.split("/")[1] <= last
    }
    return Repository(records, did=repository.did, rev=last)


def write(folder: Path, count: int, seed: int = 1) -> None:
    """Writes the CARs of a network, and an older one of its first account."""
    (folder / "older").mkdir(parents=True, exist_ok=True)
    for number, repository in enumerate(network(count, seed)):
        (folder / f"{number:06}.car").write_bytes(repository.car())
        if number == 0:
            (folder / "older" / f"{number:06}.car").write_bytes(older(repository).car())


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
