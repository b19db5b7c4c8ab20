"""Who is started, stopped, killed or given up, and when."""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from jobhost.hosting.crew import (
    AT_ONCE,
    FAULTS,
    HASTE_SECONDS,
    LANE,
    Crew,
    Limits,
)
from jobhost.hosting.crew_words import (
    Begin,
    Command,
    Drain,
    Ended,
    Event,
    Finish,
    Hello,
    HoldsUp,
    Kill,
    Ready,
    Silent,
    Start,
    Stop,
    SuspectsSeen,
    Terminate,
    Tick,
)
from jobhost.hosting.slots import (
    BACKOFF_JITTER,
    BACKOFF_LONGEST_SECONDS,
    RESTARTS_MAX,
    RESTARTS_SECONDS,
    STARTS_KEPT,
    backoff_seconds,
)

LIMITS = Limits(start=120.0, stop=40.0)


@dataclass
class Node:
    """A crew with a clock that is moved by hand, and what it ordered so far."""

    workers: int = 3
    limits: Limits = LIMITS
    now: float = 1000.0
    crew: Crew = field(init=False)

    def __post_init__(self) -> None:
        self.crew = Crew(self.workers, self.limits)

    def __call__(self, *events: Event) -> list[Command]:
        return [command for event in events for command in self.crew.step(event, self.now)]

    def passes(self, seconds: float) -> list[Command]:
        """Time, at whose end there is a tick."""
        self.now += seconds
        return self(Tick())

    def until_due(self) -> tuple[float, list[Command]]:
        """How long until the crew wants to be asked, and what it orders then."""
        due = self.crew.due_at
        assert due is not None
        pause = due - self.now
        return pause, self.passes(pause)

    def working(self) -> "Node":
        """All workers have begun to work."""
        self(Begin())
        for slot in range(1, self.workers + 1):
            self(Hello(slot), Ready(slot))
        return self

    def with_lane(self) -> "Node":
        """Beside them the lane works."""
        self.working()(SuspectsSeen(), Hello(LANE), Ready(LANE))
        return self


def _died(slot: int, code: int = -11, *, ready: bool = False, chance: float = 0.0) -> Ended:
    return Ended(slot=slot, was_ready=ready, in_order=False, exit_code=code, chance=chance)


def _left(slot: int, code: int = 0) -> Ended:
    return Ended(slot=slot, was_ready=True, in_order=True, exit_code=code, chance=0.0)


def _start(slot: int) -> Start:
    return Start(slot, lane=slot == LANE)


# --- Beginning ---------------------------------------------------------------------------------


def test_the_first_worker_starts_alone_and_the_others_when_it_has_said_hello():
    node = Node()

    assert node(Begin()) == [_start(1)]
    assert node.passes(60.0) == []
    assert node(Hello(1)) == [_start(2), _start(3)]
    assert node(Ready(1), Hello(2), Ready(2), Hello(3), Ready(3)) == []
    assert node.crew.due_at is None


@pytest.mark.parametrize("code", sorted(FAULTS))
def test_the_first_worker_s_error_ends_the_node_with_its_exit_code(code):
    node = Node()
    node(Begin())

    assert node(_died(1, code)) == [Finish(code)]
    assert node.crew.due_at is None


@pytest.mark.parametrize("code", [0, 3, 70, 72, 75, -9, -11])
def test_another_end_of_the_first_worker_is_tried_again_alone(code):
    node = Node()
    node(Begin())

    assert node(_died(1, code)) == []
    assert node.until_due() == (0.5, [_start(1)])
    assert node(Hello(1)) == [_start(2), _start(3)]


def test_once_a_worker_has_said_hello_no_worker_s_error_ends_the_node():
    node = Node()
    node(Begin(), Hello(1))

    assert node(_died(1, 65), _died(2, 65)) == []
    assert node.until_due() == (0.5, [_start(1), _start(2)])


def test_a_node_of_one_worker_needs_no_other():
    node = Node(workers=1)

    assert node(Begin()) == [_start(1)]
    assert node(Hello(1), Ready(1)) == []


# --- Ends and restarts -------------------------------------------------------------------------


def test_a_worker_that_died_at_work_is_started_again_at_once():
    node = Node().working()

    assert node(_died(2)) == [_start(2)]


def test_a_worker_whose_word_that_it_is_ready_came_with_its_end_is_started_again_at_once():
    node = Node()
    node(Begin(), Hello(1))

    assert node(_died(1, ready=True)) == [_start(1)]


@pytest.mark.parametrize("code", [75, 76])
def test_a_retired_or_recycled_worker_is_replaced_at_once(code):
    node = Node().working()

    assert node(_left(3, code)) == [_start(3)]


def test_a_worker_that_ends_before_it_is_ready_waits_twice_as_long_each_time():
    node = Node().working()
    node(_died(1))

    pauses = []
    for _ in range(9):
        node(_died(1))
        pause, commands = node.until_due()
        pauses.append(pause)
        assert commands == [_start(1)]

    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_worker_that_became_ready_has_its_failed_starts_forgotten():
    node = Node(workers=1).working()
    for _ in range(3):
        node(_died(1))
        node.passes(60.0)

    node(Hello(1), Ready(1))

    assert node(_died(1)) == [_start(1)]
    node(_died(1))
    assert node.until_due() == (0.5, [_start(1)])


def test_chance_shortens_the_wait():
    node = Node(workers=1).working()
    node(_died(1), _died(1, chance=1.0))

    assert node.until_due() == (0.375, [_start(1)])


def test_a_crash_loop_is_slowed_down_in_its_own_slot_only():
    node = Node().working()
    for _ in range(RESTARTS_MAX - 1):
        assert node(_died(1)) == [_start(1)]
        node(Hello(1), Ready(1))

    assert node(_died(1)) == []
    assert node(_died(2)) == [_start(2)]
    assert node.until_due() == (RESTARTS_SECONDS, [_start(1)])


# --- Those that are slow or silent -------------------------------------------------------------


def test_a_silent_worker_is_killed_once_and_replaced_when_it_is_gone():
    node = Node().working()

    assert node(Silent(2, 60.0)) == [Kill(2, "it had not answered for 1m")]
    assert node(Silent(2, 61.0)) == []
    assert node(_died(2, -9)) == [_start(2)]


def test_a_worker_that_waits_for_the_store_must_answer_and_may_wait():
    node = Node()
    node(Begin(), Hello(1), Hello(2), Hello(3))

    assert node.passes(3600.0) == []
    assert node(Silent(1, 60.0)) == [Kill(1, "it had not answered for 1m")]


def test_silence_while_a_worker_starts_means_nothing_before_its_time_is_over():
    node = Node()
    node(Begin())

    assert node(Silent(1, 60.0)) == []
    assert node.until_due() == (120.0, [Kill(1, "it had not started within 2m")])
    assert node.passes(1000.0) == []
    node(_died(1, -9))
    assert node.until_due() == (0.5, [_start(1)])


# --- Stopping ----------------------------------------------------------------------------------


def test_a_stop_is_passed_on_to_all_and_the_last_end_finishes_the_node():
    node = Node().with_lane()

    assert node(Stop()) == [Terminate(LANE), Terminate(1), Terminate(2), Terminate(3)]
    assert node(_left(LANE), _left(1), _left(2)) == []
    assert node(_left(3)) == [Finish(0)]
    assert node(Stop(), Tick(), SuspectsSeen()) == []


def test_a_stop_before_the_beginning_ends_at_once():
    node = Node()

    assert node(Stop()) == [Finish(0)]
    assert node(Begin()) == []


def test_a_stop_while_the_first_worker_starts_starts_no_other():
    node = Node()
    node(Begin())

    assert node(Stop()) == [Terminate(1)]
    assert node(Hello(1), Ready(1)) == []
    assert node(_died(1, -15)) == [Finish(0)]


def test_a_stop_while_all_wait_for_a_restart_ends_at_once():
    node = Node(workers=1)
    node(Begin(), _died(1))

    assert node(Stop()) == [Finish(0)]


def test_who_dies_instead_of_stopping_is_not_started_again():
    node = Node().working()
    node(Stop())

    assert node(_died(1), _died(2, 65), _died(3, 75)) == [Finish(0)]


def test_a_second_stop_is_passed_on_and_kills_who_is_left_soon_after():
    node = Node().working()
    node(Stop(), _left(3))

    assert node(Stop()) == [Terminate(1), Terminate(2)]
    assert node(Stop()) == [], "a third is nothing new"
    assert node(_left(2)) == []
    assert node.until_due() == (HASTE_SECONDS, [Kill(1, "it was to stop at once, and did not")])
    assert node(_died(1, -9)) == [Finish(AT_ONCE)]


def test_a_second_stop_that_all_obey_is_a_stop_in_order():
    node = Node(workers=1).working()

    assert node(Stop(), Stop()) == [Terminate(1), Terminate(1)]
    assert node(_left(1)) == [Finish(0)]


def test_who_never_stops_is_killed_when_its_time_is_over():
    node = Node(workers=1).working()
    node(Stop())

    assert node.until_due() == (40.0, [Kill(1, "it had not stopped within 40s")])


def test_without_a_limit_a_stop_takes_as_long_as_it_takes():
    node = Node(workers=1, limits=Limits()).working()
    node(Stop())

    assert node.crew.due_at is None
    assert node(Stop()) == [Terminate(1)]
    assert node.until_due()[0] == HASTE_SECONDS


def test_a_worker_that_falls_silent_while_it_stops_is_killed():
    node = Node(workers=1).working()
    node(Stop())

    assert node(Silent(1, 60.0)) == [Kill(1, "it had not answered for 1m")]


# --- The lane ----------------------------------------------------------------------------------


def test_suspects_start_one_lane():
    node = Node().working()

    assert node(SuspectsSeen()) == [_start(LANE)]
    assert node(SuspectsSeen(), Hello(LANE), SuspectsSeen(), Ready(LANE), SuspectsSeen()) == []


def test_suspects_wait_until_the_first_worker_has_said_hello():
    node = Node(workers=2)

    assert node(SuspectsSeen(), Begin(), SuspectsSeen()) == [_start(1)]
    assert node(Hello(1)) == [_start(LANE), _start(2)]


def test_a_lane_that_left_in_order_by_itself_stays_away():
    node = Node().with_lane()

    assert node(_left(LANE)) == []
    assert node.crew.due_at is None


@pytest.mark.parametrize("end", [_died(LANE), _died(LANE, 0), _left(LANE, 75), _left(LANE, 76)])
def test_a_lane_that_died_or_was_recycled_goes_on_with_the_next_suspect_at_once(end):
    node = Node().with_lane()

    assert node(end) == [_start(LANE)]


def test_a_lane_that_dies_before_it_is_ready_waits():
    node = Node().working()
    node(SuspectsSeen())

    assert node(_died(LANE, 1)) == []
    assert node(SuspectsSeen()) == []
    assert node.until_due() == (0.5, [_start(LANE)])


# --- Ends that nobody has signalled ------------------------------------------------------------


def test_a_drain_is_passed_on_once_and_the_first_stop_after_it_is_nothing_new():
    node = Node(workers=2).working()

    assert node(Drain()) == [Terminate(1), Terminate(2)]
    assert node(Drain()) == []
    assert node(Stop()) == []
    assert node(Stop()) == [Terminate(1), Terminate(2)], "the second means at once"
    assert node(_left(1), _left(2)) == [Finish(0)]


def test_a_drain_after_a_stop_means_no_haste():
    node = Node(workers=1).working()
    node(Stop())
    due = node.crew.due_at

    assert node(Drain(), Drain()) == []
    assert node.crew.due_at == due


def test_a_fault_of_the_first_worker_ends_the_node_with_its_code_and_is_no_stop():
    node = Node()
    node(Begin())

    assert node(_died(1, 1)) == [Finish(1)]
    assert node.crew.stopping


def test_who_holds_up_all_writers_is_killed_also_while_it_imports():
    node = Node(workers=2)
    node(Begin(), Hello(1))

    assert node(HoldsUp(2, 3.0)) == [
        Kill(2, "it had held up all other writers of the store for 3s")
    ]
    assert node(HoldsUp(2, 4.0)) == []


def test_the_longest_of_the_newest_starts_is_known():
    node = Node(workers=1)
    assert node.crew.start_seconds == 0.0
    node(Begin())
    node.passes(40.0)
    node(Hello(1), Ready(1))
    assert node.crew.start_seconds == 40.0

    for _ in range(STARTS_KEPT):
        node.passes(RESTARTS_SECONDS)
        assert node(_died(1)) == [_start(1)]
        node.passes(2.0)
        node(Hello(1), Ready(1))
    assert node.crew.start_seconds == 2.0


# --- Late words --------------------------------------------------------------------------------


def test_words_of_a_process_that_is_gone_mean_nothing():
    node = Node(workers=1).working()
    node(_died(1), _died(1))
    due = node.crew.due_at

    assert node(Hello(1), Ready(1), Silent(1, 60.0), HoldsUp(1, 3.0), _died(1)) == []
    assert node.crew.due_at == due


def test_a_second_beginning_starts_nobody():
    node = Node()
    node(Begin(), _died(1))

    assert node(Begin()) == []


# --- Properties --------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.floats(0.0, 1.0, exclude_max=True))
def test_the_wait_is_bounded_and_chance_only_shortens_it(failures, chance):
    longest = backoff_seconds(failures, 0.0)

    assert 0.0 <= longest <= BACKOFF_LONGEST_SECONDS
    assert longest * (1 - BACKOFF_JITTER) <= backoff_seconds(failures, chance) <= longest


@given(st.integers(0, 10_000))
def test_the_wait_never_falls_with_more_failures(failures):
    assert backoff_seconds(failures, 0.5) <= backoff_seconds(failures + 1, 0.5)


class Supervised(RuleBasedStateMachine):
    """A crew beside a plain account of the processes that its commands make."""

    @initialize(workers=st.integers(1, 4), stop=st.sampled_from([None, 5.0, 40.0]))
    def begin(self, workers: int, stop: float | None) -> None:
        self.crew = Crew(workers, Limits(start=20.0, stop=stop))
        self.slots = range(workers + 1)
        self.now = 0.0
        self.stops = 0
        self.drains = False
        self.opened = False
        self.alive: dict[int, list[str]] = {}  # by slot: what was done to its process
        self.said: dict[int, set[str]] = {}
        self.starts: dict[int, list[float]] = {slot: [] for slot in self.slots}
        self.ended: dict[int, float] = {}  # by slot: when its last process did
        self.finished: int | None = None
        self.do(Begin())

    @property
    def ends(self) -> bool:
        return self.drains or self.stops > 0

    def do(self, event: Event) -> list[Command]:
        commands = self.crew.step(event, self.now)
        for command in commands:
            assert self.finished is None, "Finish is the last word"
            match command:
                case Start():
                    self.started(command)
                case Terminate(slot=slot):
                    self.alive[slot].append("terminate")
                case Kill(slot=slot, why=why):
                    assert "kill" not in self.alive[slot], "once is enough"
                    assert why.startswith("it ")
                    self.alive[slot].append("kill")
                case Finish(code=code):
                    assert not self.alive
                    self.finished = code
        return commands

    def started(self, command: Start) -> None:
        slot = command.slot
        assert slot not in self.alive, "two processes in one slot"
        assert not self.ends, "nothing is started after a stop"
        assert command.lane == (slot == LANE)
        assert self.opened or slot == 1, "the first worker starts alone"
        self.alive[slot], self.said[slot] = [], set()
        self.starts[slot].append(self.now)

    @rule(seconds=st.one_of(st.floats(0.0, 2.0), st.floats(0.0, 60.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        due = self.crew.due_at
        commands = self.do(Tick())
        assert not commands or (due is not None and due <= self.now), "due_at said nothing of it"

    @precondition(lambda self: self.crew.due_at is not None)
    @rule()
    def the_next_thing_is_due(self) -> None:
        assert self.crew.due_at is not None
        self.now = max(self.now, self.crew.due_at)
        assert self.do(Tick()), "due_at promised something"

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def a_process_says_hello_or_ready(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.alive)))
        if "hello" in self.said[slot]:
            self.said[slot].add("ready")
            self.do(Ready(slot))
        else:
            self.said[slot].add("hello")
            self.opened = self.opened or not self.ends
            self.do(Hello(slot))

    @rule(data=st.data(), kind=st.sampled_from([Silent, HoldsUp]), seconds=st.floats(0.0, 100.0))
    def a_process_is_stuck(
        self, data: st.DataObject, kind: type[Silent | HoldsUp], seconds: float
    ) -> None:
        self.do(kind(data.draw(st.sampled_from(self.slots)), seconds))

    @precondition(lambda self: self.alive)
    @rule(
        data=st.data(),
        code=st.sampled_from([0, 1, 3, 65, 72, 75, 76, -9, -11]),
        in_order=st.booleans(),
        late=st.booleans(),
        chance=st.floats(0.0, 1.0, exclude_max=True),
    )
    def a_process_ends(
        self, data: st.DataObject, code: int, in_order: bool, late: bool, chance: float
    ) -> None:
        slot = data.draw(st.sampled_from(sorted(self.alive)))
        del self.alive[slot]
        was_ready = "ready" in self.said[slot] or (late and "hello" in self.said[slot])
        end = Ended(
            slot=slot, was_ready=was_ready, in_order=in_order, exit_code=code, chance=chance
        )
        self.ended[slot] = self.now
        commands = self.do(end)
        if not self.opened and not self.ends and code in FAULTS:
            assert commands == [Finish(code)]
        elif not self.ends and slot != LANE and was_ready:
            busy = [start for start in self.starts[slot] if start + RESTARTS_SECONDS > self.now]
            assert commands or len(busy) >= RESTARTS_MAX, "at once, but for a crash loop"

    @rule()
    def suspects_are_seen(self) -> None:
        self.do(SuspectsSeen())
        if self.opened and not self.ends and self.finished is None:
            assert LANE in self.alive or self.crew.due_at is not None

    @rule()
    def drain(self) -> None:
        before = {slot: list(done) for slot, done in self.alive.items()}
        self.drains = True
        if self.finished is not None:
            return
        terminated = [each.slot for each in self.do(Drain()) if isinstance(each, Terminate)]
        assert sorted(terminated) == sorted(slot for slot, done in before.items() if not done)

    @rule()
    def stop(self) -> None:
        before = {slot: list(done) for slot, done in self.alive.items()}
        self.stops += 1
        if self.finished is not None:
            return
        commands = self.do(Stop())
        terminated = [command.slot for command in commands if isinstance(command, Terminate)]
        unkilled = [slot for slot, done in before.items() if "kill" not in done]
        match self.stops:
            case 1:
                assert sorted(terminated) == sorted(s for s in unkilled if not before[s])
            case 2:
                assert sorted(terminated) == sorted(unkilled)
            case _:
                assert not terminated
        if self.stops == 2 and unkilled:
            assert self.crew.due_at is not None
            assert self.crew.due_at <= self.now + HASTE_SECONDS

    @invariant()
    def a_node_is_finished_when_it_stops_and_nobody_is_left(self) -> None:
        if self.ends and not self.alive:
            assert self.finished is not None
        if self.finished is not None:
            assert not self.alive
            assert self.crew.due_at is None

    @invariant()
    def who_is_away_comes_back_in_time(self) -> None:
        if self.ends or self.finished is not None or not self.opened:
            return
        for slot in self.slots:
            if slot != LANE and slot not in self.alive:
                assert self.crew.due_at is not None
                assert self.crew.due_at <= self.ended[slot] + BACKOFF_LONGEST_SECONDS

    @invariant()
    def no_slot_is_started_too_often(self) -> None:
        for starts in self.starts.values():
            for first, later in zip(starts, starts[RESTARTS_MAX:], strict=False):
                assert later >= first + RESTARTS_SECONDS


TestSupervised = Supervised.TestCase
TestSupervised.settings = settings(
    max_examples=60,
    stateful_step_count=50,
    # A busy machine is not a slow test.
    suppress_health_check=[HealthCheck.too_slow],
)
