"""What a running job says of itself: progress, item reports and log lines, as values; and their
bounds."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from jobhost.errors import InvalidPayload
from jobhost.jobs.outcomes import storable
from jobhost.plurals import counted

MESSAGE_CHARS_MAX: Final = 500
"""Of a progress message: it stands on one line of a terminal."""

FAILURES_LISTED: Final = 100
"""Of an item report: enough to see what is wrong, and small enough to be written with each
progress. All are counted."""

ITEM_CHARS_MAX: Final = 200
ERROR_CHARS_MAX: Final = 500


class Told(NamedTuple):
    """A progress as it was told: `done` of `total`, which may be unknown; `items` is the JSON of an
    item report."""

    done: float
    total: float | None = None
    message: str | None = None
    items: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFailure:
    """An item that failed: as text, and its error."""

    item: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemReport:
    """What became of the items of a batch.

    Args:
        done: Items that were handled, those that failed among them.
        failed: How many of them failed.
        failures: The first 100 of these.
    """

    done: int = 0
    failed: int = 0
    failures: tuple[ItemFailure, ...] = ()

    @property
    def succeeded(self) -> int:
        """How many did not fail."""
        return self.done - self.failed

    @property
    def verdict(self) -> str:
        """In words: completed, or completed with errors: 3 of 1,000 items failed."""
        if not self.failed:
            return "completed"
        items = counted(self.done, "item")
        return f"completed with errors: {self.failed:,} of {items} failed"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "done": self.done,
            "failed": self.failed,
            "failures": [[failure.item, failure.error] for failure in self.failures],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "ItemReport":
        """The inverse of `to_json`."""
        failures = tuple(ItemFailure(item=item, error=error) for item, error in plain["failures"])
        return cls(done=plain["done"], failed=plain["failed"], failures=failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job has come, as it last told.

    Args:
        done, total: In whatever the job counts; the total may be unknown.
        message: What it does just now.
        told_at: When that reached the store.
        epoch: Of the attempt that told it.
        items: The report of a batch whose items fail apart.
    """

    done: float
    total: float | None
    message: str | None
    told_at: datetime
    epoch: int
    items: ItemReport | None = None

    @property
    def fraction(self) -> float | None:
        """From 0 to 1; None without a total."""
        if not self.total:
            return None
        return min(1.0, max(0.0, self.done / self.total))

    @property
    def brief(self) -> str:
        """In few characters: 412/1,000 41 %, or 412 where the total is unknown."""
        fraction, said = self.fraction, _number(self.done)
        if fraction is None:
            return said
        return f"{said}/{_number(self.total or 0.0)} {math.floor(100 * fraction)} %"

    def __str__(self) -> str:
        fraction, said = self.fraction, _number(self.done)
        if fraction is not None:
            said += f" of {_number(self.total or 0.0)} ({fraction:.0%})"
        return f"{said}: {self.message}" if self.message else said

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`; instants in ISO 8601."""
        return {
            "done": self.done,
            "total": self.total,
            "message": self.message,
            "told_at": self.told_at.isoformat(),
            "epoch": self.epoch,
            "items": None if self.items is None else self.items.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line that a job has logged, or that its command has written.

    Args:
        epoch: Of the attempt, and `line` its number in it, from 0.
        written_at: By the worker's clock.
        level: "INFO" and the like; a command's stdout is INFO, its stderr ERROR.
        source: The logger's name, "stdout" or "stderr".
        message: What it says; a traceback is part of it.
        left_out: Lines just before this one that were dropped, since a log is bounded.
    """

    epoch: int
    line: int
    written_at: datetime
    level: str
    source: str
    message: str
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`; instants in ISO 8601."""
        return {
            "epoch": self.epoch,
            "line": self.line,
            "written_at": self.written_at.isoformat(),
            "level": self.level,
            "source": self.source,
            "message": self.message,
            "left_out": self.left_out,
        }


def told(done: object, total: object, message: object, items: str | None = None) -> Told | None:
    """A progress that can be stored; None for what is no number. Never raises."""
    number, whole = _finite(done), _finite(total)
    if number is None or (total is not None and whole is None):
        return None
    return Told(number, whole, _text(message), items)


def encode_state(state: object, bytes_max: int, what: str) -> str:
    """JSON of what a job wants to keep. Raises InvalidPayload for what is none, which would come
    back as something else, or is too long."""
    from jobhost.jobs.fidelity import ANNOTATE, require_plain  # noqa: PLC0415 - it needs pydantic

    try:
        text = json.dumps(require_plain(state), allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidPayload(
            f"{what} must be JSON: None, booleans, numbers, text, lists, and dicts with text as "
            f"keys; this one {str(error).removesuffix(ANNOTATE)}"
        ) from error
    if len(text) > bytes_max:
        raise InvalidPayload(
            f"{what} may have {bytes_max:,} bytes as JSON, and has {len(text):,}: keep it where "
            "large data belongs, and a reference to it here"
        )
    return text


def shorten(value: object, chars_max: int) -> str:
    """Any value as text of one line that can be stored; never raises."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception as error:  # noqa: BLE001 - a user's __repr__ may raise anything
        text = f"(cannot be printed: {type(error).__name__})"
    text = storable(" ".join(text[: chars_max + 1].split()))
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"


def _finite(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever it is
    except Exception:  # noqa: BLE001 - a value of the user's own may raise anything
        return None
    return number if math.isfinite(number) else None


def _text(message: object) -> str | None:
    return None if message is None else shorten(message, MESSAGE_CHARS_MAX)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,g}"
