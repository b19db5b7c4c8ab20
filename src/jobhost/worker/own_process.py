"""A process that is there for one worker alone: its signals, its input and its memory."""

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

EXIT_AT_ONCE: Final = 70
"""Exit code of a process that a second signal ended before everything was recorded."""

SIGNAL_LOOK_SECONDS: Final = 0.2
"""Python handles signals in the main thread, but the system may hand one to any thread, which
then wakes nobody; so the main thread never sleeps longer than this."""

_LAST_MOMENT_SECONDS: Final = 1.9
"""After a second signal the process ends within two seconds, store or no store."""

_COLLECT_AFTER: Final = 20_000
"""Objects made before the collector looks: some batches' worth."""

_STDIN: Final = 0

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def owning_the_process(stop: Callable[[], int], hang_up: Callable[[], None]) -> Iterator[None]:
    """Have SIGTERM and SIGINT stop the worker, SIGHUP drain it, jobs find no input, and the
    collector rest. Only in the main thread. A process that was started with SIGHUP ignored, as by
    `nohup`, goes on ignoring it.

    Args:
        stop: Asks the worker to stop; returns how often it was asked by now. From the second time
            on the process ends in any case, with EXIT_AT_ONCE.
        hang_up: Told that the terminal has closed: more than once, by the kernel and by the shell.
    """
    with _handling_signals(stop, hang_up), _without_input():
        _spare_the_collector()
        yield


@contextmanager
def _handling_signals(stop: Callable[[], int], hang_up: Callable[[], None]) -> Iterator[None]:
    def handle(number: int, frame: object) -> None:
        if stop() >= 2:  # asked first: two signals at once run one handler inside the other
            last = threading.Timer(_LAST_MOMENT_SECONDS, os._exit, (EXIT_AT_ONCE,))
            last.daemon = True
            last.start()

    before = {number: signal.signal(number, handle) for number in _STOP_SIGNALS}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: hang_up())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _without_input() -> Iterator[None]:
    """A job that reads standard input finds its end, and never waits for a terminal."""
    try:
        kept = os.dup(_STDIN)
    except OSError:
        yield
        return
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STDIN)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(kept, _STDIN)
        os.close(kept)


def _spare_the_collector() -> None:
    """In a process of our own: what is loaded by now stays, and jobs come in batches.

    Otherwise the garbage collector walks all modules again and again while batches of short
    jobs come and go, which costs a quarter of the worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
