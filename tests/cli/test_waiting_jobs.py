"""Jobs that nobody comes for: the commands say so, and what to do."""

import json

from commands import Call, Shop, until

ADVICE = "jobhost: no worker serves queue 'mail': start one with --queues mail\n"


def enqueue_to(call: Call, queue: str) -> tuple[str, str]:
    """The id of a job in this queue, and what was said about it."""
    done = call("enqueue", "shop:host", "add", "--args", "[1]", "--queue", queue)
    assert done.code == 0
    return done.out.splitlines()[-1], done.err


def test_a_waiting_job_that_no_worker_serves_is_told_with_the_next_step(call: Call) -> None:
    job_id, _ = enqueue_to(call, "mail")
    for command in (["list"], ["show", job_id]):
        done = call("jobs", *command)
        assert job_id in done.out
        assert done.err == ADVICE
        assert call("jobs", *command, "--json").err == ""


def test_each_queue_is_told_once_and_ended_jobs_need_no_worker(shop: Shop, call: Call) -> None:
    for queue in ("b", "a", "b"):
        enqueue_to(call, queue)
    call("jobs", "cancel", enqueue_to(call, "c")[0])
    shop.enqueue("delayed")
    told = [line.split("'")[1] for line in call("jobs", "list").err.splitlines()]
    assert told == ["a", "b", "slow"]


def test_the_step_that_is_told_can_be_pasted(shop: Shop, call: Call) -> None:
    job_id, said = enqueue_to(call, "back office's")
    option = said.split("start one with ")[1].strip()
    assert option == """--queues 'back office'"'"'s'"""
    assert shop.call("worker", "shop:host", "--burst", "--queues", "back office's").code == 0
    assert shop.state(job_id) == "succeeded"


def test_enqueueing_tells_it_only_of_a_queue_that_no_task_names(call: Call) -> None:
    assert "no worker serves queue 'mail'" in enqueue_to(call, "mail")[1]
    assert enqueue_to(call, "slow")[1] == ""
    assert enqueue_to(call, "default")[1] == ""


def test_nothing_is_told_while_a_worker_serves_it(shop: Shop, call: Call) -> None:
    shop.host.migrate()
    folder = json.dumps([str(shop.folder)])
    running = shop.start("worker", "shop:host", "--queues", "mail", "--concurrency", "1")
    until(lambda: "serves mail" in running.err)
    call("enqueue", "shop:host", "gated", "--args", folder, "--queue", "mail")
    job_id, said = enqueue_to(call, "mail")
    assert said == ""
    assert call("jobs", "show", job_id).err == ""
    assert call("jobs", "list").err == ""
    other_id, said = enqueue_to(call, "post")
    assert "no worker serves queue 'post'" in said
    assert "no worker serves queue 'post'" in call("jobs", "show", other_id).err
    assert "'mail'" not in call("jobs", "list").err
    (shop.folder / "go").touch()
