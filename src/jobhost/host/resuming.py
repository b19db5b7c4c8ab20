"""A deferred job is resumed by its number."""

from collections.abc import Callable
from typing import Any

from jobhost.errors import InvalidOption, JobNotFound
from jobhost.host.job import Job, require_resumed
from jobhost.host.wiring import Wiring
from jobhost.ids import JobId
from jobhost.store.plans import deferral
from jobhost.store.plans.deferral import Resumed
from jobhost.store.plans.look import NEWEST


def resume(wiring: Wiring, number: int, decode: Callable[[str], Any]) -> Job[Any]:
    """Resume it; see `JobHost.resume`."""
    checked = _number(number)
    return _resumed(
        wiring, wiring.store.write(lambda: deferral.resume_number(checked)), checked, decode
    )


async def resume_async(wiring: Wiring, number: int, decode: Callable[[str], Any]) -> Job[Any]:
    """`resume` for a caller on an event loop."""
    checked = _number(number)
    done = await wiring.store.write_async(lambda: deferral.resume_number(checked))
    return _resumed(wiring, done, checked, decode)


def _resumed(
    wiring: Wiring, done: Resumed | None, number: int, decode: Callable[[str], Any]
) -> Job[Any]:
    if done is None:
        raise JobNotFound(f"there is no job with the number {number} in {wiring.store.url}")
    require_resumed(done)
    wiring.store.announce()
    return Job(JobId(done.id), wiring, decode)


def _number(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= NEWEST:
        raise InvalidOption(
            "a job's number is a whole number, such as current_job().number gives; got "
            f"{number!r}: by an id it is host.job(id).resume()"
        )
    return number
