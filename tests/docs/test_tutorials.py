"""Every command block of the walk-throughs runs and prints what its page shows."""

import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.device.build import compiler_version
from harness.errors import EnvironmentFailure
from tests.command import ROOT
from tests.docs.pages import CONSOLE, Block, blocks, commands, missing, run

TUTORIALS = ROOT / "docs" / "tutorials"
PAGES = {path.stem: blocks(path.read_text(encoding="utf-8")) for path in sorted(TUTORIALS.glob("*.md"))}
PAGES["index"] = blocks((ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
SKIPPED = [(name, block) for name, page in PAGES.items() for block in page if block.language == CONSOLE and block.title]
COMPILER = "gcc 12.2.1"
"""What the figures of the pages were made with."""


def same_compiler() -> bool:
    try:
        return compiler_version() == COMPILER
    except EnvironmentFailure:
        return False


def reader(bin_: Path) -> dict[str, str]:
    """Return the environment of somebody who has `harness` on the path, and no data of his own."""
    bin_.mkdir()
    for name, arguments in (("harness", '-c "from harness.cli import main; main()" "$@"'), ("python", '"$@"')):
        (bin_ / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}\n')
        (bin_ / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "HARNESS_DATA"}
    path = f"{bin_}:{os.environ['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "LC_ALL": "C.UTF-8"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if any(not block.title for block in page)])
def test_every_command_runs_and_prints_what_the_page_shows(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for command, output in run(PAGES[name], folder, reader(tmp_path / "bin")):
        line = missing(command.shown, output, figures=same_compiler())
        assert line is None, f"{name}.md, line {command.line}: {command.text!r} shows {line!r}, but printed\n{output}"


@pytest.mark.parametrize(("name", "block"), SKIPPED, ids=[f"{name}-line{block.line}" for name, block in SKIPPED])
def test_what_cannot_run_here_says_what_it_needs(name: str, block: Block) -> None:
    assert block.title is not None and re.match("needs (a|the) ", block.title), f"{name}.md, line {block.line}"
    assert [command for command in commands(block) if not command.shown] == commands(block)
    pytest.skip(f"{name}.md, line {block.line} {block.title}: {'; '.join(each.text for each in commands(block))}")


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_said_beside_the_blocks_that_run(name: str) -> None:
    """A command in another kind of block would never be run."""
    assert PAGES[name]
    for block in PAGES[name]:
        where = f"{name}.md, line {block.line}"
        assert block.language == CONSOLE or block.title, f"{where}: neither a console nor a file"
        if block.language == CONSOLE:
            assert commands(block), where
    text = (TUTORIALS / f"{name}.md").read_text() if name != "index" else (ROOT / "docs" / "index.md").read_text()
    assert len(re.findall("^```", text, re.MULTILINE)) == 2 * len(PAGES[name]), "a fence that was not understood"
    assert not re.search(r"^    ", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)


def page(text: str) -> list[Block]:
    return blocks(text.replace("~~~", "```"))


def environment() -> dict[str, str]:
    return dict(os.environ)


def test_a_page_is_run_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    text = (
        'words\n~~~text title="a/b.txt"\none\n~~~\n~~~console\n$ cat a/b.txt\none\n$ false\n$ echo $?\n1\n~~~\n'
        '~~~console title="needs a board"\n$ exit 9\n~~~\n~~~text title="a/b.txt"\ntwo\n~~~\n'
        "~~~console\n$ cat \\\n> a/b.txt; echo problem >&2\ntwo\nproblem\n$ x=3\n$ echo $x\n3\n~~~\n"
    )
    ran = run(page(text), folder, environment())
    assert [(command.line, output) for command, output in ran] == [
        (6, "one\n"), (8, ""), (9, "1\n"), (19, "two\nproblem\n"), (23, ""), (24, "3\n"),
    ]  # fmt: skip
    assert all(missing(command.shown, output) is None for command, output in ran)


@pytest.mark.parametrize("after", ["$ echo after", "$ echo $? after", ""])
def test_a_command_that_fails_unseen_ends_the_page(tmp_path: Path, after: str) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(AssertionError, match=r"line 2: .* ended with 3:\nbecause") as caught:
        run(page(f"~~~console\n$ echo because; (exit 3)\n{after}\n~~~\n"), folder, environment())
    assert "\nafter" not in str(caught.value)


@pytest.mark.parametrize(
    ("shown", "output", "line"),
    [
        (["a  1,234", "c"], "x\na 1,234\nb\nc\n", None),
        (["a 1,234"], "a 1,235", "a 1,234"),
        (["a 1,234"], "aa 1,234", "a 1,234"),
        (["c", "a"], "a\nc", "a"),
        (["a", "a"], "a", "a"),
        (["...", "a ... c", "...", ""], "z\na b c\n", None),
        (["a ... c"], "a b d", "a ... c"),
        (["────"], "──────────", None),
        (["a.c"], "abc", "a.c"),
    ],
)
def test_lines_are_compared_in_order_and_figures_exactly(shown: list[str], output: str, line: str | None) -> None:
    assert missing(shown, output) == line


def test_with_another_compiler_figures_may_differ_and_words_may_not() -> None:
    assert missing(["flash 1,234 bytes (3.5 %)"], "flash 1,299,999 bytes (12.25 %)", figures=False) is None
    assert missing(["flash 1,234 bytes"], "RAM 1,234 bytes", figures=False) == "flash 1,234 bytes"


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=8)))
def test_what_was_printed_may_always_be_shown(lines: list[str]) -> None:
    assert missing(lines, "\n".join(lines)) is None
    assert missing([*lines, "never printed"], "\n".join(lines)) == "never printed"
