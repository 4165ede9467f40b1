"""Every command's help as a user reads it: whole lines, nothing cut off, and examples that the parser takes."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from harness import cli
from harness.flows import choices
from tests.command import harness


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (words, command) of a group itself and of everything below it."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


COMMANDS = dict(commands(cli.parser()))


def help_of(path: tuple[str, ...]) -> str:
    """Return the help of a command as it is printed."""
    return str(parse([*path], resilient_parsing=True).get_help())


def parse(words: list[str], *, resilient_parsing: bool = False) -> Any:
    """Return the context of the command that `words` name, parsed by the real parser; nothing is run.

    Raises:
        typer.TyperException: an option or argument is not as the command takes it.
    """
    command = cli.parser()
    context = command.make_context("harness", words, resilient_parsing=resilient_parsing)
    while hasattr(command, "commands") and (rest := [*context._protected_args, *context.args]):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context, resilient_parsing=resilient_parsing)
    return context


def examples_of(text: str) -> list[str]:
    """Return the lines below `Example:` or `Examples:` of a help."""
    _, _, end = text.replace("Examples:", "Example:").partition("Example:\n")
    return [line.strip() for line in end.splitlines() if line.strip()]


def test_the_walk_finds_every_command() -> None:
    names = {"bench", "compile", "evaluate", "boards", "doctor", "compare", "plan", "profile", "diff", "distill"}
    assert names | {"history", "report", "data", "data get"} <= {" ".join(path) for path in COMMANDS}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_examples_are_parsed_by_the_real_parser(path: tuple[str, ...]) -> None:
    examples = examples_of(help_of(path))
    assert examples
    for example in examples:
        program, *words = shlex.split(example.partition(" > ")[0])
        assert program == "harness"
        assert tuple(words[: len(path)]) == path
        context = parse(words)
        for name, check in (("on", choices.where), ("optimise", choices.objective)):
            if context.params.get(name) is not None:
                check(context.params[name])


def test_the_parser_of_the_test_refuses_a_wrong_example() -> None:
    with pytest.raises(cli.typer.TyperException, match="No such option"):
        parse(["bench", "--bord", "nano33"])
    with pytest.raises(cli.typer.TyperException, match="Missing"):
        parse(["compile", "a.tflite", "--prefix", "a"])


@pytest.mark.parametrize("columns", ["50", "80", "200"])
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_line_is_wider_than_the_terminal_and_no_example_is_broken(
    path: tuple[str, ...], columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    whole = examples_of(help_of(path))
    monkeypatch.setenv("COLUMNS", columns)
    text = help_of(path)
    assert examples_of(text) == whole
    assert max(map(len, whole)) < 80
    prose = text.partition("Example")[0]
    assert max(map(len, prose.splitlines())) <= max(int(columns), 50)
    if int(columns) >= 80:
        assert not re.search(r"[a-z,]\.\.\.", prose)  # no summary is cut off


@pytest.mark.parametrize("path", [path for path in COMMANDS if not hasattr(COMMANDS[path], "commands")], ids=" ".join)
def test_quiet_and_verbose_are_everywhere(path: tuple[str, ...]) -> None:
    text = help_of(path)
    assert "-q, --quiet" in text
    assert "-v, --verbose" in text


def test_help_is_plain_text() -> None:
    text = harness("bench", "--help", environment={"FORCE_COLOR": "1", "COLUMNS": "80"}).stdout
    assert "\x1b" not in text
    assert "│" not in text
