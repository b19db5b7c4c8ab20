"""What a task still takes from earlier releases of its program: former names, older arguments."""

import inspect
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from jobhost.errors import InvalidOption, NotUpgraded
from jobhost.jobs.options import check_name

Upgrade = Callable[[dict[str, Any], int], dict[str, Any]]
"""Takes the arguments of an older job by parameter name, as JSON has them, and the version that
they are of; gives those of the task's present version."""

VERSION_MAX: Final = 1_000_000
"""More is a date or a number of bytes, and no count of changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Args:
    aliases: Former names of the task.
    version: That of the arguments with which it is enqueued now.
    upgrade: Brings older ones up to date. None: they are read as they are.
    """

    aliases: tuple[str, ...] = ()
    version: int = 1
    upgrade: Upgrade | None = None

    def bring_up(self, payload: str, version: int) -> str:
        """Stored arguments as the task's present version has them.

        Args:
            payload: As they were stored.
            version: Of which version they are.

        Raises NotUpgraded.
        """
        if self.upgrade is None or version >= self.version:
            return payload
        try:
            upgraded = self.upgrade(json.loads(payload), version)
            if not isinstance(upgraded, dict):
                raise TypeError(
                    f"upgrade gives the arguments as a dict by parameter name; got {upgraded!r}"
                )
            return json.dumps(upgraded, ensure_ascii=False)
        except Exception as error:
            raise NotUpgraded(
                f"the arguments of version {version} cannot be upgraded to {self.version}: {error}"
            ) from error


def check_past(name: str, aliases: object, version: object, upgrade: object) -> Past:
    """What the declaration of task `name` says of its past. Raises InvalidOption."""
    if isinstance(version, bool) or not isinstance(version, int):
        raise InvalidOption(f"version of task {name!r} must be a whole number; got {version!r}")
    if not 1 <= version <= VERSION_MAX:
        raise InvalidOption(
            f"version of task {name!r} must be from 1 to {VERSION_MAX:,}; got {version}"
        )
    if upgrade is not None and version == 1:
        raise InvalidOption(
            f"task {name!r} has an upgrade and version 1: there is nothing older; say version=2"
        )
    return Past(aliases=_aliases(name, aliases), version=version, upgrade=_upgrade(name, upgrade))


def _aliases(name: str, aliases: object) -> tuple[str, ...]:
    if isinstance(aliases, str) or not isinstance(aliases, Iterable):
        raise InvalidOption(
            f"aliases of task {name!r} are former names, such as ['old_name']; got {aliases!r}"
        )
    return tuple(check_name(alias, f"an alias of task {name!r}") for alias in aliases)


def _upgrade(name: str, upgrade: object) -> Upgrade | None:
    if upgrade is None:
        return None
    if not callable(upgrade) or inspect.iscoroutinefunction(upgrade):
        raise InvalidOption(
            f"upgrade of task {name!r} must be a plain function of the arguments and their "
            f"version; got {upgrade!r}"
        )
    checked: Upgrade = upgrade
    return checked
