"""Whether a worker fits the others of its node. Pure."""

from jobhost.worker.wire import Hello


def difference(first: Hello, hello: Hello, *, lane: bool) -> str:
    """In what a worker differs from the first one of its node; empty: in nothing."""
    if hello.url != first.url:
        return "its host has another store"
    if hello.version != first.version:
        return f"it runs jobhost {hello.version}, the node {first.version}"
    if changed := _changed({*hello.tasks}, {*first.tasks}):
        return f"its host has other tasks: {changed}"
    if not lane and (changed := _changed({*hello.queues.items()}, {*first.queues.items()})):
        return f"its host has other queues: {changed}"
    return ""


def _changed(new: set[str] | set[tuple[str, int]], old: set[str] | set[tuple[str, int]]) -> str:
    """`+added -gone`; a queue is shown with its weight."""
    signed = [("+", item) for item in new - old] + [("-", item) for item in old - new]
    return " ".join(sorted(sign + _shown(item) for sign, item in signed))


def _shown(item: str | tuple[str, int]) -> str:
    return item if isinstance(item, str) else f"{item[0]}:{item[1]}"
