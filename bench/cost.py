"""What jobs cost, beside time: from one reading to another while workers drain."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.database import Usage
from bench.processes import Process
from bench.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """At one moment of a drain.

    Args:
        jobs: Started so far.
        workers_seconds: Processor time of the workers so far.
        server: What the server has used so far.
    """

    jobs: int
    workers_seconds: float
    server: Usage

    @classmethod
    def take(cls, site: Site, workers: Sequence[Process]) -> "Reading":
        """Now."""
        return cls(
            jobs=len(site.ledger),
            workers_seconds=sum(worker.cpu_seconds for worker in workers),
            server=site.database.usage(),
        )

    def costs_until(self, end: "Reading") -> dict[str, float]:
        """Each job's share, by the keys of the figures; empty if no job began in between."""
        jobs = end.jobs - self.jobs
        if jobs <= 0:
            return {}
        costs = {"workers_us": 1e6 * (end.workers_seconds - self.workers_seconds) / jobs}
        before, after = self.server, end.server
        if before.cpu_seconds is not None and after.cpu_seconds is not None:
            costs["server_us"] = 1e6 * (after.cpu_seconds - before.cpu_seconds) / jobs
        if before.wal_bytes is not None and after.wal_bytes is not None:
            costs["wal"] = (after.wal_bytes - before.wal_bytes) / jobs
        return costs
