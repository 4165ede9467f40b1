import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli
from harness.errors import EnvironmentFailure, Interrupted
from harness.flows import boards as boards_flow
from harness.rows.measurement import Document
from harness.rows.store import write_run
from tests.command import ROOT, assert_failed, harness
from tests.rows.examples import make_row


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["-h"],
        ["bench", "--help"],
        ["data", "get", "--help"],
        ["compare", "--help"],
        ["report", "--help"],
        ["diff", "--help"],
        ["profile", "--help"],
        ["doctor", "--help"],
        ["setup", "--help"],
    ],
)
def test_help_has_an_example(arguments: list[str]) -> None:
    result = harness(*arguments)
    assert result.returncode == 0
    assert "harness " + (arguments[0] if arguments and arguments[0].isalpha() else "bench") in result.stdout


def test_version() -> None:
    assert harness("--version").stdout == "0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["bordas"], ["'bordas'", "'boards'"]),
        (["boards", "--atached"], ["--atached", "--attached"]),
        (["bench", "--board", "nano33", "--on", "moon"], ["'moon'", "'qemu'"]),
        (["bench"], ["--board"]),
        (["bench", "--board", "nano3", "--on", "qemu"], ["nano3", "nano33"]),
        (["bench", "--board", "nano33", "--samples", "0"], ["--samples", "1"]),
        (["bench", "--board", "nano33", "--samples", "many"], ["--samples", "integer"]),
        (["bench", "missing.tflite", "--board", "nano33"], ["missing.tflite", "No such file"]),
        (["compile", "missing.tflite", "-o", "/nowhere/at/all"], ["missing.tflite"]),
        (["compile", "README.md", "-o", "/nowhere/at/all"], ["TFL3"]),
        (["compile", ".", "-o", "/nowhere/at/all"], ["directory"]),
        (["evaluate", "missing.tflite"], ["missing.tflite"]),
        (["diff", "missing.tflite", "--board", "nano33"], ["missing.tflite"]),
        (["diff", "README.md", "--board", "nano3"], ["nano3", "nano33"]),
        (["compare", "missing", "missing"], ["missing"]),
        (["report", "missing", "-o", "a.html"], ["missing", "rows.json"]),
        (["report", "missing"], ["-o"]),
        (["compare", "missing", "missing", "--fail-on", "speed>1"], ["'speed'"]),
    ],
)
def test_the_users_mistake_is_one_line_and_status_2(arguments: list[str], parts: list[str]) -> None:
    result = harness(*arguments)
    assert_failed(result, 2, *parts)
    assert result.stdout == ""


def test_boards_as_json() -> None:
    document = json.loads(harness("boards", "--json").stdout)
    assert document["schema"] == 1
    nano = next(board for board in document["boards"] if board["name"] == "nano33")
    assert list(nano) == ["name", "mcu", "core", "clock_hz", "flash_bytes", "ram_bytes", "emulator", "attached"]
    assert (nano["mcu"], nano["core"], nano["clock_hz"]) == ("nRF52840", "m4f", 64_000_000)


def test_no_colour_reaches_a_file() -> None:
    assert "\x1b" not in harness("boards", environment={"NO_COLOR": "1"}).stdout


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old", tmp_path / "new"
    write_run(old, Document((make_row(),)), {}, {})
    write_run(new, Document((make_row(instructions=9_300_000),)), {}, {})
    return old, new


def test_compare_shows_the_difference(runs: tuple[Path, Path]) -> None:
    result = harness("compare", *runs)
    assert result.returncode == 0
    assert "+100,000 (+1.09 %)" in result.stdout


def test_compare_prints_markdown(runs: tuple[Path, Path]) -> None:
    result = harness("compare", *runs, "--markdown", "--fail-on", "instructions>+2%")
    assert result.returncode == 0
    assert result.stdout.startswith("**Worse**: instructions +1.09 %")
    assert "estimate" in result.stdout


def test_a_broken_rule_is_status_1(runs: tuple[Path, Path]) -> None:
    result = harness("compare", *runs, "--fail-on", "instructions>+0.5%", "--fail-on", "accuracy<-1")
    assert_failed(result, 1, "kws_ref_model", "instructions>+0.5%", "9200000", "9300000")
    assert "instructions>+0.5%" in result.stdout


def test_a_broken_rule_is_status_1_though_nobody_reads_the_table(runs: tuple[Path, Path]) -> None:
    command = [sys.executable, "-c", "from harness.cli import main; main()", "compare", *map(str, runs)]
    with subprocess.Popen(
        [*command, "--fail-on", "instructions>0"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        words = process.stderr.read()
        assert process.wait() == 1
    assert words.count("\n") == 1
    assert "BrokenPipe" not in words


def run_with(failure: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run `harness boards` where the flow raises `failure`."""

    def fail(**_: object) -> None:
        raise failure

    monkeypatch.setattr(boards_flow, "list_boards", fail)
    before = signal.getsignal(signal.SIGTERM)
    try:
        return cli.run(["boards"])
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("failure", "status", "part"),
    [
        (EnvironmentFailure("board\nsilent"), 3, "board silent"),
        (OSError(errno.ENOSPC, "No space left on device"), 3, "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/dev/ttyACM0"), 3, "Permission denied at /dev/ttyACM0"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Interrupted("2 rows kept"), 130, "2 rows kept"),
        (ZeroDivisionError("oops"), 3, "unexpected ZeroDivisionError: oops"),
        (MemoryError(), 3, "MemoryError"),
    ],
)
def test_every_failure_is_one_line(
    failure: BaseException, status: int, part: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HARNESS_DEBUG", raising=False)
    assert run_with(failure, monkeypatch) == status
    line = capsys.readouterr().err
    assert line.startswith("harness: error: ")
    assert line.count("\n") == 1
    assert part in line


def test_a_traceback_only_on_request(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HARNESS_DEBUG", "1")
    assert run_with(ZeroDivisionError("oops"), monkeypatch) == 3
    assert "Traceback" in capsys.readouterr().err
