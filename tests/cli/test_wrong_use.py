"""Whatever is wrong, a command says it in one sentence on stderr, and with the right exit code."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from commands import Call, Finished, Shop

from jobhost import JobHost

NOBODY = "f190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10"


def assert_one_sentence(done: Finished) -> None:
    assert done.out == ""
    assert "Traceback" not in done.err
    assert done.err.startswith("jobhost: ")
    assert done.err.count("\n") == 1, done.err


WRONG = [
    # the parser
    ("bogus", 2, "No such command 'bogus'"),
    ("--bogus", 2, "see 'jobhost --help'"),
    ("worker", 2, "MODULE:HOST"),
    ("enqueue shop:host", 2, "TASK"),
    ("run shop:host", 2, "TASK"),
    ("jobs show", 2, "ID"),
    ("jobs bogus", 2, "see 'jobhost jobs --help'"),
    ("jobs list --limit 0", 2, "--limit"),
    ("jobs list --limit 1001", 2, "--limit"),
    ("jobs list --state asleep", 2, "asleep"),
    ("migrate extra", 2, "extra"),
    ("worker shop:host --concurrency many", 2, "--concurrency"),
    # where the host is
    ("worker shop", 2, "expected MODULE:HOST, such as shop.jobs:host; got 'shop'"),
    ("worker :host", 2, "expected MODULE:HOST"),
    ("worker shop:", 2, "expected MODULE:HOST"),
    ("run shop.py:host add", 2, "try 'shop:host'"),
    ("run ./sub/jobs.py:host add", 2, "try 'sub.jobs:host'"),
    ("enqueue shopp:host add", 2, "did you mean 'shop'?"),
    ("enqueue nowhere.at.all:host add", 2, "no module 'nowhere' for 'nowhere.at.all'"),
    ("enqueue shop.more:host add", 2, "'shop' is a module, not a package"),
    ("enqueue pack.jbos:host add", 2, "did you mean 'jobs'?"),
    ("enqueue shop:hots add", 2, "did you mean 'host'?"),
    ("enqueue shop:number add", 2, "is of type int, and a JobHost is expected"),
    ("enqueue pack.jobs:host add", 2, "it holds no JobHost"),
    # tasks and their arguments
    ("worker empty:host", 2, "this host has no tasks"),
    ("enqueue shop:host ad", 2, "did you mean 'add'?"),
    ("run shop:host ad", 2, "did you mean 'add'?"),
    ("enqueue shop:host add --args nonsense", 2, "--args must be JSON"),
    ("enqueue shop:host add --args 3", 2, "try '[3]'"),
    ("enqueue shop:host add --args [NaN]", 2, "NaN is no JSON number"),
    ("run shop:host add --args [", 2, "--args must be JSON"),
    ("run shop:host add --args ['x']", 2, "--args must be JSON"),
    ('run shop:host add --args ["x"]', 2, "argument 'a'"),
    ('enqueue shop:host add --args {"a":1,"c":2}', 2, "'c'"),
    ("enqueue shop:host add", 2, "argument 'a' is missing"),
    ("enqueue shop:host add --args [1] --priority 101", 2, "priority"),
    ("enqueue shop:host add --args [1] --delay soon", 2, "delay must be"),
    ("enqueue shop:host add --args [1] --run-at tomorrow", 2, "--run-at must be"),
    ("enqueue shop:host add --args [1] --run-at 2030-01-31T09:00:00", 2, "with an offset"),
    ("enqueue shop:host add --args [1] --timeout 1s", 2, "give --wait as well"),
    ("enqueue shop:host add --args [1] --wait --timeout x", 2, "--timeout must be"),
    (
        "enqueue shop:host add --args [1] --delay 1s --run-at 2030-01-01T00:00:00Z",
        2,
        "delay or run_at, not both",
    ),
    # the worker's options
    ("worker shop:host --queues a:many", 2, "--queues takes names"),
    ("worker shop:host --queues a,,b", 2, "queue must be printable"),
    ("worker shop:host --queues a:0", 2, "weight"),
    ("worker shop:host --concurrency 0", 2, "concurrency must be from 1"),
    ("worker shop:host --lease 0s", 2, "lease must be longer than zero"),
    ("worker shop:host --stopping-wait-time long", 2, "stopping_wait_time must be"),
    # stores
    ("migrate --url mysql://x", 2, "a store's address looks like"),
    ("migrate --url sqlite:///missing/x.db", 3, "does not exist"),
    ("jobs list --url sqlite:///none.db", 3, "there is no store"),
    ("jobs list --url sqlite:///text.db", 3, "text.db"),
    ("migrate --url sqlite:///newer.db", 3, "upgrade jobhost"),
    ("run shop:host add --args [1] --url sqlite:///missing/x.db", 3, "does not exist"),
    ("enqueue shop:host add --args [1] --url sqlite:///newer.db", 3, "upgrade jobhost"),
    ("worker shop:host --url sqlite:///text.db", 3, "text.db"),
    # jobs
    ("jobs list --queue ", 2, "--queue must be printable text"),
    ("jobs list --task ", 2, "--task must be printable text"),
    (f"jobs cancel {NOBODY} --reason ", 2, "reason must say in words"),
    ("jobs show x", 2, "a job id is a UUID"),
    ("jobs cancel x", 2, "a job id is a UUID"),
    ("jobs redrive x", 2, "a job id is a UUID"),
    (f"jobs show {NOBODY}", 4, f"there is no job {NOBODY}"),
    (f"jobs cancel {NOBODY}", 4, f"there is no job {NOBODY}"),
    (f"jobs redrive {NOBODY}", 4, f"there is no job {NOBODY}"),
]


@pytest.fixture
def rubble(shop: Shop) -> Path:
    """Modules and stores to go wrong with."""
    folder = shop.folder
    (folder / "empty.py").write_text("from jobhost import JobHost\nhost = JobHost()\n")
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").touch()
    (folder / "pack" / "jobs.py").touch()
    (folder / "text.db").write_text("this is a diary, not a database\n" * 100)
    shop.host.migrate()
    with JobHost(f"sqlite:///{folder}/newer.db") as host:
        host.migrate()
    with closing(sqlite3.connect(folder / "newer.db", isolation_level=None)) as newer:
        newer.execute(
            "INSERT INTO jobhost_migration (number, name) VALUES (9999, 'from_the_future')"
        )
    return folder


@pytest.mark.parametrize(("line", "code", "part"), WRONG)
@pytest.mark.usefixtures("rubble", "_quiet_logs")
def test_wrong_use_ends_in_one_sentence(call: Call, line: str, code: int, part: str) -> None:
    done = call(*line.split(" "))
    assert_one_sentence(_without_prints(done))
    assert done.code == code, done.err
    assert part in done.err


def _without_prints(done: Finished) -> Finished:
    """The shop prints when it is imported; that is not the command's doing, and in this process
    it is captured before it reaches stderr."""
    return Finished(code=done.code, out=done.out.replace("shop was imported\n", ""), err=done.err)


@pytest.mark.usefixtures("rubble")
def test_a_missing_command_shows_the_help(call: Call) -> None:
    for words in ([], ["jobs"]):
        done = call(*words)
        assert done.code == 2
        assert "a command is missing" in done.err
        assert "Usage: jobhost" in done.out


def test_a_wrong_number_of_arguments_costs_no_job(shop: Shop, call: Call) -> None:
    call("migrate")
    assert call("enqueue", "shop:host", "add", "--args", "[1, 2, 3]").code == 2
    assert shop.host.jobs() == []


def test_a_module_that_raises_shows_its_own_traceback_and_one_sentence(shop: Shop) -> None:
    (shop.folder / "broken.py").write_text("def f():\n    return 1 / 0\n\n\nf()\n")
    done = shop.call("worker", "broken:host")
    *shown, sentence = done.err.splitlines()
    assert done.code == 2
    assert shown[-1] == "ZeroDivisionError: division by zero"
    assert 'broken.py", line 2, in f' in done.err
    assert "importlib" not in done.err
    assert "hosts.py" not in done.err
    assert "module 'broken' raised ZeroDivisionError while it was imported" in sentence


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import nothing_of_that_name\n", "ModuleNotFoundError"),
        ("def f(:\n", "SyntaxError"),
        ("raise SystemExit(0)\n", "SystemExit"),
        (
            "from jobhost import JobHost\nhost = JobHost()\n"
            "@host.task(priority=1000)\ndef f() -> None: ...\n",
            "InvalidOption",
        ),
    ],
)
def test_whatever_a_module_raises_is_wrong_use(shop: Shop, text: str, name: str) -> None:
    (shop.folder / "broken.py").write_text(text)
    done = shop.call("run", "broken:host", "f")
    assert done.code == 2
    assert f"raised {name} while it was imported" in done.err.splitlines()[-1]
    assert done.out == ""
