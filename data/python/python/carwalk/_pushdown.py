"""Predicates as a selection of keys and accounts, which a scan reads without the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from carwalk._carwalk import _is_did, _is_nsid
from carwalk._texts import is_unicode

__all__ = ["Selection"]


@dataclass(frozen=True)
class Range:
    """Texts from ``start`` (inclusive) to ``end`` (exclusive), in byte order. None: no bound."""

    start: str | None = None
    end: str | None = None

    def and_(self, other: Range) -> Range:
        starts = [start for start in (self.start, other.start) if start is not None]
        ends = [end for end in (self.end, other.end) if end is not None]
        return Range(max(starts, default=None), min(ends, default=None))

    @property
    def is_empty(self) -> bool:
        return self.start is not None and self.end is not None and self.start >= self.end


@dataclass(frozen=True)
class Selection:
    """Rows that a scan reads, narrowed by predicates.

    It selects every row that satisfies all predicates, and perhaps others: predicates are also
    applied to the rows. A predicate that cannot narrow the scan changes nothing.
    """

    collections: frozenset[str] | None
    dids: frozenset[str] | None
    keys: Range
    rkeys: Range

    @classmethod
    def of(
        cls,
        collections: str | Iterable[str] | None = None,
        dids: str | Iterable[str] | None = None,
        start: str | None = None,
        end: str | None = None,
    ) -> Selection:
        """The selection of these arguments of `carwalk.read`."""
        return cls(_names(collections), _names(dids), Range(start, end), Range())

    def where(self, column: str, operator: str, value: object) -> Selection:
        """The rows that also satisfy a predicate.

        The operator is ``==``, ``in``, ``<``, ``<=``, ``>`` or ``>=``; ``in`` has a list.
        """
        values = list(value) if operator == "in" and isinstance(value, Iterable) else [value]
        texts = [text for text in values if isinstance(text, str) and is_unicode(text)]
        # Nothing equals null, so nulls in a list select no row.
        if len(texts) != len([value for value in values if value is not None]):
            return self
        if operator in ("==", "in"):
            return self._one_of(column, frozenset(texts))
        bound = _bounds(operator, texts[0]) if texts else None
        if bound is None:
            return self
        if column == "rkey":
            return replace(self, rkeys=self.rkeys.and_(bound))
        if column == "collection":
            return replace(self, keys=self.keys.and_(_keys_of_collections(operator, texts[0])))
        return self

    def within(self, start: str | None, end: str | None) -> Selection:
        """The rows whose key is also in a range."""
        return replace(self, keys=self.keys.and_(Range(start, end)))

    def arguments(self) -> dict[str, Any] | None:
        """The arguments of `carwalk.read`. None if no row is selected."""
        keys = self.keys.and_(self._keys_with_rkeys())
        if keys.is_empty or self.rkeys.is_empty or self.collections == frozenset():
            return None
        if self.dids == frozenset() or not self._overlaps(keys):
            return None
        arguments = {
            "collections": None if self.collections is None else sorted(self.collections),
            "dids": None if self.dids is None else sorted(self.dids),
            "start": keys.start,
            "end": keys.end,
        }
        return {name: value for name, value in arguments.items() if value is not None}

    def _one_of(self, column: str, texts: frozenset[str]) -> Selection:
        match column:
            case "collection" if all(map(_is_nsid, texts)):
                return replace(self, collections=_both(self.collections, texts))
            case "did" if all(map(_is_did, texts)):
                return replace(self, dids=_both(self.dids, texts))
            case "rkey" if texts:
                bound = Range(min(texts), _after(max(texts)))
                return replace(self, rkeys=self.rkeys.and_(bound))
            case "rkey":
                return replace(self, collections=frozenset())
        return self

    def _keys_with_rkeys(self) -> Range:
        """The keys between the first and the last that the collections and record keys allow."""
        if not self.collections:
            return Range()
        start, end = self.rkeys.start, self.rkeys.end
        return Range(
            None if start is None else f"{min(self.collections, key=_key)}/{start}",
            None if end is None else f"{max(self.collections, key=_key)}/{end}",
        )

    def _overlaps(self, keys: Range) -> bool:
        """Whether one of the collections has keys in a range."""
        if self.collections is None:
            return True
        ranges = (Range(f"{name}/", f"{name}0") for name in self.collections)
        return any(not keys.and_(range_).is_empty for range_ in ranges)


def _names(names: str | Iterable[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    return frozenset([names] if isinstance(names, str) else names)


def _both(names: frozenset[str] | None, others: frozenset[str]) -> frozenset[str]:
    return others if names is None else names & others


def _after(text: str) -> str:
    """The text that follows in byte order."""
    return text + "\0"


def _key(collection: str) -> str:
    """Sorts collections as their keys: `a.b/` is before `a/`, and `a.b` after `a`."""
    return f"{collection}/"


def _bounds(operator: str, text: str) -> Range | None:
    match operator:
        case ">=":
            return Range(start=text)
        case ">":
            return Range(start=_after(text))
        case "<=":
            return Range(end=_after(text))
        case "<":
            return Range(end=text)
    return None


def _keys_of_collections(operator: str, text: str) -> Range:
    """The keys whose collection is before or after a text.

    A collection that is not before the text begins with it, or is greater at a byte that both have:
    in both cases its keys are not before the text. A collection that is not after the text can
    have keys after it: it is the text or a shorter one that the text begins with, followed by `/`.
    All of these are before the beginning of the text followed by `0`, the byte after `/`.
    """
    if operator in (">", ">="):
        return Range(start=text)
    return Range(end=max((text[:length] + "0" for length in range(1, len(text) + 1)), default="0"))
