"""What every test process needs."""

import signal
from pathlib import Path

import pytest

from tests.support.data import data_folder


def pytest_configure() -> None:
    """Let programs under test be interrupted, also where a script started the tests in the background.

    A shell gives background commands an ignored SIGINT, and what they start inherits it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def data() -> Path:
    """Return the folder with the real recordings and pictures."""
    return data_folder()
