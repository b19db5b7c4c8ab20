"""What may be set for a worker."""

from datetime import timedelta

import pytest

from jobhost import InvalidOption, JobHost, UsageError
from jobhost.worker.config import WorkerConfig


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"concurrency": 0}, "from 1 to 10000; got 0"),
        ({"concurrency": -3}, "from 1 to 10000; got -3"),
        ({"concurrency": 10_001}, "from 1 to 10000; got 10001"),
        ({"concurrency": 2.5}, "whole number; got 2.5"),
        ({"concurrency": "4"}, "whole number; got '4'"),
        ({"concurrency": True}, "whole number; got True"),
        ({"concurrency": None}, "whole number; got None"),
        ({"lease": "0s"}, "lease must be longer than zero"),
        ({"lease": "49ms"}, "lease must be at least 50ms; got '49ms'"),
        ({"max_memory": "31MB"}, "max_memory must be at least 32 MB; got '31MB'"),
        ({"lease": 30}, "lease must be"),
        ({"lease": None}, "lease must be"),
        ({"lease": "soon"}, "lease must be"),
        ({"lease": timedelta(seconds=-1)}, "lease must be"),
        ({"poll": "0ms"}, "poll must be longer than zero"),
        ({"poll": 1.0}, "poll must be"),
        ({"stopping_wait_time": "-1s"}, "stopping_wait_time must be"),
        ({"stopping_wait_time": 5}, "stopping_wait_time must be"),
        ({"cancel_grace": "0s"}, "cancel_grace must be longer than zero"),
        ({"cancel_grace": ""}, "cancel_grace must be"),
        ({"queues": "default"}, "list of names"),
        ({"queues": []}, "list of names"),
        ({"queues": {}}, "list of names"),
        ({"queues": [""]}, "queue must be printable text"),
        ({"queues": [" mail"]}, "queue must be printable text"),
        ({"queues": ["a\nb"]}, "queue must be printable text"),
        ({"queues": ["x" * 201]}, "200 characters"),
        ({"queues": [3]}, "queue must be text; got 3"),
        ({"queues": [["mail"]]}, "queue must be text; got"),
        ({"queues": 5}, "list of names .*got 5"),
        ({"queues": True}, "list of names .*got True"),
        ({"burst": "no"}, "burst must be True or False; got 'no'"),
        ({"burst": None}, "burst must be True or False; got None"),
        ({"queues": {"mail": 0}}, "from 1 to 100; got 0"),
        ({"queues": {"mail": 101}}, "from 1 to 100; got 101"),
        ({"queues": {"mail": 1.5}}, "from 1 to 100; got 1.5"),
        ({"queues": {"mail": True}}, "from 1 to 100; got True"),
        ({"queues": {"mail": "2"}}, "from 1 to 100; got '2'"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_was_expected_and_what_came(setting, complaint):
    with pytest.raises(InvalidOption, match=complaint):
        WorkerConfig(**setting)


def test_a_list_of_queues_gives_each_the_same_weight():
    assert WorkerConfig(queues=["a", "b"]).weights == {"a": 1, "b": 1}


def test_a_wait_of_zero_hands_running_jobs_back_at_once_and_is_allowed():
    assert WorkerConfig(stopping_wait_time="0s").stopping_wait_seconds == 0


def test_three_heartbeats_fit_into_a_lease():
    assert WorkerConfig(lease="30s").heartbeat_seconds == 10


def test_by_default_the_queues_are_those_that_the_tasks_name(host: JobHost):
    host.task(name="one")(lambda: None)
    host.task(name="two", queue="mail")(lambda: None)

    assert host.worker().queues == {"default": 1, "mail": 1}
    assert host.worker(queues={"mail": 3}).queues == {"mail": 3}


def test_a_host_without_tasks_has_no_worker(host: JobHost):
    with pytest.raises(UsageError, match="declare one with"):
        host.worker()
