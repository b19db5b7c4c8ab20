"""A task that is a program with arguments, not a Python function."""

import inspect
import keyword
import os
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Annotated, Any, Final, NoReturn

from pydantic import BeforeValidator
from typing_extensions import TypedDict

from jobhost.errors import InvalidOption, UsageError
from jobhost.host.exit_codes import ExitCodes, check_exit_codes
from jobhost.host.kinds import Kind
from jobhost.host.past import Past
from jobhost.host.task import Task
from jobhost.host.wiring import Wiring
from jobhost.jobs.options import Options, check_name

OUTPUT_BYTES: Final = 64 * 1024
"""Default of what is kept of the end of stdout, and of stderr; with it a result stays below the
default limit of results whatever the bytes are."""

OUTPUT_BYTES_MAX: Final = 1024 * 1024

_Part = tuple[str, str | None]
"""Literal text, and the name of what follows it."""


class CommandResult(TypedDict):
    """What a command's job hands back: the exit code, which is 0 or one that `exit_codes` calls a
    success, and the ends of its output."""

    exit: int
    stdout: str
    stderr: str


class Command:
    """A program with its arguments, checked.

    Args:
        name: The task's name.
        arguments: The program first; placeholders in braces, but not in the program.
        env: Variables of its own.
        cwd: Where it runs.
        output_bytes: Bound of what is kept of stdout, and of stderr; 0 to 1 MiB.
        exit_codes: What codes from 1 to 255 mean that are no plain failure.

    Raises InvalidOption.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        output_bytes: int | None = None,
        exit_codes: ExitCodes | None = None,
    ) -> None:
        self.name = check_name(name, "the name of a task")
        self._parts = [_parts(text, self.name) for text in _texts(arguments, self.name)]
        if any(placeholder for _, placeholder in self._parts[0]):
            raise InvalidOption(
                f"the program of command {self.name!r} must be fixed; got {arguments[0]!r}"
            )
        self.env = _variables(env)
        self.cwd = _folder(cwd)
        self.output_bytes = _output_bytes(output_bytes)
        self.exit_codes = check_exit_codes(exit_codes, self.name)

    def __repr__(self) -> str:
        return " ".join(
            ["command", *self.fill({name: f"{{{name}}}" for name in self.placeholders})]
        )

    @property
    def program(self) -> str:
        """What is run."""
        return self.fill(dict.fromkeys(self.placeholders, ""))[0]

    @property
    def placeholders(self) -> list[str]:
        """Their names, each once, in order."""
        names = [name for parts in self._parts for _, name in parts if name is not None]
        return list(dict.fromkeys(names))

    def fill(self, values: Mapping[str, object]) -> list[str]:
        """The arguments with these values; each stays one argument."""
        return [
            "".join(text + ("" if name is None else str(values[name])) for text, name in parts)
            for parts in self._parts
        ]

    def function(self) -> Any:
        """A function with the signature that the placeholders make."""

        def run(**values: Any) -> NoReturn:
            raise UsageError(f"command {self.name!r} runs in a worker: enqueue it")

        run.__name__ = run.__qualname__ = self.name
        names = self.placeholders
        run.__annotations__ = {**dict.fromkeys(names, _Argument), "return": CommandResult}
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
        )
        return run


class CommandTask(Task[..., CommandResult, Any]):
    """A command on a host; enqueued with keyword arguments only."""

    def __init__(
        self, command: Command, *, options: Options, wiring: Wiring, past: Past | None = None
    ) -> None:
        function = command.function()
        super().__init__(function, name=command.name, options=options, wiring=wiring, past=past)
        self.kind = Kind.COMMAND
        self.command = command

    @property
    def place(self) -> str:
        """What it runs, in place of where a function stands."""
        return repr(self.command)


def _as_argument(value: object) -> object:
    """A path as text. Raises ValueError for what is no argument of a program."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("an argument of a command is text, a number or a Path")
    return value


_Argument = Annotated[str | int | float, BeforeValidator(_as_argument)]


def _texts(arguments: object, name: str) -> list[str]:
    if isinstance(arguments, str) or not isinstance(arguments, Sequence) or not arguments:
        raise InvalidOption(
            f"command {name!r} must be a list of the program and its arguments, such as "
            f"['gzip', '{{path}}']; got {arguments!r}"
        )
    for text in arguments:
        if not isinstance(text, str) or "\0" in text:
            raise InvalidOption(f"the arguments of command {name!r} must be text; got {text!r}")
    if not arguments[0]:
        raise InvalidOption(f"command {name!r} names no program; got {arguments[0]!r}")
    return list(arguments)


def _parts(text: str, name: str) -> list[_Part]:
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise InvalidOption(
            f"{text!r} of command {name!r}: {error}; write two braces for one"
        ) from None
    for _, placeholder, form, conversion in parsed:
        if placeholder is None:
            continue
        plain = placeholder.isidentifier() and not keyword.iskeyword(placeholder)
        if not plain or form or conversion:
            raise InvalidOption(
                f"a placeholder of command {name!r} is a name in braces, such as {{path}}; "
                f"got {text!r}"
            )
    return [(literal, placeholder) for literal, placeholder, _, _ in parsed]


def _variables(env: object) -> dict[str, str]:
    if env is None:
        return {}
    if not isinstance(env, Mapping):
        raise InvalidOption(f"env must map names of variables to text; got {env!r}")
    for name, value in env.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise InvalidOption(f"env has no name of a variable: {name!r}")
        if not isinstance(value, str) or "\0" in value:
            raise InvalidOption(f"variable {name!r} must be text; got {value!r}")
    return dict(env)


def _folder(cwd: object) -> str | None:
    if cwd is None:
        return None
    if not isinstance(cwd, str | os.PathLike) or not os.fspath(cwd):
        raise InvalidOption(f"cwd must be the path of a folder; got {cwd!r}")
    return str(cwd)


def _output_bytes(wanted: object) -> int:
    if wanted is None:
        return OUTPUT_BYTES
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise InvalidOption(f"output_bytes must be a whole number; got {wanted!r}")
    if not 0 <= wanted <= OUTPUT_BYTES_MAX:
        raise InvalidOption(f"output_bytes must be from 0 to {OUTPUT_BYTES_MAX}; got {wanted}")
    return wanted
