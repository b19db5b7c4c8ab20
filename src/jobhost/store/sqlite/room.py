"""Room that deleted jobs have left: new jobs use it again, and what is much of it goes back.

Only a file that was made so can be shortened in small steps: `SqliteStore` makes it so. In an older
one free pages stay until somebody gives VACUUM.
"""

from typing import Final

from jobhost.store.plan import Plan, Statement

PAGES_MAX: Final = 500
"""Of one transaction: 2 MB, some milliseconds."""

_KEPT: Final = 10
"""The tenth part of a file may be free: what is given back now is asked for again by new jobs."""

SHORTENS: Final = 2
"""The value of `auto_vacuum` for INCREMENTAL."""


def give_back() -> Plan[int]:
    """Shorten the file, by PAGES_MAX pages at the most; how many those were."""
    found = yield Statement("free_pages")
    free, pages, kind = found.rows[0]
    count = min(PAGES_MAX, free - pages // _KEPT) if kind == SHORTENS else 0
    for _ in range(count):
        yield Statement("give_back_page")
    return max(0, count)
