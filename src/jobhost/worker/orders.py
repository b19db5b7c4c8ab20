"""What a worker and the process of a job tell each other: JSON, never pickles.

    worker: sys.path, sys.argv · order · order · …
    child:  READY · GOT · BEGAN · notes · answer · GOT · BEGAN · notes · answer · …

GOT says that an order was read, so that a child which had died before is nobody's crash; BEGAN
that the task is being called, so that its time runs. The notes are in `child_notes.py`.
"""

import json
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from jobhost.jobs.outcomes import (
    BeyondMe,
    Cancelled,
    DeadLettered,
    Deferred,
    Discarded,
    ErrorInfo,
    Failed,
    Outcome,
    Snoozed,
    Succeeded,
    Unstorable,
)
from jobhost.jobs.records import Delivery

READY: Final = b"ready"
GOT: Final = b"got"
BEGAN: Final = b"began"

_OUTCOMES: Final = {
    kind.__name__: kind
    for kind in (
        Succeeded,
        Unstorable,
        Failed,
        Snoozed,
        Deferred,
        Cancelled,
        Discarded,
        DeadLettered,
        BeyondMe,
    )
}


class Order(NamedTuple):
    """One job for a child.

    Args:
        module: Where to import the task from, and `name` its qualified name there.
        main: For a task of the program itself: the keywords with which to run that anew.
        delivery: What the store handed over.
        timeout_seconds: Its time limit, which the worker minds.
        bytes_max: Limit of its result.
        memory_max: Limit of its process's memory in bytes.
        log_level: The least level of log records to tell; None: none.
    """

    module: str
    name: str
    main: dict[str, Any]
    delivery: Delivery
    timeout_seconds: float | None
    bytes_max: int
    memory_max: int | None
    log_level: int | None = None

    def to_bytes(self) -> bytes:
        """As it is sent."""
        plain = self.delivery._asdict()
        for name in ("id", "parent"):
            plain[name] = None if plain[name] is None else plain[name].hex()
        return json.dumps({**self._asdict(), "delivery": plain}).encode()

    @classmethod
    def from_bytes(cls, sent: bytes) -> "Order":
        """The inverse of `to_bytes`."""
        order = json.loads(sent)
        plain = order["delivery"]
        for name in ("id", "parent"):
            plain[name] = None if plain[name] is None else bytes.fromhex(plain[name])
        return cls(**{**order, "delivery": Delivery(**plain)})


class Answer(NamedTuple):
    """What came of it.

    Args:
        outcome: How the attempt ended.
        clean: The job left no process behind, and the child can be used again.
    """

    outcome: Outcome
    clean: bool

    def to_bytes(self) -> bytes:
        """As it is sent."""
        outcome = self.outcome
        told = outcome._asdict() if isinstance(outcome, Succeeded) else asdict(outcome)
        return json.dumps([type(outcome).__name__, told, self.clean]).encode()

    @classmethod
    def from_bytes(cls, sent: bytes) -> "Answer":
        """The inverse of `to_bytes`."""
        kind, told, clean = json.loads(sent)
        if told.get("error") is not None:
            told["error"] = ErrorInfo(**told["error"])
        if "names" in told:
            told["names"] = tuple(told["names"])
        make: Any = _OUTCOMES[kind]
        return cls(make(**told), clean)
