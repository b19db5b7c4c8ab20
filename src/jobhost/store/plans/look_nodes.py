"""Who is there: nodes and workers, living and lately gone, and what runs where. For people."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from jobhost.clock import to_datetime
from jobhost.errors import InvalidOption
from jobhost.jobs.records import JobThere, NodeRecord, Vitals, read_vitals
from jobhost.store.plan import Looks, Plan, Row, Statement
from jobhost.store.plans.nodes import Kind, live_nodes

GONE_US: Final = 86_400_000_000
"""One day: so long those that have ended are listed."""

LISTED_MAX: Final = 1000
"""Nodes of a listing that has those that ended, and jobs of a node."""

_NUMBER_MAX: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which node is meant: the one of this number, or the process on that host."""

    number: int | None = None
    host: str | None = None
    pid: int | None = None

    @classmethod
    def read(cls, text: str) -> "Place":
        """From `17` or `web1:4711`. Raises InvalidOption for anything else."""
        if text.isascii() and text.isdigit() and int(text) < _NUMBER_MAX:
            return cls(number=int(text))
        host, _, pid = text.rpartition(":")
        if host and pid.isascii() and pid.isdigit() and int(pid) < 2**31:
            return cls(host=host, pid=int(pid))
        raise InvalidOption(
            f"a node is named by its number or as HOST:PID, such as 17 or web1:4711; got {text!r}"
        )


def list_nodes(*, gone: bool = False) -> Plan[list[NodeRecord]]:
    """Nodes and workers, each node before its workers; with `gone` also those that ended within
    the last day, which come last, the newest first."""
    if not gone:
        living = yield Statement("list_nodes")
        return list(_as_trees(_records(living.rows)))
    params = {"ended_us": GONE_US, "limit": LISTED_MAX}
    found = yield Statement("list_nodes_with_gone", params)
    records = _records(found.rows)
    there = sorted((one for one in records if one.ended_at is None), key=lambda one: one.number)
    return [*_as_trees(there), *(one for one in records if one.ended_at is not None)]


def nodes_and_deaths(died: Collection[str], *, gone: bool = False) -> Looks[list[NodeRecord]]:
    """`list_nodes`, with those marked of which it is known that their process has died.

    Args:
        died: Their ids, as `Store.dead_nodes` tells them.
        gone: Also those that ended.
    """
    records = yield lambda: list_nodes(gone=gone)
    living = (yield live_nodes) if died else []
    dead = {node.number for node in living if node.id in died}
    return [replace(one, process_gone=one.number in dead) for one in records]


def find_nodes(place: Place) -> Plan[list[NodeRecord]]:
    """Those that are meant: by a number one or none; of a process those that have not ended, or
    else the one that ended last."""
    found = yield Statement(
        "find_nodes",
        {"number": place.number, "host": place.host, "pid": place.pid, "limit": LISTED_MAX},
    )
    records = _records(found.rows)
    return [record for record in records if record.ended_at is None] or records[:1]


def jobs_on(nodes: Sequence[int]) -> Plan[list[JobThere]]:
    """What runs on the nodes of these numbers, the longest first; at most LISTED_MAX."""
    params = {"nodes": json.dumps(list(nodes)), "limit": LISTED_MAX}
    found = yield Statement("running_on", params)
    return [
        JobThere(UUID(bytes=job_id), task, to_datetime(claimed_at), node)
        for job_id, task, claimed_at, node in found.rows
    ]


def _as_trees(records: Sequence[NodeRecord]) -> Iterator[NodeRecord]:
    """Each node before its workers; a worker whose node has ended stands by itself."""
    known = {record.number for record in records}
    for record in records:
        if record.supervisor is not None and record.supervisor in known:
            continue
        yield record
        yield from (worker for worker in records if worker.supervisor == record.number)


def _records(rows: Iterable[Row]) -> list[NodeRecord]:
    """What a node has told of its workers, and what they run, is entered where it belongs."""
    read = [_record(row) for row in rows]
    told: dict[int, Vitals] = {}
    runs: dict[int, int] = {}
    for record, workers in read:
        told.update(workers)
        if record.supervisor is not None:
            runs[record.supervisor] = runs.get(record.supervisor, 0) + record.running
    return [
        replace(
            record,
            vitals=told.get(record.number, record.vitals),
            running=record.running + runs.get(record.number, 0),
        )
        for record, _ in read
    ]


def _record(row: Row) -> tuple[NodeRecord, dict[int, Vitals]]:
    (number, kind, supervisor, host, pid, version, slots, queues, tasks, started_at,
     heartbeat_at, lease_live, drain_requested_at, ended_at, end_reason, vitals, age_us,
     running) = row  # fmt: skip
    own, workers = read_vitals(vitals)
    return NodeRecord(
        number=number,
        kind=Kind(kind).value,
        supervisor=supervisor,
        worker=f"{host}:{pid}",
        version=version,
        slots=slots,
        queues=tuple(json.loads(queues)),
        tasks=tuple(json.loads(tasks)),
        started_at=to_datetime(started_at),
        heartbeat_at=to_datetime(heartbeat_at),
        heartbeat_seconds=max(0, age_us) / 1_000_000,
        lease_live=bool(lease_live),
        drain_requested_at=None if drain_requested_at is None else to_datetime(drain_requested_at),
        ended_at=None if ended_at is None else to_datetime(ended_at),
        end_reason=end_reason,
        running=running,
        vitals=own,
    ), workers
