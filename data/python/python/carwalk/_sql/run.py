"""Runs ``python -m carwalk sql``."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

import carwalk.duckdb
import duckdb
from carwalk._sql.arguments import Options
from carwalk._sql.output import Output, OutputError
from carwalk._sql.result import write_result
from carwalk._sql.text import escaped
from carwalk._types import CarError, Failure

__all__ = ["run"]

_USAGE = 2
_INVALID = 3
_MISSING = 4
_IO = 5

# How long a query that was interrupted may take to end, in seconds.
_PATIENCE = 0.6
# The time between two looks at signals, in seconds.
_STRIDE = 0.1


class _Job(threading.Thread):
    """The query in a thread of its own, because signals only reach the main thread."""

    def __init__(self, options: Options) -> None:
        super().__init__(daemon=True)
        self._options = options
        self.output: Output | None = None
        self.connection: carwalk.duckdb.Connection | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        options = self._options
        try:
            self.output = Output(options.output, options.force)
            self.connection = carwalk.duckdb.connect(
                options.inputs, threads=options.threads, **options.selection
            )
            write_result(self.connection, options, self.output)
        except Exception as error:
            self.error = error

    def end(self) -> None:
        """Ends the query early, and deletes the temporary file."""
        if self.connection is not None:
            # This can wait for DuckDB.
            threading.Thread(target=self.connection._interrupt, daemon=True).start()
        self.join(_PATIENCE)
        if self.output is not None:
            self.output.delete()


def run(options: Options) -> int:
    """Runs a query, and returns the exit code."""
    signals: list[int] = []
    handlers = {
        # A handler that raises could do so anywhere, such as in the deletion of a file.
        number: signal.signal(number, lambda number, _: signals.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # A signal that is ignored, as by nohup, stays so.
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        job = _Job(options)
        job.start()
        while job.is_alive() and not signals:
            job.join(_STRIDE)
        if signals:
            job.end()
            _end_by(signals[0])
        return _ended(job, options)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _ended(job: _Job, options: Options) -> int:
    """Prints what went wrong, closes the connection, and returns the exit code."""
    if job.connection is None:
        match job.error:
            case OutputError() as error:
                return _failed(str(error), _IO)
            case ValueError() | TypeError() | CarError() as error:
                return _failed(str(error), _USAGE)
        assert job.error is not None
        raise job.error
    code = _finished(job.connection, options, job.error)
    _flush()
    if isinstance(job.error, BrokenPipeError) or not _is_closed(job.connection):
        # DuckDB may still run. Nothing is lost: the database is in memory.
        os._exit(code)
    return code


def _is_closed(connection: carwalk.duckdb.Connection) -> bool:
    """Closes a connection, unless DuckDB still writes what cannot be written any more."""
    try:
        connection.close()
    except duckdb.Error:
        return False
    return True


def _end_by(number: int) -> NoReturn:
    """Ends the process as the signal does, so that a shell sees it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        # The rest of the buffer would be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _finished(
    connection: carwalk.duckdb.Connection, options: Options, error: Exception | None
) -> int:
    """Prints what went wrong, and returns the exit code."""
    failures = connection.failures
    match error:
        case None:
            return _failures(failures, len(connection._source))
        case BrokenPipeError():
            # A reader may have seen enough of a table. Rows are incomplete.
            return 0 if options.format == "table" else _IO
        case OutputError():
            return _failed(str(error), _USAGE if error.is_usage else _IO)
        case duckdb.Error() | RuntimeError() | OSError():
            return _query_failed(error, failures)
    raise error


def _query_failed(error: Exception, failures: Sequence[Failure]) -> int:
    text = str(error)
    for failure in failures:
        message = str(CarError(failure.path, failure.reason, failure.error))
        if message in text:
            return _failed(message, _code_of(failure.reason))
    lines = [text, *getattr(error, "__notes__", [])]
    is_usage = isinstance(error, duckdb.Error) and not isinstance(
        error, duckdb.IOException | duckdb.OutOfMemoryException
    )
    return _failed("\n".join(lines), _USAGE if is_usage else _IO)


def _failures(failures: Sequence[Failure], inputs: int) -> int:
    """Prints the inputs that failed and were left out."""
    for failure in failures:
        _print(str(CarError(failure.path, failure.reason, failure.error)))
    if failures:
        _print(f"{len(failures)} of {inputs} {'input' if inputs == 1 else 'inputs'} failed")
    return max((_code_of(failure.reason) for failure in failures), default=0)


def _code_of(reason: str) -> int:
    return {"missing": _MISSING, "io": _IO}.get(reason, _INVALID)


def _failed(message: str, code: int) -> int:
    _print(f"error: {message}")
    return code


def _print(message: str) -> None:
    # Messages may have text of the inputs, such as a value that cannot be converted.
    try:
        print(escaped(message, but="\n"), file=sys.stderr)
    except OSError:
        # The exit code still reports the failure.
        pass
