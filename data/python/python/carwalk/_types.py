"""The classes of the package that are written in Python."""

from __future__ import annotations

from typing import NamedTuple


class CarError(Exception):
    """A CAR that cannot be read or is invalid.

    Its text is ``path: reason: error``, without the path for a CAR in memory.

    Attributes
    ----------
    path
        The file, as one line of text. Paths with control characters, or that are not UTF-8, are
        quoted and escaped. None for a CAR in memory.
    reason
        Why it failed, in one word:

        - ``not_a_car``: the file is something else, such as the error message of a server
        - ``truncated``: the file is empty, or ends too soon
        - ``invalid``: a rule of a format is broken, or a hash or the signature does not match
        - ``legacy``: the commit has an old version, which this package does not read
        - ``missing``: a block is missing from the file
        - ``limit``: a limit is exceeded, such as 2 MiB for a block
        - ``io``: the file cannot be opened or read, or the folder has no CARs
    error
        The message, one line. It names the byte, the block or the key, where known.
    """

    path: str | None
    reason: str
    error: str

    def __init__(self, path: str | None, reason: str, error: str) -> None:
        super().__init__(path, reason, error)
        self.path = path
        self.reason = reason
        self.error = error

    def __str__(self) -> str:
        text = f"{self.reason}: {self.error}"
        return text if self.path is None else f"{self.path}: {text}"


class Failure(NamedTuple):
    """An input that failed in a scan: see `Records.failures`."""

    path: str
    """The file: see `CarError.path`."""
    reason: str
    """Why it failed, in one word: see `CarError.reason`."""
    error: str
    """The message, one line."""
    rows: int
    """The number of its rows that were returned before the fault. 0 with `on_error="skip"`, unless
    `start`, `end`, `collections` or `limit` narrow the scan."""


for _class in (CarError, Failure):
    _class.__module__ = "carwalk"
del _class
