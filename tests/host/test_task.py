"""Declaring a task, and using it as the function that it is."""

import functools
import inspect
from typing import Any

import pytest

from jobhost import DuplicateTask, InvalidOption, InvalidPayload, JobHost, UnknownTask, UsageError
from jobhost.jobs.options import Options


def add(one: int, other: int = 1) -> int:
    """The sum of two numbers."""
    return one + other


async def double(number: int) -> int:
    return 2 * number


def test_a_declared_function_can_be_called_as_before(host: JobHost) -> None:
    task = host.task(add)
    assert task(1) == 2
    assert task(1, other=2) == 3
    assert not task.is_async


def test_a_declared_coroutine_function_can_be_awaited_as_before(host: JobHost) -> None:
    task = host.task(double)
    coroutine = task(4)
    assert inspect.iscoroutine(coroutine)
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    assert ended.value.value == 8
    assert task.is_async


def test_a_plain_call_checks_nothing_and_stores_nothing(host: JobHost) -> None:
    @host.task
    def echo(value: int) -> Any:
        return value

    marker: Any = object()
    assert echo(marker) is marker


def test_a_task_looks_like_its_function(host: JobHost) -> None:
    task = host.task(add)
    assert task.__name__ == "add"
    assert task.__doc__ == "The sum of two numbers."
    assert inspect.signature(task) == inspect.signature(add)
    assert task.function is task.__wrapped__ is add
    assert repr(task).startswith("<Task 'add' ")


def test_declaring_a_task_opens_no_store(url: str, host: JobHost, tmp_path: Any) -> None:
    host.task(add)
    assert list(tmp_path.iterdir()) == []


def test_the_name_is_the_functions_or_the_one_given(host: JobHost) -> None:
    assert host.task(add).name == "add"
    assert host.task(name="mail.send")(add).name == "mail.send"
    assert [task.name for task in host.tasks] == ["add", "mail.send"]
    assert len(host.tasks) == 2


def test_a_name_does_not_depend_on_where_the_function_stands(host: JobHost) -> None:
    def outer() -> Any:
        def add(one: int) -> int:
            return one

        return add

    assert host.task(outer()).name == "add"


def test_two_tasks_under_one_name_are_refused_with_both_places(host: JobHost) -> None:
    host.task(add)

    def other() -> None: ...

    with pytest.raises(DuplicateTask, match="two tasks are named 'add'") as caught:
        host.task(name="add")(other)
    said = str(caught.value)
    for function in (add, other):
        assert f"{__file__}:{function.__code__.co_firstlineno} ({function.__qualname__})" in said
    assert "host.task(name=" in said
    assert host.tasks.get("add").function is add


def test_two_hosts_may_have_tasks_of_one_name(url: str) -> None:
    with JobHost(url) as one, JobHost(url) as other:
        one.task(add)
        other.task(name="add")(double)
        assert one.tasks.get("add").function is add
        assert other.tasks.get("add").function is double


def test_an_unknown_task_gets_the_nearest_name(host: JobHost) -> None:
    host.task(add)
    with pytest.raises(UnknownTask, match="no task is named 'ad': did you mean 'add'"):
        host.tasks.get("ad")
    assert host.tasks.find("ad") is None


@pytest.mark.parametrize("name", ["", " add", "a\nb", "a" * 201, 5])
def test_a_bad_name_is_refused(host: JobHost, name: Any) -> None:
    with pytest.raises(InvalidOption, match="the name of a task"):
        host.task(name=name)(add)
    assert len(host.tasks) == 0


def test_a_callable_that_is_no_function_is_refused(host: JobHost) -> None:
    with pytest.raises(InvalidOption, match="the name of a task"):
        host.task(functools.partial(add, 1))
    with pytest.raises(UsageError, match="task 'add one' must be a function"):
        host.task(name="add one")(functools.partial(add, 1))
    assert len(host.tasks) == 0


def test_a_function_under_another_decorator_keeps_its_types(host: JobHost) -> None:
    @functools.wraps(add)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return add(*args, **kwargs)

    task = host.task(wrapped)
    assert (task.name, task(2)) == ("add", 3)
    with pytest.raises(InvalidPayload, match=r"add\(\): argument 'one'.*got 'x'"):
        task.enqueue("x")


@pytest.mark.parametrize("wrong", ["add", 5, [add]])
def test_only_a_callable_can_be_declared(host: JobHost, wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="decorates a function; got"):
        host.task(wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prio": 1}, "'prio' is no option of a job; expected queue, priority"),
        ({"priority": "high"}, "priority.*got 'high'"),
        ({"timeout": 5}, "timeout.*got 5"),
        ({"queue": ""}, "queue.*got ''"),
    ],
)
def test_a_bad_option_is_refused_wherever_it_is_given(
    host: JobHost, options: dict[str, Any], message: str
) -> None:
    task = host.task(name="fine")(add)
    with pytest.raises(InvalidOption, match=message):
        host.task(**options)
    with pytest.raises(InvalidOption, match=message):
        task.using(**options)
    if "queue" not in options:
        with pytest.raises(InvalidOption, match=message):
            host.queue("mail", **options)


def test_a_queue_cannot_send_its_jobs_to_another_one(host: JobHost) -> None:
    with pytest.raises(InvalidOption, match="a queue's options cannot name a queue"):
        host.queue("mail", queue="post")


def test_a_type_that_cannot_be_stored_is_refused_when_declared(host: JobHost) -> None:
    class Socket: ...

    def send(to: Socket) -> None: ...

    send.__annotations__ = {"to": Socket, "return": None}
    with pytest.raises(UsageError, match=r"send\(\) has a type that cannot be stored"):
        host.task(send)
    assert len(host.tasks) == 0


def test_a_host_shows_its_address_and_how_many_tasks_it_has(url: str) -> None:
    with JobHost(url, defaults=Options(priority=1)) as host:
        assert repr(host) == f"<JobHost {url} with 0 tasks>"
        host.task(add)
        assert repr(host) == f"<JobHost {url} with 1 task>"
