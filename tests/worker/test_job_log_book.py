"""Which lines of a log are kept, and that others learn how many are not."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as some

from jobhost.store.plans.notes import Written
from jobhost.worker.job_logs import (
    FIRST_BYTES,
    FIRST_LINES,
    LAST_BYTES,
    LAST_LINES,
    LINE_CHARS,
    JobLogHandler,
    LogBook,
    Page,
)


class Shelf:
    """What a store has of one log."""

    def __init__(self) -> None:
        self.lines: dict[int, Written] = {}

    def put(self, page: Page) -> None:
        for written in page.lines:
            self.lines.setdefault(written.line, written)
        if page.dropped is not None:
            for line in range(*page.dropped):
                self.lines.pop(line, None)


def write(book: LogBook, count: int, size: int = 1) -> None:
    for _ in range(count):
        book.add(0, "INFO", "shop", "x" * size)


def kept(count: int) -> list[int]:
    """The numbers of the lines that stay of so many short ones."""
    first = range(min(count, FIRST_LINES))
    return [*first, *range(max(FIRST_LINES, count - LAST_LINES), count)]


def test_a_short_log_is_kept_whole() -> None:
    book, shelf = LogBook(), Shelf()
    write(book, 3)
    shelf.put(book.take())
    assert list(shelf.lines) == [0, 1, 2]
    assert book.take() == Page([], None)


steps = some.lists(
    some.one_of(
        some.integers(1, 700).map(lambda count: ("write", count)),
        some.sampled_from([("send", 0), ("fail", 0), ("doubt", 0)]),
    ),
    max_size=25,
)


@given(steps=steps)
def test_the_same_lines_stay_however_they_were_sent(steps: list[tuple[str, int]]) -> None:
    """`fail`: nothing was written; `doubt`: it was, and the answer was lost."""
    book, shelf, count = LogBook(), Shelf(), 0
    for what, more in [*steps, ("send", 0)]:
        if what == "write":
            write(book, more)
            count += more
            continue
        page = book.take()
        assert len(page.lines) <= FIRST_LINES + LAST_LINES
        if what != "fail":
            shelf.put(page)
        if what != "send":
            book.put_back(page)
    assert sorted(shelf.lines) == kept(count)


def test_long_lines_count_by_their_bytes() -> None:
    book, shelf = LogBook(), Shelf()
    for _ in range(100):
        write(book, 1, size=4_000)
        shelf.put(book.take())
    sizes = sum(len(written.message) for written in shelf.lines.values())
    assert sizes <= FIRST_BYTES + LAST_BYTES
    assert 0 in shelf.lines
    assert 99 in shelf.lines
    assert len(shelf.lines) == FIRST_BYTES // 4_000 + LAST_BYTES // 4_000


def test_a_line_is_cut_in_the_middle_and_made_fit_for_the_store() -> None:
    book = LogBook()
    book.add(0, "INFO", "shop", "a" * LINE_CHARS + "b" * LINE_CHARS + "\0")
    ((written,), _) = book.take()
    assert written.message.startswith("a" * 100)
    assert written.message.endswith("b\\0")
    assert "8,001 characters left out" in written.message


def test_warnings_are_still_printed_where_nobody_has_configured_logging(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`logging` prints them as a last resort while there is no handler; this one is none to it."""
    root = logging.getLogger()
    handlers, root.handlers[:] = list(root.handlers), []
    handler = JobLogHandler(logging.INFO)
    handler.enter()
    try:
        logging.getLogger("shop").warning("look out")
        logging.getLogger("shop").info("nothing")
        other = logging.StreamHandler()
        root.addHandler(other)
        logging.getLogger("shop").warning("only once")
    finally:
        root.handlers[:] = handlers
    assert capsys.readouterr().err == "look out\nonly once\n"


def test_a_record_that_cannot_be_worded_does_not_fail_who_logs_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler = JobLogHandler(logging.INFO)
    record = logging.LogRecord("shop", logging.INFO, "here", 1, "%d", ("no number",), None)
    handler.emit(record)  # outside a job it is not even looked at
    assert capsys.readouterr().err == ""


def test_a_handler_that_comes_while_a_record_goes_round_hides_it_from_nobody() -> None:
    late = JobLogHandler(logging.INFO)
    heard: list[str] = []

    class Other(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())
            late.leave() if late in root.handlers else late.enter()

    root, first, second = logging.getLogger(), Other(), Other()
    handlers, root.handlers = root.handlers, [first, second]
    try:
        logging.getLogger("shop").warning("comes")
        logging.getLogger("shop").warning("goes")
    finally:
        root.handlers = handlers
    assert heard == ["comes", "comes", "goes", "goes"]
