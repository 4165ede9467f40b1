"""A folder that is filled under a hidden name, so that nobody ever sees half of it.

Whoever fills one holds a lock on it, which the system lets go when the process ends, however it ends. So a folder that
nobody holds was left by a process that was killed, and the next one removes it.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

SUFFIX = ".partial"


@contextmanager
def partial_folder(parent: Path, name: str, *, sweep: str) -> Iterator[Path]:
    """Make a hidden folder in `parent`; at the end it is removed, unless it was renamed.

    Args:
        parent: a folder that exists.
        name: of what the folder is to become.
        sweep: hidden folders whose names start so and that nobody fills any more are removed.

    Raises:
        OSError: `parent` cannot be written to.
    """
    path = parent / f".{name}.{secrets.token_hex(4)}{SUFFIX}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, path, ignore_errors=True)
        with _locked(parent):  # nobody sweeps between the making of a folder and its lock
            _sweep(parent, sweep)
            path.mkdir()
            stack.enter_context(_locked(path))
        yield path


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is safely on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: nothing there is ever swept
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sweep(parent: Path, start: str) -> None:
    for path in parent.iterdir():
        if path.name.startswith(start) and path.name.endswith(SUFFIX) and path.is_dir() and not path.is_symlink():
            with suppress(OSError):
                _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(handle)
