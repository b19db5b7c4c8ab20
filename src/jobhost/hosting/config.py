"""The settings of a node."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Settings of one node.

    Args:
        processes: Workers, at least 1.
        command: Command line of a worker after `python -m jobhost`.
        lease_seconds: How long the store trusts this node without a heartbeat.
        unresponsive_seconds: So long may a worker's interpreter give no sign of life.
        start_seconds: So long may it take to import the user's code.
        stopping_wait_seconds: What the workers give running jobs after a first signal.
    """

    processes: int
    command: Sequence[str]
    lease_seconds: float
    unresponsive_seconds: float
    start_seconds: float
    stopping_wait_seconds: float
