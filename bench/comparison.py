"""Jobs of one kind against plain jobs, in one round.

A comparison takes plain jobs, then each of its cases, then plain jobs again, and compares the cases
with the mean of the two. How far these two are apart is a row of its own: less than that is not
to be read out of the others. What costs nothing shows as 100 %.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from bench.drain import JOBS, Load, drain
from bench.figure import Figure, Row
from bench.order import Order
from bench.records import Tally
from bench.sample import Sample
from bench.site import Site
from bench.stand import Stand
from bench.variant import with_options

Rate = Literal["enqueue", "drain", "cost"]
"""The last one is no rate, but what tells most on a machine that has other things to do: processor
time of workers and server, in µs/job, which may be missing of a drain that was over too soon."""

Told = Mapping[Rate, float]

_TITLES: Final[Mapping[Rate, tuple[str, str]]] = {
    "enqueue": ("enqueue", "jobs/s"),
    "drain": ("drain", "jobs/s"),
    "cost": ("processor time of workers and server", "µs/job"),
}

ROWS_BESIDE: Final = 50_000
"""Jobs that wait elsewhere, or have ended long ago."""

JOBS_MIN: Final = 20
"""Of a case: with fewer there is no rate."""


def _nothing(site: Site, count: int) -> None:
    """An empty store is as it should be."""


class Case(Protocol):
    """One way to have jobs accepted, and perhaps run."""

    @property
    def name(self) -> str:
        """Of its values, `<name>_<rate>`."""

    @property
    def title(self) -> str:
        """What is used."""

    @property
    def tells(self) -> tuple[Rate, ...]:
        """The rates that are compared."""

    def take(self, stand: Stand) -> tuple[Told, Tally]:
        """Once, in a store of its own: its rates, and what became of the jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Jobs are enqueued in bulk, and drained by one worker.

    Args:
        name: Of its values, `<name>_<rate>`.
        title: What is used.
        jobs: How many.
        task: Of `bench.tasks`.
        options: As for `Task.using`.
        slots: Of the worker.
        worker: Further words of its command line.
        app: Where it finds its host, if not at the usual place.
        prepare: Called with the empty site and the size of ROWS_BESIDE.
        check: Called after the drain; raises BenchError if the feature was not at work.
        tells: The rates that it may change.
    """

    name: str
    title: str
    jobs: int = JOBS
    task: str = "note"
    options: Mapping[str, Any] | None = None
    slots: int = 500
    worker: tuple[str, ...] = ()
    app: str | None = None
    prepare: Callable[[Site, int], None] = _nothing
    check: Callable[[Site, int], None] = _nothing
    tells: tuple[Rate, ...] = ("drain", "cost")

    def take(self, stand: Stand) -> tuple[Told, Tally]:
        """One enqueue and drain in a store of its own."""
        rows = max(stand.size(ROWS_BESIDE), 1)
        load = Load(
            jobs=max(stand.size(self.jobs), JOBS_MIN),
            task=self.task,
            concurrency=self.slots,
            options=None if self.options is None else dict(self.options),
        )
        with with_options(stand, *self.worker, app=self.app).new_site() as site:
            self.prepare(site, rows)
            drained = drain(site, load)
            self.check(site, rows)
        told: dict[Rate, float] = {"enqueue": drained.enqueue_rate, "drain": drained.rate}
        if workers_us := drained.costs.get("workers_us"):  # 0 where no tick of it fell in
            told["cost"] = workers_us + drained.costs.get("server_us", 0.0)
        return told, drained.tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Producing:
    """Jobs are enqueued, with no worker around.

    Args:
        name: Of its values, `<name>_enqueue`.
        title: What is used.
        way: As of `Order`.
        jobs: How many.
        within: Each call in a transaction of the producer's own.
    """

    name: str
    title: str
    way: Literal["one_by_one", "bulk"]
    jobs: int
    within: bool = False
    tells: tuple[Rate, ...] = ("enqueue",)

    def take(self, stand: Stand) -> tuple[Told, Tally]:
        """One enqueue into a store of its own. Lost is what the store does not hold then."""
        count = max(stand.size(self.jobs), JOBS_MIN)
        with stand.new_site() as site:
            site.database.checkpoint()
            seconds = site.produce(Order(way=self.way, count=count, within=self.within))
            return {"enqueue": count / seconds}, Tally.of(count, site.waiting())


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Cases against the plain one.

    Args:
        name: Of the figure.
        title: What the cases are about.
        plain: What they are compared with.
        cases: In the order of a round.
        in_units: Whether their rates are shown in units too: a small part of plain says little.
    """

    name: str
    title: str
    plain: Case
    cases: tuple[Case, ...]
    in_units: bool = False

    def measure(self, stand: Stand) -> Sample:
        """One round."""
        before, tally = self.plain.take(stand)
        found: list[Told] = []
        for case in self.cases:
            told, became = case.take(stand)
            found.append(told)
            tally += became
        after, became = self.plain.take(stand)
        values: dict[str, float] = {}
        for rate in before.keys() & after.keys() & set(self.plain.tells):
            plain = statistics.mean((before[rate], after[rate]))
            values[f"plain_{rate}"] = plain
            values[f"apart_{rate}"] = 100 * after[rate] / before[rate]
            for case, told in zip(self.cases, found, strict=True):
                if rate in told and rate in case.tells:
                    values[f"{case.name}_{rate}"] = 100 * told[rate] / plain
                    values[f"{case.name}_{rate}_units"] = told[rate]
        return Sample(values=values, tally=tally + became)

    def figure(self) -> Figure:
        """With its rows: the plain rates, how far the two plain ones are apart, then the cases."""
        rows = [row for rate in self.plain.tells for row in self._rows(rate)]
        return Figure(name=self.name, measure=self.measure, rows=tuple(rows), long=True)

    def _rows(self, rate: Rate) -> Iterator[Row]:
        title, unit = _TITLES[rate]
        yield Row(key=f"plain_{rate}", title=f"{self.title}: {title}, plain, {unit}")
        yield Row(key=f"apart_{rate}", title="  plain again, % of plain", digits=1)
        for case in self.cases:
            if rate in case.tells:
                key = f"{case.name}_{rate}"
                yield Row(key=key, title=f"  {case.title}, % of plain", digits=1)
                if self.in_units:
                    yield Row(key=f"{key}_units", title=f"    the same, {unit}")
