"""Where to look: whatever the order of commits, every job is looked for soon.

A small world of transactions stands for the server: each draws a transaction id and a seq, and
commits or not, whenever it likes. The worker looks as `Hints` says.
"""

import random
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.jobs.records import Delivery
from jobhost.store.postgres.hints import (
    FLOOR_SECONDS,
    START_SECONDS,
    TRAILS_MAX,
    Hints,
    Stretch,
)

QUEUES = ("a", "b")
PRIORITIES = (-5, 0, 7)
LOWEST, HIGHEST = -32768, 32767

Place = tuple[str, int, int, int]
"""Queue, priority, lane, seq."""


def covers(stretch: Stretch, place: Place) -> bool:
    """As the statement `cycle` reads a stretch."""
    queue, priority, lane, seq = place
    if stretch.queue != queue:
        return False
    if stretch.lane is None:
        return stretch.low < priority < stretch.high
    return (stretch.low, stretch.lane) == (priority, lane) and seq >= stretch.seq


def delivery(place: Place) -> Delivery:
    queue, priority, lane, seq = place
    return Delivery(
        seq, 1, 1, 0, 0, queue, priority, b"", "work", "[]", None, None, 0, lane, seq
    )  # fmt: skip


@dataclass
class Server:
    """Transactions that are open, with the row of each; rows that are visible; a clock."""

    ids: "count[int]" = field(default_factory=lambda: count(10))
    seqs: "count[int]" = field(default_factory=lambda: count(1))
    last_id: int = 9
    open: dict[int, Place] = field(default_factory=dict)
    visible: set[Place] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    now: float = 1000.0

    def begin(self, queue: str, priority: int, lane: int) -> None:
        self.last_id = next(self.ids)
        self.open[self.last_id] = (queue, priority, lane, next(self.seqs))

    def end(self, which: int, *, commits: bool) -> Place | None:
        place = self.open.pop(sorted(self.open)[which % len(self.open)])
        if commits:
            self.visible.add(place)
        return place if commits else None

    def look(self, hints: Hints, wanted: int) -> list[Place]:
        """One claim, as `cycle` makes it."""
        stretches = hints.stretches(QUEUES, self.now)
        xmin, xmax = min(self.open, default=self.last_id + 1), self.last_id + 1
        found: list[Place] = []
        for stretch in stretches:
            there = self.visible if stretch.queue not in self.paused else ()
            of_it = [place for place in there if covers(stretch, place)]
            found += sorted(of_it, key=lambda place: (-place[1], place[2], place[3]))
        claimed = found[:wanted]
        self.visible -= set(claimed)
        hints.forget(self.paused)
        hints.learn([delivery(place) for place in claimed], wanted, xmin, xmax)
        return claimed


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("begin"),
            st.sampled_from(QUEUES),
            st.sampled_from(PRIORITIES),
            st.integers(0, 1),
        ),
        st.tuples(st.just("commit"), st.integers(0, 99)),
        st.tuples(st.just("roll back"), st.integers(0, 99)),
        st.tuples(st.just("look"), st.integers(1, 4)),
        st.tuples(st.just("pause"), st.sampled_from(QUEUES)),
        st.tuples(st.just("resume"), st.sampled_from(QUEUES)),
        st.tuples(st.just("wait"), st.sampled_from([0.01, 0.1, FLOOR_SECONDS, 1.0])),
    ),
    max_size=80,
)


def play(steps: list[tuple], server: Server, hints: Hints) -> None:
    """In the end no queue is paused."""
    for what, *how in steps:
        if what == "begin":
            server.begin(*how)
        elif what == "pause":
            server.paused.add(how[0])
        elif what == "resume":
            server.paused.discard(how[0])
        elif what == "look":
            server.look(hints, how[0])
        elif what == "wait":
            server.now += how[0]
        elif server.open:
            server.end(how[0], commits=what == "commit")
    server.paused.clear()


@given(STEPS)
def test_short_of_work_one_look_finds_all_that_is_visible(steps):
    server, hints = Server(), Hints()
    play(steps, server, hints)
    while len(server.look(hints, 3)) == 3:
        pass
    server.look(hints, 1000)
    assert not server.visible


@given(STEPS, st.integers(1, 3))
def test_under_load_a_late_commit_of_the_first_trail_is_claimed_with_the_next_look_from_the_floor(
    steps, slots
):
    server, hints = Server(), Hints()
    play(steps, server, hints)
    server.begin("a", 7, 0)
    late = server.open[server.last_id]
    for _ in range(30):
        server.begin("a", 7, 0)
        server.end(10**6 * len(server.open) + len(server.open) - 1, commits=True)
    ahead = {place for place in server.visible if place[:3] == ("a", 7, 0) and place < late}
    for _ in range(4):
        server.look(hints, slots)
    ours = next(xid for xid, place in server.open.items() if place == late)
    server.visible.add(server.open.pop(ours))

    server.now += FLOOR_SECONDS
    looks = len(ahead) // slots + 1
    assert late in {place for _ in range(looks) for place in server.look(hints, slots)}


@pytest.mark.parametrize("writing", [False, True])
def test_what_one_look_has_seen_while_nobody_wrote_is_not_walked_again(writing):
    """As long as somebody writes, a place that was drawn earlier may still become visible."""
    server, hints = Server(), Hints()
    for _ in range(5):
        server.begin("a", 0, 1)
        server.end(0, commits=True)
    if writing:
        server.begin("b", 0, 1)
    server.look(hints, 3)
    server.now += FLOOR_SECONDS
    (seq,) = [one.seq for one in hints.stretches("a", server.now) if one.lane == 1]
    assert seq == (0 if writing else 3)


@given(STEPS)
def test_nothing_is_left_for_longer_than_a_look_from_the_start(steps):
    server, hints = Server(), Hints()
    play(steps, server, hints)
    # Another had locked these while this worker looked past them.
    skipped = {(queue, 0, 1, 0) for queue in QUEUES}
    server.visible |= skipped
    server.now += START_SECONDS
    server.look(hints, 10_000)
    assert not server.visible


@given(STEPS)
def test_a_look_whose_answer_never_came_counts_for_nothing(steps):
    server, hints = Server(), Hints()
    play(steps, server, hints)
    due = hints.stretches(QUEUES, server.now + START_SECONDS)
    again = hints.stretches(QUEUES, server.now + START_SECONDS)
    assert due == again
    assert all(stretch.seq == 0 for stretch in due)


@given(STEPS, st.floats(0, 100))
def test_stretches_follow_the_order_of_claims_and_do_not_overlap(steps, later):
    server, hints = Server(), Hints()
    play(steps, server, hints)
    stretches = hints.stretches(QUEUES, server.now + later)
    seqs = {stretch.seq for stretch in stretches} | {0, 1}
    for queue in QUEUES:
        for priority in {LOWEST + 1, *range(-8, 9), HIGHEST - 1}:
            for lane in (0, 1):
                for seq in seqs:
                    found = [s for s in stretches if covers(s, (queue, priority, lane, seq))]
                    assert len(found) <= 1
                    if seq == max(seqs):
                        assert found, "a part of the queue that no look would find"
    keys = [
        (QUEUES.index(s.queue), -s.low if s.lane is not None else -s.high + 0.5, s.lane or 0)
        for s in stretches
    ]
    assert keys == sorted(keys)


@given(STEPS)
def test_the_floor_follows_once_all_has_ended_so_that_looks_do_not_walk_over_the_dead(steps):
    server, hints = Server(), Hints()
    play(steps, server, hints)
    while server.open:
        server.end(0, commits=True)
    for _ in range(200):
        server.look(hints, 3)
        server.now += FLOOR_SECONDS / 10
    for _ in range(4):
        server.look(hints, 3)
    lasts = {key: trail.last for key, trail in hints._trails.items()}
    seqs = {(s.queue, s.low, s.lane): s.seq for s in hints.stretches(QUEUES, server.now)}
    assert {key: seqs[key] for key in lasts} == lasts


def test_what_came_while_its_queue_was_paused_is_found_by_the_first_look_under_load_after_it():
    server, hints = Server(), Hints()
    server.begin("a", 0, 1)
    late = server.open[server.last_id]
    for _ in range(4):
        server.begin("a", 0, 1)
        server.end(-1, commits=True)
    server.look(hints, 2)
    server.paused.add("a")
    server.now += FLOOR_SECONDS
    server.look(hints, 2)
    server.end(0, commits=True)
    for _ in range(4):  # every transaction has ended, and the looks have been to the end
        server.now += FLOOR_SECONDS
        assert server.look(hints, 2) == []
    server.paused.clear()
    assert server.look(hints, 1) == [late]


def test_the_number_of_trails_is_bounded_and_the_rest_is_still_found():
    hints, dice = Hints(), random.Random(1)
    places = [("a", priority, 1, priority + 200) for priority in range(-100, 101)]
    for place in dice.sample(places, len(places)):
        hints.stretches(["a"], 0.0)
        hints.learn([delivery(place)], 1, 5, 5)
    stretches = hints.stretches(["a"], 1.0)
    assert len(stretches) <= 3 * TRAILS_MAX + 1
    assert all(any(covers(s, (q, p, lane, 10**6)) for s in stretches) for q, p, lane, _ in places)


@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_many_late_jobs_do_not_wait_for_a_quarter_of_a_second_each(wanted):
    server, hints = Server(), Hints()
    for _ in range(50):
        server.begin("a", 0, 1)
    late = set(server.open.values())
    for _ in range(300):
        server.begin("a", 0, 1)
        server.end(len(server.open) - 1, commits=True)
    for _ in range(8):
        server.look(hints, wanted)
    while server.open:
        server.end(0, commits=True)
    server.now += FLOOR_SECONDS
    for _ in range(50 // wanted):
        server.look(hints, wanted)
    assert not late & server.visible
