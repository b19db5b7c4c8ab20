"""Runs the jobs of commands: a program under a keeper, of whose output the end is kept.

The job's thread reads what the program writes as it comes, so a flood neither fills memory nor
holds up the program. A command that must stop gets SIGTERM, for its whole process group, and
after a grace SIGKILL, for everything below it.
"""

import errno
import math
import os
import selectors
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, cast
from uuid import UUID

from jobhost.host.command import Command, CommandTask
from jobhost.jobs.envelope import Envelope
from jobhost.jobs.outcomes import DeadLettered, ErrorInfo, Failed, Outcome, storable
from jobhost.settings import handed_on
from jobhost.worker.command_lines import CommandLines
from jobhost.worker.execution import KILL_SECONDS, Execution
from jobhost.worker.interrupt import Interrupt
from jobhost.worker.kept import End, Kept
from jobhost.worker.returned import outcome_of_value
from jobhost.worker.scribe import Scribe
from jobhost.worker.verdict import TRACEBACK_CHARS_MAX, Stop, outcome_of, outcome_of_stuck

SHORT_GRACE_SECONDS: Final = 0.5
"""How long a command may take to end when its worker leaves, or has lost it: the worker has a
second in all."""

HANDED_ON: Final = ("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")
"""Variables of the worker that a command gets, beside those that begin with LC_. No others: a
worker's environment has passwords."""

_READ_BYTES: Final = 64 * 1024
_LAST_LINES: Final = 5
_LAST_LINES_CHARS: Final = 1_000
_LAST_WORDS_SECONDS: Final = 1.0
"""How long output may still come when all processes are gone; only one that became another
user's can hold a pipe open."""


class CommandJobs:
    """Runs executions of commands.

    Args:
        grace_seconds: Between SIGTERM and SIGKILL.
        bytes_max: Limit of a result.
        expire: Asks a job to stop that is past its time limit.
        scribe: Who keeps what they write.
    """

    def __init__(
        self,
        *,
        grace_seconds: float,
        bytes_max: int,
        expire: Callable[[Execution], None],
        scribe: Scribe,
    ) -> None:
        self._scribe = scribe
        self._grace_seconds = grace_seconds
        self._bytes_max = bytes_max
        self._expire = expire

    def run(self, execution: Execution) -> Outcome:
        """Run one job; how it ended. For the job's own thread.

        Raises InvalidPayload for stored arguments that do not fit any more, OSError when the
        system gives no process.
        """
        task = cast(CommandTask, execution.task)
        _, values = execution.arguments()
        if execution.stop is not None:
            return outcome_of_stuck(execution.stop, execution.stop_reason)
        execution.begin()
        lines = CommandLines.of(self._scribe, execution)
        with Interrupt(execution) as interrupt, Output(task.command.output_bytes, lines) as output:
            try:
                kept = Kept.command(
                    task.command.fill(values),
                    env=_environment(execution, task.command),
                    cwd=task.command.cwd,
                    out=output.ends[0],
                    err=output.ends[1],
                )
            except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
                return _cannot_enter(task.command, error)
            watch = _Watch(execution, kept, output, interrupt)
            try:
                end = watch.run(self._expire, self._grace_seconds)
            except BaseException:
                kept.kill()
                kept.end()
                raise
            return self._outcome(execution, end, output)

    def _outcome(self, execution: Execution, end: End, output: "Output") -> Outcome:
        task = cast(CommandTask, execution.task)
        stdout, stderr = output.text()
        if execution.stop is not None:
            outcome = outcome_of_stuck(execution.stop, execution.stop_reason)
            if isinstance(outcome, Failed):
                trace = stderr[-TRACEBACK_CHARS_MAX:]
                return replace(outcome, error=replace(outcome.error, traceback=trace))
            return outcome
        if end.refused is not None:
            return _not_started(task.command, end.refused)
        meaning = "succeeded" if end.code == 0 else task.command.exit_codes.get(end.code or 0)
        if meaning == "succeeded":
            value = {"exit": end.code, "stdout": stdout, "stderr": stderr}
            return outcome_of_value(value, task.signature, self._bytes_max)
        failed = _failed(end, stderr)
        return failed if meaning is None else _meant(meaning, failed)


class Output:
    """The ends of stdout and stderr. Enter it with `with`.

    Args:
        bytes_max: How much of each is kept.
        lines: Who is told each line.

    `ends` are the descriptors that the program writes to, until `begin`.
    """

    def __init__(self, bytes_max: int, lines: "CommandLines | None" = None) -> None:
        self._bytes_max = bytes_max
        self._lines = lines
        self._tails: dict[int, bytearray] = {}
        self.ends: list[int] = []
        self._cut: set[int] = set()

    def __enter__(self) -> "Output":
        for _ in range(2):
            read, write = os.pipe()
            self._tails[read] = bytearray()
            self.ends.append(write)
        return self

    def __exit__(self, *error: object) -> None:
        self.begin()
        for read in self._tails:
            os.close(read)

    @property
    def sources(self) -> list[int]:
        """The descriptors to read from."""
        return list(self._tails)

    def begin(self) -> None:
        """The program has its ends now: let go of ours, so that reading comes to an end."""
        while self.ends:
            os.close(self.ends.pop())

    def read(self, source: int) -> bool:
        """Read what has come; False at the end."""
        more = os.read(source, _READ_BYTES)
        if self._lines is not None:
            self._lines.hear(self.sources.index(source), more)
        tail = self._tails[source]
        tail += more
        if (surplus := len(tail) - self._bytes_max) > 0:
            del tail[:surplus]
            self._cut.add(source)
        return bool(more)

    def text(self) -> list[str]:
        """Both, as text that can be stored."""
        return [self._decode(source, bytes(tail)) for source, tail in self._tails.items()]

    def _decode(self, source: int, tail: bytes) -> str:
        if source in self._cut:  # the first character may be cut
            whole = next((at for at, byte in enumerate(tail[:4]) if byte & 0xC0 != 0x80), 0)
            tail = tail[whole:]
        return storable(tail.decode("utf-8", "replace"))


class _Watch:
    """One program, from its start to its end."""

    def __init__(
        self, execution: Execution, kept: Kept, output: Output, interrupt: Interrupt
    ) -> None:
        self._execution = execution
        self._kept = kept
        self._output = output
        self._interrupt = interrupt
        self._kill_at = self._give_up_at = math.inf
        self._asked = False

    def run(self, expire: Callable[[Execution], None], grace_seconds: float) -> End:
        """Until all is gone and all is read; how the program ended."""
        self._output.begin()
        report = self._kept.report
        with selectors.DefaultSelector() as selector:
            for source in (*self._output.sources, report, self._interrupt.fileno()):
                selector.register(source, selectors.EVENT_READ)
            ended = False
            while len(selector.get_map()) > (1 if ended else 0) and not self._gives_up():
                for key, _ in selector.select(self._pause(ended=ended)):
                    if key.fd == report:
                        ended = True
                        selector.unregister(report)
                        self._give_up_at = time.monotonic() + _LAST_WORDS_SECONDS
                    elif key.fd == self._interrupt.fileno():
                        self._interrupt.clear()
                        self._stop(grace_seconds)
                    else:
                        self._execution.beat_at = time.monotonic()
                        if not self._output.read(key.fd):
                            selector.unregister(key.fd)
                if not ended:
                    self._mind_time(expire)
        return self._kept.end(KILL_SECONDS if ended else 0.0)

    def _pause(self, *, ended: bool) -> float | None:
        due = [self._give_up_at, self._kill_at]
        if not ended and self._execution.stop is None and self._execution.deadline is not None:
            due.append(self._execution.deadline)
        nearest = min(due)
        return None if nearest == math.inf else max(0.0, nearest - time.monotonic())

    def _gives_up(self) -> bool:
        return time.monotonic() >= self._give_up_at

    def _stop(self, grace_seconds: float) -> None:
        """The job was asked to stop, perhaps once more and for a graver reason."""
        if self._execution.stop in (Stop.RELEASE, Stop.LOST):
            grace_seconds = min(grace_seconds, SHORT_GRACE_SECONDS)
        self._kill_at = min(self._kill_at, time.monotonic() + grace_seconds)
        if not self._asked:
            self._asked = True
            self._kept.ask()

    def _mind_time(self, expire: Callable[[Execution], None]) -> None:
        now, deadline = time.monotonic(), self._execution.deadline
        if now >= self._kill_at:
            self._kept.kill()
            self._kill_at = math.inf
            self._give_up_at = now + KILL_SECONDS
        elif deadline is not None and now >= deadline and self._execution.stop is None:
            expire(self._execution)


def _environment(execution: Execution, command: Command) -> dict[str, str]:
    delivery = execution.delivery
    job_id = str(UUID(bytes=delivery.id))
    envelope = Envelope.from_text(delivery.envelope)
    return {
        **handed_on(HANDED_ON, ("LC_",)),
        **command.env,
        "JOBHOST_JOB_ID": job_id,
        "JOBHOST_TASK": delivery.task,
        "JOBHOST_QUEUE": delivery.queue,
        "JOBHOST_ATTEMPT": str(delivery.deliveries),
        "JOBHOST_EPOCH": str(delivery.epoch),
        "JOBHOST_CORRELATION_ID": envelope.correlation_id or job_id,
    }


def _failed(end: End, stderr: str) -> Failed:
    """The outcome of a program that ended with anything but 0."""
    how = end.cause
    if end.code is not None and end.code > 0:
        how = f"ended with exit code {end.code}"
    last = "\n".join(stderr.rstrip().splitlines()[-_LAST_LINES:])[-_LAST_LINES_CHARS:]
    return _command_failed(f"{how}; it said last:\n{last}" if last else how, stderr)


def _meant(meaning: Exception, failed: Failed) -> Outcome:
    """What an exit code comes to that stands for a verdict; with the program's own last words,
    where something is kept of an error."""
    outcome = outcome_of(meaning, None, "")
    if isinstance(outcome, DeadLettered):
        return replace(outcome, error=failed.error)
    if isinstance(outcome, Failed):
        said = f"{outcome.error.message}: {failed.error.message}"
        error = replace(failed.error, message=said)
        return replace(failed, error=error, after_seconds=outcome.after_seconds)
    return outcome


def _not_started(command: Command, number: int) -> Failed:
    program = command.program
    if number == errno.ENOENT:
        where = "" if "/" in program else " in the folders of PATH"
        return _command_failed(f"the program {program!r} was not found{where}")
    if number == errno.EACCES:
        return _command_failed(f"the program {program!r} may not be executed")
    return _command_failed(f"the program {program!r} cannot be started: {os.strerror(number)}")


def _cannot_enter(command: Command, error: OSError) -> Failed:
    return _command_failed(f"the folder {command.cwd!r} cannot be entered: {error.strerror}")


def _command_failed(message: str, stderr: str = "") -> Failed:
    error = ErrorInfo(
        type="CommandFailed", message=message, traceback=stderr[-TRACEBACK_CHARS_MAX:]
    )
    return Failed(error=error, names=("builtins.CommandFailed",))  # as rules name it
