"""A command that is killed from outside starts again by its policy, and is in the list."""

import os
import signal

import pytest

from jobhost import Retry
from jobhost.store.plans.look_nodes import jobs_on

pytestmark = pytest.mark.stores("sqlite", "postgres")


@pytest.mark.requirement("R-VM-9")
def test_a_killed_command_starts_again_by_its_policy_and_is_in_the_list(
    host, working, until, tmp_path
):
    started = tmp_path / "started"
    script = f'echo $$ >> "{started}"; exec sleep 600'
    task = host.command(
        "wait", ["sh", "-c", script], retry=Retry(max_attempts=2, first_delay="1ms")
    )
    job = task.enqueue()

    def pids(count: int) -> list[int]:
        lines = started.read_text().split("\n")[:-1] if started.exists() else []
        return [int(line) for line in lines] if len(lines) == count else []

    with working(host.worker(concurrency=1, poll="100ms")):
        (first,) = until(lambda: pids(1))
        os.kill(first, signal.SIGKILL)
        _, second = until(lambda: pids(2))
        (node,) = host.nodes()
        assert node.running == 1
        (there,) = host.store.read(lambda: jobs_on([node.number]))
        assert (there.id, there.task) == (job.id, "wait")
        os.kill(second, signal.SIGKILL)
        until(lambda: job.status().is_final)
        assert host.nodes()[0].running == 0
    assert [attempt.outcome for attempt in job.attempts()] == ["failed", "failed"]
