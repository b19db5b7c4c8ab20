"""The log of a process that jobhost's command line started; the library configures none.

On a terminal it is coloured, elsewhere plain lines, or with `--log-json` one JSON object a
line with the record's fields. It goes to stderr. What a job put into a message cannot forge
a line, nor reach the terminal as an escape sequence.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

import typer

from jobhost.cli.render import clean


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

_CONTINUED: Final = "\n    "
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def configure(level: LogLevel, *, json_lines: bool) -> None:
    """Send the log of the whole process to stderr. Called before the user's module is imported,
    so that what it configures itself comes on top."""
    handler = _json_handler() if json_lines else _people_handler()
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())


def _json_handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    return handler


def _people_handler() -> logging.Handler:
    if not (sys.stderr is not None and sys.stderr.isatty()):
        handler: logging.Handler = logging.StreamHandler()
        handler.setFormatter(PlainLines())
        return handler
    from rich.console import Console
    from rich.highlighter import NullHighlighter
    from rich.logging import RichHandler

    handler = RichHandler(
        console=Console(stderr=True),
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
