"""Jobs with keys are accepted, and keys that nobody needs any more are pruned.

Whoever wants a key holds its row first, and decides then. Rows are held in one order: idempotency
keys, unique keys, each sorted, then jobs that get another payload. A holder moves on all the while:
it may be claimed, and it may end; what it cannot do is to come back, since a redrive holds its key.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from jobhost.clock import Instant
from jobhost.errors import StoreBusy
from jobhost.ids import format_id
from jobhost.jobs import keys
from jobhost.jobs.envelope import Envelope, version_of
from jobhost.jobs.keys import Accepted, Decisions, First, Held, Holder, Standing
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.plans.versions import set_version

PRUNE_BATCH: Final = 1000
"""Keys of each kind that one transaction looks at."""

REVISIONS_MAX: Final = 10
"""Former payloads that are kept of one job: a debounced one may be replaced for ever."""

_REASON: Final = "replaced by a later call with its unique key"

_LOOKS_MAX: Final = 100
"""Each waits for a move of somebody else to end: far more than a job makes in a moment."""


def accept(
    batch: Batch, insert: Callable[[Batch], Plan[int]], *, again: bool = False
) -> Plan[Sequence[Accepted]]:
    """Accept a batch by its keys, if it has some.

    Args:
        insert: Accepts jobs whatever their keys are.
        again: Ids of the batch may be there already.

    Returns for each call its job; nothing if each has made the job of its own id.
    Raises IdempotencyConflict, UniqueKeyTaken: the transaction may go on, no job was made.
    """
    if batch.keyed is None:
        made = yield from insert(batch)
        whole = made == len(batch.jobs)
        return () if whole else [Accepted(job.id, is_new=False) for job in batch.jobs]
    rules, calls = batch.keyed.rules, _calls(batch)
    held = yield from _hold(batch, again=again)
    moved: list[Holder] = []
    for _ in range(_LOOKS_MAX):
        done = keys.decide(calls, rules, held)
        moved, otherwise = yield from _hold_replaced(done, version_of(batch.jobs[0].envelope))
        if not moved:
            yield from _carry_out(batch, done, insert)
            for job, version in otherwise.items():
                yield from set_version(job, version)
            return done.accepted
        found = yield from _standings(moved)
        holders = {key: _seen(holder, found) for key, holder in held.holders.items()}
        held = replace(held, holders=holders)
    raise StoreBusy(f"job {format_id(moved[0].id)} is moved by others all the time: repeat")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysPruned:
    """What a pass has pruned. `after`: where the next one begins, -1 when this came to the end;
    `more`: it was full, so that another has something to do now."""

    idempotency: int = 0
    unique: int = 0
    after: int = -1
    more: bool = False


def prune_keys(after: int = -1, limit: int = PRUNE_BATCH) -> Plan[KeysPruned]:
    """One pass: idempotency keys whose window has ended, and unique keys that no live job holds.

    Args:
        after: The `after` of the pass before; it walks over keys that are held.
        limit: How many of each kind it looks at.
    """
    ended = (yield Statement("prune_idempotency", {"limit": limit})).changed
    rows = (yield Statement("slice_of_unique_keys", {"after": after, "limit": limit})).rows
    free = [
        {"job": job, "task": task, "key": key, "taken_at": taken_at}
        for job, task, key, taken_at, is_held in rows
        if not is_held
    ]
    unique = 0
    if free:
        unique = (yield Statement("prune_unique_keys", {"free": json.dumps(free)})).changed
    full = len(rows) == limit
    return KeysPruned(
        idempotency=ended,
        unique=unique,
        after=max(row[0] for row in rows) if full else -1,
        more=full or ended == limit,
    )


def retake(job_id: bytes) -> Plan[Holder | None]:
    """Before a redrive: hold the unique key that the job was enqueued with, if it had one. None:
    nobody else has it. The key is `taken_again` once the job lives."""
    key = yield from _unique_key_of(job_id)
    if key is None:
        return None
    _, task, name, _ = key
    now, holders = yield from _hold_unique(task, [name])
    holder = holders[name]
    return holder if holder.id != job_id and holder.holds(now) else None


def hold_keys_of(job_ids: Sequence[bytes]) -> Plan[None]:
    """Before several redrives in one transaction: hold all their unique keys in the one order."""
    wanted: dict[str, set[str]] = {}
    for job_id in job_ids:
        if key := (yield from _unique_key_of(job_id)):
            wanted.setdefault(key[1], set()).add(key[2])
    for task, names in sorted(wanted.items()):
        yield Statement("hold_unique_keys", {"task": task, "keys": json.dumps(sorted(names))})


def taken_again(job_id: bytes) -> Plan[None]:
    """After a redrive: the job has its unique key again, as at its first enqueue."""
    key = yield from _unique_key_of(job_id)
    if key is None:
        return
    job, task, name, until_start = key
    [(_, _, epoch)] = (yield Statement("standings", {"jobs": json.dumps([job])})).rows
    yield _take(task, {name: job_id}, epoch=epoch, until_start=until_start, held_us=None)


def change_payload(job: int, payload: str, reason: str) -> Plan[None]:
    """Give a job that is held in its place another payload, and keep the former one.

    The newest REVISIONS_MAX are kept. `reason`: who did it, in a few words.
    """
    kept = yield Statement("keep_revision", {"job": job, "reason": reason})
    number: int = kept.rows[0][0]
    if number > REVISIONS_MAX:
        yield Statement("forget_revisions", {"job": job, "number": number - REVISIONS_MAX})
    yield Statement("replace_payload", {"job": job, "payload": payload})


def _calls(batch: Batch) -> list[keys.Call]:
    assert batch.keyed is not None
    return [
        keys.Call(job.id, job.payload, of)
        for job, of in zip(batch.jobs, batch.keyed.keys, strict=True)
    ]


def _hold(batch: Batch, *, again: bool) -> Plan[Held]:
    """Hold the keys of a batch and see what they stand for."""
    assert batch.keyed is not None
    asked = batch.keyed.keys
    firsts: dict[str, First] = {}
    holders: dict[str, Holder] = {}
    now = Instant(0)
    if names := sorted({key.idempotency for key in asked if key.idempotency is not None}):
        params = {"task": batch.task, "keys": json.dumps(names)}
        rows = (yield Statement("hold_idempotency_keys", params)).rows
        now = rows[0][4]
        firsts = {key: First(id, digest) for key, id, digest, until, _ in rows if until > now}
    if names := sorted({key.unique for key in asked if key.unique is not None}):
        now, holders = yield from _hold_unique(batch.task, names)
    present: list[bytes] = []
    if again:
        for job in batch.jobs:
            there = yield Statement("number_of", {"id": job.id})
            present += [job.id for _ in there.rows]
    return Held(
        now=now, task=batch.task, firsts=firsts, holders=holders, present=frozenset(present)
    )


def _hold_unique(task: str, names: Sequence[str]) -> Plan[tuple[Instant, dict[str, Holder]]]:
    """Hold these unique keys, which are sorted; the store's time, and who took each last."""
    rows = (yield Statement("hold_unique_keys", {"task": task, "keys": json.dumps(names)})).rows
    holders = {
        key: Holder(job, id, epoch, Standing.ENDED, bool(until_start), held_until, taken_at)
        for key, job, id, epoch, until_start, held_until, taken_at, _ in rows
    }
    found = yield from _standings([holder for holder in holders.values() if holder.job])
    return rows[0][7], {key: _seen(holder, found) for key, holder in holders.items()}


def _standings(holders: Sequence[Holder]) -> Plan[dict[int, tuple[bool, int]]]:
    """By number, whether each lives, and its epoch."""
    if not holders:
        return {}
    jobs = json.dumps([holder.job for holder in holders])
    rows = (yield Statement("standings", {"jobs": jobs})).rows
    return {job: (bool(lives), epoch) for job, lives, epoch in rows}


def _seen(holder: Holder, found: dict[int, tuple[bool, int]]) -> Holder:
    if holder.job not in found:
        return holder
    lives, epoch = found[holder.job]
    if not lives:
        return holder._replace(standing=Standing.ENDED)
    started = epoch > holder.epoch
    return holder._replace(standing=Standing.STARTED if started else Standing.WAITING)


def _hold_replaced(done: Decisions, version: int) -> Plan[tuple[list[Holder], dict[int, int]]]:
    """Hold the jobs that get another payload, by their numbers. Those that do not wait any more;
    and the version by number, where that of the new payload is another one."""
    moved = []
    otherwise: dict[int, int] = {}
    for job, replacement in sorted(done.replaced.items()):
        found = yield Statement("hold_waiting", {"job": job})
        if found.first is None or found.first[0] > replacement.holder.epoch:
            moved.append(replacement.holder)
            continue
        if version_of(found.first[2]) != version:
            otherwise[job] = version
        elif found.first[1] == replacement.payload:
            done.replaced[job] = replacement._replace(is_same=True)
    return moved, otherwise


def _carry_out(batch: Batch, done: Decisions, insert: Callable[[Batch], Plan[int]]) -> Plan[None]:
    assert batch.keyed is not None
    rules = batch.keyed.rules
    for job, replacement in sorted(done.replaced.items()):
        if not replacement.is_same:
            yield from change_payload(job, replacement.payload, _REASON)
        if replacement.due_at is not None:
            yield Statement("put_off", {"job": job, "due_at": replacement.due_at})
    if done.made:
        jobs = [
            NewJob(batch.jobs[at].id, payload, batch.jobs[at].envelope)
            for at, payload in sorted(done.made.items())
        ]
        yield from insert(replace(batch, jobs=jobs, keyed=None))
    if done.taken:
        yield _take(
            batch.task,
            {key: batch.jobs[at].id for key, at in done.taken.items()},
            epoch=0,
            until_start=rules.until_start,
            held_us=rules.throttle_us,
        )
    if done.firsts:
        yield _remember(batch.task, done.firsts, rules.window_us)


def _take(
    task: str, taken: dict[str, bytes], *, epoch: int, until_start: bool, held_us: int | None
) -> Statement:
    rules = {"epoch": epoch, "until_start": until_start, "held_us": held_us}
    listed = [{"key": key, "id": id.hex()} for key, id in taken.items()]
    params = {"task": task, "taken": json.dumps(listed), **rules}
    return Statement("take_unique_keys", params, rows=list(taken.items()))


def _remember(task: str, firsts: dict[str, First], window_us: int) -> Statement:
    listed = [
        {"key": key, "id": first.id.hex(), "digest": first.digest} for key, first in firsts.items()
    ]
    params = {"task": task, "firsts": json.dumps(listed), "window_us": window_us}
    rows = [(key, first.id, first.digest) for key, first in firsts.items()]
    return Statement("remember_firsts", params, rows=rows)


def _unique_key_of(job_id: bytes) -> Plan[tuple[int, str, str, bool] | None]:
    """Number, task, unique key of a job, and whether it holds that until its start."""
    found = yield Statement("key_of", {"id": job_id})
    if found.first is None:
        return None
    job, task, text = found.first
    envelope = Envelope.from_text(text)
    return None if envelope.unique is None else (job, task, *envelope.unique)
