"""Time zones by their IANA names, such as `Europe/Berlin`."""

from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from jobhost.errors import InvalidOption, did_you_mean

DEFAULT_ZONE: Final = "UTC"
"""It is there on every machine, also on one without a table of zones."""


def find_zone(name: object) -> tzinfo:
    """The rules of a zone, read once from the system's table of zones, or from the package
    `tzdata` where the system has none.

    Raises InvalidOption for a name that is not in it.
    """
    if name == DEFAULT_ZONE:
        return UTC
    if isinstance(name, str) and name:
        try:
            return ZoneInfo(name)
        except (KeyError, OSError, ValueError):  # not found, no file, or no name of a file
            pass
    known = sorted(available_timezones())
    hint = (
        did_you_mean(str(name), known)
        if known
        else "this machine has no table of zones: install the package tzdata"
    )
    raise InvalidOption(
        f"zone must be the IANA name of a time zone, such as 'Europe/Berlin'; got {name!r}: {hint}"
    )
