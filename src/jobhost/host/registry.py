"""The tasks of one host, by name."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jobhost.errors import DuplicateTask, InvalidOption, UnknownTask, did_you_mean

if TYPE_CHECKING:
    from jobhost.host.task import Task


class Registry:
    """Names are unique; a job finds its function by nothing but this."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task[..., Any, Any]] = {}

    def add(self, task: "Task[..., Any, Any]") -> None:
        """Enter a task. Raises DuplicateTask naming both places when the name is taken."""
        if (other := self._tasks.get(task.name)) is not None:
            raise DuplicateTask(
                f"two tasks are named {task.name!r}: {other.place} and {task.place}; "
                "give one of them another name with @host.task(name=...)"
            )
        self._tasks[task.name] = task

    def get(self, name: str) -> "Task[..., Any, Any]":
        """The task of that name. Raises UnknownTask with the nearest name."""
        if (task := self.find(name)) is None:
            raise UnknownTask(f"no task is named {name!r}: {did_you_mean(name, self._tasks)}")
        return task

    def find(self, name: str) -> "Task[..., Any, Any] | None":
        """The task of that name, or None."""
        if not isinstance(name, str):
            raise InvalidOption(f"the name of a task must be text; got {name!r}")
        return self._tasks.get(name)

    def __iter__(self) -> Iterator["Task[..., Any, Any]"]:
        return iter(self._tasks.values())

    def __len__(self) -> int:
        return len(self._tasks)
