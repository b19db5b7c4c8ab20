"""What a process and its machine hold at this moment, as a heartbeat tells it: JSON for people."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import psutil


def tell(memory: int, **more: Any) -> str:
    """The text for a heartbeat.

    Args:
        memory: Bytes that the process holds, with what it answers for.
        more: What else belongs to it.
    """
    return json.dumps({"memory": memory, **_machine(), **more})


def if_told(vitals: Callable[[], str | None]) -> str | None:
    """What these are, or None: nobody may lose a lease for want of news about the machine."""
    try:
        return vitals()
    except Exception:  # noqa: BLE001 - whatever the system refuses
        return None


def tell_own(**more: Any) -> str:
    """Of this process alone."""
    return tell(resident_bytes(os.getpid()), **more)


def tell_of(pid: int) -> str:
    """Of another process, without the machine."""
    return json.dumps({"memory": resident_bytes(pid)})


def resident_bytes(pid: int) -> int:
    """Memory of a process; 0 when it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _machine() -> Mapping[str, Any]:
    """Load over 1, 5 and 15 minutes, and the bytes that are free of memory, and of the disk that
    has the working directory."""
    told: dict[str, Any] = {
        "load": [round(part, 2) for part in os.getloadavg()],
        "memory_free": psutil.virtual_memory().available,
    }
    with suppress(OSError):  # somebody has removed the working directory
        told["disk_free"] = psutil.disk_usage(".").free
    return told
