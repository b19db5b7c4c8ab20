"""`jobhost top`: queues, workers and dead letters of a store, looked at again and again."""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from jobhost.cli.hosts import StoreUrl
from jobhost.cli.jobs_show import JsonOutput
from jobhost.cli.leaving import left_by_signals
from jobhost.cli.render import clean, put_json, put_page
from jobhost.durations import format_seconds, seconds
from jobhost.errors import InvalidOption, StoreError

if TYPE_CHECKING:
    from rich.console import Group

    from jobhost.app import JobHost
    from jobhost.cli.overview import Overview

INTERVAL_SECONDS_MIN: Final = 0.2
"""Between looks: shorter ones tell nobody more, and cost the store as much each."""

_LEAVE: Final = b"qQ"


def top(
    once: Annotated[bool, typer.Option("--once", help="Print one look and end.")] = False,
    interval: Annotated[str, typer.Option(help="Between looks.")] = "2s",
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Watch a store: queues, workers, and what has died lately. Leave with q or Ctrl-C.

    Each look is a handful of statements whose cost does not grow with the store: a
    long queue is estimated, with "about" before the number. A store that goes away
    is told, and shown again when it is back. Without a terminal it looks once.

    Examples:

      jobhost top
      jobhost top --interval 10s --url postgresql://jobhost_viewer@db.example/shop
      jobhost top --once
      jobhost top --json
    """
    from jobhost.app import JobHost
    from jobhost.cli.overview import look
    from jobhost.cli.render_top import Limits, frame

    pause_seconds = seconds(interval, "--interval")
    if pause_seconds < INTERVAL_SECONDS_MIN:
        least = format_seconds(INTERVAL_SECONDS_MIN)
        raise InvalidOption(f"--interval must be at least {least}; got {interval!r}")
    with JobHost(url) as host:
        first = look(host)
        if json_output:
            put_json(first.to_json())
        elif once or not sys.stdout.isatty():
            put_page(f"{clean(first.store)}   {first.at:%H:%M:%S}Z", *frame(first, Limits()))
        else:
            _watch(host, first, pause_seconds)


def _watch(host: "JobHost", latest: "Overview", pause_seconds: float) -> None:
    """Show one look after the other until somebody leaves."""
    from rich.console import Console
    from rich.live import Live

    from jobhost.cli.overview import look

    console = Console(markup=False, highlight=False, emoji=False)
    trouble: StoreError | None = None
    with (
        left_by_signals(),
        _single_keys() as leaves_within,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            shown = _screen(latest, trouble, console.size.height, pause_seconds)
            live.update(shown, refresh=True)
            if leaves_within(pause_seconds):
                return
            try:
                latest, trouble = look(host), None
            except StoreError as error:
                trouble = error
                host.close()  # the next look connects anew


def _screen(
    overview: "Overview", trouble: StoreError | None, lines: int, pause_seconds: float
) -> "Group":
    from rich.console import Group
    from rich.text import Text

    from jobhost.cli.render_top import fit, frame

    head = Text(
        f"{overview.at:%H:%M:%S}Z, every {format_seconds(pause_seconds)}   q leaves   "
        f"{clean(overview.store)}",
        no_wrap=True,
        overflow="ellipsis",
        style="bold",
    )
    told = []
    if trouble is not None:
        what = (
            f"the store could not be asked, and is asked again; below is the last look: {trouble}"
        )
        told = [Text(clean(what), style="bold red")]
    return Group(head, *told, *frame(overview, fit(overview, lines - 2 * len(told))))


class _Keys:
    """Waits for the key that leaves.

    Args:
        descriptor: Where keys come from; None: nobody types, and only the time passes.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def __call__(self, wait_seconds: float) -> bool:
        """Whether it was typed within this time."""
        end = time.monotonic() + wait_seconds
        while (left := end - time.monotonic()) > 0:
            if self._descriptor is None:
                time.sleep(left)
                return False
            ready, _, _ = select.select([self._descriptor], [], [], left)
            if ready:
                typed = os.read(self._descriptor, 64)
                if not typed:  # the terminal is gone
                    return True
                if any(key in _LEAVE for key in typed):
                    return True
        return False


@contextmanager
def _single_keys() -> Iterator[_Keys]:
    """Keys arrive as they are typed, without a line end, and are not shown."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield _Keys(None)
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
