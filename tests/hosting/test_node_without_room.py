"""A node goes on when the system has no room for its workers."""

import logging
import sys
from pathlib import Path

import pytest

from jobhost.hosting import crew_words as crew
from jobhost.hosting.config import NodeConfig
from jobhost.hosting.node import Node
from jobhost.store.seam import Store


def _no_store(url: str) -> Store:
    raise AssertionError(url)


def test_a_worker_that_cannot_be_started_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    config = NodeConfig(
        processes=1, command=["worker", "a:host"], lease_seconds=30.0, unresponsive_seconds=20.0,
        start_seconds=120.0, stopping_wait_seconds=30.0,
    )  # fmt: skip
    node = Node(config, _no_store)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    with node._wake.on_signals(), caplog.at_level(logging.ERROR, "jobhost.node"):
        node._happen(crew.Begin())

    [said] = caplog.messages
    assert "a worker cannot be started" in said
    assert not node._all()
    assert node._crew.due_at is not None, "it is due again"
