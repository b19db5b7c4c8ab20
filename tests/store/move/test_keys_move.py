"""Keys move along: what they stand for and who holds them is the same at the new place."""

import sqlite3
from contextlib import closing

from jobhost.jobs.keys import Accepted, JobKeys, KeyRules

from ..contract.test_keys import REPLACE, SECOND, call_all, once, revisions, unique
from ..world import World, ended
from .stores import move, query_there


def test_keys_hold_at_the_new_place_as_they_did_at_the_old_one(
    here: World, there: World, schema: str
) -> None:
    here.store.migrate()
    first = once(here, "order", 7, KeyRules(window_us=86_400 * SECOND))
    waits = unique(here, "waits", "old")
    to_start = unique(here, "to start", 0, KeyRules(until_start=True))
    both = call_all(here, [(JobKeys("i", "u"), 1)], KeyRules(window_us=86_400 * SECOND))[0]
    unique(here, "waits", "new", REPLACE)
    node = here.node()
    deliveries = here.claim(node)
    gone = next(delivery for delivery in deliveries if delivery.id == both.id)
    here.cycle(node, *[ended(delivery) for delivery in deliveries if delivery is gone])
    here.move(hours=1)
    move(here, there)
    there.query = query_there(schema)
    assert once(there, "order", 7) == Accepted(first.id, is_new=False)
    assert once(there, "i", 1) == Accepted(both.id, is_new=False)
    assert unique(there, "waits") == Accepted(waits.id, is_new=False)
    assert unique(there, "to start").id != to_start.id
    assert unique(there, "u").is_new
    assert revisions(there, waits.id) == ["old"]


def test_key_rows_are_compared_in_one_order_whatever_the_collation(
    here: World, there: World, schema: str
) -> None:
    here.store.migrate()
    names = ["a", "B", "ä", "Z", "z", "_", "1", "é", "日本", "🚀", "a b", "A-b"]
    call_all(here, [(JobKeys(name, name), 1) for name in names])
    move(here, there)
    assert not any(
        one.is_new for one in call_all(there, [(JobKeys(name, name), 1) for name in names])
    )


def test_numbers_with_a_fraction_flags_and_settings_of_queues_arrive(
    here: World, there: World, schema: str
) -> None:
    here.store.migrate()
    numbers = (0.0, 1.0, 0.1, 1e-5, 0.0001, 123456.789, 1e15, 1.5e15, 1e16, 1e22, 1 / 3, -2.5)
    with closing(sqlite3.connect(here.store.url.removeprefix("sqlite:///"))) as raw, raw:
        for job, number in enumerate(numbers, 1):
            raw.execute(
                "INSERT INTO jobhost_progress (job, epoch, done, told_at) VALUES (?, 1, ?, 0)",
                (job, number),
            )
        for name, dropped in (("b", 1), ("A", 0), ("_", 0)):
            raw.execute(
                "INSERT INTO jobhost_queue (name, dropped, changed_at) VALUES (?, ?, 0)",
                (name, dropped),
            )
        raw.execute(
            "UPDATE jobhost_queue SET hours = '22:00-06:00', zone = 'Europe/Berlin', "
            "open_from = 5, open_until = 9, raise_after_us = 7, "
            "raise_marks = '[[1, 2]]' WHERE name = 'A'"
        )
        raw.execute("INSERT INTO jobhost_expiry VALUES (1, 5, 1)")
    move(here, there)
    query = query_there(schema)
    found = query("SELECT done FROM jobhost_progress ORDER BY job")
    assert [number for (number,) in found] == list(numbers)
    assert query("SELECT name FROM jobhost_queue WHERE dropped") == [("b",)]
    of_hours = "hours, zone, open_from, open_until, raise_after_us, raise_marks"
    assert query(f"SELECT {of_hours} FROM jobhost_queue WHERE name = 'A'") == [
        ("22:00-06:00", "Europe/Berlin", 5, 9, 7, "[[1, 2]]")
    ]
    assert query("SELECT dropped FROM jobhost_expiry") == [(True,)]
