"""What the shell offers, by the protocol that its script speaks: words in the environment, candidates on stdout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import completion
from harness.device.boards import load_boards
from harness.flows.models import zoo_names
from harness.tasks import TASKS
from tests.command import ROOT, harness

HEAVY = ("tensorflow", "keras", "pandas", "matplotlib", "ai_edge_litert", "tflite_micro", "platformio", "serial")
ZOO = zoo_names()
BOARDS = [*load_boards()]


def complete(*words: str, cwd: Path = ROOT) -> list[str]:
    """Return what bash is offered for the last of the words behind `harness`."""
    environment = {
        "_HARNESS_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["harness", *words]),
        "COMP_CWORD": str(len(words)),
    }
    result = harness(cwd=cwd, environment=environment)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("be",), ["bench"]),
        (("da",), ["data"]),
        (("data", ""), ["get"]),
        (("data", "get", ""), ["cifar10", "speech_commands"]),
        (("bench", "--bo"), ["--board"]),
        (("bench", "--q"), ["--quiet"]),
        (("bench", "--board", ""), sorted(BOARDS)),
        (("bench", "--board", "nano3"), ["nano33"]),
        (("bench", "--board", "nano33", "--board", "n"), ["nano33"]),
        (("plan", "kws_s", "--board", "n"), ["nano33"]),
        (("bench", "--on", "h"), ["hardware"]),
        (("plan", "--optimise", ""), ["balanced", "flash", "latency", "ram"]),
        (("bench", "--task", ""), sorted(TASKS)),
        (("evaluate", "kws_s", "--data", "s"), ["speech_commands", "synthetic"]),
        (("evaluate", "kws_s", "--split", "v"), ["validation"]),
        (("compile", "kws_s", "--core", "m3"), ["m3", "m33"]),
        (("compare", "--fail-on", "latency_m"), ["latency_ms"]),
        (("bench", "kws_x"), [name for name in ZOO if name.startswith("kws_x")]),
        (("bench", "kws_s", "kws_xx"), ["kws_xxs"]),
        (("--q",), ["--quiet"]),
        (("bench", "--board", "no_such"), []),
    ],
)
def test_candidates(words: tuple[str, ...], expected: list[str]) -> None:
    assert complete(*words) == expected


def test_model_files_are_offered_beside_the_zoo(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in ("kws_mine.tflite", "models/a[1].tflite", "models/notes.txt"):
        (tmp_path / name).touch()
    words = [name for name in ZOO if name.startswith("kws_")]
    assert complete("evaluate", "kws_", cwd=tmp_path) == [*words, "kws_mine.tflite"]
    assert complete("evaluate", "models/a", cwd=tmp_path) == ["models/a[1].tflite"]
    assert complete("evaluate", "models/n", cwd=tmp_path) == []  # then the shell completes files by itself


def test_what_is_offered_is_what_is_taken() -> None:
    assert completion.boards("") == sorted(BOARDS)
    assert set(completion.data("")) == {"random"} | {name for task in TASKS.values() for name in task.datasets}


MEASURE = """
import json, os, sys, time
from harness.cli import run
os.environ |= {"_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": sys.argv[1], "COMP_CWORD": sys.argv[2]}
try:
    run([])
except SystemExit as end:
    print(json.dumps([end.code, time.process_time(), [*sys.modules]]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words", ["harness be", "harness bench --board n", "harness bench k", "harness bench --task k"]
)
def test_completion_is_quick_and_imports_nothing_heavy(words: str) -> None:
    command = [sys.executable, "-c", MEASURE, words, str(words.count(" "))]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    status, seconds, modules = json.loads(result.stderr.splitlines()[-1])
    assert status == 0
    assert result.stdout
    assert seconds < 0.6  # processor time: other work on the machine does not count
    assert [name for name in HEAVY if name in modules] == []
    assert "numpy" not in modules or "--task" in words


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o default -F _harness_completion harness"),
        ("zsh", "compdef _harness_completion harness"),
        ("fish", "complete --command harness"),
    ],
)
def test_each_shell_gets_its_script(shell: str, line: str) -> None:
    result = harness(environment={"_HARNESS_COMPLETE": f"source_{shell}"})
    assert result.returncode == 0
    assert line in result.stdout


@pytest.mark.parametrize(
    ("shell", "found"), [("zsh", '"nano33"'), ("fish", "nano33")]
)  # neither shell has to be there: the protocol is what their scripts speak
def test_the_other_shells_protocols(shell: str, found: str) -> None:
    environment = {
        "_HARNESS_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "harness bench --board na",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    result = harness(environment=environment)
    assert result.returncode == 0
    assert found in result.stdout


@pytest.fixture
def shell_home(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user who has `harness` on PATH and nothing else."""
    program = tmp_path / "bin" / "harness"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from harness.cli import main; main()' \"$@\"\n")
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C.UTF-8",
    }


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_installs_and_completes(shell_home: dict[str, str]) -> None:
    def bash(script: str) -> str:
        command = ["bash", "--norc", "-c", script]
        result = subprocess.run(command, env=shell_home, capture_output=True, text=True, check=True, timeout=120)
        return result.stdout

    assert "completion installed" in bash("harness --install-completion; true")
    home = Path(shell_home["HOME"])
    assert "harness" in (home / ".bashrc").read_text()
    offered = bash(
        'source "$HOME/.bashrc"; COMP_WORDS=(harness bench --board na); COMP_CWORD=3; '
        '_harness_completion harness; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert offered.split() == ["nano33"]
