"""Nodes that cannot go on: that is no orderly stop."""

import os
import re
import signal

import pytest
from sites import Site, until

from jobhost.cli.exits import Exit


def test_a_node_whose_store_is_gone_says_so_ends_and_exits_with_an_error(site: Site):
    node = site.start().ready()
    job = site.toils.hold.enqueue("held")
    site.started("held")

    site.host.close()
    (site.folder / "jobs.db").unlink()
    # The end of a worker gives the node something to tell the store.
    os.kill(site.ledger.pids("start", "held")[0], signal.SIGKILL)

    assert node.wait() == Exit.STORE
    assert job.id
    log = node.log
    assert "this node cannot go on, and ends when its jobs have ended: StoreGone: " in log
    assert "stopping: " not in log, "nobody has asked it to"
    assert "Traceback" not in log
    until(lambda: not site.processes(), "nothing is left")


@pytest.mark.stores("postgres")
def test_a_schema_that_is_missing_is_told_once(site: Site):
    nowhere = re.sub(r"schema=\w+", "schema=not_there", site.url)
    assert nowhere != site.url
    node = site.start(env={"TOILS_URL": nowhere})

    assert node.wait() == Exit.STORE
    assert node.log.count("has no current jobhost schema 'not_there'") == 1, node.log
    assert "this node cannot go on" in node.log
    assert "Traceback" not in node.log
