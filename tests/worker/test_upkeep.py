"""What a worker does for all who share its store."""

import pytest

from jobhost.store.plans import nodes

pytestmark = pytest.mark.stores("sqlite", "postgres")


def test_workers_that_come_and_go_leave_a_bounded_number_of_rows(host, monkeypatch):
    monkeypatch.setattr(nodes, "KEPT_MAX", 3)

    @host.task
    def nothing() -> None: ...

    numbers = []
    for _ in range(8):
        host.worker(burst=True).run()
        numbers.append(max(node.number for node in host.nodes(gone=True)))
    kept = [node.number for node in host.nodes(gone=True)]
    assert kept == [*reversed(numbers)][:4]  # the last one came after its own look
