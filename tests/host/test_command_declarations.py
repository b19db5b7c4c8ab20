"""What a command may be, and with what it may be enqueued."""

import copy
from pathlib import Path

import pytest

from jobhost import DuplicateTask, InvalidOption, InvalidPayload, Retry, UsageError
from jobhost.host.command import Command


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("ls -l", "must be a list of the program and its arguments"),
        ([], "must be a list of the program and its arguments"),
        (None, "must be a list"),
        ([""], "names no program"),
        (["ls", 3], "must be text; got 3"),
        (["ls", Path("/")], "must be text; got PosixPath"),
        (["ls", "a\0b"], "must be text"),
        (["{program}", "x"], "the program of command 'it' must be fixed; got '{program}'"),
        (["ls", "{}"], "is a name in braces, such as {path}; got '{}'"),
        (["ls", "{0}"], "is a name in braces"),
        (["ls", "{a.b}"], "is a name in braces"),
        (["ls", "{a[0]}"], "is a name in braces"),
        (["ls", "{a!r}"], "is a name in braces"),
        (["ls", "{a:>3}"], "is a name in braces"),
        (["ls", "{class}"], "is a name in braces"),
        (["ls", "{a"], "write two braces for one"),
        (["ls", "}"], "write two braces for one"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(host, arguments, complaint):
    with pytest.raises(InvalidOption, match=complaint.replace("{", r"\{").replace("}", r"\}")):
        host.command("it", arguments)

    assert len(host.tasks) == 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"env": ["A=1"]}, "must map names of variables to text"),
        ({"env": {"A": 1}}, "variable 'A' must be text; got 1"),
        ({"env": {"A=B": "1"}}, "no name of a variable: 'A=B'"),
        ({"env": {"": "1"}}, "no name of a variable"),
        ({"env": {"A": "\0"}}, "variable 'A' must be text"),
        ({"cwd": 3}, "must be the path of a folder; got 3"),
        ({"cwd": ""}, "must be the path of a folder"),
        ({"output_bytes": -1}, "from 0 to 1048576; got -1"),
        ({"output_bytes": True}, "whole number; got True"),
        ({"exit_codes": [1]}, "must map exit codes to what they mean"),
        ({"exit_codes": {0: "succeeded"}}, "from 1 to 255, and 0 is always a success; got 0"),
        ({"exit_codes": {256: "succeeded"}}, "from 1 to 255"),
        ({"exit_codes": {"1": "succeeded"}}, "whole number from 1 to 255"),
        ({"exit_codes": {True: "succeeded"}}, "got True"),
        ({"exit_codes": {1: "success"}}, "got 'success' .did you mean 'succeeded'"),
        ({"exit_codes": {1: None}}, "must mean 'succeeded', or what a task may raise"),
        ({"exit_codes": {1: ValueError("no")}}, "must mean 'succeeded'"),
        ({"exit_codes": {1: Retry(max_attempts=3)}}, "a Retry without 'after'"),
        ({"executor": "process"}, "'executor' is no option"),
        ({"timeout": "0s"}, "timeout must be longer than zero"),
    ],
)
def test_an_option_of_a_command_that_makes_no_sense_is_refused(host, options, complaint):
    with pytest.raises((InvalidOption, TypeError), match=complaint):
        host.command("it", ["true"], **options)


def test_each_placeholder_stays_inside_its_argument():
    command = Command("it", ["run", "--size={width}x{height}", "{path}", "{{literal}}", "{path}"])

    assert command.placeholders == ["width", "height", "path"]
    assert command.fill({"width": 3, "height": 1.5, "path": "a b; rm *"}) == [
        "run",
        "--size=3x1.5",
        "a b; rm *",
        "{literal}",
        "a b; rm *",
    ]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "argument 'path' is missing"),
        ({"path": "a", "more": 1}, "argument 'more' is not a parameter"),
        ({"path": True}, "argument 'path': an argument of a command is text, a number or a Path"),
        ({"path": None}, "an argument of a command is text, a number or a Path; got None"),
        ({"path": ["a"]}, "an argument of a command is text, a number or a Path"),
        ({"path": b"a"}, "an argument of a command is text, a number or a Path"),
        ({"path": float("nan")}, "argument 'path'"),
        ({"path": "a\0b"}, "argument 'path' has a NUL character"),
        ({"path": "\ud800"}, "argument 'path'"),
    ],
)
def test_what_a_program_cannot_take_is_refused_when_enqueued(host, values, complaint):
    command = host.command("it", ["cat", "{path}"])

    with pytest.raises(InvalidPayload, match=complaint):
        command.enqueue(**values)


def test_arguments_have_names(host):
    with pytest.raises(InvalidPayload, match="too many positional arguments"):
        host.command("it", ["cat", "{path}"]).enqueue("a.txt")


@pytest.mark.parametrize(
    ("value", "stored"), [("x", "x"), (3, 3), (1.5, 1.5), (Path("/a b"), "/a b")]
)
def test_text_numbers_and_paths_come_back_as_they_are_shown(host, value, stored):
    command = host.command("it", ["cat", "{path}"])

    text = command.signature.encode((), {"path": value})
    assert command.signature.decode(text) == ([], {"path": stored})


def test_a_command_is_a_task_with_a_name_of_its_own(host):
    command = host.command("it", ["cat", "{path}"])

    assert host.tasks.get("it") is command
    assert repr(command) == "<Task 'it' command cat {path}>"
    assert copy.copy(command) is command
    with pytest.raises(UsageError, match="runs in a worker: enqueue it"):
        command(path="a")
    with pytest.raises(DuplicateTask, match=r"command cat \{path\} and command true"):
        host.command("it", ["true"])
