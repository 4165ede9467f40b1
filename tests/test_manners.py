"""What a command says, and where: to a person, to a pipe, to nobody."""

import json
import logging
import re
from pathlib import Path

import pytest

from harness import cli
from harness.rows.measurement import Document
from harness.rows.store import write_run
from tests.command import assert_failed, harness
from tests.rows.examples import make_row
from tests.terminal import in_terminal

EVALUATE = ("evaluate", "kws_xxs", "--data", "synthetic")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BAR = "━"


@pytest.fixture(scope="module")
def spoken() -> str:
    """Return what `evaluate` says on stderr by itself."""
    return harness(*EVALUATE).stderr


def test_a_pipe_gets_words_and_neither_bars_nor_escapes(spoken: str) -> None:
    assert "48 samples" in spoken
    assert BAR not in spoken
    assert "\x1b" not in spoken


def test_colour_may_be_forced_on_a_pipe_but_nothing_moves_there() -> None:
    result = harness(*EVALUATE, environment={"FORCE_COLOR": "1"})
    assert COLOUR.search(result.stdout)
    assert BAR not in result.stderr


@pytest.mark.parametrize("arguments", [("--quiet", *EVALUATE), (*EVALUATE, "--quiet"), (*EVALUATE, "-q")], ids=str)
def test_quiet_leaves_the_result_alone(arguments: tuple[str, ...]) -> None:
    result = harness(*arguments)
    assert result.returncode == 0
    assert result.stderr == ""
    assert re.search(r"\d\.\d %", result.stdout)


def test_quiet_leaves_the_document_alone() -> None:
    result = harness(*EVALUATE, "--json", "--quiet")
    assert result.stderr == ""
    assert json.loads(result.stdout)["rows"][0]["samples"] == 48


def test_quiet_does_not_hide_what_failed() -> None:
    assert_failed(harness("evaluate", "missing.tflite", "--quiet"), 2, "missing.tflite")


@pytest.mark.parametrize("arguments", [("-v", *EVALUATE), (*EVALUATE, "--verbose"), ("-v", *EVALUATE, "-v")], ids=str)
def test_verbose_says_what_came_from_the_cache(arguments: tuple[str, ...], spoken: str) -> None:
    result = harness(*arguments)
    lines = [line for line in result.stderr.splitlines() if line.startswith("from the cache: the oracle's outputs in ")]
    assert len(lines) == 1
    assert len(result.stderr.splitlines()) == len(spoken.splitlines()) + 1  # and nothing twice


def test_verbose_names_the_files_it_writes(tmp_path: Path) -> None:
    result = harness("compile", "kws_xxs", "-o", tmp_path / "c", "--verbose")
    assert f"wrote {tmp_path / 'c'}" in result.stderr.splitlines()
    write_run(tmp_path / "run", Document((make_row(),)), {}, {})
    result = harness("report", tmp_path / "run", "-o", tmp_path / "a.html", "-v")
    assert f"wrote {tmp_path / 'a.html'}" in result.stderr.splitlines()


def test_verbose_keeps_json_alone_on_stdout() -> None:
    assert json.loads(harness(*EVALUATE, "--json", "-v").stdout)["schema"] == 1


def test_verbose_ends_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger("harness").handlers[:], logging.getLogger("harness").level
    assert cli.run(["--verbose", "boards"]) == 0
    assert (logging.getLogger("harness").handlers, logging.getLogger("harness").level) == before


def test_a_terminal_gets_bars_and_colour() -> None:
    status, seen = in_terminal(*EVALUATE)
    assert status == 0
    assert BAR in seen
    assert COLOUR.search(seen)
    assert "reading samples" in seen
    assert re.search(r"48/48.*0:00:00", COLOUR.sub("", seen))  # how many, and the time left
    assert "\x1b[?25h" in seen  # the cursor is back


def test_no_color_is_respected_by_a_terminal() -> None:
    status, seen = in_terminal(*EVALUATE, environment={"NO_COLOR": "1"})
    assert status == 0
    assert BAR in seen
    assert not COLOUR.search(seen)


def test_an_empty_no_color_is_none() -> None:
    assert COLOUR.search(in_terminal("boards", environment={"NO_COLOR": ""})[1])


def test_a_dumb_terminal_gets_no_bars() -> None:
    status, seen = in_terminal(*EVALUATE, environment={"TERM": "dumb"})
    assert status == 0
    assert BAR not in seen
    assert "\x1b" not in seen


def test_quiet_is_silent_in_a_terminal_too() -> None:
    status, seen = in_terminal(*EVALUATE, "--quiet")
    assert status == 0
    assert BAR not in seen
    assert "a second" not in seen
    assert re.search(r"\d\.\d %", seen)
