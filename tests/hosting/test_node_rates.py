"""How fast the jobs of supervised workers come and go, as the heartbeat of their node tells it."""

import pytest
from sites import Site, until

from jobhost.jobs.queue_stats import Flow


@pytest.mark.stores("sqlite", "postgres")
@pytest.mark.requirement("R-PART-3")
def test_what_the_workers_of_a_node_have_ended_is_told_by_their_node(site: Site) -> None:
    node = site.start("--lease", "6s").ready()

    def flow() -> Flow | None:
        """After another job, since what is older than a minute is not told."""
        site.toils.note.enqueue("again").result("90s")
        (queue,) = site.host.queues()
        return queue.flow if queue.flow.succeeded else None

    told = until(flow)
    assert told.started > 0
    assert told.failed == 0
    assert node.stop() == 0
