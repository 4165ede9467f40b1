"""The real recordings and pictures, where this machine has them."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def data() -> Path:
    """Return the data folder; tests that need it are not run where there is none."""
    folder = os.environ.get("HARNESS_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HARNESS_DATA names no folder")
    return Path(folder)
