"""Keras on TensorFlow, quiet; the recipes of the repository; a converter that costs little."""

import subprocess
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.train import backend

with suppress(ImportError):  # the tests that need it are skipped
    backend.start()

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recipes() -> Path:
    return ROOT / "recipes"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert to .tflite in this process: another would spend its time importing TensorFlow."""
    from harness.train.compress import convert

    class Here:
        """What `convert` uses of the module subprocess."""

        @staticmethod
        def run(command: list[str], **settings: Any) -> subprocess.CompletedProcess[str]:
            try:
                convert._convert(*command[3:])
            except Exception:
                return subprocess.CompletedProcess(command, 1, "", traceback.format_exc())
            return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(convert, "subprocess", Here)
