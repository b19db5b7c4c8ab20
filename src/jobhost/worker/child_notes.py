"""What a job with `executor="process"` says: over its link to the worker, which knows the store.

child:  NOTE and the JSON of [word, …]
worker: the JSON of [value, null] or [null, [kind of error, message]], where a word has an answer
"""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

from jobhost import errors
from jobhost.errors import JobhostError, StoreError
from jobhost.host.notes import Notes
from jobhost.jobs.notes import Told
from jobhost.worker.execution import Execution

NOTE: Final = b"note "


class ChildNotes:
    """The notes of the job that runs in this process; see `host.notes.Notes`.

    Args:
        link: To the worker.
        execution: The running job.
        bytes_max: The most that a checkpoint may have.
    """

    def __init__(self, link: Connection, execution: Execution, bytes_max: int) -> None:
        self._link = link
        self._execution = execution
        self._lock = threading.Lock()
        self._closed = False
        self.bytes_max = bytes_max

    def close(self) -> None:
        """The job has ended: what threads that it left behind still say is not for the next one."""
        with self._lock:
            self._closed = True

    def tell(self, told: Told) -> None:
        """How far the job has come."""
        self._say("tell", *told)

    def beat(self) -> None:
        """A sign of life."""
        self._say("beat")

    def log(self, written_at: int, level: str, source: str, message: str) -> None:
        """A line of its log."""
        self._say("log", written_at, level, source, message)

    def save_checkpoint(self, state: str) -> None:
        """Keep this for the next attempt."""
        self._ask("save_checkpoint", state)

    async def asave_checkpoint(self, state: str) -> None:
        """The same: a process has one job, which nothing else waits for."""
        self._ask("save_checkpoint", state)

    def checkpoint(self) -> str | None:
        """What was kept."""
        kept: str | None = self._ask("checkpoint")
        return kept

    async def acheckpoint(self) -> str | None:
        """The same."""
        return self.checkpoint()

    def encode(self, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
        """The payload of a call of the job's task."""
        return self._execution.task.signature.encode(args, kwargs, self.bytes_max)

    def save_payload(self, payload: str) -> None:
        """Have the next delivery get this."""
        self._ask("save_payload", payload)

    async def asave_payload(self, payload: str) -> None:
        """The same."""
        self._ask("save_payload", payload)

    def _say(self, *words: object) -> None:
        with self._lock, suppress(OSError):  # a worker that is gone needs no notes
            if not self._closed:
                self._link.send_bytes(NOTE + json.dumps(words).encode())

    def _ask(self, *words: object) -> Any:
        with self._lock:
            if self._closed:
                raise errors.LeaseLost("nothing was kept: this job has ended")
            self._link.send_bytes(NOTE + json.dumps(words).encode())
            value, error = json.loads(self._link.recv_bytes())
        if error is not None:
            kind, message = error
            raise getattr(errors, kind, StoreError)(message)
        return value


def take_note(message: bytes, notes: Notes, answer: Callable[[bytes], None]) -> None:
    """In the worker: do what a note of a child says.

    Args:
        message: The note, with its mark.
        notes: Of the job that the child runs.
        answer: Sends the answer, where there is one.
    """
    word, *rest = json.loads(message.removeprefix(NOTE))
    if word == "tell":
        notes.tell(Told(*rest))
    elif word == "beat":
        notes.beat()
    elif word == "log":
        notes.log(*rest)
    else:
        answer(json.dumps(_answer(word, rest, notes)).encode())


def _answer(word: str, rest: list[str], notes: Notes) -> list[object]:
    try:
        if word == "save_checkpoint":
            notes.save_checkpoint(*rest)
        elif word == "save_payload":
            notes.save_payload(*rest)
        else:
            return [notes.checkpoint(), None]
    except JobhostError as error:
        return [None, [type(error).__name__, str(error)]]
    return [None, None]
