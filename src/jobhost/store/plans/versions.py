"""Of which version a job's arguments are, once they have been replaced."""

from jobhost.jobs.envelope import with_version
from jobhost.store.plan import Plan, Statement


def set_version(job: int, version: int) -> Plan[None]:
    """The payload of this job, which this transaction has replaced, is of this version."""
    found = yield Statement("envelope_of", {"job": job})
    if found.first is None:
        return
    before: str | None = found.first[0]
    after = with_version(before, version)
    if after != before:
        yield Statement("replace_envelope", {"job": job, "envelope": after})
