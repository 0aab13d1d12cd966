"""Text for a terminal: its width, and escapes."""

from __future__ import annotations

import unicodedata

__all__ = ["escaped", "width_of"]


def width_of(text: str) -> int:
    """The columns of a text in a terminal."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(char: str) -> int:
    if unicodedata.combining(char) or char in "\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def escaped(text: str, but: str = "") -> str:
    """The text without characters that change how the rest is shown, but some.

    Without exceptions, the result is one line.
    """
    if text.isprintable():
        return text
    return "".join(char if char in but or _is_harmless(char) else _escape(char) for char in text)


def _is_harmless(char: str) -> bool:
    # The joiner makes one emoji of several.
    return char.isprintable() or char == "\u200d" or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return known.get(char, f"\\u{{{ord(char):x}}}")
