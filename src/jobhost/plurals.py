"""Counted things as people write them: `1 job`, `2 jobs`, `1,200 jobs`."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun; `many` is the plural that more than an s makes."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
