"""Run a page of docs/tutorials as a reader would, and compare what it shows with what came.

A block of any language with a title is a file of that name, which the reader writes; a block of the language `console`
is a terminal: `$ ` starts a command, `> ` goes on with it, the rest is shown output. Blocks of a page run in order, in
one shell and one empty folder. A console with a title, "needs a board" or whatever is not here, does not run.

Shown lines must come in that order, with any lines between them; blanks count as one; `...` stands for anything.
Every command must end with status 0, unless the next one is `echo $?`.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r'^```(\S+)(?: title="([^"]*)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
CONSOLE = "console"
STATUS = "echo $?"
TIMEOUT_S = 550
MARK = "\036"
EXIT = 'exit "${status:-0}"'


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the title behind it, its text, and its line in the page."""

    language: str
    title: str | None
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """A command of a console, what the page shows of its output, and its line in the page."""

    text: str
    shown: tuple[str, ...]
    line: int


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [
        Block(match[1], match[2], match[3], page.count("\n", 0, match.start()) + 1) for match in FENCE.finditer(page)
    ]


def commands(block: Block) -> list[Command]:
    """Return the commands of a console."""
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if line.startswith("$ "):
            found.append(Command(line[2:], (), number))
            continue
        assert found, f"line {number}: a console begins with a command, got {line!r}"
        last = found[-1]
        if line.startswith("> "):
            found[-1] = Command(f"{last.text}\n{line[2:]}", last.shown, last.line)
        else:
            found[-1] = Command(last.text, (*last.shown, line), last.line)
    return found


def run(page: Sequence[Block], folder: Path, environment: Mapping[str, str]) -> list[tuple[Command, str]]:
    """Write the files of a page and run its commands in a folder.

    Returns:
        Each command with its output, stderr included.

    Raises:
        AssertionError: a command failed, and the page does not show that it does.
    """
    text, wanted = script(page, folder.parent)
    shell = ["bash", "--noprofile", "--norc", "-c", text]
    result = subprocess.run(
        shell, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    outputs = [part.split("\n", 1)[1] for part in result.stdout.split(MARK)[1:]]
    done = list(zip(wanted, outputs, strict=False))
    if result.returncode != 0:
        command, output = done[-1]
        raise AssertionError(f"line {command.line}: {command.text!r} ended with {result.returncode}:\n{output}")
    assert len(outputs) == len(wanted)
    return done


def script(page: Sequence[Block], staged: Path) -> tuple[str, list[Command]]:
    """Return a shell script that writes and runs a page, and its commands; files wait in `staged` for their turn."""
    lines, run = [], []
    for number, block in enumerate(page):
        if block.language != CONSOLE and block.title:
            (staged / f"file{number}").write_text(block.text, encoding="utf-8")
            lines += [f"mkdir -p '{Path(block.title).parent}'", f"cp '{staged}/file{number}' '{block.title}'"]
        elif block.language == CONSOLE and not block.title:
            run += commands(block)
            lines += [line for command in commands(block) for line in _marked(command)]
    return "\n".join([*lines, EXIT, ""]), run


def _marked(command: Command) -> list[str]:
    """Return the lines that run a command: after a failed one only `echo $?` does."""
    before = [] if command.text == STATUS else [f'[ "${{status:-0}}" -eq 0 ] || {EXIT}']
    return [*before, f"printf '\\036{command.line}\\n'", '(exit "${status:-0}")', command.text, "status=$?"]


def missing(shown: Sequence[str], output: str, *, figures: bool = True) -> str | None:
    """Return the first shown line that did not come in its turn, None where all came.

    Args:
        shown: as in the page.
        output: what came.
        figures: whether numbers must be the same ones.
    """
    came = iter([_plain(line) for line in output.splitlines()])
    for line in map(_plain, shown):
        if line in ("", "..."):
            continue
        pattern = re.escape(line).replace(re.escape("..."), ".*")
        if not figures:
            pattern = re.sub(r"\d(?:[\d,]|\\\.)*", r"[\\d,.]+", pattern)
        if not any(re.fullmatch(pattern, each) for each in came):
            return line
    return None


def _plain(line: str) -> str:
    """Return a line with single blanks, and rules of one length."""
    return re.sub("─+", "─", " ".join(line.split()))
