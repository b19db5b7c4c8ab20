"""Job ids: UUIDs of version 7 (RFC 9562), made by the producer.

The producer makes the id so that an enqueue whose outcome is unknown can be
repeated under the same id. The first 48 bits are milliseconds, so ids of one
producer sort by time and land at one end of the store's index.
"""

import os
import time
from typing import NewType
from uuid import UUID

from jobhost.errors import UsageError

JobId = NewType("JobId", bytes)
"""The 16 bytes of a version 7 UUID."""

_VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
_LOW_BITS = 62
_LOW = (1 << _LOW_BITS) - 1


def new_ids(count: int) -> list[JobId]:
    """`count` fresh ids in rising order.

    One random start of 73 bits serves the whole batch; the ids count up from it,
    so that a batch costs one call of the random source and keeps its order.
    """
    stamp = (time.time_ns() // 1_000_000) << 80
    start = int.from_bytes(os.urandom(10)) >> 7
    ids = []
    for number in range(start, start + count):
        random_a = (number >> _LOW_BITS & 0xFFF) << 64
        ids.append(JobId((stamp | _VERSION_AND_VARIANT | random_a | number & _LOW).to_bytes(16)))
    return ids


def format_id(job_id: bytes) -> str:
    """The usual text of a UUID."""
    return str(UUID(bytes=job_id))


def parse_id(value: object) -> JobId:
    """Read an id given as UUID, as text or as 16 bytes. Raises UsageError."""
    if isinstance(value, UUID):
        return JobId(value.bytes)
    if isinstance(value, bytes) and len(value) == 16:
        return JobId(value)
    try:
        return JobId(UUID(str(value)).bytes)
    except ValueError:
        raise UsageError(
            f"a job id is a UUID such as 0190a5c2-…; got {value!r}: see 'jobhost jobs list'"
        ) from None
