"""Keys given to `jobhost enqueue`, and what other commands make of a key that is taken."""

import json
from uuid import UUID

import pytest
from commands import Call, Shop

from jobhost.cli.exits import Exit


def enqueue(call: Call, *arguments: str) -> tuple[int, str, str]:
    done = call("enqueue", "shop:host", "add", *arguments)
    return done.code, done.out.strip().splitlines()[-1] if done.out else "", done.err


def test_a_repeat_prints_the_id_of_the_first_job_and_says_so(call: Call, shop: Shop) -> None:
    key = ("--args", "[1]", "--idempotency-key", "k", "--idempotency-window", "1h")
    code, first, err = enqueue(call, *key)
    assert (code, "enqueued before" in err) == (Exit.DONE, False)
    code, again, err = enqueue(call, *key)
    assert (code, again) == (Exit.DONE, first)
    assert f"job {first} has a key of this call, and was enqueued before" in err
    code, _, err = enqueue(call, "--args", "[2]", "--idempotency-key", "k")
    assert code == Exit.WRONG_USE
    assert f"stands for job {first}, which was enqueued with other arguments" in err


def test_each_policy_can_be_asked_for(call: Call, shop: Shop) -> None:
    _, first, _ = enqueue(call, "--args", "[1]", "--unique", "u")
    code, _, err = enqueue(call, "--args", "[2]", "--unique", "u", "--on-taken", "raise")
    assert code == Exit.WRONG_USE
    assert f"the unique key 'u' of task 'add' is taken by job {first}" in err
    code, again, _ = enqueue(call, "--args", "[3]", "--unique", "u", "--on-taken", "replace")
    assert (code, again) == (Exit.DONE, first)
    assert json.loads(shop.host.job(UUID(first)).status().payload) == {"a": 3}
    code, other, _ = enqueue(
        call, "--args", "[4]", "--unique", "d", "--debounce", "1h", "--debounce-max", "2h"
    )
    assert code == Exit.DONE
    assert shop.host.job(UUID(other)).status().state == "scheduled"
    code, _, _ = enqueue(
        call, "--args", "[5]", "--unique", "t", "--throttle", "1h", "--unique-until", "start"
    )
    assert code == Exit.DONE


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--unique", ""), "unique is empty"),
        (("--unique", "k", "--on-taken", "drop"), "on_taken must be"),
        (("--debounce", "5s"), "debounce needs a unique key"),
        (("--unique", "k", "--debounce", "5s", "--delay", "1m"), "debounce or delay, not both"),
        (("--idempotency-key", "k", "--idempotency-window", "8d"), "at most 7d"),
    ],
)
def test_wrong_keys_are_refused_in_words(call: Call, options: tuple[str, ...], words: str) -> None:
    code, out, err = enqueue(call, "--args", "[1]", *options)
    assert (code, out.startswith("0")) == (Exit.WRONG_USE, False)
    assert words in err


def test_a_redrive_into_a_taken_key_is_refused_and_names_the_holder(call: Call, shop: Shop) -> None:
    _, first, _ = enqueue(call, "--args", "[1]", "--unique", "u")
    shop.host.job(UUID(first)).cancel()
    _, holder, _ = enqueue(call, "--args", "[1]", "--unique", "u")
    done = call("jobs", "redrive", first)
    assert done.code == Exit.WRONG_USE
    assert f"its unique key is taken by job {holder}" in done.err


def test_run_does_nothing_where_a_key_of_the_call_is_taken(shop: Shop) -> None:
    (shop.folder / "keyed.py").write_text(
        "from jobhost import JobHost\n"
        "host = JobHost('sqlite:///shop.db')\n"
        "@host.task(unique='only')\n"
        "def only() -> None: print('it ran')\n"
    )
    first = shop.call("enqueue", "keyed:host", "only")
    assert first.code == 0, first.err
    refused = shop.call("run", "keyed:host", "only")
    assert refused.code == Exit.WRONG_USE, refused.err
    assert f"job {first.out.strip()} has a key of this call, so nothing was run" in refused.err
    assert "it ran" not in refused.err + refused.out
    shop.host.job(UUID(first.out.strip())).cancel()
    done = shop.call("run", "keyed:host", "only")
    assert done.code == 0, done.err
