"""A user's program is checked by mypy --strict: what the package says of itself is enough, and slips are found."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT

SCRIPT = """\
from pathlib import Path

from harness import HarnessError, Row, bench, compile_model, evaluate, load_rows


def slowest(rows: tuple[Row, ...]) -> str:
    return max(rows, key=lambda row: row.latency_ms or 0.0).model


def main() -> int:
    try:
        run = bench(["a.tflite", Path("b.tflite")], "nano33", on="qemu", optimise="ram", samples=8)
    except HarnessError as problem:
        return problem.exit_status
    print(slowest(run.rows), run.folder / "report.html")
    accuracy: float = evaluate("a.tflite", data="kws01").accuracy
    arena: int = compile_model("a.tflite", Path("a_c"), core="m4f").ram_arena_bytes
    print(accuracy, arena, len(load_rows("results/runs")))
    return 0
"""
SLIPS = """\
import harness

harness.bnch
harness.bench("a.tflite", "nano33", on="moon")
harness.bench("a.tflite", "nano33", sample=8)
harness.evaluate("a.tflite").acuracy
accuracy: str = harness.evaluate("a.tflite").accuracy
"""


def check(text: str, folder: Path) -> str:
    """Return what mypy --strict says of a program outside the project."""
    script = folder / "program.py"
    script.write_text(text, encoding="utf-8")
    options = [
        "--strict",
        "--config-file=",
        "--follow-imports=silent",
        "--ignore-missing-imports",
        "--no-error-summary",
    ]
    result = subprocess.run(
        [sys.executable, "-m", "mypy", *options, f"--cache-dir={folder / 'cache'}", str(script)],
        cwd=folder,
        env={"MYPYPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert not result.stderr
    return result.stdout


@pytest.mark.slow
def test_a_users_program_and_its_slips(tmp_path: Path) -> None:
    assert check(SCRIPT, tmp_path) == ""
    lines = check(SLIPS, tmp_path).splitlines()
    found = {int(line.split(":")[1]) for line in lines if ": error:" in line}
    assert found == {3, 4, 5, 6, 7}, lines
