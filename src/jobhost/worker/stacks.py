"""Where a job is just now, as text for people."""

import asyncio
import sys
import threading
import traceback
from itertools import dropwhile
from types import FrameType
from typing import Any, Final

from jobhost.worker.execution import Execution

FRAMES_MAX: Final = 50
"""Of a deep recursion the innermost so many are shown."""


def stack_of_thread(ident: int | None) -> str:
    """The stack of a thread as a traceback shows it, innermost last; empty if it is gone.

    Args:
        ident: As `threading.get_ident` gave it inside that thread.
    """
    frames = dropwhile(lambda frame: frame.filename == threading.__file__, _frames(ident))
    return _format(list(frames))


def stack_of_loop(ident: int | None) -> str:
    """The same for the thread of an event loop, without what the loop itself does before it steps
    a Task."""
    frames = _frames(ident)
    steps = [n for n, frame in enumerate(frames, 1) if frame.filename == asyncio.events.__file__]
    return _format(frames[steps[0] :] if steps else frames)


def stack_of_job(execution: Execution, loop_thread: int | None) -> str:
    """Where a running job is: in its thread, or on the event loop, or where its coroutine waits.

    Args:
        execution: The job.
        loop_thread: The thread of the event loop.
    """
    if execution.handle is None:
        return stack_of_thread(execution.thread)
    coroutine: Any = execution.handle.get_coro()
    if getattr(coroutine, "cr_running", False):
        return stack_of_loop(loop_thread)
    waiting: list[tuple[FrameType, int]] = []
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        waiting.append((frame, frame.f_lineno))
        coroutine = coroutine.cr_await
    return _format(list(traceback.StackSummary.extract(waiting)))


def _frames(ident: int | None) -> list[traceback.FrameSummary]:
    all_threads = sys._current_frames()  # noqa: SLF001 - the only way to another thread's
    frame = None if ident is None else all_threads.get(ident)
    return [] if frame is None else list(traceback.extract_stack(frame))


def _format(frames: list[traceback.FrameSummary]) -> str:
    return "".join(traceback.format_list(frames[-FRAMES_MAX:]))
