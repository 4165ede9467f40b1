import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    "tensorflow", "keras", "pandas", "numpy", "serial", "ai_edge_litert", "tflite_micro", "platformio", "matplotlib",
    "PIL", "requests", "soundfile", "soxr", "jinja2", "selenium",
)  # fmt: skip


def test_no_hall_imports_another() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


MEASURE_HELP = """
import json, sys, time
from harness.cli import run
status = run(["--help"])
print(json.dumps([status, time.process_time(), [*sys.modules]]), file=sys.stderr)
"""
IMPORT_FLOWS = """
import json, sys
import harness.flows.bench, harness.flows.evaluate
print(json.dumps([0, 0, [*sys.modules]]), file=sys.stderr)
"""


def test_help_imports_nothing_heavy_and_takes_under_half_a_second() -> None:
    status, seconds, modules = _run(MEASURE_HELP)  # processor time: other work on the machine does not count
    assert status == 0
    assert seconds < 0.5
    assert [name for name in HEAVY if name in modules] == []


def test_measuring_imports_no_tensorflow_and_no_plots() -> None:
    assert {"tensorflow", "keras", "matplotlib"}.isdisjoint(_run(IMPORT_FLOWS)[2])


def _run(code: str) -> tuple[int, float, list[str]]:
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    status, seconds, modules = json.loads(result.stderr.splitlines()[-1])
    return status, seconds, modules
