"""`jobhost prune`, and how the command line tells an expired id from an unknown one."""

import json

import pytest
from commands import Call, Shop

from jobhost.ids import new_ids

OLD = "0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10"
"""Of July 2024."""


@pytest.fixture
def cancelled(call: Call, shop: Shop) -> str:
    """The id of a job that was cancelled just now."""

    @shop.host.task(name="prunable")
    def prunable() -> None: ...

    job = prunable.enqueue()
    job.cancel()
    return str(job.id)


@pytest.mark.requirement("R-RES-7")
def test_what_is_old_enough_is_deleted_and_the_count_is_told(call: Call, cancelled: str) -> None:
    kept = call("prune", "--succeeded", "7d", "--cancelled", "7d", "--dead", "90d")
    assert (kept.code, kept.out) == (
        0, "deleted: 0 jobs succeeded, 0 jobs cancelled, 0 jobs dead\n",
    )  # fmt: skip
    dry = call("prune", "--cancelled", "1ms", "--dry-run")
    assert dry.out == "would delete: 1 job cancelled\n"
    assert call("jobs", "show", cancelled).code == 0

    done = call("prune", "--cancelled", "1ms", "--succeeded", "forever", "--json")
    assert json.loads(done.out) == {"dry_run": False, "pruned": {"cancelled": 1}}
    assert call("jobs", "show", cancelled).code == 4


def test_nothing_is_deleted_by_a_default(call: Call, cancelled: str) -> None:
    done = call("prune")
    assert (done.code, done.out) == (2, "")
    assert "say how long jobs are kept: give MODULE:HOST" in done.err
    assert call("jobs", "show", cancelled).code == 0


KEEPING = """
from jobhost import JobHost, Retention

host = JobHost("sqlite:///shop.db", retention=Retention(cancelled="1ms", dead=None))
"""


@pytest.mark.requirement("R-RES-7")
def test_the_times_of_a_program_are_those_that_it_gave(
    call: Call, shop: Shop, cancelled: str
) -> None:
    (shop.folder / "keeping.py").write_text(KEEPING)
    spared = call("prune", "keeping:host", "--cancelled", "7d")
    assert spared.out == "deleted: 0 jobs succeeded, 0 jobs cancelled\n"
    assert call("jobs", "show", cancelled).code == 0
    done = call("prune", "keeping:host")
    assert done.out == "deleted: 0 jobs succeeded, 1 job cancelled\n"
    assert call("jobs", "show", cancelled).code == 4


def test_a_program_can_be_meant_with_another_store(call: Call, shop: Shop, cancelled: str) -> None:
    (shop.folder / "keeping.py").write_text(KEEPING)
    other = f"sqlite:///{shop.folder}/other.db"
    assert call("migrate", "--url", other).code == 0
    done = call("prune", "keeping:host", "--url", other)
    assert done.out == "deleted: 0 jobs succeeded, 0 jobs cancelled\n"
    assert call("jobs", "show", cancelled).code == 0


def test_a_bad_time_is_wrong_use_and_deletes_nothing(call: Call, cancelled: str) -> None:
    wrong = call("prune", "--cancelled", "soon")
    assert "'forever' keeps all" in wrong.err
    assert wrong.code == 2
    assert "cancelled must be a timedelta or text" in wrong.err
    assert call("jobs", "show", cancelled).code == 0


@pytest.mark.requirement("R-RES-7")
def test_an_expired_id_ends_with_another_code_than_an_unknown_one(
    call: Call, cancelled: str
) -> None:
    unknown = call("jobs", "show", new_ids(1)[0].hex())
    assert unknown.code == 4
    assert "there is no job" in unknown.err
    expired = call("jobs", "show", OLD)
    assert expired.code == 8
    assert "any more: one that old has been deleted" in expired.err
