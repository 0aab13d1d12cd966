"""Writes repositories as CARs, without the package: DAG-CBOR, the tree and the commit."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

DAG_CBOR = 0x71
RAW = 0x55
DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
REV = "3l4npkzytcs2z"


class Cid(bytes):
    """A CID: version 1, SHA-256."""

    @classmethod
    def of(cls, block: bytes, codec: int = DAG_CBOR) -> Cid:
        return cls(bytes([1, codec, 0x12, 32]) + hashlib.sha256(block).digest())

    def __str__(self) -> str:
        return "b" + base64.b32encode(self).decode().lower().rstrip("=")


def head(major: int, number: int) -> bytes:
    """The head of a CBOR item, in its shortest form."""
    if number < 24:
        return bytes([major << 5 | number])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise ValueError(number)


def cbor(value: Any) -> bytes:
    """Encodes a value as DAG-CBOR."""
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case Cid():
            return head(6, 42) + head(2, len(value) + 1) + b"\0" + value
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value.encode())) + value.encode()
        case list():
            return head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
            pairs = (cbor(name) + cbor(value[name]) for name in names)
            return head(5, len(value)) + b"".join(pairs)
    raise TypeError(type(value))


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def section(cid: Cid, block: bytes) -> bytes:
    return varint(len(cid) + len(block)) + cid + block


def car(root: Cid, blocks: Iterable[tuple[Cid, bytes]]) -> bytes:
    """A CAR with these blocks."""
    header = cbor({"version": 1, "roots": [root]})
    return varint(len(header)) + header + b"".join(section(*block) for block in blocks)


def layer(key: str) -> int:
    """How many times the hash of a key begins with two zero bits."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
    return (256 - number.bit_length()) // 2


def common_prefix(left: bytes, right: bytes) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(left), len(right)))


Blocks = list[tuple[Cid, bytes]]


def tree(entries: list[tuple[str, Cid]], records: dict[Cid, bytes]) -> tuple[Cid, Blocks]:
    """The root of the tree over sorted entries, and its blocks in pre-order with their records."""
    top = max((layer(key) for key, _ in entries), default=0)
    cid, blocks = subtree(entries, top, records)
    return (cid, blocks) if cid else node(None, [], [], records)


def subtree(
    entries: list[tuple[str, Cid]], height: int, records: dict[Cid, bytes]
) -> tuple[Cid | None, Blocks]:
    if not entries:
        return None, []
    here = [at for at, (key, _) in enumerate(entries) if layer(key) == height]
    ends = [*here, len(entries)]
    begins = [0, *(at + 1 for at in here)]
    children = [
        subtree(entries[begin:end], height - 1, records)
        for begin, end in zip(begins, ends, strict=True)
    ]
    return node(children[0], [entries[at] for at in here], children[1:], records)


def node(
    left: tuple[Cid | None, Blocks] | None,
    entries: list[tuple[str, Cid]],
    children: list[tuple[Cid | None, Blocks]],
    records: dict[Cid, bytes],
) -> tuple[Cid, Blocks]:
    left_cid, blocks = left or (None, [])
    blocks, items, last = list(blocks), [], b""
    for (key, value), (child, below) in zip(entries, children, strict=True):
        shared = common_prefix(last, key.encode())
        items.append({"p": shared, "k": key.encode()[shared:], "v": value, "t": child})
        if value in records:
            blocks.append((value, records[value]))
        blocks += below
        last = key.encode()
    block = cbor({"l": left_cid, "e": items})
    return Cid.of(block), [(Cid.of(block), block), *blocks]


@dataclass
class Repository:
    """A repository: its records by key, as DAG-CBOR blocks."""

    records: dict[str, bytes]
    did: str = DID
    rev: str = REV
    version: int = 3
    key: int | None = None
    """The private key that signs the commit. Without one, the signature is invalid."""
    codecs: dict[str, int] = field(default_factory=dict)
    """The codecs of records that are not DAG-CBOR."""

    def cid(self, key: str) -> Cid:
        return Cid.of(self.records[key], self.codecs.get(key, DAG_CBOR))

    def commit(self, data: Cid) -> bytes:
        unsigned = {"did": self.did, "rev": self.rev, "data": data, "version": self.version}
        unsigned["prev"] = None
        sig = b"\x01" * 64 if self.key is None else sign(cbor(unsigned), self.key)
        return cbor(unsigned | {"sig": sig})

    def blocks(self) -> Blocks:
        """The commit, then the tree in pre-order with its records."""
        keys = sorted(self.records, key=str.encode)
        entries = [(key, self.cid(key)) for key in keys]
        root, blocks = tree(entries, {self.cid(key): self.records[key] for key in keys})
        commit = self.commit(root)
        return [(Cid.of(commit), commit), *blocks]

    def car(self) -> bytes:
        blocks = self.blocks()
        return car(blocks[0][0], dict(blocks).items())


def tid(micros: int, clock: int = 0) -> str:
    """A TID: the time in microseconds since 1970, and a number."""
    number = micros << 10 | clock
    letters = "234567abcdefghijklmnopqrstuvwxyz"
    return "".join(letters[number >> 5 * place & 31] for place in reversed(range(13)))


def post(text: str, created_at: str = "2024-09-09T19:46:02.102Z", **more: Any) -> bytes:
    record = {"$type": "app.bsky.feed.post", "text": text, "createdAt": created_at}
    return cbor(record | more)


def network(accounts: int = 4, posts: int = 5) -> list[Repository]:
    """Accounts with posts, likes and a profile each."""
    start = 1_725_000_000_000_000
    repositories = []
    for account in range(accounts):
        records = {"app.bsky.actor.profile/self": cbor({"$type": "app.bsky.actor.profile"})}
        for number in range(posts):
            rkey = tid(start + account * 1_000_000 + number, account)
            records[f"app.bsky.feed.post/{rkey}"] = post(f"post {number} of {account}")
            uri = f"at://{DID}/app.bsky.feed.post/{rkey}"
            like = {"subject": {"uri": uri, "cid": str(Cid.of(b""))}, "createdAt": "2024-10-01"}
            records[f"app.bsky.feed.like/{rkey}"] = cbor(like)
        did = "did:plc:" + base64.b32encode(bytes([account]) * 15).decode().lower()
        repositories.append(Repository(records, did=did, rev=tid(start + account, account)))
    return repositories


# The curve K-256: its field, order and base point.
FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
BASE = (
    0x79BE667E_F9DCBBAC_55A06295_CE870B07_029BFCDB_2DCE28D9_59F2815B_16F81798,
    0x483ADA77_26A3C465_5DA4FBFC_0E1108A8_FD17B448_A6855419_9C47D08F_FB10D4B8,
)
Point = tuple[int, int] | None


def add(left: Point, right: Point) -> Point:
    if left is None or right is None:
        return left or right
    if left[0] == right[0] and (left[1] + right[1]) % FIELD == 0:
        return None
    if left == right:
        slope = 3 * left[0] ** 2 * pow(2 * left[1], -1, FIELD)
    else:
        slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, FIELD)
    x = (slope**2 - left[0] - right[0]) % FIELD
    return x, (slope * (left[0] - x) - left[1]) % FIELD


def times(number: int, point: Point) -> Point:
    total: Point = None
    while number:
        if number & 1:
            total = add(total, point)
        point, number = add(point, point), number >> 1
    return total


def sign(message: bytes, key: int) -> bytes:
    """The signature of a message: r and the lower s. The nonce is for tests only."""
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    nonce = int.from_bytes(hashlib.sha256(b"nonce" + message).digest(), "big") % ORDER
    point = times(nonce, BASE)
    assert point
    r = point[0] % ORDER
    s = pow(nonce, -1, ORDER) * (digest + r * key) % ORDER
    return r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")


def did_key(key: int) -> str:
    """The public key of a private key, as a ``did:key``."""
    point = times(key, BASE)
    assert point
    number = int.from_bytes(
        b"\xe7\x01" + bytes([2 + point[1] % 2]) + point[0].to_bytes(32, "big"), "big"
    )
    letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = letters[digit] + text
    return "did:key:z" + text
