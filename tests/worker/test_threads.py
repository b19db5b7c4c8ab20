"""The worker's own threads."""

import threading
from queue import SimpleQueue

import pytest

from jobhost.worker.threads import JobThreads


class _Work:
    """Counts how many run at once; each call waits for its own permission."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.started: SimpleQueue[int] = SimpleQueue()
        self.done: SimpleQueue[int] = SimpleQueue()
        self.mutex = threading.Lock()
        self.now = self.most = 0
        self.names: set[str] = set()

    def __call__(self, job: int) -> None:
        with self.mutex:
            self.now += 1
            self.most = max(self.most, self.now)
            self.names.add(threading.current_thread().name)
        self.started.put(job)
        assert self.permits.acquire(timeout=60)
        with self.mutex:
            self.now -= 1
        self.done.put(job)


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_there_are_never_more_threads_than_the_limit(limit):
    work = _Work()
    threads = JobThreads(limit, work)
    for job in range(50):
        threads.submit(job)
    for _ in range(limit):
        work.started.get(timeout=60)

    work.permits.release(50)
    done = sorted(work.done.get(timeout=60) for _ in range(50))
    threads.close()

    assert done == list(range(50))
    assert work.most == limit
    assert len(work.names) == limit


def test_a_thread_that_idles_is_used_again(until):
    work = _Work()
    threads = JobThreads(8, work)
    for job in range(20):
        work.permits.release()
        threads.submit(job)
        assert work.done.get(timeout=60) == job
        until(lambda: threads._idle)
    threads.close()

    assert len(work.names) == 1


def test_no_thread_is_started_before_there_is_work():
    before = set(threading.enumerate())

    JobThreads(100, print).close()

    assert set(threading.enumerate()) <= before


def test_a_busy_thread_ends_after_its_job_when_all_is_closed():
    work = _Work()
    threads = JobThreads(2, work)
    threads.submit(1)
    work.started.get(timeout=60)
    threads.close()

    work.permits.release()
    for thread in threads._threads:
        thread.join(60)

    assert not any(thread.is_alive() for thread in threads._threads)
