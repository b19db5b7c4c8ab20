"""Job ids against RFC 9562."""

import time
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.errors import UsageError
from jobhost.ids import format_id, new_ids, parse_id


def test_an_id_is_a_uuid_of_version_7_in_the_standards_variant() -> None:
    for job_id in new_ids(100):
        as_uuid = UUID(bytes=job_id)
        assert (as_uuid.version, as_uuid.variant) == (7, RFC_4122)
        assert job_id[6] >> 4 == 0b0111
        assert job_id[8] >> 6 == 0b10


def test_an_id_begins_with_the_milliseconds_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    (job_id,) = new_ids(1)
    after = time.time_ns() // 1_000_000
    assert before <= int.from_bytes(job_id[:6]) <= after


@given(st.integers(0, 3000))
def test_the_ids_of_a_batch_rise_in_its_order(count: int) -> None:
    ids = new_ids(count)
    assert len(ids) == count
    assert ids == sorted(set(ids))


def test_a_batch_keeps_its_order_where_the_low_bits_run_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 73 bits: a low part one step before its end, below it the bits that are dropped.
    start = (0b101 << 62) + (1 << 62) - 1
    monkeypatch.setattr("os.urandom", lambda count: (start << 7).to_bytes(count))
    ids = new_ids(3)
    assert ids == sorted(set(ids))
    assert {UUID(bytes=job_id).version for job_id in ids} == {7}


def test_a_batch_that_starts_at_the_highest_number_keeps_its_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.urandom", lambda count: b"\xff" * count)
    ids = new_ids(1000)
    assert ids == sorted(set(ids))
    assert {(UUID(bytes=job_id).version, UUID(bytes=job_id).variant) for job_id in ids} == {
        (7, RFC_4122)
    }


def test_a_hundred_thousand_ids_are_all_different() -> None:
    ids = {job_id for _ in range(1000) for job_id in new_ids(50)}
    ids.update(job_id for _ in range(50_000) for job_id in new_ids(1))
    assert len(ids) == 100_000


@given(st.uuids())
def test_an_id_is_read_from_each_of_its_forms(value: UUID) -> None:
    for form in (value, str(value), value.bytes, value.hex, value.urn, str(value).upper()):
        assert parse_id(form) == value.bytes
    assert format_id(value.bytes) == str(value)


@pytest.mark.parametrize(
    "value", ["", "42", None, 42, b"short", "0190a5c2-0000-7000-8000-00000000000", "x" * 32]
)
def test_what_is_no_id_is_refused_with_what_came(value: object) -> None:
    with pytest.raises(UsageError, match="a job id is a UUID") as caught:
        parse_id(value)
    assert repr(value) in str(caught.value)
