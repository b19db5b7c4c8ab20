"""Many at a time, statement by statement in a random order: nothing is lost and nothing doubled.

Workers, producers, operators, stagers and rescuers, each on a connection of its own, make one
statement after another as the seed says. Transactions are committed, rolled back, abandoned, or
committed without anybody hearing of it; leases run out in the middle.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from postgres_server import ask, empty_schema, shared_schema, store_url

from jobhost.clock import ManualClock
from jobhost.ids import new_ids
from jobhost.jobs.outcomes import (
    COMPLETED,
    DeadLettered,
    Outcome,
    Released,
    Snoozed,
    Succeeded,
    decide,
)
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.store.plan import Plan, run
from jobhost.store.plans import enqueue, nodes, operate, stage
from jobhost.store.plans.cycle import Wanted, read_back
from jobhost.store.plans.suspects import claim_suspect
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.hot import hot_plans
from jobhost.store.postgres.target import read_target

from ..conservation import assert_conserved, numbers, standings
from ..world import FAILED, LEASE, QUEUE, TASK, ended
from .stage_hands import FATES, Actor, OutcomeUnknownError, Script, Stage, transaction

T = TypeVar("T")

LEASE_US = LEASE // timedelta(microseconds=1)
FOR_EVER_US = timedelta(days=3650) // timedelta(microseconds=1)
STRANGE = "strange"
"""A task that only some workers know."""

OUTCOMES: list[tuple[Outcome, Retry]] = [
    (Succeeded("true"), Retry()),
    (Succeeded("true"), Retry()),
    (Succeeded("true"), Retry()),
    (FAILED, Retry(first_delay="1s")),
    (FAILED, Retry(first_delay="0s")),
    (DeadLettered(reason="no"), Retry()),
    (DeadLettered(reason="no"), Retry()),
    (Released(), Retry()),
    (Snoozed(delay_seconds=1), Retry()),
]


def query(text: str) -> list[tuple[Any, ...]]:
    rows = ask(text.replace("jobhost_", f"{shared_schema()}."))
    return [tuple(v.bytes if hasattr(v, "bytes") else v for v in row) for row in rows]


@dataclass(slots=True)
class Node:
    """What a worker believes: it holds what it was told that it claimed."""

    number: int = 0
    held: dict[tuple[int, int], Delivery] = field(default_factory=dict)
    doubtful: bool = False


class Play:
    """What the actors do, and what they were told."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.clock = ManualClock()
        self.target = read_target(
            store_url(shared_schema()) + "&options=-c%20deadlock_timeout%3D20ms", self.clock
        )
        self.workers = [Actor(self.target) for _ in range(3)]
        others = [Actor(self.target) for _ in range(4)]
        self.stage = Stage([*self.workers, *others], self.dice)
        self.nodes = {actor: Node() for actor in self.workers}
        self.hot = {actor: hot_plans(self.seconds) for actor in self.stage.actors}
        self.accepted: dict[bytes, None] = {}
        self.unsure: list[enqueue.Batch] = []
        self.claimed: set[tuple[int, int]] = set()
        self.succeeded: set[int] = set()

    def seconds(self) -> float:
        return self.clock.now() / 1_000_000

    def choose(self, actor: Actor) -> Script[None]:
        if self.dice.random() < 0.03:
            self.clock.move(timedelta(seconds=self.dice.choice([1, 1, 2, 20])))
        if actor in self.nodes:
            return self.work(actor)
        roll = self.dice.random()
        if roll < 0.3:
            return self.produce(actor)
        if roll < 0.45:
            return self.stage_jobs(actor)
        if roll < 0.75:
            return self.operate(actor)
        if roll < 0.85:
            return self.beat(actor)
        return self.rescue(actor)

    def perform(self, actor: Actor, make: Callable[[], Plan[T]]) -> Script[T]:
        """A transaction, stretched or not, that ends as the dice say."""
        return transaction(
            actor,
            make,
            stretched=self.dice.random() < 0.5,
            fate=self.dice.choice(FATES),
        )

    # --- workers

    def work(self, actor: Actor) -> Script[None]:
        node = self.nodes[actor]
        try:
            if not node.number:
                node.number = yield from self.perform(actor, lambda: nodes.register(_new(LEASE_US)))
            elif node.doubtful:
                yield from self.read_back(actor, node)
            elif self.dice.random() < 0.1:
                yield from self.run_suspect(actor, node)
            else:
                yield from self.cycle(actor, node)
        except OutcomeUnknownError:
            node.doubtful = bool(node.number)

    def read_back(self, actor: Actor, node: Node) -> Script[None]:
        """The store is believed: what it does not hold is forgotten, what is not known given up."""
        number = node.number
        held = yield from transaction(actor, lambda: read_back(number), stretched=True)
        node.held = {key: node.held[key] for key in held.keys() & node.held.keys()}
        unknown = held.keys() - node.held.keys()
        releases = [
            Ended(*key, -1, decide(Released(), held[key], Retry(), chance=0.0)) for key in unknown
        ]
        yield from self.record(actor, node, releases, slots=0)
        node.doubtful = False

    def cycle(self, actor: Actor, node: Node) -> Script[None]:
        count = self.dice.randint(0, len(node.held))
        batch = []
        for key in self.dice.sample(sorted(node.held), count):
            outcome, retry = self.dice.choice(OUTCOMES)
            batch.append(ended(node.held[key], outcome, retry=retry))
        yield from self.record(actor, node, batch, slots=self.dice.randint(0, 4))

    def record(self, actor: Actor, node: Node, batch: list[Ended], slots: int) -> Script[None]:
        known = [TASK] if actor is self.workers[0] else [TASK, STRANGE]
        wanted = Wanted(node=node.number, queues=[QUEUE], tasks=json.dumps(known), slots=slots)
        hot = self.hot[actor]
        report = yield from self.perform(actor, lambda: hot.cycle(batch, wanted))
        if not report.lease_live:
            node.number, node.held = 0, {}
            return
        told = {(end.job, end.epoch) for end in batch if end.job not in report.lost}
        for end in batch:
            node.held.pop((end.job, end.epoch), None)
            if (end.job, end.epoch) in told and end.settlement is COMPLETED:
                assert end.job not in self.succeeded, "succeeded twice"
                self.succeeded.add(end.job)
        for delivery in report.claimed:
            key = delivery.job, delivery.epoch
            assert key not in self.claimed, "two were given the same attempt"
            self.claimed.add(key)
            node.held[key] = delivery

    def run_suspect(self, actor: Actor, node: Node) -> Script[None]:
        number, known = node.number, json.dumps([TASK, STRANGE])
        delivery = yield from self.perform(actor, lambda: claim_suspect(number, known))
        if delivery is not None:
            key = delivery.job, delivery.epoch
            assert key not in self.claimed, "two were given the same attempt"
            self.claimed.add(key)
            node.held[key] = delivery

    # --- all others

    def produce(self, actor: Actor) -> Script[None]:
        if self.unsure and self.dice.random() < 0.5:
            batch = self.unsure.pop(self.dice.randrange(len(self.unsure)))
        else:
            ids = [bytes(one) for one in new_ids(self.dice.randint(1, 4))]
            if self.unsure:
                ids += [job.id for job in self.dice.choice(self.unsure).jobs]
            batch = self.batch(ids)
        try:
            yield from self.perform(actor, lambda: self.hot[actor].enqueue(batch))
            self.accepted |= dict.fromkeys(job.id for job in batch.jobs)
        except OutcomeUnknownError:
            self.unsure.append(batch)

    def batch(self, ids: list[bytes]) -> enqueue.Batch:
        return enqueue.Batch(
            task=self.dice.choice([TASK, TASK, TASK, STRANGE]),
            queue=QUEUE,
            priority=self.dice.choice([0, 0, 5, -5]),
            jobs=[enqueue.NewJob(one, "[]", None) for one in ids],
            delay_us=self.dice.choice([None, None, 500_000]),
        )

    def stage_jobs(self, actor: Actor) -> Script[None]:
        yield from self.whatever(actor, lambda: stage.stage([QUEUE]))

    def operate(self, actor: Actor) -> Script[None]:
        if not self.accepted:
            return
        job = self.dice.choice(list(self.accepted)[-12:])
        if self.dice.random() < 0.5:
            yield from self.whatever(actor, lambda: operate.redrive(job))
        else:
            yield from self.whatever(actor, lambda: operate.cancel(job, "not wanted"))

    def beat(self, actor: Actor) -> Script[None]:
        number = self.dice.choice(list(self.nodes.values())).number
        yield from self.whatever(actor, lambda: nodes.heartbeat(number, LEASE_US))

    def rescue(self, actor: Actor) -> Script[None]:
        """Of a live worker as well, whose lease then ends under its hands."""
        numbers = [node.number for node in self.nodes.values() if node.number]
        rescuer, dead = (self.dice.choice(numbers or [0]) for _ in range(2))
        if self.dice.random() < 0.2:
            dead = self.dice.randrange(100)
        order = nodes.Rescue(
            node=dead,
            worker="here:1",
            rescuer=rescuer,
            died=self.dice.random() < 0.4,
            own_doing=self.dice.choice([None, True, False]),
        )
        yield from self.whatever(actor, lambda: nodes.rescue(order))

    def whatever(self, actor: Actor, make: Callable[[], Plan[Any]]) -> Script[None]:
        try:
            yield from self.perform(actor, make)
        except OutcomeUnknownError:
            return

    # --- the end

    def end_everything(self) -> None:
        """One worker that takes over from all: every accepted job comes to its end."""
        connection, hot = PostgresConnection(self.target), hot_plans(self.seconds)
        try:
            for batch in self.unsure:
                run(connection, lambda batch=batch: hot.enqueue(batch))
                self.accepted |= dict.fromkeys(job.id for job in batch.jobs)
            me = run(connection, lambda: nodes.register(_new(FOR_EVER_US)))
            for (number,) in query(f"SELECT number FROM jobhost_node WHERE number <> {me}"):
                order = nodes.Rescue(node=number, worker="here:1", rescuer=me, died=True)
                run(connection, lambda order=order: nodes.rescue(order))
            wanted = Wanted(node=me, queues=[QUEUE], tasks=json.dumps([TASK, STRANGE]), slots=1000)
            batch_ended: list[Ended] = []
            for _ in range(3):
                self.clock.move(timedelta(hours=1))
                run(connection, lambda: stage.stage([QUEUE]))
                report = run(connection, lambda batch=batch_ended: hot.cycle(batch, wanted))
                batch_ended = [ended(delivery) for delivery in report.claimed]
            known = json.dumps([TASK, STRANGE])
            while (suspect := run(connection, lambda: claim_suspect(me, known))) is not None:
                last = [ended(suspect)]
                run(connection, lambda last=last: hot.cycle(last, wanted))
            run(connection, lambda: nodes.heartbeat(me, FOR_EVER_US))
        finally:
            connection.close()

    def close(self) -> None:
        self.stage.close()


def _new(lease_us: int) -> nodes.NewNode:
    return nodes.NewNode(
        id=new_ids(1)[0].hex(),
        host="here",
        pid=1,
        version="1",
        slots=3,
        queues=[QUEUE],
        tasks=[TASK, STRANGE],
        lease_us=lease_us,
    )


@pytest.fixture
def play(request: pytest.FixtureRequest) -> Iterator[Play]:
    empty_schema()
    made = Play(request.param)
    yield made
    made.close()


def _seeds(first: int, count: int) -> Any:
    return pytest.mark.parametrize("play", range(first, first + count), indirect=True)


def _check(play: Play, steps: int) -> None:
    while play.stage.steps < steps:
        play.stage.step(play.choose)
    play.stage.finish()
    play.end_everything()

    assert_conserved(query)
    number_of = numbers(query)
    assert set(play.accepted) == set(number_of)
    ends = standings(query)
    assert {standing.state.value for standing in ends.values()} <= {
        "succeeded",
        "dead",
        "cancelled",
    }
    assert all(ends[job].state == "succeeded" for job in play.succeeded)
    assert play.stage.waits, "nobody ever waited for anybody: nothing was tried"


@pytest.mark.requirement("R-COMP-1")
@pytest.mark.requirement("R-MSG-5")
@_seeds(0, 4)
def test_whatever_the_order_of_statements_no_job_is_lost_or_doubled(play: Play) -> None:
    _check(play, 1500)


@pytest.mark.long
@_seeds(100, 200)
def test_many_more_orders_of_statements(play: Play) -> None:
    _check(play, 2000)
