"""The log of a process that jobhost's command line started; the library configures none.

On a terminal it is coloured, elsewhere plain lines, or with `--log-json` one JSON object a
line with the record's fields. It goes to stderr, and waits for no reader (`log_stream.py`). What
a job put into a message cannot forge a line, nor reach the terminal as an escape sequence.
"""

import json
import logging
import os
import stat
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, TextIO, cast

import typer

from jobhost.cli.log_stream import LogStream
from jobhost.cli.render import clean
from jobhost.plurals import counted


class LogLevel(StrEnum):
    """The least level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Level = Annotated[
    LogLevel,
    typer.Option("--log-level", case_sensitive=False, help="The least level that is logged."),
]
AsJson = Annotated[
    bool, typer.Option("--log-json", help="Log JSON lines with the fields of each record.")
]


class JobLogs(StrEnum):
    """The least level that is kept with the jobs themselves."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    OFF = "off"


JobLevel = Annotated[
    JobLogs,
    typer.Option(
        "--job-logs",
        case_sensitive=False,
        help="The least level that is kept with a job, for 'jobhost jobs logs'.",
    ),
]

_CONTINUED: Final = "\n    "
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def configure(level: LogLevel, *, json_lines: bool) -> TextIO | None:
    """Send the log of the whole process to stderr. Called before the user's module is imported,
    so that what it configures itself comes on top.

    Gives back the stream that never waits for whoever reads the log; None without a stderr. The
    caller may make it `sys.stderr` where all that is written there is jobhost's own.
    """
    out = _stream(JsonLines() if json_lines else PlainLines())
    inner = _json_handler(out) if json_lines else _people_handler(out)
    root = logging.getLogger()
    root.addHandler(_LogHandler(inner, out))
    root.setLevel(level.upper())
    return out


def _stream(lines: logging.Formatter) -> TextIO | None:
    """To stderr: as it is if it is a file, which nobody needs to read, or no descriptor."""
    try:
        handle = sys.stderr.fileno()
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return sys.stderr
    except (AttributeError, OSError):
        return sys.stderr

    def left_out(count: int) -> str:
        lines_left_out = f"{counted(count, 'line')} of process {os.getpid()} left out of the log"
        said = f"{lines_left_out}: nobody read what came before in time"
        told = {"name": "jobhost.log", "levelno": logging.WARNING, "levelname": "WARNING"}
        return lines.format(logging.makeLogRecord({**told, "msg": said})) + "\n"

    return cast("TextIO", LogStream(handle, left_out))


class _LogHandler(logging.Handler):
    """Hands records on; its end is that of the stream."""

    def __init__(self, inner: logging.Handler, out: TextIO | None) -> None:
        super().__init__()
        self._inner = inner
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        """Have it written."""
        self._inner.handle(record)

    def close(self) -> None:
        """Wait shortly for what is not written yet. It may go on afterwards."""
        if isinstance(self._out, LogStream):
            self._out.settle()
        super().close()


def _json_handler(out: TextIO | None) -> logging.Handler:
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    return handler


def _people_handler(out: TextIO | None) -> logging.Handler:
    if out is None or not out.isatty():
        handler: logging.Handler = logging.StreamHandler(out)
        handler.setFormatter(PlainLines())
        return handler
    from rich.console import Console
    from rich.highlighter import NullHighlighter
    from rich.logging import RichHandler

    handler = RichHandler(
        console=Console(file=out),
        show_path=False,
        markup=False,
        highlighter=NullHighlighter(),
        keywords=[],
        log_time_format="%X",
    )
    handler.setFormatter(CleanLines())
    return handler


class CleanLines(logging.Formatter):
    """The message alone, without what a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; lines after the first are indented."""
        return clean(super().format(record), lines=True).replace("\n", _CONTINUED)


class PlainLines(CleanLines):
    """`time level message` with the time in UTC."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """The record's time."""
        return _moment(record)


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, logger, message, its fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        line = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
