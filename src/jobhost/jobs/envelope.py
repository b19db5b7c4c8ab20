"""What travels with a job beside its arguments.

Stored as one JSON object that names only what differs from the defaults, and not
at all when nothing does, so that a plain job pays nothing for it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

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
    """

    trigger_kind: str = TRIGGER_EVENT
    trigger_detail: str = TRIGGER_ENQUEUE
    correlation_id: str | None = None
    tags: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    retry: Retry | None = None
    timeout_seconds: float | Unset | None = UNSET

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
        if self.retry is not None:
            plain["retry"] = self.retry.to_json()
        if not isinstance(self.timeout_seconds, Unset):
            plain["timeout"] = self.timeout_seconds
        return json.dumps(plain, ensure_ascii=False) if plain else None

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


def seal(call: Options, resolved: Resolved, *, trigger_detail: str = TRIGGER_ENQUEUE) -> Envelope:
    """The envelope of one call: its labels, and the policies only if the call gave them."""
    return Envelope(
        trigger_detail=trigger_detail,
        tags=resolved.tags,
        headers=resolved.headers,
        retry=None if isinstance(call.retry, Unset) else call.retry,
        timeout_seconds=UNSET if isinstance(call.timeout, Unset) else resolved.timeout_seconds,
    )
