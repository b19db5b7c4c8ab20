"""Workers that are killed at random moments of a mixed load: whatever the moment was, every job
stands in one place, and ends as it should."""

import random
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from store.conservation import assert_conserved

from jobhost import State
from jobhost.errors import IllegalMove, UniqueKeyTaken

KILLS = 25
ROUND = 30
"""Jobs that are handed over before each kill."""

PATIENCE = "5m"


@pytest.mark.stores("sqlite", "postgres")
@pytest.mark.requirement("R-RESIL-1")
@pytest.mark.timeout(900)
def test_kills_at_random_moments_leave_all_invariants_intact(
    yard: Any, until: Any, beside: Any
) -> None:
    def query(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(v.bytes if isinstance(v, UUID) else v for v in row) for row in beside(sql)]

    dice = random.Random(25)
    chores, jobs = yard.chores, {}
    workers = [yard.start(concurrency=6, lease="10m") for _ in range(2)]
    for turn in range(KILLS):
        # Some of the new ones are another's by their keys, and some are cancelled.
        mark = len(yard.ledger.names("end")) + dice.randrange(ROUND // 2)
        names = [f"{turn}-{number}" for number in range(ROUND)]
        for name in names:
            task, options = dice.choice(
                [
                    (chores.note, {}),
                    (chores.note, {"delay": "20ms"}),
                    (chores.note, {"priority": 5}),
                    (chores.note, {"unique": f"key-{dice.randrange(40)}"}),
                    (chores.note, {"idempotency_key": name}),
                    (chores.note, {"expires": "1h"}),
                    (chores.stumble, {}),
                ]
            )
            job = task.using(**options).enqueue(name)
            jobs[job.id] = job
        for job in dice.sample([*jobs.values()], 3):
            job.cancel()
            if dice.random() < 0.5 and job.status().state is State.CANCELLED:
                with suppress(IllegalMove, UniqueKeyTaken):
                    job.redrive()
        until(lambda mark=mark: len(yard.ledger.names("end")) >= mark, f"{mark} have ended")
        victim = dice.randrange(2)
        workers[victim].kill()
        workers[victim] = yard.start(concurrency=6, lease="10m")
        assert_conserved(query)

    until(lambda: all(job.status().is_final for job in jobs.values()), "all have ended")
    assert_conserved(query)
    ends = {job.status().state for job in jobs.values()}
    assert ends == {State.SUCCEEDED, State.CANCELLED}
    for job in jobs.values():
        record, attempts = job.status(), job.attempts()
        assert len({attempt.epoch for attempt in attempts}) == len(attempts)
        if record.state is State.SUCCEEDED:
            assert [one.outcome for one in attempts].count("succeeded") == 1
            assert job.result(PATIENCE) in yard.ledger.count("end")
