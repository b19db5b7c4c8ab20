"""Where the words of a running job go. The worker provides it; tasks speak through
`current_job()`."""

from typing import NoReturn, Protocol

from jobhost.errors import UsageError
from jobhost.jobs.notes import Told


class Notes(Protocol):
    """What a running job may say.

    `tell`, `beat` and `log` never fail and never wait for the store. The others are durable when
    they return. They raise LeaseLost when the job belongs to another worker by now, StoreError when
    the store cannot do it, and UsageError where the blocking form would hold up an event loop.
    """

    bytes_max: int
    """The most that a checkpoint may have, as JSON."""

    def tell(self, told: Told) -> None:
        """How far the job has come. The last one counts."""
        ...

    def beat(self) -> None:
        """A sign of life."""
        ...

    def log(self, written_at: int, level: str, source: str, message: str) -> None:
        """A line of its log; `written_at` is an instant."""
        ...

    def save_checkpoint(self, state: str) -> None:
        """Keep this JSON for the next attempt."""
        ...

    async def asave_checkpoint(self, state: str) -> None:
        """`save_checkpoint` on an event loop."""
        ...

    def checkpoint(self) -> str | None:
        """What an earlier attempt, or this one, has kept."""
        ...

    async def acheckpoint(self) -> str | None:
        """`checkpoint` on an event loop."""
        ...

    def encode(self, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
        """The payload of a call of the job's task. Raises InvalidPayload."""
        ...

    def save_payload(self, payload: str) -> None:
        """Have the next delivery get this in place of this one's arguments."""
        ...

    async def asave_payload(self, payload: str) -> None:
        """`save_payload` on an event loop."""
        ...


class Silence:
    """Where nobody listens, as for a `RunningJob` that no worker made."""

    bytes_max = 2**20

    def tell(self, told: Told) -> None:
        """Heard by nobody."""

    def beat(self) -> None:
        """Heard by nobody."""

    def log(self, written_at: int, level: str, source: str, message: str) -> None:
        """Heard by nobody."""

    def save_checkpoint(self, state: str) -> NoReturn:
        """Raises UsageError."""
        raise _nobody()

    async def asave_checkpoint(self, state: str) -> NoReturn:
        """Raises UsageError."""
        raise _nobody()

    def checkpoint(self) -> None:
        """There is none."""

    async def acheckpoint(self) -> None:
        """There is none."""

    def encode(self, args: tuple[object, ...], kwargs: dict[str, object]) -> NoReturn:
        """Raises UsageError."""
        raise _nobody()

    def save_payload(self, payload: str) -> NoReturn:
        """Raises UsageError."""
        raise _nobody()

    async def asave_payload(self, payload: str) -> NoReturn:
        """Raises UsageError."""
        raise _nobody()


def _nobody() -> UsageError:
    return UsageError("no worker runs this job, so there is no store to keep what it says")
