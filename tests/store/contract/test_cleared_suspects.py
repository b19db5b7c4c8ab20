"""A proof clears all suspects of a death, however many: in bounded batches."""

from contextlib import closing
from datetime import timedelta

import pytest

from jobhost.jobs.states import State
from jobhost.store.plans.nodes import Rescue
from jobhost.store.plans.suspects import SUSPECT_BATCH, set_aside
from jobhost.worker.rescuer import rescue_all

from ..world import QUEUE, TASK, World

LONG = timedelta(hours=1)


@pytest.mark.requirement("R-MSG-8")
def test_a_proof_clears_more_suspects_than_one_transaction_takes(world: World) -> None:
    rescuer, doomed = world.node(lease=LONG), world.node()
    count = 2 * SUSPECT_BATCH + 100
    others = world.enqueue(count)
    (culprit,) = world.enqueue(priority=1)
    assert [taken.id for taken in world.claim(doomed, slots=1)] == [culprit]
    world.rescue(doomed, rescuer, own_doing=True)
    for size in (SUSPECT_BATCH, SUSPECT_BATCH, 100):
        assert world.write(lambda: set_aside(doomed, [TASK], [QUEUE])) == size
    killer = world.node()
    taken = world.claim_suspect(killer)
    assert taken is not None
    assert taken.id == culprit

    order = Rescue(node=killer, worker="here:1", rescuer=rescuer, died=True, own_doing=True)
    with closing(world.store.session()) as session:
        report = rescue_all(session, order)

    assert (report.aside, report.cleared, report.proven) == (1, count, (TASK,))
    assert world.state(culprit) is State.BLOCKED
    assert [taken.id for taken in world.claim(rescuer, slots=count)] == others
