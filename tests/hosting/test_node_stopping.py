"""Nodes that are told to stop: at any moment, once or twice, by a signal, a terminal or a store."""

import os
import pty
import signal
import socket
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
from sites import NodeProcess, Site, until

from jobhost import State
from jobhost.cli.demo_server import TemporaryServer, bundled_programs

PATIENCE = "90s"
both = pytest.mark.stores("sqlite", "postgres")


@both
def test_a_signal_drains_what_runs_ends_and_nothing_new_is_claimed(site: Site):
    node = site.start("--concurrency", "1").ready()
    running = [site.toils.hold.enqueue(f"running-{n}") for n in range(2)]
    site.started("running-0", "running-1")
    waiting = [site.toils.note.enqueue(f"waiting-{n}") for n in range(5)]

    node.send(signal.SIGTERM)
    node.said("claims nothing more", times=2)
    site.go("running-0", "running-1")

    assert node.wait() == 0
    assert {job.status().state for job in running} == {State.SUCCEEDED}
    assert {job.status().state for job in waiting} == {State.READY}
    assert {job.status().deliveries for job in waiting} == {0}
    for pid in {site.ledger.pids("start", f"running-{n}")[0] for n in range(2)}:
        assert f"[{pid}] claims nothing more" in node.log, "each line tells whose it is"


@both
def test_a_second_signal_ends_it_and_the_jobs_are_handed_back(site: Site):
    node = site.start("--stopping-wait-time", "10m").ready()
    jobs = [site.toils.obey.enqueue("thread"), site.toils.hold.enqueue("task")]
    site.started("thread", "task")

    node.send(signal.SIGTERM)
    node.said("claims nothing more", times=2)
    node.send(signal.SIGTERM)
    node.wait()

    assert {job.status().state for job in jobs} == {State.READY}
    assert {job.status().crashes + job.status().failures for job in jobs} == {0}


def test_a_signal_while_the_first_worker_imports_ends_it_in_order(site: Site):
    (site.folder / "hang-at-import").touch()
    node = site.start()
    until(lambda: (site.folder / "hangs").exists(), "it imports")

    assert node.stop() == 0
    assert "WARNING" not in node.log, node.log


def test_a_signal_while_the_store_has_not_taken_the_workers_ends_it_in_order(site: Site):
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    node = site.start(env={"TOILS_URL": nowhere})
    node.said("the store: ")

    assert node.stop() == 0
    assert "Traceback" not in node.log, node.log


def test_a_signal_while_the_database_is_down_ends_it_all_the_same(tmp_path: Path):
    server = TemporaryServer(bundled_programs(), ["fsync=off"])
    try:
        site = Site(server.url, tmp_path)
        node = site.start("--stopping-wait-time", "1s").ready()
        site.toils.hold.enqueue("job")
        site.started("job")
    finally:
        server.stop()
    node.stop()

    assert "Traceback (most recent call last)" not in node.log, node.log
    site.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has namespaces of processes")
def test_as_the_first_process_of_a_container_it_reaps_whatever_ends_there(site: Site):
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    user = ["unshare", "--user", "--map-root-user", *unshare[1:]]
    prefix = next((line for line in (unshare, user) if _runs([*line, "true"])), None)
    if prefix is None:
        pytest.skip("needs the right to make a namespace of processes (unshare --pid)")
    node = site.start(processes=1, prefix=prefix).ready()
    job = site.toils.daemonize.enqueue("job")
    site.started("job")
    [first] = psutil.Process(node.pid).children()
    workers = [child for child in first.children() if "--link" in child.cmdline()]

    workers[0].kill()
    site.started("job", times=2)
    site.go("job")
    assert job.result(PATIENCE)
    until(
        lambda: not [p for p in first.children() if p.status() == psutil.STATUS_ZOMBIE],
        "no zombie is left",
    )
    first.send_signal(signal.SIGTERM)
    assert node.wait() == 0


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def test_a_service_manager_is_told_of_the_start_the_life_and_the_stop(site: Site, tmp_path: Path):
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(90)
        env = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "20000000"}
        node = site.start(env=env)
        told = [manager.recv(4096).decode()]
        while not any("READY=1" in word for word in told):
            told.append(manager.recv(4096).decode())
        node.said("2 workers ready")
        while told[-1] != "WATCHDOG=1":
            told.append(manager.recv(4096).decode())
        node.send(signal.SIGTERM)
        while told[-1] != "STOPPING=1":
            told.append(manager.recv(4096).decode())

        assert node.wait() == 0
        manager.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                told.append(manager.recv(4096).decode())
        assert told.count("STOPPING=1") == 1
        assert [word for word in told if word.startswith("READY")] == ["READY=1\nSTATUS=2 workers"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs setsid(1), which gives a terminal")
def test_ctrl_c_in_a_terminal_drains_once(site: Site):
    ours, theirs = pty.openpty()
    node = site.start(prefix=["setsid", "--ctty", "--wait"], stdin=theirs).ready()
    os.close(theirs)
    job = site.toils.hold.enqueue("job")
    site.started("job")

    os.write(ours, b"\x03")
    node.said("claims nothing more", times=2)
    site.go("job")

    assert node.wait() == 0
    os.close(ours)
    assert job.status().state is State.SUCCEEDED
    assert node.log.count("stopping: ") == 1


@both
def test_old_and_new_nodes_work_side_by_side_and_unknown_tasks_wait(site: Site):
    old = site.start(processes=1, env={"TOILS_EXTRA": "old_word"}).ready()
    new = site.start(processes=1, env={"TOILS_EXTRA": "new_word"}).ready()
    tasks = {}
    for name in ("old_word", "new_word", "never_word"):

        def echo(word: str) -> str:
            return word

        tasks[name] = site.host.task(name=name)(echo)
    jobs = {name: [task.enqueue(f"{n}") for n in range(5)] for name, task in tasks.items()}
    for name in ("old_word", "new_word"):
        assert [job.result(PATIENCE) for job in jobs[name]] == [f"{name} {n}" for n in range(5)]
    assert {job.status().deliveries for job in jobs["never_word"]} == {0}

    assert old.stop() == 0
    more = tasks["old_word"].enqueue("late")
    assert tasks["new_word"].enqueue("6").result(PATIENCE) == "new_word 6"
    assert more.status().deliveries == 0
    again = site.start(processes=1, env={"TOILS_EXTRA": "old_word"}).ready()
    assert more.result(PATIENCE) == "old_word late"
    assert (new.stop(), again.stop()) == (0, 0)


def test_children_from_before_the_node_are_left_alone(site: Site):
    entry = 'sleep 300 & echo $! > "$TOILS_FOLDER/sidecar"; exec "$@"'
    node: NodeProcess = site.start(processes=1, prefix=["sh", "-c", entry, "sh"]).ready()
    sidecar = psutil.Process(int((site.folder / "sidecar").read_text()))

    os.kill(node.workers[0], signal.SIGKILL)
    job = site.toils.note.enqueue("job")
    assert job.result(PATIENCE) == "job"
    assert node.stop() == 0
    assert sidecar.is_running()
    sidecar.kill()
