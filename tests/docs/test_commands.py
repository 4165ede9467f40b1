"""Every `harness` command that a page mentions exists, with its options."""

import re

import pytest

from tests.command import ROOT
from tests.docs.pages import FENCE
from tests.support.documented import assert_exists, commands

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
INLINE = re.compile(r"`(harness [^`]*)`")
PLACEHOLDER = re.compile(r"\[.*?\]|\.\.\.")
"""What stands for the reader's own choice: [--seed 1], RUN..."""


def lines(text: str) -> list[str]:
    """Return the commands of a page's indented blocks, consoles, and sentences."""
    page = FENCE.sub("", text)
    blocks = [line.strip() for line in page.splitlines() if line.startswith("    harness ")]
    consoles = [line[2:] for match in FENCE.finditer(text) for line in match[3].splitlines() if line[:2] == "$ "]
    inline = [" ".join(each.split()) for each in INLINE.findall(page)]
    return [PLACEHOLDER.sub("", line) for line in (*blocks, *consoles, *inline)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_exist(page: str) -> None:
    for line in lines(page.read_text(encoding="utf-8")):
        for words in commands(line):
            assert_exists(words)


def test_a_command_is_found_wherever_it_stands() -> None:
    text = "say `harness bench\nx --bord y` or\n\n    harness plan x\n\n```console\n$ harness boards\nshown\n```\n"
    assert lines(text) == ["harness plan x", "harness boards", "harness bench x --bord y"]
    with pytest.raises(AssertionError):
        assert_exists(commands(lines(text)[-1])[0])
