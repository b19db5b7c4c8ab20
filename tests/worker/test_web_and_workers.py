"""A web server that hands its work to jobs: what it answers depends on no worker.

Nothing is timed: that an answer comes while a job cannot end yet shows that it waits for none.
"""

import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from programs import outside

from jobhost import JobHost, State

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "5m"
GUARD_SECONDS = 300.0


class Web:
    """A server in this process; a request is answered with a job's id, or with "ok"."""

    def __init__(self, hand_over: Any) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _, kind, name = self.path.split("/")
                self._answer(str(hand_over(name).id) if kind == "job" else "ok")

            def _answer(self, text: str) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def ask(self, kind: str, name: str = "") -> str:
        """The text of an answer; raises for every status but 200."""
        url = f"http://127.0.0.1:{self._server.server_port}/{kind}/{name}"
        with urllib.request.urlopen(url, timeout=GUARD_SECONDS) as answer:
            text: str = answer.read().decode()
        return text

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def web(yard: Any) -> Iterator[Web]:
    """Hands over jobs that hold until the test lets them go on."""
    made = Web(yard.chores.hold.enqueue)
    yield made
    made.close()


@pytest.mark.requirement("R-JOB-2")
def test_a_request_is_answered_once_its_job_is_stored_and_long_before_it_has_ended(
    yard: Any, web: Web
) -> None:
    worker = yard.start(concurrency=2)
    job_id = web.ask("job", "slow")
    with JobHost(yard.url) as elsewhere:
        assert elsewhere.job(job_id).status().task == "hold"
    yard.started("slow")
    assert [web.ask("trivial") for _ in range(20)] == ["ok"] * 20
    assert yard.host.job(job_id).status().state is State.RUNNING
    yard.go("slow")
    assert yard.host.job(job_id).result(PATIENCE) == f"by {worker.pid}"


@pytest.mark.requirement("R-PART-6")
def test_with_all_workers_killed_no_request_fails_and_every_job_is_done_afterwards(
    yard: Any, web: Web
) -> None:
    workers = [yard.start(concurrency=2, lease="10m") for _ in range(2)]
    names = [f"job-{number}" for number in range(40)]
    ids = [web.ask("job", name) for name in names[:8]]
    yard.started(*names[:4])
    for worker in workers:
        worker.kill()
    with ThreadPoolExecutor(8) as clients:
        ids += clients.map(lambda name: web.ask("job", name), names[8:])
    assert web.ask("trivial") == "ok"
    assert {yard.host.job(job_id).status().is_final for job_id in ids} == {False}

    yard.go(*names)
    heir = yard.start(concurrency=8, lease="10m")
    assert {yard.host.job(job_id).result(PATIENCE) for job_id in ids} == {f"by {heir.pid}"}


@pytest.mark.requirement("R-RESIL-9")
def test_requests_are_answered_while_all_workers_are_replaced(yard: Any, web: Web) -> None:
    """They drain for as long as a job holds them, and their successors start meanwhile."""
    ids = []
    workers = [yard.start(concurrency=1) for _ in range(2)]
    for turn in range(3):
        names = [f"turn-{turn}-{number}" for number in range(2)]
        ids += [web.ask("job", name) for name in names]
        yard.started(*names)
        for worker in workers:
            worker.send(signal.SIGTERM)
            worker.said("WorkerDraining")
        ids += [web.ask("job", f"during-{turn}-{number}") for number in range(5)]
        assert [web.ask("trivial") for _ in range(20)] == ["ok"] * 20
        assert all(worker.lives for worker in workers)
        yard.go(*names, *[f"during-{turn}-{number}" for number in range(5)])
        for worker in workers:
            worker.report()
        workers = [yard.start(concurrency=1) for _ in range(2)]
    for job_id in ids:
        yard.host.job(job_id).result(PATIENCE)
    assert set(yard.ledger.count("end").values()) == {1}
    assert len(yard.ledger.count("end")) == len(ids) == 21


@pytest.mark.requirement("R-RESIL-8")
def test_a_burst_waits_in_its_queue_and_is_caught_up_with_to_the_last_job(
    yard: Any, until: Any
) -> None:
    yard.start(concurrency=1)
    yard.chores.hold.enqueue("first")
    yard.started("first")
    names = [f"job-{number}" for number in range(1000)]
    with ThreadPoolExecutor(8) as producers:
        jobs = [*producers.map(yard.chores.note.enqueue, names)]
    (queue,) = yard.host.queues()
    assert queue.depth.jobs == len(names), "all of them wait behind the one that holds"

    yard.go("first")
    assert [job.result(PATIENCE) for job in jobs] == names
    until(lambda: not yard.host.queues()[0].depth.jobs)
    assert yard.ledger.count("end") == dict.fromkeys(["first", *names], 1)


@pytest.mark.requirement("R-JOB-3")
@pytest.mark.requirement("R-JOB-8")
def test_a_web_process_answers_while_jobs_of_its_worker_compute_in_processes_of_their_own(
    url: str, until: Any, working: Any, tmp_path: Path
) -> None:
    outside.host.use_store(url)
    outside.host.migrate()
    names = [f"spin-{number}" for number in range(10)]
    web = Web(lambda name: outside.spin.enqueue(tmp_path, name))
    try:
        with working(outside.host.worker(concurrency=10, job_processes=10)):
            ids = [web.ask("job", name) for name in names]
            until(lambda: all((tmp_path / f"started-{name}").exists() for name in names))
            assert [web.ask("trivial") for _ in range(50)] == ["ok"] * 50
            states = {outside.host.job(job_id).status().state for job_id in ids}
            assert states == {State.RUNNING}, "all ten compute at a time"
            for name in names:
                (tmp_path / f"go-{name}").touch()
            pids = {outside.host.job(job_id).result(PATIENCE) for job_id in ids}
    finally:
        web.close()
        outside.host.close()
    assert len(pids) == 10
    assert os.getpid() not in pids
