"""What the exit codes of a command mean, beside 0, which is a success, and all others, which are
failures."""

from collections.abc import Mapping
from typing import Final, Literal

from jobhost.errors import InvalidOption, did_you_mean
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.jobs.verdicts import DeadLetter, Defer, Discard, Snooze

CODE_MAX: Final = 255
"""The largest that a program can end with."""

Meaning = Literal["succeeded"] | Snooze | Defer | DeadLetter | Discard | Retry
"""What such an end comes to: a success, or what a Python task would raise."""

ExitCodes = Mapping[int, Meaning]

_EXPECTED: Final = (
    "'succeeded', or what a task may raise: Snooze(...), Defer(...), DeadLetter(...), "
    "Discard(...) or Retry(after=...)"
)


def check_exit_codes(given: object, command: str) -> dict[int, Meaning]:
    """A copy. Raises InvalidOption for what is no exit code, or no meaning of one."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidOption(
            f"exit_codes of command {command!r} must map exit codes to what they mean, such as "
            f"{{75: Snooze('5m')}}; got {given!r}"
        )
    return {_code(code, command): _meaning(code, given[code], command) for code in given}


def _code(code: object, command: str) -> int:
    if isinstance(code, bool) or not isinstance(code, int) or not 1 <= code <= CODE_MAX:
        raise InvalidOption(
            f"exit_codes of command {command!r}: an exit code is a whole number from 1 to "
            f"{CODE_MAX}, and 0 is always a success; got {code!r}"
        )
    return code


def _meaning(code: object, meaning: object, command: str) -> Meaning:
    where = f"exit_codes of command {command!r}"
    if isinstance(meaning, Snooze | Defer | DeadLetter | Discard):
        return meaning
    if isinstance(meaning, Retry):
        if meaning.after is None:
            raise InvalidOption(
                f"{where}: {code} has a Retry without 'after': say how long to wait, such as "
                "Retry(after='30s'); how often is said by the task's retry policy"
            )
        return meaning
    if meaning == State.SUCCEEDED:
        return "succeeded"
    hint = f" ({did_you_mean(meaning, ['succeeded'])})" if isinstance(meaning, str) else ""
    raise InvalidOption(f"{where}: {code} must mean {_EXPECTED}; got {meaning!r}{hint}")
