"""What workers say when they end, and what they leave half said."""

import os
import signal
from contextlib import suppress

import pytest
from sites import Site, until

from jobhost import State
from jobhost.worker.exit_codes import WorkerExit

PATIENCE = "90s"
LONG = ("--lease", "10m")


@pytest.mark.requirement("R-MSG-11")
@pytest.mark.parametrize("code", [WorkerExit.RECYCLED, WorkerExit.IDLE], ids=["recycled", "idle"])
def test_a_job_that_ends_its_process_with_the_code_of_an_orderly_end_is_a_death(
    site: Site, code: WorkerExit
):
    site.start(*LONG, processes=1).ready()
    job = site.toils.leave_with.enqueue("job", int(code))
    until(lambda: job.status().is_final, "it ends")

    assert (job.status().state, job.status().crashes) == (State.DEAD, 3)
    errors = [attempt.error.message for attempt in job.attempts() if attempt.error]
    assert errors
    assert all(f"exited with {int(code)} in the middle of its work" in error for error in errors)


def test_a_job_that_ends_a_worker_which_is_to_stop_as_if_it_had_is_told_and_charges_nobody(
    site: Site,
):
    node = site.start(*LONG, "--stopping-wait-time", "10m", processes=1).ready()
    job = site.toils.leave_when_told.enqueue("job", 0)
    site.started("job")
    node.send(signal.SIGTERM)
    node.said("claims nothing more")
    site.go("job")
    node.wait()

    node.said("exited with 0 instead of stopping in order")
    assert (job.status().state, job.status().crashes) == (State.READY, 0)


def test_a_worker_that_freezes_in_the_middle_of_a_word_holds_up_nobody(site: Site):
    node = site.start(*LONG, "--unresponsive-after", "9m", "--concurrency", "1").ready()
    site.toils.mumble.enqueue("half-said")
    site.started("half-said")
    [frozen] = site.ledger.pids("start", "half-said")
    [other] = [pid for pid in node.workers if pid != frozen]

    os.kill(other, signal.SIGKILL)
    until(lambda: len({*node.workers} - {frozen, other}) == 1, "the node starts another worker")
    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"
    with suppress(ProcessLookupError):  # the node has killed it, if it held up the store
        os.kill(frozen, signal.SIGKILL)
    assert node.stop() == 0
