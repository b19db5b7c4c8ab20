"""Signals that ask a node to stop before it is there.

Its imports take a good part of a second. Until they are done the default action of SIGTERM would
end it by that signal instead of in order; and for process 1 of a container the kernel has no
default actions, so the signal would be lost. `Wake` takes over what was noted here.

It imports next to nothing, as it is called before all other imports of the command line.
"""

import signal
from collections.abc import Sequence
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Noted:
    """A signal handler that counts. `times` is 0 or more."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, number: int, frame: object) -> None:
        self.times += 1


def note_stops(arguments: Sequence[str]) -> None:
    """If this command line is that of a node, note from now on what asks it to stop.

    Args:
        arguments: Those of `jobhost`, without its name.

    Only in the main thread. What is ignored, as SIGHUP is below `nohup`, stays so.
    """
    if arguments[:1] != ["worker"] or not any(
        argument.partition("=")[0] == "--processes" for argument in arguments
    ):
        return
    for number in (*STOP_SIGNALS, signal.SIGHUP):
        if number in STOP_SIGNALS or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, Noted())
