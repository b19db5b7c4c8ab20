"""What travels with a job beside its arguments.

Stored as one JSON object that names only what differs from the defaults, and not
at all when nothing does, so that a plain job pays nothing for it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from jobhost.errors import InvalidOption
from jobhost.jobs.expiry import Expiry
from jobhost.jobs.options import UNSET, Options, Resolved, Unset
from jobhost.jobs.retries import Retry

TRIGGER_EVENT: Final = "event"
TRIGGER_SCHEDULE: Final = "schedule"
TRIGGER_ENQUEUE: Final = "enqueue"

TRACE_HEADERS: Final = ("traceparent", "tracestate", "baggage")
"""Headers of the W3C trace context; a job enqueued by a job inherits them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Trigger, relations and the options that the call itself gave.

    Retry and timeout stand here only when the call gave them: a policy of the task
    is read from the code that runs, so that a deploy that mends it also mends the
    jobs that wait.

    Args:
        trigger_kind: "event" or "schedule".
        trigger_detail: What exactly started it, such as "enqueue" or "command line".
        correlation_id: Ties related jobs together; None means the job's own id.
        tags: Labels for listings.
        headers: Text to text, handed to the task.
        retry: The call's own policy.
        timeout_seconds: The call's own limit; None is no limit, UNSET is the task's.
        stalled_seconds: Likewise for how long it may give no sign of life.
        unique: The job's unique key, and whether it holds it only until it starts.
        idempotency: The idempotency key of the call that made the job, and its window in
            microseconds. For people: what counts stands in the store under the key itself.
        expiry: Until when it may start. The store has the same in a row of its own, which counts.
        version: That of its arguments, from 1.
    """

    trigger_kind: str = TRIGGER_EVENT
    trigger_detail: str = TRIGGER_ENQUEUE
    correlation_id: str | None = None
    tags: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    retry: Retry | None = None
    timeout_seconds: float | Unset | None = UNSET
    stalled_seconds: float | Unset | None = UNSET
    expiry: Expiry | None = None
    unique: tuple[str, bool] | None = None
    idempotency: tuple[str, int] | None = None
    version: int = 1

    def to_text(self) -> str | None:
        """JSON of what differs from the defaults; None when nothing does."""
        plain: dict[str, Any] = {}
        if (self.trigger_kind, self.trigger_detail) != (TRIGGER_EVENT, TRIGGER_ENQUEUE):
            plain["trigger"] = [self.trigger_kind, self.trigger_detail]
        if self.correlation_id is not None:
            plain["correlation"] = self.correlation_id
        if self.tags:
            plain["tags"] = self.tags
        if self.headers:
            plain["headers"] = dict(self.headers)
        self._add_policies(plain)
        if self.version != 1:
            plain["version"] = self.version
        return json.dumps(plain, ensure_ascii=False) if plain else None

    def _add_policies(self, plain: dict[str, Any]) -> None:
        if self.retry is not None:
            plain["retry"] = self.retry.to_json()
        if not isinstance(self.timeout_seconds, Unset):
            plain["timeout"] = self.timeout_seconds
        if not isinstance(self.stalled_seconds, Unset):
            plain["stalled"] = self.stalled_seconds
        if self.expiry is not None:
            plain["expires"] = self.expiry.to_json()
        if self.unique is not None:
            plain["unique"] = self.unique
        if self.idempotency is not None:
            plain["idempotency"] = self.idempotency

    @classmethod
    def from_text(cls, text: str | None) -> "Envelope":
        """The inverse of `to_text`."""
        if text is None:
            return PLAIN
        plain = json.loads(text)
        kind, detail = plain.get("trigger", (TRIGGER_EVENT, TRIGGER_ENQUEUE))
        retry = plain.get("retry")
        return cls(
            trigger_kind=kind,
            trigger_detail=detail,
            correlation_id=plain.get("correlation"),
            tags=tuple(plain.get("tags", ())),
            headers=plain.get("headers", {}),
            retry=None if retry is None else Retry.from_json(retry),
            timeout_seconds=plain.get("timeout", UNSET),
            stalled_seconds=plain.get("stalled", UNSET),
            expiry=Expiry.from_json(plain["expires"]) if "expires" in plain else None,
            unique=tuple(plain["unique"]) if "unique" in plain else None,
            idempotency=tuple(plain["idempotency"]) if "idempotency" in plain else None,
            version=_version(plain),
        )

    def inherit(self, parent_correlation: str, parent_headers: Mapping[str, str]) -> "Envelope":
        """This envelope for a job that another job enqueues."""
        trace = {key: parent_headers[key] for key in TRACE_HEADERS if key in parent_headers}
        return replace(
            self,
            correlation_id=self.correlation_id or parent_correlation,
            headers={**trace, **self.headers},
        )


PLAIN: Final = Envelope()
"""An envelope in which nothing differs from the defaults."""


def version_of(text: str | None) -> int:
    """The version of the arguments with this stored envelope."""
    return 1 if text is None else _version(json.loads(text))


def with_version(text: str | None, version: int) -> str | None:
    """A stored envelope with another version, and all else as it is."""
    plain: dict[str, Any] = {} if text is None else json.loads(text)
    if _version(plain) == version:
        return text
    plain["version"] = version
    if version == 1:
        del plain["version"]
    return json.dumps(plain, ensure_ascii=False) if plain else None


def _version(plain: Mapping[str, Any]) -> int:
    version = plain.get("version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise InvalidOption(f"the version of a job's arguments counts from 1; got {version!r}")
    return version


def seal(
    call: Options, resolved: Resolved, *, trigger_detail: str = TRIGGER_ENQUEUE, version: int = 1
) -> Envelope:
    """The envelope of one call: its labels, and the policies only if the call gave them."""
    return Envelope(
        trigger_detail=trigger_detail,
        tags=resolved.tags,
        headers=resolved.headers,
        retry=None if isinstance(call.retry, Unset) else call.retry,
        timeout_seconds=UNSET if isinstance(call.timeout, Unset) else resolved.timeout_seconds,
        stalled_seconds=(
            UNSET if isinstance(call.stalled_after, Unset) else resolved.stalled_seconds
        ),
        expiry=resolved.expiry,
        version=version,
    )
