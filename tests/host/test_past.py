"""Former names and versions of tasks, as they are declared."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobhost import DuplicateTask, InvalidOption, JobHost, UnknownTask
from jobhost.errors import NotUpgraded
from jobhost.host.past import VERSION_MAX, Past


@pytest.fixture
def host(url: str) -> Iterator[JobHost]:
    with JobHost(url) as made:
        made.migrate()
        yield made


def test_a_task_is_found_by_all_its_names_and_counts_once(host: JobHost) -> None:
    @host.task(aliases=["mail", "send_mail"])
    def deliver() -> None: ...

    archive = host.command("archive", ["gzip", "{path}"], aliases=["pack"])
    assert host.tasks.get("mail") is host.tasks.get("send_mail") is deliver
    assert host.tasks.find("pack") is archive
    assert host.tasks.names == ["deliver", "mail", "send_mail", "archive", "pack"]
    assert [task.name for task in host.tasks] == ["deliver", "archive"]
    assert len(host.tasks) == 2


def test_an_unknown_name_is_compared_with_former_ones_too(host: JobHost) -> None:
    @host.task(aliases=["thumbnail"])
    def shrink() -> None: ...

    with pytest.raises(UnknownTask, match="did you mean 'thumbnail'"):
        host.tasks.get("thumbnails")


@pytest.mark.parametrize(
    ("name", "aliases", "said"),
    [
        ("first", [], "two tasks are named 'first': .*test_past.py"),
        ("old", [], "'old' is a name of two tasks, 'first' at .* and 'old' at "),
        ("other", ["old"], "'old' is a name of two tasks, 'first' at .* and 'other' at "),
        ("other", ["first"], "'first' is a name of two tasks"),
        ("other", ["other"], "has the name 'other' twice"),
        ("other", ["x", "x"], "has the name 'x' twice"),
    ],
)
def test_no_name_stands_for_two_tasks(
    host: JobHost, name: str, aliases: list[str], said: str
) -> None:
    @host.task(aliases=["old"])
    def first() -> None: ...

    with pytest.raises(DuplicateTask, match=said):

        @host.task(name=name, aliases=aliases)
        def other() -> None: ...

    assert host.tasks.names == ["first", "old"], "nothing of it was entered"


def upgrade(arguments: dict[str, Any], version: int) -> dict[str, Any]:
    return {**arguments, "from": version}


async def upgrade_later(arguments: dict[str, Any], version: int) -> dict[str, Any]:
    return arguments


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"aliases": "old"}, "aliases of task 'work' are former names"),
        ({"aliases": 5}, "aliases of task 'work' are former names"),
        ({"aliases": [""]}, "an alias of task 'work'"),
        ({"aliases": [None]}, "an alias of task 'work'"),
        ({"version": 0}, "must be from 1 to"),
        ({"version": VERSION_MAX + 1}, "must be from 1 to"),
        ({"version": True}, "must be a whole number"),
        ({"version": "2"}, "must be a whole number"),
        ({"upgrade": upgrade}, "there is nothing older; say version=2"),
        ({"version": 2, "upgrade": 5}, "must be a plain function"),
        ({"version": 2, "upgrade": upgrade_later}, "must be a plain function"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_declared(
    host: JobHost, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidOption, match=said):
        host.task(**options)(_work)


def _work() -> None: ...


_work.__name__ = "work"


def test_only_what_is_older_is_upgraded() -> None:
    past = Past(version=3, upgrade=upgrade)
    assert [json.loads(past.bring_up('{"a": 1}', version)) for version in (1, 2, 3, 4)] == [
        {"a": 1, "from": 1}, {"a": 1, "from": 2}, {"a": 1}, {"a": 1},
    ]  # fmt: skip
    assert Past(version=3).bring_up('{"a": 1}', 1) == '{"a": 1}'


@pytest.mark.parametrize(
    "broken",
    [
        lambda arguments, version: None,
        lambda arguments, version: arguments["gone"],
        lambda arguments, version: {"a": object()},
        lambda arguments: arguments,
    ],
    ids=["no dict", "raises", "no JSON", "other parameters"],
)
def test_an_upgrade_that_fails_says_so_with_its_cause(broken: Callable[..., Any]) -> None:
    with pytest.raises(NotUpgraded, match="of version 1 cannot be upgraded to 2") as caught:
        Past(version=2, upgrade=broken).bring_up('{"a": 1}', 1)
    assert isinstance(caught.value.__cause__, (TypeError, KeyError))


def test_a_job_of_the_first_version_carries_nothing_and_a_later_one_its_version(
    host: JobHost,
) -> None:
    @host.task
    def plain() -> None: ...

    @host.task(version=2)
    def later() -> None: ...

    number = plain.enqueue().status().number
    (found,) = host.store.read(lambda: _envelope(number))
    assert tuple(found) == (None,)
    assert later.enqueue().status().envelope.version == 2
    assert later.using(tags=["a"]).enqueue().status().envelope.version == 2


def _envelope(number: int) -> Any:
    from jobhost.store.plan import Statement

    return (yield Statement("envelope_of", {"job": number})).rows


@pytest.mark.parametrize("store", ["url", "postgres_url"])
def test_a_payload_that_is_replaced_by_another_release_has_the_version_of_that(
    request: pytest.FixtureRequest, store: str
) -> None:
    address: str = request.getfixturevalue(store)
    with JobHost(address) as old, JobHost(address) as new:
        old.migrate()

        @old.task(name="report", unique="report", on_taken="replace", queue="reports")
        def old_report(day: str) -> None: ...

        @new.task(
            name="report", unique="report", on_taken="replace", queue="reports", version=2,
            upgrade=upgrade,
        )  # fmt: skip
        def new_report(day: str, width: int = 80) -> None: ...

        job = old_report.enqueue("today")
        seen = [job.status()]
        for call in (
            new_report.enqueue, new_report.enqueue, old_report.enqueue,
        ):  # fmt: skip
            assert call("today").id == job.id
            seen.append(job.status())
        assert [one.envelope.version for one in seen] == [1, 2, 2, 1]
        assert {one.envelope.unique for one in seen} == {("report", True)}
