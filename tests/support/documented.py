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
    group: Any = typer.main.get_command(app)
    assert words[0] in group.commands, words
    known = {option for parameter in group.commands[words[0]].params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("-")} <= known, words
