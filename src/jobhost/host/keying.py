"""The keys of a task's calls, made from the arguments of each."""

import inspect
from collections.abc import Callable
from typing import Any, Protocol

from jobhost.errors import InvalidOption
from jobhost.jobs.key_options import KEYS, KeyMaker, literal, template
from jobhost.jobs.keys import JobKeys
from jobhost.jobs.options import Options, Unset
from jobhost.jobs.payload import Signature


class Keyable(Protocol):
    """What is asked of a task."""

    function: Callable[..., Any]
    options: Options
    signature: Signature


class Keying:
    """What makes the keys of the jobs of one task; declared with it, or given by a call.

    Raises InvalidOption for a template that does not fit the task's parameters.
    """

    def __init__(self, task: Keyable, call: Options) -> None:
        self._signature = inspect.signature(task.function)
        self._decode = task.signature.decode
        parameters = list(self._signature.parameters)
        self._makers: list[KeyMaker | None] = []
        self.fixed: str | None = None
        for name in KEYS:
            own, declared = getattr(call, name), getattr(task.options, name)
            if not isinstance(own, Unset):
                self._makers.append(literal(own, name, parameters))
                if isinstance(own, str):
                    self.fixed = name
            elif not isinstance(declared, Unset):
                self._makers.append(template(declared, name, parameters))
            else:
                self._makers.append(None)

    def keys_of(self, payload: str) -> JobKeys:
        """The keys of the call with this payload, from the values that the task will see, defaults
        included. Raises InvalidOption."""
        args, kwargs = self._decode(payload)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return JobKeys(*[None if make is None else make(bound) for make in self._makers])

    def refuse_many(self) -> None:
        """Raise InvalidOption for a key that would be that of every job."""
        if self.fixed is not None:
            raise InvalidOption(
                f"enqueue_many would give the same {self.fixed} to every job: declare a template "
                "with the task, or give a function of the arguments"
            )
