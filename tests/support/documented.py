"""Commands that a page or a script tells the reader to type."""

import shlex
from typing import Any

import typer

from harness.cli import app


def commands(script: str) -> list[list[str]]:
    """Return every harness command of a shell script, its redirections left out."""
    found = []
    for line in script.replace("\\\n", " ").splitlines():
        if line.split()[:1] == ["harness"]:  # a line of another kind may end within quotes
            words = shlex.split(line, comments=True)
            end = next((i for i, word in enumerate(words) if word in (">", ">>", "|", "||", "&&", ";")), len(words))
            found.append(words[1:end])
    return found


def assert_exists(words: list[str]) -> None:
    """Check that a command of the harness, and each of its options, exists."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if not hasattr(command, "commands"):
            break
        assert word in command.commands, words
        command = command.commands[word]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("-")} <= known, words
