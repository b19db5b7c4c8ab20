"""The one table of moves."""

import re
from importlib.resources import files

import pytest

from jobhost.jobs.states import FINAL, LIVE, MOVES, Move, State, diagram, may

MIGRATION = files("jobhost.store.sqlite") / "migrations" / "0001_jobs_and_nodes.sql"


def test_every_move_has_one_rule_under_its_own_name() -> None:
    assert set(MOVES) == set(Move)
    assert all(rule.move is move for move, rule in MOVES.items())
    assert all(rule.cause for rule in MOVES.values())


def test_every_state_is_final_or_live_and_none_is_both() -> None:
    assert set(State) == FINAL | LIVE
    assert not FINAL & LIVE


def test_every_state_can_be_reached_from_an_enqueue() -> None:
    reached: set[State | None] = {None}
    for _ in State:
        for rule in MOVES.values():
            if rule.source & reached:
                reached |= rule.target
    # Suspended is kept for jobs of many steps; when a move leads there, this line goes.
    assert set(State) - reached == {State.SUSPENDED}


def test_only_an_enqueue_begins_from_nothing() -> None:
    assert [move for move, rule in MOVES.items() if None in rule.source] == [Move.ENQUEUE]


def test_every_live_state_that_is_reached_has_a_way_to_an_end() -> None:
    ending: set[State | None] = set(FINAL)
    for _ in State:
        for rule in MOVES.values():
            if rule.target & ending:
                ending |= rule.source
    assert set(LIVE) <= ending


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_state_is_left_by_a_redrive_only(state: State) -> None:
    leaving = {move for move, rule in MOVES.items() if state in rule.source}
    assert leaving == (set() if state is State.SUCCEEDED else {Move.REDRIVE})


@pytest.mark.parametrize("state", sorted(LIVE))
def test_every_live_state_can_be_cancelled(state: State) -> None:
    assert may(Move.CANCEL, state, State.CANCELLED)


@pytest.mark.parametrize("move", list(Move))
def test_may_says_what_the_table_says(move: Move) -> None:
    allowed = {
        (source, target)
        for source in (None, *State)
        for target in State
        if may(move, source, target)
    }
    rule = MOVES[move]
    assert allowed == {(source, target) for source in rule.source for target in rule.target}


def test_the_diagram_draws_every_move_between_every_pair_of_its_states() -> None:
    drawn = set(re.findall(r"^    (\S+) --> (\S+): (\S+)$", diagram(), flags=re.MULTILINE))
    assert drawn == {
        (source or "[*]", target, move)
        for move, rule in MOVES.items()
        for source in rule.source
        for target in rule.target
    }


def test_the_diagram_ends_at_the_final_states() -> None:
    ends = re.findall(r"^    (\S+) --> \[\*\]$", diagram(), flags=re.MULTILINE)
    assert sorted(ends) == sorted(FINAL)


def test_the_table_of_ended_jobs_takes_the_final_states_and_no_other() -> None:
    table = MIGRATION.read_text("utf-8").split("CREATE TABLE jobhost_done")[1]
    (listed,) = re.findall(r"CHECK \(state IN \(([^)]*)\)\)", table)
    assert {State(name.strip(" '")) for name in listed.split(",")} == FINAL
