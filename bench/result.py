"""All runs of one figure for one product, and whether they were clean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.figure import Figure, Row
from bench.processes import BenchError, SkippedError
from bench.records import Tally
from bench.sample import Sample
from bench.stand import Stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Of one product on one store.

    Args:
        figure: What was measured.
        stand: Of whom.
        samples: Run by run.
        error: Why a run could not be measured; there were no more after it.
        skipped: Whether that is no fault of the product.
    """

    figure: Figure
    stand: Stand
    samples: Sequence[Sample] = ()
    error: str | None = None
    skipped: bool = False

    @property
    def tally(self) -> Tally:
        """Of all runs together."""
        return sum((sample.tally for sample in self.samples), Tally())

    @property
    def is_clean(self) -> bool:
        """Whether all was measured that could be, nothing was lost and nothing ran twice."""
        return (self.error is None or self.skipped) and not (
            self.tally.lost or self.tally.duplicates
        )

    @property
    def rows(self) -> list[Row]:
        """Those that there are on its store."""
        return [row for row in self.figure.rows if self.stand.databases.store in row.stores]

    def values(self, row: Row) -> list[float]:
        """The values of one row, run by run."""
        return [sample.values[row.key] for sample in self.samples if row.key in sample.values]

    def one_more(self) -> "Result":
        """With one more run, unless one has failed."""
        if self.error is not None:
            return self
        try:
            return replace(self, samples=[*self.samples, self.figure.measure(self.stand)])
        except SkippedError as error:
            return replace(self, error=str(error), skipped=True)
        except BenchError as error:
            return replace(self, error=str(error))
