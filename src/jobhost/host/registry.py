"""The tasks of one host, by name."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jobhost.errors import DuplicateTask, InvalidOption, UnknownTask, did_you_mean

if TYPE_CHECKING:
    from jobhost.host.task import Task


class Registry:
    """Names are unique, former ones included; a job finds its function by nothing but this."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task[..., Any, Any]] = {}
        self._by_name: dict[str, Task[..., Any, Any]] = {}

    def add(self, task: "Task[..., Any, Any]") -> None:
        """Enter a task. Raises DuplicateTask naming both places when one of its names is taken."""
        names = (task.name, *task.past.aliases)
        for at, name in enumerate(names):
            if name in names[:at]:
                raise DuplicateTask(
                    f"task {task.name!r} ({task.place}) has the name {name!r} twice: leave it out "
                    "of its aliases"
                )
            if (other := self._by_name.get(name)) is not None:
                raise DuplicateTask(_taken(name, other, task))
        self._tasks[task.name] = task
        self._by_name.update(dict.fromkeys(names, task))

    def get(self, name: str) -> "Task[..., Any, Any]":
        """The task that has or had that name. Raises UnknownTask with the nearest name."""
        if (task := self.find(name)) is None:
            raise UnknownTask(f"no task is named {name!r}: {did_you_mean(name, self._by_name)}")
        return task

    def find(self, name: str) -> "Task[..., Any, Any] | None":
        """The task that has or had that name, or None."""
        if not isinstance(name, str):
            raise InvalidOption(f"the name of a task must be text; got {name!r}")
        return self._by_name.get(name)

    @property
    def names(self) -> list[str]:
        """All names under which jobs may wait, former ones included."""
        return list(self._by_name)

    def __iter__(self) -> Iterator["Task[..., Any, Any]"]:
        return iter(self._tasks.values())

    def __len__(self) -> int:
        return len(self._tasks)


def _taken(name: str, other: "Task[..., Any, Any]", task: "Task[..., Any, Any]") -> str:
    """Two tasks want one name."""
    if name == other.name == task.name:
        return (
            f"two tasks are named {name!r}: {other.place} and {task.place}; "
            "give one of them another name with @host.task(name=...)"
        )
    return (
        f"{name!r} is a name of two tasks, {other.name!r} at {other.place} and {task.name!r} at "
        f"{task.place}: waiting jobs of that name would not know which runs them; take it from "
        "the aliases of one"
    )
