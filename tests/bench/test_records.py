"""Losses and duplicates are counted from what the jobs wrote."""

from pathlib import Path

from bench.records import Kind, Ledger, Pen, Tally


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
