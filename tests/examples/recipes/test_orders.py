"""Orders and their mails: one each, whatever the mail server says and whoever is killed."""

import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from queue import Queue

import pytest
from mail_sink import mail_sink

from jobhost import IdempotencyConflict, State
from jobhost.clock import ManualClock

GUARD_SECONDS = 120.0


@pytest.fixture
def sink(monkeypatch):
    with mail_sink() as sink:
        monkeypatch.setenv("MAIL_SERVER", sink.address)
        yield sink


@pytest.fixture
def example(sink, load):
    example = load("orders")
    example.module.open_shop()
    return example


@pytest.fixture
def clock():
    return ManualClock(datetime.now(UTC))


def orders(example) -> dict[int, str]:
    with closing(sqlite3.connect(example.module.shop, timeout=60)) as db:
        return dict(db.execute("SELECT number, state FROM orders"))


def mail_of(host):
    [record] = host.jobs(task="confirm")
    return record


@pytest.mark.requirement("R-JOB-5")
@pytest.mark.requirement("R-EVT-11")
def test_an_order_is_confirmed_by_one_mail_and_nobody_waits_for_it(example, sink):
    example.module.place_order(7, "ada@example.org")
    assert (orders(example), sink.taken) == ({7: "placed"}, [])
    example.work()
    assert orders(example) == {7: "confirmed"}
    [mail] = sink.taken
    assert (mail["To"], mail["Subject"]) == ("ada@example.org", "Your order 7")


@pytest.mark.requirement("R-JOB-5")
@pytest.mark.parametrize(
    ("step", "sent"),
    [("EHLO", 1), ("DATA", 1), (".", 2)],
    ids=["before the mail", "in the middle of it", "right after it"],
)
def test_a_worker_that_is_killed_once_leaves_one_mail_in_the_mailbox(example, sink, step, sent):
    example.module.place_order(7, "ada@example.org")
    started = Queue()

    def kill_once():
        del sink.hooks[step]
        worker = started.get(timeout=GUARD_SECONDS)
        worker.send_signal(signal.SIGKILL)
        worker.wait(GUARD_SECONDS)

    sink.hooks[step] = kill_once
    worker = example.start()
    started.put(worker)
    assert worker.wait(GUARD_SECONDS) == -signal.SIGKILL
    example.work()
    assert orders(example) == {7: "confirmed"}
    assert list(sink.mailbox) == ["<order-7@example.org>"]
    assert len(sink.taken) == sent
    job = example.host.job(mail_of(example.host).id)
    assert [attempt.outcome for attempt in job.attempts()] == ["crashed", "succeeded"]


def test_an_order_that_is_not_stored_has_no_job(example):
    example.module.place_order(7, "ada@example.org")
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        example.module.place_order(7, "eve@example.org")
    assert len(example.host.jobs()) == 1


def test_the_mail_of_an_order_is_asked_for_once(example):
    confirm = example.module.confirm
    first = confirm.using(idempotency_key="order-7").enqueue(7)
    assert confirm.using(idempotency_key="order-7").enqueue(7) == first
    with pytest.raises(IdempotencyConflict):
        confirm.using(idempotency_key="order-7").enqueue(8)


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("hello", "421 not now"),
        ("MAIL", "451 not now"),
        ("RCPT", "450 not now"),
        ("DATA", "451 not now"),
        (".", "452 not now"),
    ],
)
def test_a_server_that_says_not_now_is_asked_again_later_and_longer_than_for_other_errors(
    example, sink, clock, step, answer
):
    example.module.place_order(7, "ada@example.org")
    with example.on_clock(clock) as host:
        sink.answers[step] = answer
        for failures in range(1, 6):
            host.worker(burst=True).run()
            record = mail_of(host)
            assert (record.state, record.failures) == (State.SCHEDULED, failures)
            clock.move(timedelta(hours=1))
        del sink.answers[step]
        host.worker(burst=True).run()
        assert mail_of(host).state is State.SUCCEEDED
    assert len(sink.taken) == 1


def test_the_waits_grow(example, sink, clock):
    sink.answers["RCPT"] = "450 not now"
    example.module.place_order(7, "ada@example.org")
    waits = []
    with example.on_clock(clock) as host:
        for _ in range(4):
            host.worker(burst=True).run()
            attempt = host.job(mail_of(host).id).attempts()[-1]
            waits.append(mail_of(host).due_at - attempt.ended_at)
            clock.move(waits[-1])
    for wait, longest in zip(waits, (30, 60, 120, 240), strict=True):
        assert timedelta(seconds=0.75 * longest) <= wait <= timedelta(seconds=longest)


@pytest.mark.parametrize(
    ("step", "answer"),
    [("RCPT", "550 no such person"), (".", "554 spam"), ("MAIL", "553 no such sender")],
)
def test_a_mail_that_the_server_will_never_take_is_a_dead_letter_at_once(
    example, sink, step, answer
):
    sink.answers[step] = answer
    example.module.place_order(7, "nobody@example.org")
    example.work()
    record = mail_of(example.host)
    assert (record.state, record.deliveries) == (State.DEAD, 1)
    assert record.error.message == f"the mail server says {answer}"
    assert orders(example) == {7: "packed"}
    assert sink.taken == []


def test_when_nobody_listens_the_mail_waits(example, sink, clock, monkeypatch):
    monkeypatch.setattr(example.module, "mail_server", "127.0.0.1:1")
    example.module.place_order(7, "ada@example.org")
    with example.on_clock(clock) as host:
        host.worker(burst=True).run()
        assert mail_of(host).state is State.SCHEDULED
