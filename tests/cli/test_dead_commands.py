"""`jobhost dead` and what `jobhost jobs` does with jobs that have ended."""

import json

import pytest
from commands import Call, Shop

from jobhost.ids import format_id, new_ids


def stand(shop: Shop, job_id: str) -> str:
    return shop.state(job_id)


@pytest.fixture
def letters(shop: Shop) -> list[str]:
    """Three dead jobs, oldest first: two of one error, one of another task."""
    return [shop.dead("paper jam"), shop.dead("no ink"), shop.dead(task="boom_once")]


@pytest.mark.requirement("R-MSG-12")
def test_dead_letters_are_listed_grouped_and_shown(call: Call, letters: list[str]) -> None:
    listed = json.loads(call("dead", "list", "--json").out)["jobs"]
    assert [job["id"] for job in listed] == letters[::-1]
    (group, other) = json.loads(call("dead", "list", "--group", "--json").out)["groups"]
    assert (group["task"], group["count"], group["message"]) == ("boom", 2, "no ink")
    assert group["cause"].endswith("ValueError")
    assert other["newest"] == letters[2]
    page = call("dead", "list", "--group")
    assert "no ink" in page.out
    assert "boom_once" in page.out
    assert "paper jam" in call("dead", "show", letters[0]).out
    assert call("dead", "list", "--error", "KeyError").err == "jobhost: no such dead letters\n"


def test_a_limit_holds_for_groups_too(call: Call, letters: list[str]) -> None:
    assert (
        len(json.loads(call("dead", "list", "--group", "--limit", "1", "--json").out)["groups"])
        == 1
    )
    page = call("dead", "list", "--group", "--limit", "1")
    assert (len(page.out.splitlines()), "there are more groups" in page.err) == (2, True)
    assert call("dead", "list", "--group", "--limit", "2").err == ""


@pytest.mark.requirement("R-MSG-12")
def test_a_dry_run_only_counts_and_a_filter_sends_only_its_own_back(
    call: Call, shop: Shop, letters: list[str]
) -> None:
    dry = call("dead", "redrive", "--task", "boom", "--dry-run")
    assert (dry.code, dry.out) == (0, "2 jobs would be sent back\n")
    assert {stand(shop, one) for one in letters} == {"dead"}
    done = call("dead", "redrive", "--task", "boom", "--rate", "1000/s")
    assert (done.code, done.out) == (0, "2 jobs sent back\n")
    assert [stand(shop, one) for one in letters] == ["ready", "ready", "dead"]


@pytest.mark.requirement("R-MSG-12")
def test_a_purge_wants_to_be_sure(call: Call, shop: Shop, letters: list[str]) -> None:
    refused = call("dead", "purge", "--task", "boom")
    assert (refused.code, "give --yes" in refused.err) == (2, True)
    assert stand(shop, letters[0]) == "dead"
    done = call("dead", "purge", "--task", "boom", "--yes", "--json")
    assert json.loads(done.out) == {"done": 2, "refused": 0}
    assert call("jobs", "show", letters[0]).code == 4
    assert stand(shop, letters[2]) == "dead"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("dead redrive", "say which ones"),
        ("dead purge --yes", "say which ones"),
        ("dead redrive --all --task boom", "leave it out"),
        ("dead redrive --all --rate fast", "rate must be such as '10/s'"),
        ("dead redrive --all --rate 0/s", "rate must be such as '10/s'"),
        ("dead list --since never", "--since"),
        ("dead list --until 2030-01-31T09:00:00", "a date and time with an offset"),
        ("dead list --since yesterday", "--since must be a time ago, such as 2h, or a date"),
    ],
)
def test_wrong_use_is_told_in_one_sentence(call: Call, command: str, said: str) -> None:
    call("migrate")
    done = call(*command.split())
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_since_and_until_may_be_a_time_ago(call: Call, letters: list[str]) -> None:
    assert len(json.loads(call("dead", "list", "--since", "1h", "--json").out)["jobs"]) == 3
    assert json.loads(call("dead", "list", "--until", "1h", "--json").out)["jobs"] == []


@pytest.mark.requirement("R-MSG-12")
def test_a_job_is_sent_back_with_other_arguments(call: Call, shop: Shop) -> None:
    job_id = shop.dead("paper jam")
    for wrong in ('["a"]', "[]", "3", "{"):
        assert call("jobs", "redrive", job_id, "--args", wrong).code == 2
    done = call("jobs", "redrive", job_id, "--args", '{"text": "jammed again"}')
    assert (done.code, done.out) == (0, f"{job_id} is ready again\n")
    assert json.loads(call("jobs", "show", job_id, "--json").out)["arguments"] == {
        "text": "jammed again"
    }


def test_only_what_has_ended_is_purged(call: Call, shop: Shop) -> None:
    dead, waiting = shop.dead("paper jam"), shop.enqueue("add", "[1]")
    nobody = format_id(new_ids(1)[0])
    done = call("jobs", "purge", waiting, dead, nobody)
    assert done.code == 2
    assert done.out == f"{dead} is deleted\n"
    assert "only jobs that have ended can be purged: cancel it first" in done.err
    assert f"there is no job {nobody}" in done.err


@pytest.mark.requirement("R-MSG-21")
def test_peek_shows_what_comes_next(call: Call, shop: Shop) -> None:
    job_id = shop.enqueue("add", "[1]")
    for _ in range(3):
        assert [job["id"] for job in json.loads(call("jobs", "peek", "--json").out)["jobs"]] == [
            job_id
        ]
    assert job_id in call("jobs", "peek").out
    assert "no job is ready in queue 'mail'" in call("jobs", "peek", "mail").err


def test_explain_says_why_a_job_is_not_running(call: Call, shop: Shop) -> None:
    dead, waiting = shop.dead("paper jam"), shop.enqueue("add", "[1]")
    assert call("jobs", "explain", waiting).out == (
        "no worker runs; start one: 'jobhost worker MODULE:HOST'\n"
    )
    told = json.loads(call("jobs", "explain", dead, "--json").out)
    assert (told["id"], told["cause"]) == (dead, "dead")
    assert told["next_step"].endswith(f"'jobhost jobs redrive {dead}'")
    assert call("jobs", "explain", format_id(new_ids(1)[0])).code == 4
