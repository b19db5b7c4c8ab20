"""The pages are complete: what the code offers is named in them."""

import re
import tomllib
from dataclasses import fields

import pytest
from pages import DOCS, ROOT, prose

import jobhost
from jobhost.app import JobHost
from jobhost.events import Events
from jobhost.host.current import RunningJob
from jobhost.host.task import CallOptions
from jobhost.jobs.explain import Cause
from jobhost.jobs.options import Options
from jobhost.jobs.states import MOVES, State
from jobhost.worker.config import WorkerConfig

GUIDE = [
    "tasks",
    "results",
    "worker",
    "delivery",
    "sqlite",
    "errors",
    "states",
    "progress",
    "logs",
    "batches",
    "keys",
    "queues",
    "expiry",
    "capacity",
    "retention",
    "dead-letters",
    "testing",
]
TEXT = "\n".join((DOCS / f"{name}.md").read_text(encoding="utf-8") for name in GUIDE)
ARCHITECTURE = (DOCS / "ARCHITECTURE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(jobhost.__all__))
def test_every_public_name_is_in_the_guide(name: str) -> None:
    assert re.search(rf"\b{name}\b", TEXT)


@pytest.mark.parametrize("name", [item.name for item in fields(Options)])
def test_every_option_has_a_row_with_its_meaning(name: str) -> None:
    assert re.search(rf"^\| `{name}` \| ", prose(DOCS / "tasks.md"), re.MULTILINE)


def test_a_call_takes_the_options_that_are_documented() -> None:
    assert set(CallOptions.__annotations__) == {item.name for item in fields(Options)}


@pytest.mark.parametrize("name", [item.name for item in fields(WorkerConfig) if item.init])
def test_every_setting_of_a_worker_has_a_row(name: str) -> None:
    assert re.search(rf"^\| `{name}` \| ", prose(DOCS / "worker.md"), re.MULTILINE)


@pytest.mark.parametrize("name", [item.name for item in fields(RunningJob) if item.repr])
def test_everything_that_a_task_can_ask_is_named(name: str) -> None:
    assert f"`{name}`" in prose(DOCS / "tasks.md")


def test_the_defaults_of_a_worker_are_as_documented() -> None:
    config = WorkerConfig()
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.+) \|$", prose(DOCS / "worker.md"), re.MULTILINE)
    told = dict(rows)
    assert told["concurrency"] == str(config.concurrency)
    for name in ("lease", "stopping_wait_time", "cancel_grace"):
        assert told[name].replace(" ", "") == getattr(config, name)


@pytest.mark.parametrize("word", [*(str(move) for move in MOVES), *(str(s) for s in State)])
def test_states_and_moves_stand_on_their_page(word: str) -> None:
    assert word in (DOCS / "states.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_of_an_explanation_stands_on_its_page(cause: Cause) -> None:
    rows = re.findall(r"^\| (`.*`) \| ", prose(DOCS / "dead-letters.md"), re.MULTILINE)
    assert f"`{cause}`" in " ".join(rows)


def test_the_architecture_draws_the_tree_that_is_there() -> None:
    package = ROOT / "src" / "jobhost"
    drawn = set(re.findall(r"^  ([\w.]+/?) ", ARCHITECTURE, re.MULTILINE))
    folders = {
        f"{folder.name}/" for folder in package.iterdir() if (folder / "__init__.py").exists()
    }
    modules = {file.name for file in package.glob("*.py")}
    assert drawn == folders | modules


def test_the_architecture_draws_the_arrows_of_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    places = [[name for name in line.split(" | ") if "(" not in name] for line in layers]
    arrows = " > ".join(" | ".join(names) for names in places if names)
    assert f"    {arrows}\n" in ARCHITECTURE


def test_the_architecture_names_every_table() -> None:
    schema = (ROOT / "src/jobhost/store/sqlite/migrations/0001_jobs_and_nodes.sql").read_text()
    for name in re.findall(r"^CREATE (?:TABLE|VIEW) (\w+)", schema, re.MULTILINE):
        assert f"`{name}`" in ARCHITECTURE


def test_the_log_lines_of_a_worker_are_as_documented(caplog: pytest.LogCaptureFixture) -> None:
    from uuid import UUID

    from jobhost import events as happened
    from jobhost.worker.logs import log_events

    events = Events()
    log_events(events)
    job = UUID(int=0)
    with caplog.at_level("INFO", "jobhost.worker"):
        for event in (
            happened.WorkerStarted(
                node=1, worker="web1:4711", queues=("default", "mail"), slots=20, tasks=3
            ),
            happened.WorkerDraining(running=3, wait_seconds=30),
            happened.WorkerStopped(ended=120, released=0),
            happened.AttemptFailed(
                job=job,
                task="send_mail",
                outcome="failed",
                error="TimeoutError: no answer",
                retry_seconds=8.2,
            ),
            happened.AttemptFailed(
                job=job,
                task="send_mail",
                outcome="failed",
                error="TimeoutError: no answer",
                retry_seconds=None,
            ),
            happened.FailedLate(job=job, task="send_mail", error="TimeoutError: no answer"),
            happened.WorkerRescued(worker="web1:4711", reason="died", returned=3, ended=0),
            happened.LeaseEnded(node=1, running=3),
            happened.JobsParked(jobs=2),
            happened.QueueLate(queue="mail", oldest_seconds=45, objective_seconds=30, paused=False),
            happened.QueueFilling(queue="mail", jobs=8, capacity=10),
            happened.StoreTrouble(error="app.db is locked by another process", retry_seconds=2.5),
            happened.StoreTrouble(error="app.db is locked by another process", retry_seconds=None),
            happened.WorkerRetiring(job=job, task="send_mail", waited_seconds=5),
        ):
            events.emit(event)
    page = prose(DOCS / "worker.md").replace("0190…", str(job))
    told = [record for record in caplog.records if record.name == "jobhost.worker"]
    assert len(told) == 14
    for record in told:
        assert f"| {record.levelname} | `{record.getMessage()}` |" in page


def test_making_a_host_opens_nothing_as_the_guide_says(tmp_path) -> None:
    JobHost(f"sqlite:///{tmp_path}/app.db").close()
    assert list(tmp_path.iterdir()) == []
