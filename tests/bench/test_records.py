"""Losses and duplicates are counted from what the jobs wrote."""

import time
from pathlib import Path

from bench.drain import steadiness
from bench.records import Kind, Ledger, Pen, Tally, mark_of

TICK_NS = 100_000_000


def test_a_job_that_never_started_is_lost_and_a_second_start_is_a_duplicate() -> None:
    assert Tally.of(4, [0, 1, 1, 3, 1]) == Tally(sent=4, lost=1, duplicates=2)


def test_a_record_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    Pen(str(tmp_path)).write(Kind.START, 7, 1)
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes() * 2 + b"cut")

    ledger = Ledger(tmp_path)

    assert len(ledger) == 2
    assert [record.seq for record in ledger.read(Kind.START)] == [7, 7]
    assert ledger.read(Kind.END) == []


def test_starts_are_read_by_column_and_ends_are_left_out(tmp_path: Path) -> None:
    pen = Pen(str(tmp_path))
    for kind, seq in ((Kind.START, 1), (Kind.END, 1), (Kind.START, 2)):
        pen.write(kind, seq, 10 * seq)

    starts = Ledger(tmp_path).starts()

    assert list(starts.seqs) == [1, 2]
    assert list(starts.sent_ns) == [10, 20]
    assert list(starts.now_ns) == sorted(starts.now_ns)


def test_a_process_goes_on_writing_after_its_records_were_forgotten(tmp_path: Path) -> None:
    pen, ledger = Pen(str(tmp_path)), Ledger(tmp_path)
    pen.write(Kind.START, 1, 1)
    ledger.clear()
    assert len(ledger) == 0

    pen.write(Kind.START, 2, 1)

    assert list(ledger.starts().seqs) == [2]


def test_a_program_leaves_a_byte_for_each_start_and_the_file_tells_when(tmp_path: Path) -> None:
    before_ns = time.monotonic_ns()
    Pen(str(tmp_path)).write(Kind.START, 1, 10)
    for seq in (4, 4, 5):
        with mark_of(tmp_path, seq).open("ab") as mark:
            mark.write(b"\n")
    ledger = Ledger(tmp_path)

    starts = ledger.starts()

    assert len(ledger) == 4
    assert sorted(starts.seqs) == [1, 4, 4, 5]
    # The kernel's clock of files goes by ticks.
    assert all(before_ns - TICK_NS <= now_ns <= time.monotonic_ns() for now_ns in starts.now_ns)
    ledger.clear()
    assert (len(ledger), len(ledger.starts().seqs)) == (0, 0)


def test_a_start_of_a_job_from_another_round_hides_no_loss() -> None:
    assert Tally.of(2, [10, 7], first=10) == Tally(sent=2, lost=1, duplicates=1)


def test_steadiness_compares_the_last_third_of_the_starts_with_the_first() -> None:
    assert steadiness([0, 1, 2, 3, 4, 5, 6, 8, 10]) == 50
    assert steadiness(range(90)) == 100
