"""The example's task and index, without the demo around them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(params=["FullText", "WordCounts"])
def index(request: pytest.FixtureRequest, tasks: ModuleType, tmp_path: Path) -> Iterator[Any]:
    """The index in both of its forms."""
    module = sys.modules["index"]
    index = module.Index(tmp_path / "own.db", getattr(module, request.param)())
    yield index
    index.close()


def one_run(path: str = "a.py", job: str = "1", delivery: int = 1) -> Any:
    return sys.modules["index"].Run(path=path, job=job, delivery=delivery, pid=7)


def test_the_task_enters_a_file_into_the_index(
    tasks: ModuleType, run: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "loop.py"
    file.write_text("first\nthe event_loop runs\n")
    (indexed,) = run(file)
    assert indexed == tasks.Indexed(lines=2, damaged=False)
    (hit,) = tasks.index.search("event loop")
    assert (hit.path, hit.line, hit.text) == (str(file), 2, "the event_loop runs")


def test_a_file_indexed_twice_has_one_entry_with_its_last_text(
    tasks: ModuleType, run: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old words")
    run(file)
    file.write_text("new words")
    run(file)
    assert [hit.text for hit in tasks.index.search("words")] == ["new words"]
    assert tasks.index.search("old") == []
    assert tasks.index.paths() == {str(file)}


@pytest.mark.parametrize(
    ("data", "lines", "damaged"),
    [
        (b"", 0, False),
        ("plain, ä €\n".encode(), 1, False),
        ("latin ä words".encode("latin-1"), 1, True),
        (bytes(range(256)) * 40 + b" words ", 81, True),
    ],
    ids=["empty", "text", "another encoding", "junk"],
)
def test_any_bytes_can_be_indexed(
    tasks: ModuleType,
    run: Callable[..., Any],
    tmp_path: Path,
    data: bytes,
    lines: int,
    damaged: bool,
) -> None:
    file = tmp_path / "some.txt"
    file.write_bytes(data)
    (indexed,) = run(file)
    assert indexed.damaged is damaged
    assert bool(indexed.lines) is bool(lines)
    assert tasks.index.paths() == {str(file)}
    assert len(tasks.index.search("words")) == (b"words" in data)


def test_of_a_huge_file_the_beginning_is_indexed(
    tasks: ModuleType, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "FILE_BYTES_MAX", 12)
    file = tmp_path / "a.txt"
    file.write_text("first words last")
    run(file)
    assert len(tasks.index.search("first")) == 1
    assert tasks.index.search("last") == []


def test_the_ledger_says_what_ran(
    tasks: ModuleType, run: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("words")
    run(file)
    started, finished = tasks.index.ledger()
    assert (started.event, finished.event) == ("started", "finished")
    assert started.run == finished.run
    assert started.run.delivery == 1
    assert tasks.index.open_runs() == []
    assert tasks.index.finished_count() == 1


def test_a_second_delivery_of_a_finished_job_changes_nothing(index: Any) -> None:
    assert index.put(one_run(delivery=1), "first words")
    index.start(one_run(delivery=2))
    assert not index.put(one_run(delivery=2), "second words")
    assert [hit.text for hit in index.search("words")] == ["first words"]
    assert index.finished_count() == 1


def test_another_job_replaces_the_entry(index: Any) -> None:
    index.put(one_run(job="1"), "old words")
    index.put(one_run(job="2"), "new words")
    assert [hit.text for hit in index.search("words")] == ["new words"]
    assert index.search("old") == []


def test_what_started_and_did_not_finish_is_open(index: Any) -> None:
    index.start(one_run(path="a", job="1"))
    index.start(one_run(path="b", job="2"))
    index.put(one_run(path="a", job="1"), "")
    assert [run.path for run in index.open_runs()] == ["b"]


def test_a_search_finds_all_words_and_shows_their_line(index: Any) -> None:
    index.put(one_run(path="a", job="1"), "loop\nthe EVENT loop event loop\n")
    index.put(one_run(path="b", job="2"), "events\nare no loop")
    index.put(one_run(path="c", job="3"), "an event loop")
    found = {hit.path: (hit.line, hit.text) for hit in index.search('"event" loop')}
    assert found == {"a": (2, "the EVENT loop event loop"), "c": (1, "an event loop")}
    assert len(index.search("event loop", limit=1)) == 1


def test_a_search_without_words_is_refused(index: Any) -> None:
    with pytest.raises(ValueError, match="at least one word"):
        index.search(' "* ')


def test_a_failed_write_leaves_nothing_and_the_index_usable(index: Any) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        index.put(one_run(path="bad"), "\ud800")
    assert index.paths() == set()
    assert index.ledger() == []
    assert index.put(one_run(), "words")
