"""What travels with a job beside its arguments."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.errors import InvalidOption
from jobhost.jobs.envelope import PLAIN, TRACE_HEADERS, Envelope, seal, version_of, with_version
from jobhost.jobs.options import UNSET, Options, resolve
from jobhost.jobs.retries import Retry

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
headers = st.dictionaries(texts, texts, max_size=4)
envelopes = st.builds(
    Envelope,
    trigger_kind=st.sampled_from(["event", "schedule"]),
    trigger_detail=st.just("enqueue") | texts,
    correlation_id=st.none() | texts,
    tags=st.lists(texts, max_size=4).map(tuple),
    headers=headers,
    retry=st.none() | st.builds(Retry, max_attempts=st.integers(1, 9)),
    timeout_seconds=st.sampled_from([UNSET, None, 0.5, 3600.0]),
    stalled_seconds=st.sampled_from([UNSET, None, 0.5, 3600.0]),
    unique=st.none() | st.tuples(texts, st.booleans()),
    idempotency=st.none() | st.tuples(texts, st.integers(1, 7 * 86_400_000_000)),
    version=st.integers(1, 9),
)


@given(envelopes)
def test_an_envelope_survives_its_text(envelope: Envelope) -> None:
    assert Envelope.from_text(envelope.to_text()) == envelope


@given(envelopes, st.integers(1, 9))
def test_another_version_changes_nothing_else(envelope: Envelope, version: int) -> None:
    text = with_version(envelope.to_text(), version)
    assert Envelope.from_text(text) == replace(envelope, version=version)
    assert version_of(text) == version


def test_a_newer_release_s_fields_stay_when_the_version_changes() -> None:
    text = with_version('{"of a later release": 1}', 2)
    assert text is not None
    assert json.loads(text) == {"of a later release": 1, "version": 2}


@pytest.mark.parametrize("version", ["0", "-1", '"2"', "null", "true", "1.5"])
def test_a_version_that_counts_nothing_is_refused(version: str) -> None:
    with pytest.raises(InvalidOption, match="counts from 1"):
        Envelope.from_text(f'{{"version": {version}}}')


@given(envelopes)
def test_the_text_names_only_what_differs_from_a_plain_job(envelope: Envelope) -> None:
    text = envelope.to_text()
    assert (text is None) == (envelope == PLAIN)
    if text is not None:
        assert json.loads(text)
        assert "\0" not in text


def test_a_plain_job_pays_nothing() -> None:
    assert PLAIN.to_text() is None
    assert Envelope.from_text(None) is PLAIN


@given(envelopes, texts, headers)
def test_a_child_inherits_the_correlation_and_the_trace_and_nothing_else(
    own: Envelope, correlation: str, parents: dict[str, str]
) -> None:
    child = own.inherit(correlation, parents | {"traceparent": "00-1-2-01", "secret": "mine"})
    assert child.correlation_id == (own.correlation_id or correlation)
    assert child.headers["traceparent"] == own.headers.get("traceparent", "00-1-2-01")
    taken = {key: value for key, value in child.headers.items() if key not in own.headers}
    assert taken.keys() <= set(TRACE_HEADERS)
    assert own.headers.items() <= child.headers.items()
    assert (child.tags, child.retry) == (own.tags, own.retry)


def test_the_envelope_carries_policies_only_when_the_call_gave_them() -> None:
    task = Options(retry=Retry(max_attempts=2), timeout="1m", tags=["io"])
    silent = seal(Options(), resolve(Options(), task, {}, Options()))
    assert (silent.retry, silent.timeout_seconds, silent.tags) == (None, UNSET, ("io",))

    told = Options(stalled_after="2m")
    quiet = seal(told, resolve(told, task, {}, Options()))
    assert (quiet.timeout_seconds, quiet.stalled_seconds) == (UNSET, 120.0)

    call = Options(retry=Retry(max_attempts=3), timeout=None)
    spoken = seal(call, resolve(call, task, {}, Options()))
    assert (spoken.retry, spoken.timeout_seconds) == (Retry(max_attempts=3), None)
