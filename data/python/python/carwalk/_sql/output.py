"""Where the result of a query goes: standard output, a device, or a file with a temporary name."""

from __future__ import annotations

import codecs
import errno
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from carwalk._sql.text import escaped
from carwalk._texts import is_unicode

__all__ = ["Output", "OutputError"]

# Bytes that are copied at a time.
_PIECE = 1 << 16


class OutputError(Exception):
    """The output cannot be written. The text is the message."""

    def __init__(self, message: str, is_usage: bool = False) -> None:
        super().__init__(message)
        self.is_usage = is_usage


class Output:
    """The file of ``-o``, or standard output."""

    def __init__(self, name: str | None, force: bool) -> None:
        self._name = name
        self._force = force
        self._temporary: Path | None = None
        # Refused before anything is read.
        self._replaced = self._check()

    @property
    def is_file(self) -> bool:
        """Whether the output is a file that is written under a temporary name."""
        return self._name is not None and not self._is_device()

    def write_stream(self, write: Callable[[BinaryIO], None]) -> None:
        """Writes the output with a function."""
        if self._name is None:
            with self._refused():
                write(sys.stdout.buffer)
                sys.stdout.buffer.flush()
        elif self._is_device():
            with self._refused(), open(self._name, "wb") as file:
                write(file)
        else:
            with self._file() as path, self._refused(), path.open("wb") as file:
                write(file)

    def write_path(self, write: Callable[[str], None]) -> None:
        """Writes the output with a function that needs a path."""
        if self.is_file:
            with self._file() as path, path.open("rb") as file:
                # DuckDB takes only paths that are UTF-8.
                write(str(path) if is_unicode(str(path)) else f"/dev/fd/{file.fileno()}")
        else:
            self.write_stream(lambda stream: _through_pipe(stream, write))

    def delete(self) -> None:
        """Deletes the temporary file, if there is one."""
        path, self._temporary = self._temporary, None
        if path is not None:
            path.unlink(missing_ok=True)

    def _is_device(self) -> bool:
        path = Path(self._name or "")
        return path.exists() and not path.is_file()

    def _check(self) -> Path | None:
        """Returns the file that is replaced, the target if the name is a symbolic link."""
        if self._name is None:
            return None
        path = Path(self._name)
        with self._refused():
            if not path.exists():
                if path.is_symlink():
                    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
                path.parent.stat()
                return None
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if self._is_device():
                return None
            if not self._force:
                raise FileExistsError
            return path.resolve()

    @contextmanager
    def _refused(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            message = f"cannot write {self._name!r}: it exists already (see --force)"
            raise OutputError(message) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            name = "the output" if self._name is None else repr(self._name)
            raise OutputError(f"cannot write {name}: {error.strerror}") from error

    @contextmanager
    def _file(self) -> Iterator[Path]:
        """A temporary file beside the output, which gets the name at the end."""
        final = self._replaced or Path(self._name or "")
        try:
            with self._refused():
                self._temporary = path = _create(final, self._replaced is not None)
            yield path
            with self._refused():
                _sync(path)
                if self._replaced is None:
                    # Unlike a rename, this does not replace a file that was made meanwhile.
                    os.link(path, final)
                else:
                    os.replace(path, final)
                    self._temporary = None
        finally:
            self.delete()


def _create(final: Path, replaces: bool) -> Path:
    """Creates an empty file with the permissions of the other, or of any new file."""
    descriptor, name = tempfile.mkstemp(prefix=".carwalk-", dir=final.parent)
    os.close(descriptor)
    if replaces:
        mode = stat.S_IMODE(final.stat().st_mode)
    else:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    os.chmod(name, mode)
    return Path(name)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _through_pipe(stream: BinaryIO, write: Callable[[str], None]) -> None:
    """Writes into a pipe with a function that needs a path, and copies it into the stream.

    Opening `/dev/stdout` instead would empty a file that standard output is appended to.
    """
    reading, writing = os.pipe()
    errors: list[BaseException] = []

    def fill() -> None:
        try:
            write(f"/dev/fd/{writing}")
        except BaseException as error:
            errors.append(error)
        finally:
            os.close(writing)

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    copy = _escaping(stream) if stream.isatty() else stream.write
    try:
        while piece := os.read(reading, _PIECE):
            copy(piece)
    finally:
        # If copying failed, the function gets an error when it writes. It is not waited for.
        os.close(reading)
    thread.join()
    if errors:
        raise errors[0]


def _escaping(stream: BinaryIO) -> Callable[[bytes], object]:
    """Writes pieces of text, without characters that a terminal would obey."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return lambda piece: stream.write(escaped(decoder.decode(piece), but="\n\t").encode())
