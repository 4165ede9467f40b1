"""A folder, or a file, that is filled under a hidden name, so that nobody ever sees half of it.

Whoever fills one holds a lock on it, which the system lets go when the process ends, however it ends. So a folder that
nobody holds was left by a process that was killed, and the next one removes it.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
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
        with locked(parent):  # nobody sweeps between the making of a folder and its lock
            _sweep(parent, sweep)
            path.mkdir()
            stack.enter_context(locked(path))
        yield path


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is safely on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file; it is there whole or not at all, and one that was there stays until then.

    Raises:
        OSError: the disk is full or cannot be written to.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{SUFFIX}")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Hold a folder's lock, which the system lets go when the last process that has it ends; yields its descriptor.

    Args:
        folder: a folder that exists.
        waiting: called once where another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: nothing there is ever swept
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
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
