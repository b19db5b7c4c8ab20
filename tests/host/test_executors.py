"""Where a task says that its jobs run."""

import pytest

from jobhost import InvalidOption, JobHost
from jobhost.host.kinds import Kind, format_size, parse_size


def plain() -> None: ...


async def waiting() -> None: ...


@pytest.mark.parametrize(
    ("function", "executor", "kind"),
    [
        (plain, None, Kind.THREAD),
        (plain, "thread", Kind.THREAD),
        (plain, "process", Kind.PROCESS),
        (waiting, None, Kind.ASYNC),
        (waiting, "async", Kind.ASYNC),
    ],
)
def test_a_task_runs_where_it_says_or_where_its_function_fits(host, function, executor, kind):
    assert host.task(executor=executor)(function).kind is kind


@pytest.mark.parametrize(
    ("function", "executor", "complaint"),
    [
        (plain, "async", "'plain', which is a plain function, must be 'thread' or 'process'"),
        (plain, "pool", "got 'pool'"),
        (plain, 3, "got 3"),
        (plain, "command", "got 'command'"),
        (waiting, "process", "'waiting', which is an async def, must be 'async'; got 'process'"),
        (waiting, "thread", "got 'thread'"),
    ],
)
def test_what_does_not_fit_is_refused(host: JobHost, function, executor, complaint):
    with pytest.raises(InvalidOption, match=complaint):
        host.task(executor=executor)(function)

    assert len(host.tasks) == 0


@pytest.mark.parametrize(
    ("limit", "complaint"),
    [
        ("lots", "such as '512MB' or '2GiB'; got 'lots'"),
        (512, "got 512"),
        ("-1MB", "got '-1MB'"),
        ("1MB", "at least 32 MB; got '1MB'"),
    ],
)
def test_a_limit_of_memory_that_makes_no_sense_is_refused(host: JobHost, limit, complaint):
    with pytest.raises(InvalidOption, match=complaint):
        host.task(executor="process", memory_limit=limit)(plain)


def test_a_limit_of_memory_needs_a_process(host: JobHost):
    with pytest.raises(InvalidOption, match="needs executor='process'"):
        host.task(memory_limit="512MB")(plain)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MB", 512_000_000),
        ("2GiB", 2 * 2**30),
        ("1.5 GB", 1_500_000_000),
        ("64000kb", 64 * 10**6),
    ],
)
def test_sizes_are_read_in_units_of_a_thousand_or_of_1024(text, size):
    assert parse_size(text, "memory_limit") == size


def test_sizes_are_shown_with_a_unit_that_fits():
    assert [format_size(size) for size in (1_500_000, 512_000_000, 2 * 10**10)] == [
        "1.5 MB",
        "512 MB",
        "20.0 GB",
    ]
