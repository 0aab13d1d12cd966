"""Reads CARs in the simplest way, and makes the rows that the package should return."""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from cars import RAW, Cid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Decoder:
    """Decodes DAG-CBOR."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self.data):
            raise ValueError("truncated")
        return self.data[self.at - count : self.at]

    def number(self, info: int) -> int:
        if info < 24:
            return info
        return int.from_bytes(self.take({24: 1, 25: 2, 26: 4, 27: 8}[info]), "big")

    def value(self) -> Any:
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            if info == 27:
                return struct.unpack(">d", self.take(8))[0]
            return {20: False, 21: True, 22: None}[info]
        number = self.number(info)
        match major:
            case 0:
                return number
            case 1:
                return -1 - number
            case 2:
                return self.take(number)
            case 3:
                return self.take(number).decode()
            case 4:
                return [self.value() for _ in range(number)]
            case 5:
                return {self.value(): self.value() for _ in range(number)}
        if number != 42:
            raise ValueError("a tag")
        return Cid(self.value()[1:])


def decode(block: bytes) -> Any:
    decoder = Decoder(block)
    value = decoder.value()
    if decoder.at != len(block):
        raise ValueError("bytes after the item")
    return value


def varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return number, at


def blocks(data: bytes) -> tuple[Cid, dict[Cid, bytes]]:
    """The root of a CAR, and its blocks."""
    length, at = varint(data, 0)
    header = decode(data[at : at + length])
    at += length
    found = {}
    while at < len(data):
        length, at = varint(data, at)
        found[Cid(data[at : at + 36])] = data[at + 36 : at + length]
        at += length
    return header["roots"][0], found


def walk(cid: Cid | None, found: dict[Cid, bytes]) -> list[tuple[str, Cid]]:
    """The entries of a tree, in key order."""
    if cid is None:
        return []
    node, key = decode(found[cid]), b""
    entries = walk(node["l"], found)
    for item in node["e"]:
        key = key[: item["p"]] + item["k"]
        entries.append((key.decode(), item["v"]))
        entries += walk(item["t"], found)
    return entries


def to_json(value: Any) -> Any:
    """A value in the JSON form of the AT Protocol."""
    match value:
        case Cid():
            return {"$link": str(value)}
        case bytes():
            return {"$bytes": base64.b64encode(value).decode().rstrip("=")}
        case list():
            return [to_json(item) for item in value]
        case dict():
            return {name: to_json(item) for name, item in value.items()}
    return value


def time_of(rkey: str) -> datetime | None:
    letters = "234567abcdefghijklmnopqrstuvwxyz"
    if len(rkey) != 13 or any(char not in letters for char in rkey) or rkey[0] > "j":
        return None
    number = 0
    for char in rkey:
        number = number << 5 | letters.index(char)
    return EPOCH + timedelta(microseconds=number >> 10)


def created_at(record: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(record["createdAt"])
        return time.astimezone(UTC) if "T" in record["createdAt"] and time.tzinfo else None
    except (KeyError, TypeError, ValueError):
        return None


def subject(record: Any) -> str | None:
    value = record.get("subject") if isinstance(record, dict) else None
    value = value.get("uri") if isinstance(value, dict) else value
    return value if isinstance(value, str) and value else None


def rows(data: bytes) -> list[dict[str, Any]]:
    """The rows of a CAR, with `record` as an object."""
    root, found = blocks(data)
    commit = decode(found[root])
    return [row(commit, key, cid, found[cid]) for key, cid in walk(commit["data"], found)]


def row(commit: dict[str, Any], key: str, cid: Cid, block: bytes) -> dict[str, Any]:
    collection, rkey = key.split("/")
    record = None if cid[1] == RAW else decode(block)
    return {
        "did": commit["did"],
        "rev": commit["rev"],
        "collection": collection,
        "rkey": rkey,
        "cid": str(cid),
        "size": len(block),
        "time": time_of(rkey),
        "created_at": created_at(record),
        "subject": subject(record),
        "record": to_json(record),
        "record_cbor": block,
    }
