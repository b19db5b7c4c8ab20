"""Processes that die, fork and share the file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from jobhost.store.plans import look
from jobhost.store.sqlite.store import SqliteStore

from ..conservation import Query, assert_conserved, numbers
from .programs import Program

Accept = Callable[..., list[bytes]]

PRODUCER = """
    store = SqliteStore(Path(sys.argv[1]), SystemClock())
    while True:
        for one in accept(store, int(sys.argv[2])):
            say(one.hex())
"""


WORKER = """
    from jobhost.jobs.outcomes import COMPLETED
    from jobhost.jobs.records import Ended
    from jobhost.store.plans.cycle import Wanted, cycle
    from jobhost.store.plans.nodes import NewNode, register
    store = SqliteStore(Path(sys.argv[1]), SystemClock())
    node = store.write(lambda: register(NewNode(
        id="one", host="here", pid=1, version="1", slots=1, queues=[], tasks=[],
        lease_us=10**12)))
    wanted = Wanted(node=node, queues=["default"], tasks='["work"]', slots=3)
    ended = []
    while True:
        report = store.write(lambda: cycle(ended, wanted))
        ended = [Ended(one.job, one.epoch, 1, COMPLETED, '"done"') for one in report.claimed]
        for one in report.claimed:
            say(one.id.hex())
"""


@pytest.mark.requirement("R-MSG-14")
@pytest.mark.parametrize(("batch", "heard"), [(1, 40), (7, 100), (200, 1000)])
def test_every_acknowledged_job_survives_a_kill_in_the_middle_of_enqueues(
    path: Path, query: Query, batch: int, heard: int
) -> None:
    with Program(PRODUCER, path, batch) as producer:
        acknowledged = {bytes.fromhex(producer.hear()) for _ in range(heard)}
        producer.kill()
    assert query("PRAGMA integrity_check") == [("ok",)]
    stored = numbers(query)
    assert acknowledged <= stored.keys()
    assert len(stored) % batch == 0
    assert_conserved(query)
    with Program(WORKER, path) as worker:
        handled = {bytes.fromhex(worker.hear()) for _ in stored}
    assert acknowledged <= handled


@pytest.mark.requirement("R-RES-5")
def test_no_success_is_ever_without_its_result_even_when_its_worker_is_killed(
    store: SqliteStore, path: Path, query: Query, accept: Accept
) -> None:
    accept(store, 600)
    unexplained = "SELECT * FROM jobhost_jobs WHERE state = 'succeeded' AND result IS NULL"
    with Program(WORKER, path) as worker:
        for _ in range(100):
            worker.hear()
            assert query(unexplained) == []
        worker.kill()
    assert query(unexplained) == []
    assert query("SELECT count(*) FROM jobhost_done WHERE result = '\"done\"'")[0][0] > 90
    assert_conserved(query)


def test_two_producers_of_which_one_is_killed_lose_nothing(path: Path, query: Query) -> None:
    with Program(PRODUCER, path, 1) as victim, Program(PRODUCER, path, 1) as other:
        acknowledged = {victim.hear() for _ in range(20)} | {other.hear() for _ in range(20)}
        victim.kill()
        acknowledged |= {other.hear() for _ in range(20)}
    assert {bytes.fromhex(one) for one in acknowledged} <= numbers(query).keys()
    assert_conserved(query)


def test_a_worker_killed_between_claim_and_commit_claimed_nothing(
    store: SqliteStore, path: Path, query: Query, accept: Accept
) -> None:
    accept(store, 5)
    program = """
        from jobhost.store.plans.cycle import Wanted, cycle
        from jobhost.store.plans.nodes import NewNode, register
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        node = store.write(lambda: register(NewNode(
            id="one", host="here", pid=1, version="1", slots=1, queues=[], tasks=[],
            lease_us=10**9)))
        def claim():
            wanted = Wanted(node=node, queues=["default"], tasks='["work"]', slots=3)
            report = yield from cycle([], wanted)
            say(len(report.claimed))
            hear()
        store.write(claim)
    """
    with Program(program, path) as worker:
        assert worker.hear() == "3"
        worker.kill()
    assert query("SELECT count(*) FROM jobhost_running") == [(0,)]
    assert_conserved(query)
    accept(store)
    assert query("SELECT count(*) FROM jobhost_ready") == [(6,)]


def test_a_forked_child_opens_connections_of_its_own(path: Path, query: Query) -> None:
    program = """
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        accept(store)
        store.read(look.tally)
        parents = [store._process.writer._connection, store._process.reader._connection]
        child = os.fork()
        if child == 0:
            accept(store)
            own = [store._process.writer._connection, store._process.reader._connection]
            store.read(look.tally)
            say(own[0] is not parents[0], store._process.reader._connection is not parents[1])
            store.close()
            os._exit(0)
        os.waitpid(child, 0)
        accept(store)
        say(store._process.writer._connection is parents[0])
        store.close()
    """
    with Program(program, path) as parent:
        assert parent.rest() == ["True True", "True"]
    assert query("SELECT count(*) FROM jobhost_ready") == [(3,)]
    assert query("PRAGMA integrity_check") == [("ok",)]


def test_a_session_from_before_a_fork_is_refused_in_the_child(path: Path, query: Query) -> None:
    program = """
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        accept(store)
        session = store.session()
        child = os.fork()
        if child == 0:
            for use in (session.write, session.read):
                try:
                    use(look.tally)
                except StoreError as error:
                    say(error)
            session.close()
            os._exit(0)
        os.waitpid(child, 0)
        say(sum(session.write(look.tally).states.values()))
        session.close()
        store.close()
    """
    with Program(program, path) as parent:
        *refused, still_works = parent.rest()
    assert len(refused) == 2
    assert all("before a fork" in line for line in refused)
    assert still_works == "1"


def test_an_announcement_reaches_the_bell_of_another_process(
    store: SqliteStore, path: Path, accept: Accept
) -> None:
    accept(store)
    program = """
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        bell = store.listen("one")
        say("listening")
        say(bool(bell.wait(60)))
        bell.close()
    """
    with Program(program, path) as listener:
        assert listener.hear() == "listening"
        store.announce()
        assert listener.rest() == ["True"]


def test_a_dead_node_is_found_and_forgotten_through_the_store(
    store: SqliteStore, path: Path, accept: Accept
) -> None:
    accept(store)
    program = """
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        proof, bell = store.attend("one"), store.listen("one")
        say("living")
        hear()
    """
    with Program(program, path) as node:
        assert node.hear() == "living"
        assert store.dead_nodes() == []
    assert store.dead_nodes() == ["one"]
    store.forget_node("one")
    assert store.dead_nodes() == []
    assert not list(path.with_name("jobs.db-run").glob("one.*"))


def test_a_reader_is_never_held_up_by_a_writer(store: SqliteStore, accept: Accept) -> None:
    accept(store)
    session = store.session()

    def write_and_read():
        yield from look.tally()
        return sum(store.read(look.tally).states.values())

    assert session.write(write_and_read) == 1
    session.close()
