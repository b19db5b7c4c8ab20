"""The worker's end of a keeper: starts a process of a job, stops it, and tells how it ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jobhost.store.readable import until_readable
from jobhost.worker.execution import KILL_SECONDS

_KEEPER: Final = Path(__file__).with_name("keeper.py")
_EXIT_SECONDS: Final = 5.0
_REPORT_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a kept process ended.

    Args:
        code: Its exit code, below zero for the signal that killed it; None if nobody can tell.
        refused: The error number with which it could not be started.
    """

    code: int | None = None
    refused: int | None = None

    @property
    def cause(self) -> str:
        """In words that follow "the process"."""
        if self.refused is not None:
            return f"could not be started: {os.strerror(self.refused)}"
        if self.code is None:
            return "was lost: who watches over it was killed"
        if self.code >= 0:
            return f"exited with {self.code}"
        return f"was killed by {_signal_name(-self.code)}"


class Kept:
    """A process with a keeper; see `keeper.py`.

    Args:
        keeper: The keeper, as it was started.
        report: Where it reports: readable when the process and all it left are gone.
    """

    def __init__(self, keeper: "subprocess.Popen[bytes]", report: int) -> None:
        self._keeper = keeper
        self.report = report

    @classmethod
    def child(cls, link: int) -> "Kept":
        """A process that runs jobs, and is spoken to over the other end of `link`."""
        flags = [f"-W{option}" for option in sys.warnoptions]
        return cls._start(
            [*flags, "-P"], ["child", str(link)], stdin=subprocess.DEVNULL, links=[link]
        )

    @classmethod
    def command(
        cls, command: Sequence[str], *, env: Mapping[str, str], cwd: str | None, out: int, err: int
    ) -> "Kept":
        """A program, found in the PATH of `env`, that writes to `out` and `err`. Raises OSError
        for a folder that cannot be entered."""
        return cls._start(
            ["-I", "-S"], ["run", *command],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(env), cwd=cwd,
        )  # fmt: skip

    @classmethod
    def _start(
        cls, flags: list[str], arguments: list[str], *, links: Sequence[int] = (), **options: object
    ) -> "Kept":
        report, far_end = os.pipe()
        try:
            keeper: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
                [sys.executable, *flags, str(_KEEPER), str(os.getpid()), str(far_end), *arguments],
                pass_fds=[far_end, *links],
                start_new_session=True,
                **options,
            )
        except BaseException:
            os.close(report)
            raise
        finally:
            os.close(far_end)
        return cls(keeper, report)

    def ask(self) -> None:
        """Ask the process and its group to end."""
        self._tell(signal.SIGUSR1)

    def kill(self) -> None:
        """Kill it, and everything below it."""
        self._tell(signal.SIGUSR2)

    def end(self, within_seconds: float = KILL_SECONDS) -> End:
        """Wait until everything is gone, and let go of it. What is not gone in time loses its
        keeper, and with that, by force, its life."""
        text, end = b"", time.monotonic() + within_seconds
        while until_readable([self.report], end - time.monotonic()):
            more = os.read(self.report, _REPORT_BYTES)
            if not more:
                break
            text += more
        else:
            self._keeper.kill()
        os.close(self.report)
        with suppress(subprocess.TimeoutExpired):
            self._keeper.wait(_EXIT_SECONDS)
        return _read(text.decode())

    def _tell(self, number: signal.Signals) -> None:
        """A keeper that somebody has stopped is woken, or it would hear of that too late: one that
        is killed instead leaves what has moved to another session. One that runs does not mind."""
        self._keeper.send_signal(number)
        self._keeper.send_signal(signal.SIGCONT)


def _read(report: str) -> End:
    told = {}
    for line in report.splitlines():
        word, _, number = line.partition(" ")
        told[word] = int(number) if number else None
    return End(code=told.get("ended"), refused=told.get("refused"))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
