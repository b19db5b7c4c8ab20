"""Keys on PostgreSQL while others are in the middle of their transactions, on real connections."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from postgres_server import empty_schema, shared_schema, store_url

from jobhost.clock import ManualClock
from jobhost.errors import UniqueKeyTaken
from jobhost.jobs.keys import Accepted, JobKeys, KeyRules, OnTaken
from jobhost.jobs.outcomes import DeadLettered, Snoozed
from jobhost.jobs.records import Delivery
from jobhost.jobs.states import State
from jobhost.store.plan import Plan
from jobhost.store.plans import keys, nodes, operate, stage
from jobhost.store.plans.cycle import Wanted
from jobhost.store.postgres.hot import hot_plans
from jobhost.store.postgres.target import read_target

from ..conftest import Direct
from ..conservation import assert_conserved, numbers
from ..contract.test_keys import (
    PLAIN,
    REPLACE,
    REPLACE_TO_START,
    batch_of,
    payload_of,
    revisions,
    unique,
)
from ..world import QUEUE, TASK, World, ended
from .stage_hands import FATES, Actor, OutcomeUnknownError, Script, Stage, transaction
from .test_interleavings import FOR_EVER_US, _new, query
from .test_races import Rival, cycle_of

ON_POSTGRES = [
    pytest.mark.parametrize("dialect", ["postgres"], indirect=True),
    pytest.mark.parametrize("world", [Direct], indirect=True, ids=[""]),
]


def on_postgres(test: Callable[..., None]) -> Callable[..., None]:
    for mark in ON_POSTGRES:
        test = mark(test)
    return test


@pytest.fixture
def rival(world: World) -> Iterator[Rival]:
    made = Rival(world)
    yield made
    made.close()


@pytest.fixture
def third(world: World) -> Iterator[Rival]:
    made = Rival(world)
    yield made
    made.close()


def call(world: World, key: str, payload: Any, rules: KeyRules = PLAIN) -> Callable[[], Plan[Any]]:
    batch = batch_of([(JobKeys(unique=key), payload)], rules)
    return lambda: keys.accept(batch, world.store.hot.enqueue)


def call_once(world: World, key: str, payload: Any) -> Callable[[], Plan[Any]]:
    batch = batch_of([(JobKeys(idempotency=key), payload)], KeyRules())
    return lambda: keys.accept(batch, world.store.hot.enqueue)


@on_postgres
@pytest.mark.parametrize("make", [call, call_once])
def test_who_comes_while_a_key_is_being_taken_waits_and_gets_that_job(
    world: World, rival: Rival, third: Rival, make: Callable[..., Any]
) -> None:
    with third.open(make(world, "k", 1)) as [first]:
        second = rival.wait_for(make(world, "k", 1))
    [found] = second.result()
    assert found == Accepted(first.id, is_new=False)


@on_postgres
@pytest.mark.parametrize("make", [call, call_once])
def test_who_comes_while_a_key_is_being_taken_in_vain_gets_a_job_of_its_own(
    world: World, rival: Rival, third: Rival, make: Callable[..., Any]
) -> None:
    class ChangedMindError(Exception):
        pass

    with pytest.raises(ChangedMindError), third.open(make(world, "k", 1)):
        second = rival.wait_for(make(world, "k", 2))
        raise ChangedMindError
    [found] = second.result()
    assert found.is_new


@on_postgres
def test_batches_with_the_same_keys_in_other_orders_never_wait_for_each_other(
    world: World, rival: Rival, third: Rival
) -> None:
    names = [f"k{at}" for at in range(20)]
    batches = [
        batch_of([(JobKeys(name, name), 1) for name in order], KeyRules())
        for order in (names, names[::-1])
    ]
    with third.open(lambda: keys.accept(batches[0], world.store.hot.enqueue)) as first:
        second = rival.wait_for(lambda: keys.accept(batches[1], world.store.hot.enqueue))
    assert [one.id for one in second.result()] == [one.id for one in reversed(first)]


@on_postgres
def test_a_claim_whose_look_began_before_does_not_start_the_job_with_its_old_payload(
    world: World, rival: Rival, third: Rival
) -> None:
    holder = unique(world, "k", "old")
    node = world.node()
    with third.open(call(world, "k", "new", REPLACE)):
        assert world.claim(node) == []  # passes it over, and sees the old payload
    (delivery,) = world.claim(node)
    assert (delivery.id, json.loads(delivery.payload)) == (holder.id, "new")


@on_postgres
def test_a_replacement_waits_for_a_claim_and_then_hears_that_it_has_started(
    world: World, rival: Rival, third: Rival
) -> None:
    holder = unique(world, "k", "old")
    node = world.node()
    with third.open(cycle_of(world, node, slots=1)) as report:
        late = rival.wait_for(call(world, "k", "new", REPLACE))
    (delivery,) = report.claimed
    assert json.loads(delivery.payload) == "old"
    with pytest.raises(UniqueKeyTaken):
        late.result()
    assert payload_of(world, holder.id) == "old"
    assert revisions(world, holder.id) == []


@on_postgres
def test_a_replacement_that_waited_for_a_claim_makes_the_next_job(
    world: World, rival: Rival, third: Rival
) -> None:
    unique(world, "k", "old", REPLACE_TO_START)
    with third.open(cycle_of(world, world.node(), slots=1)):
        late = rival.wait_for(call(world, "k", "new", REPLACE_TO_START))
    [second] = late.result()
    assert second.is_new
    assert payload_of(world, second.id) == "new"


@on_postgres
def test_a_replacement_follows_a_job_that_is_staged_or_comes_back_to_it(
    world: World, rival: Rival, third: Rival
) -> None:
    rules = KeyRules(on_taken=OnTaken.REPLACE, until_start=True, debounce_us=1, debounce_max_us=9)
    holder = unique(world, "k", "old", rules)
    world.node()
    world.move(seconds=1)
    with third.open(lambda: stage.stage([QUEUE])) as report:
        late = rival.wait_for(call(world, "k", "new", rules))
    assert report.staged == 1
    assert late.result() == [Accepted(holder.id, is_new=False)]
    assert world.state(holder.id) is State.READY
    assert payload_of(world, holder.id) == "new"


@on_postgres
def test_a_redrive_and_a_call_for_the_same_key_make_one_live_job(
    world: World, rival: Rival, third: Rival
) -> None:
    holder = unique(world, "k")
    (delivery,) = world.claim(node := world.node())
    world.cycle(node, ended(delivery, DeadLettered(reason="no")))
    with third.open(lambda: operate.redrive(holder.id)):
        late = rival.wait_for(call(world, "k", 1))
    assert late.result() == [Accepted(holder.id, is_new=False)]
    world.cancel(holder.id)
    with third.open(call(world, "k", 2)) as [second]:
        refused = rival.wait_for(lambda: operate.redrive(holder.id))
    result = refused.result()
    assert result is not None
    assert (result.done, result.holder) == (False, second.id)


@on_postgres
def test_a_key_that_is_taken_again_while_it_is_pruned_stays(world: World, rival: Rival) -> None:
    unique(world, "k")
    (delivery,) = world.claim(node := world.node())
    world.cycle(node, ended(delivery))

    def prune_late() -> Plan[keys.KeysPruned]:
        plan = keys.prune_keys()
        reply = yield next(plan)
        reply = yield plan.send(reply)
        statement = plan.send(reply)
        assert statement.name == "prune_unique_keys"
        assert unique(world, "k").is_new
        reply = yield statement
        try:
            plan.send(reply)
        except StopIteration as end:
            return end.value
        raise AssertionError("it has no fourth statement")

    assert rival.write(prune_late).unique == 0
    assert not unique(world, "k").is_new


# --- all of it at random


class Play:
    """Producers with few keys, workers, a stager, operators and a pruner, a statement at a time."""

    KEYS = tuple("abcdefgh")

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.clock = ManualClock()
        self.target = read_target(
            store_url(shared_schema()) + "&options=-c%20deadlock_timeout%3D20ms", self.clock
        )
        self.workers = [Actor(self.target) for _ in range(2)]
        self.others = [Actor(self.target) for _ in range(4)]
        self.stage = Stage([*self.workers, *self.others], self.dice)
        self.hot = {actor: hot_plans(lambda: self.clock.now() / 1e6) for actor in self.stage.actors}
        self.nodes: dict[Actor, int] = {}
        self.held: dict[Actor, list[Delivery]] = {actor: [] for actor in self.workers}
        self.claimed: dict[bytes, str] = {}
        self.redriven: set[bytes] = set()
        self.told: set[bytes] = set()
        self.deadlocks: list[str] = []
        self.payloads = 0

    def choose(self, actor: Actor) -> Script[None]:
        if self.dice.random() < 0.05:
            self.clock.move(timedelta(seconds=self.dice.choice([1, 3, 20])))
        if actor in self.held:
            return self.work(actor)
        roll = self.dice.random()
        if roll < 0.7:
            return self.produce(actor)
        if roll < 0.8:
            return self.perform(actor, lambda: stage.stage([QUEUE]))
        if roll < 0.9:
            return self.operate(actor)
        return self.perform(actor, lambda: keys.prune_keys(limit=2))

    def perform(self, actor: Actor, make: Callable[[], Plan[Any]]) -> Script[Any]:
        try:
            return (
                yield from transaction(
                    actor,
                    make,
                    stretched=self.dice.random() < 0.5,
                    fate=self.dice.choice(FATES),
                )
            )
        except OutcomeUnknownError as error:
            if "deadlock" in str(error):
                self.deadlocks.append(str(error))
            return None
        except UniqueKeyTaken:
            yield actor.connection.rollback
            return None

    def produce(self, actor: Actor) -> Script[None]:
        rules = KeyRules(on_taken=self.dice.choice([OnTaken.RETURN, OnTaken.REPLACE]))
        calls = []
        for _ in range(self.dice.choice([1, 1, 3])):
            self.payloads += 1
            once = self.dice.choice([None, f"once-{self.payloads // 4}"])
            payload = "same" if once else self.payloads
            calls.append((JobKeys(once, self.dice.choice(self.KEYS)), payload))
        batch = batch_of(calls, rules)
        hot, again = self.hot[actor], False
        for _ in range(3):  # under the same ids, as the host does
            accepted = yield from self.perform(
                actor, lambda again=again: keys.accept(batch, hot.enqueue, again=again)
            )
            if accepted is not None:
                self.told |= {one.id for one in accepted}
                return
            again = True

    def work(self, actor: Actor) -> Script[None]:
        if actor not in self.nodes:
            number = yield from self.perform(actor, lambda: nodes.register(_new(FOR_EVER_US)))
            if number is not None:
                self.nodes[actor] = number
            return
        held, self.held[actor] = self.held[actor], []
        outcomes = [None, DeadLettered(reason="no"), Snoozed(delay_seconds=1)]
        ends = [ended(delivery, self.dice.choice(outcomes)) for delivery in held]
        wanted = Wanted(node=self.nodes[actor], queues=[QUEUE], tasks=json.dumps([TASK]), slots=2)
        report = yield from self.perform(actor, lambda: self.hot[actor].cycle(ends, wanted))
        if report is None:  # it begins anew, and its jobs hold their keys for ever
            self.nodes.pop(actor)
            return
        self.held[actor] = report.claimed
        for delivery in report.claimed:
            self.claimed[delivery.id] = delivery.payload

    def operate(self, actor: Actor) -> Script[None]:
        if self.told:
            job = self.dice.choice(sorted(self.told)[-12:])
            if self.dice.random() < 0.5:
                self.redriven.add(job)
                yield from self.perform(actor, lambda: operate.redrive(job))
            else:
                yield from self.perform(actor, lambda: operate.cancel(job, "not wanted"))

    def check(self) -> None:
        """What is committed at this moment."""
        live = query(
            "SELECT j.envelope FROM jobhost_job j "
            "WHERE NOT EXISTS (SELECT FROM jobhost_done d WHERE d.job = j.number)"
        )
        holders = Counter(json.loads(envelope)["unique"][0] for (envelope,) in live)
        assert max(holders.values(), default=0) <= 1, "two live jobs have one key"
        payload_now = dict(query("SELECT id, payload FROM jobhost_job"))
        old = {job for job, payload in self.claimed.items() if payload_now[job] != payload}
        assert not old - self.redriven, "a job was started with another payload than its last one"


@pytest.fixture
def play(request: pytest.FixtureRequest) -> Iterator[Play]:
    empty_schema()
    made = Play(request.param)
    yield made
    made.stage.close()


def _run(play: Play, steps: int) -> None:
    while play.stage.steps < steps:
        play.stage.step(play.choose)
        if play.stage.steps % 20 == 0:
            play.check()
    play.stage.finish()
    play.check()
    assert_conserved(query)
    assert play.told <= set(numbers(query)), "somebody was given a job that is not there"
    assert play.claimed
    assert play.stage.waits, "nobody ever waited for anybody: nothing was tried"
    assert play.deadlocks == []


@pytest.mark.parametrize("play", range(4), indirect=True)
def test_whatever_the_order_of_statements_a_key_has_one_live_job(play: Play) -> None:
    _run(play, 1000)


@pytest.mark.long
@pytest.mark.parametrize("play", range(100, 200), indirect=True)
def test_many_more_orders_of_statements_with_keys(play: Play) -> None:
    _run(play, 2000)
