"""The plans that carry the load. A dialect may have its own of them, doing in one statement
what these do in several; all others are the same for every dialect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from jobhost.jobs.records import Ended
from jobhost.store.plan import Plan
from jobhost.store.plans.cycle import CycleReport, Wanted, cycle
from jobhost.store.plans.enqueue import Batch, enqueue


@dataclass(frozen=True, slots=True, kw_only=True)
class HotPlans:
    """How a dialect accepts jobs, and how it records and claims them.

    `enqueue_new` is `enqueue` for ids that nobody has sent yet: a repeat may be refused with
    StoreRefusedData, so that after an unknown outcome `enqueue` must follow. `announces`: to
    accept is to wake sleeping workers as well, once it commits. Otherwise `Store.announce` must
    follow.
    """

    enqueue: Callable[[Batch], Plan[int]]
    enqueue_new: Callable[[Batch], Plan[int]]
    cycle: Callable[[Sequence[Ended], Wanted], Plan[CycleReport]]
    announces: bool


STEP_BY_STEP: Final = HotPlans(enqueue=enqueue, enqueue_new=enqueue, cycle=cycle, announces=False)
"""Those of a dialect whose statements cost no journey."""
