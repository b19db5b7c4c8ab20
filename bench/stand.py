"""What one run of a figure is given: whom to measure, where, and how much."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.database import Databases
from bench.products import Product
from bench.sample import Sample
from bench.site import Site

Size = Callable[[int], int]
"""From a full size to the size of this run: the same, or a tenth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A product on one kind of store.

    Args:
        product: Whom to measure.
        databases: Where its stores lie.
        size: How much of the full size.
    """

    product: Product
    databases: Databases
    size: Size

    @contextmanager
    def new_site(self, *, synchronous: str = "full") -> Iterator[Site]:
        """An empty store; at the end its processes are ended and all of it is removed."""
        with tempfile.TemporaryDirectory(prefix="jobhost-bench-") as folder:
            database = self.databases.new(Path(folder), synchronous)
            try:
                site = Site(Path(folder), self.product, database)
                try:
                    yield site
                finally:
                    site.close()
            finally:
                database.close()


Measure = Callable[[Stand], Sample]
"""One run of a figure."""
