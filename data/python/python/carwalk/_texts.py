"""Texts in arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["is_unicode", "listed"]


def is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates, which stand for bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def listed(texts: Any) -> Any:
    """An iterable of texts as a list, which can be read several times. Anything else unchanged."""
    return list(texts) if isinstance(texts, Iterable) and not isinstance(texts, str) else texts
