"""Keys: a repeat of a call gives the first job, and at most one live job has a unique key.

Everything here is decided on values: the rules of a call, what stands in the store under its
keys, and what is to be done about it. `store.plans.keys` holds the keys and does it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from jobhost.clock import Instant
from jobhost.errors import IdempotencyConflict, InvalidOption, UniqueKeyTaken
from jobhost.ids import format_id

KEY_CHARS_MAX: Final = 255
"""Of a key: with the name of its task it fits into one entry of an index."""

IDEMPOTENCY_WINDOW_US: Final = 10 * 60 * 1_000_000
"""Ten minutes: longer than any client goes on repeating a request by itself."""

DEBOUNCE_TIMES_MAX: Final = 10
"""A debounced job waits at most so many times its pause, unless the call says otherwise: calls that
never pause must not put it off for ever."""


class OnTaken(StrEnum):
    """What a call does when another job has its unique key."""

    RETURN = "return"
    """It makes no job, and gives the handle of the holder."""
    RAISE = "raise"
    """It makes no job, and raises UniqueKeyTaken."""
    REPLACE = "replace"
    """The holder gets this call's payload if it has not started yet; else as RAISE."""


class JobKeys(NamedTuple):
    """The keys of one job; None for one that it does not have."""

    idempotency: str | None = None
    unique: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRules:
    """What a call asks of its keys; durations in microseconds.

    Args:
        window_us: How long an idempotency key is remembered.
        until_start: The unique key is free again once the job was first claimed, and not only at
            its end.
        on_taken: What to do when another job has the unique key.
        debounce_us: Run this long after the last call, and `debounce_max_us` after the first at
            the latest. None: as soon as may be.
        throttle_us: The unique key is held this long at least.
    """

    window_us: int = IDEMPOTENCY_WINDOW_US
    until_start: bool = False
    on_taken: OnTaken = OnTaken.RETURN
    debounce_us: int | None = None
    debounce_max_us: int | None = None
    throttle_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """The keys of a batch: `keys[n]` belongs to its job n."""

    rules: KeyRules
    keys: Sequence[JobKeys]


class First(NamedTuple):
    """What an idempotency key stands for: the first job, and the digest of its payload."""

    id: bytes
    digest: str


class Standing(Enum):
    """How far a job has come, as far as keys ask."""

    WAITING = "waiting"
    """It has not been claimed since it took its key."""
    STARTED = "started"
    """It lives, and has been claimed."""
    ENDED = "ended"
    """It is in a final state, or its row has left."""


class Holder(NamedTuple):
    """The job that took a unique key last.

    `until_start` and `held_until` (an instant, or None) are its own rules; `taken_at` is when it
    took the key, and `epoch` its epoch then. `job` is its number, 0 for nobody.
    """

    job: int
    id: bytes
    epoch: int
    standing: Standing
    until_start: bool
    held_until: Instant | None
    taken_at: Instant

    def holds(self, now: Instant) -> bool:
        """Whether the key is taken."""
        if self.held_until is not None and now < self.held_until:
            return True
        if self.standing is Standing.STARTED:
            return not self.until_start
        return self.standing is Standing.WAITING


class Accepted(NamedTuple):
    """Which job a call came to, and whether it was made by this very transaction."""

    id: bytes
    is_new: bool


class Replacement(NamedTuple):
    """A holder gets another payload, or `is_same` says that it has this one already; `due_at` is
    when to run it then, None for no change."""

    holder: Holder
    payload: str
    due_at: Instant | None
    is_same: bool = False


@dataclass(slots=True, kw_only=True)
class Decisions:
    """What becomes of a batch.

    Args:
        accepted: For each call, in order, its job.
        made: Positions of the calls that make a job, with the payload that it begins with.
        replaced: By the holder's number.
        firsts: Idempotency keys to remember.
        taken: Unique keys to enter, by the position of the call whose job takes them.
    """

    accepted: list[Accepted]
    made: dict[int, str]
    replaced: dict[int, Replacement]
    firsts: dict[str, First]
    taken: dict[str, int]


class Call(NamedTuple):
    """One call of a batch: its job's id, its payload as JSON text, its keys."""

    id: bytes
    payload: str
    keys: JobKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What stands in the store under the keys of a batch, which nobody else may change now.

    Args:
        now: The store's present time.
        task: Name of the task, for errors.
        firsts: By idempotency key, those whose window has not ended.
        holders: By unique key.
        present: Ids of the batch that are there already: an earlier try came through.
    """

    now: Instant
    task: str
    firsts: dict[str, First]
    holders: dict[str, Holder]
    present: frozenset[bytes] = frozenset()


def digest(payload: str) -> str:
    """What tells payloads apart: 64 hexadecimal digits."""
    return hashlib.sha256(payload.encode()).hexdigest()


def decide(calls: Sequence[Call], rules: KeyRules, held: Held) -> Decisions:
    """What becomes of the calls, one after the other: a later call of a batch meets the keys of an
    earlier one.

    Raises IdempotencyConflict, UniqueKeyTaken; then nothing is to be done at all.
    """
    deciding = _Deciding(calls, rules, held)
    for at in range(len(calls)):
        deciding.take_next(at)
    return deciding.done


def due_at(rules: KeyRules, now: Instant, taken_at: Instant) -> Instant | None:
    """When a job runs that was called again now; None when calls do not put it off."""
    if rules.debounce_us is None:
        return None
    due = now + rules.debounce_us
    if rules.debounce_max_us is not None:
        due = min(due, taken_at + rules.debounce_max_us)
    return Instant(due)


def check_key(value: object, what: str) -> str:
    """A key of 1 to KEY_CHARS_MAX printable characters. Raises InvalidOption."""
    if not isinstance(value, str):
        raise InvalidOption(f"{what} must be text; got {value!r}")
    if not value.strip():
        raise InvalidOption(f"{what} is empty, so that all calls would share it; got {value!r}")
    if not value.isprintable():
        raise InvalidOption(f"{what} must be printable text; got {value!r}")
    if len(value) > KEY_CHARS_MAX:
        raise InvalidOption(
            f"{what} may have {KEY_CHARS_MAX} characters, and this one has {len(value)}: give a "
            "digest of it instead, such as hashlib.sha256(text.encode()).hexdigest()"
        )
    return value


def taken(key: str, task: str, holder: bytes, *, why: str = "") -> UniqueKeyTaken:
    """The error that names the holder of a unique key."""
    return UniqueKeyTaken(
        f"the unique key {key!r} of task {task!r} is taken by job {format_id(holder)}{why}",
        job_id=holder,
    )


class _Deciding:
    """The calls of a batch in turn, and what was decided about those before."""

    def __init__(self, calls: Sequence[Call], rules: KeyRules, held: Held) -> None:
        self._calls = calls
        self._rules = rules
        self._held = held
        self.done = Decisions(accepted=[], made={}, replaced={}, firsts={}, taken={})

    def take_next(self, at: int) -> None:
        """Decide about the call at this position."""
        call, done = self._calls[at], self.done
        once = call.keys.idempotency
        first = None if once is None else done.firsts.get(once) or self._held.firsts.get(once)
        if call.id in self._held.present:
            accepted = Accepted(call.id, is_new=False)
        elif first is None:
            accepted = self._place(at)
            if once is not None:
                done.firsts[once] = First(accepted.id, digest(call.payload))
        elif first.digest == digest(call.payload):
            accepted = Accepted(first.id, is_new=False)
        else:
            raise _conflict(once, self._held.task, first)
        done.accepted.append(accepted)

    def _place(self, at: int) -> Accepted:
        """Where a call goes that repeats no other: a job of its own, or the holder of its key."""
        call, done = self._calls[at], self.done
        key = call.keys.unique
        if key is not None:
            if key in done.taken:
                return self._join(key, call)
            holder = self._held.holders.get(key)
            if holder is not None and holder.holds(self._held.now):
                return self._give_way(key, call, holder)
            done.taken[key] = at
        done.made[at] = call.payload
        return Accepted(call.id, is_new=True)

    def _give_way(self, key: str, call: Call, holder: Holder) -> Accepted:
        """The key is taken."""
        rules, held = self._rules, self._held
        if rules.on_taken is OnTaken.RAISE:
            raise taken(key, held.task, holder.id)
        if rules.on_taken is OnTaken.REPLACE:
            if holder.standing is not Standing.WAITING:
                raise taken(key, held.task, holder.id, why=", which has started: its payload stays")
            due = due_at(rules, held.now, holder.taken_at)
            self.done.replaced[holder.job] = Replacement(holder, call.payload, due)
        return Accepted(holder.id, is_new=False)

    def _join(self, key: str, call: Call) -> Accepted:
        """The key was taken by an earlier call of the same batch."""
        first = self.done.taken[key]
        holder = self._calls[first].id
        if self._rules.on_taken is OnTaken.RAISE:
            raise taken(key, self._held.task, holder, why=", of the same call")
        if self._rules.on_taken is OnTaken.REPLACE:
            self.done.made[first] = call.payload
        return Accepted(holder, is_new=False)


def _conflict(key: str | None, task: str, first: First) -> IdempotencyConflict:
    return IdempotencyConflict(
        f"the idempotency key {key!r} of task {task!r} stands for job {format_id(first.id)}, which "
        "was enqueued with other arguments: a key belongs to one call, so give this one another",
        job_id=first.id,
    )
