"""Arrays kept on disk: each whole or not there, and the ones unused for longest removed when they become too many."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from harness.train.examples import Floats

AT_MOST = 20 * 2**30
"""Bytes that all kept arrays of a cache may have."""

Parts = Iterator[dict[str, Any]]
"""The next rows of each array, by its name."""


def write(paths: dict[str, Path], count: int, kinds: Callable[[str], type[Any]], parts: Parts) -> None:
    """Write arrays as their rows come: a kill leaves nothing or a whole file.

    Args:
        paths: of each array, by its name; all in one folder.
        count: rows of each.
        kinds: from an array's name to its dtype.
        parts: of `count` rows in all.
    """
    next(iter(paths.values())).parent.mkdir(parents=True, exist_ok=True)
    unfinished = {name: path.with_suffix(f".{os.getpid()}.unfinished.npy") for name, path in paths.items()}
    files: dict[str, Any] = {}
    start = 0
    for part in parts:
        for name, rows in part.items():
            if name not in files:
                shape = (count, *rows.shape[1:])
                files[name] = np.lib.format.open_memmap(unfinished[name], mode="w+", dtype=kinds(name), shape=shape)
            files[name][start : start + len(rows)] = np.asarray(rows)
        start += len(next(iter(part.values())))
    for name, path in paths.items():
        files[name].flush()
        unfinished[name].replace(path)


def read(path: Path, *, mapped: bool = False) -> Floats:
    """Return an array, `mapped` on disk until it is read, and note that it is used."""
    os.utime(path)
    array: Floats = np.load(path, mmap_mode="r" if mapped else None)
    return array


def trim(folder: Path, at_most: int = AT_MOST) -> list[Path]:
    """Remove the arrays in a folder that were unused for longest, until all have at most so many bytes.

    A run that still reads one keeps it: its file has no name any more, its bytes stay until the run ends. What another
    process writes at the moment is left alone, what a killed one left of it counts as unused.

    Returns:
        What was removed.
    """
    found = []
    for path in folder.rglob("*.npy"):
        with suppress(FileNotFoundError):  # finished or removed meanwhile, by another process
            if not _is_written(path):
                found.append((path.stat(), path))
    found.sort(key=lambda each: each[0].st_mtime)
    left = sum(stat.st_size for stat, _ in found)
    removed = []
    for stat, path in found:
        if left <= at_most:
            break
        path.unlink(missing_ok=True)
        left -= stat.st_size
        removed.append(path)
    return removed


def _is_written(path: Path) -> bool:
    """Tell whether a process of this computer is at it: `view0.1234.unfinished.npy` is of process 1234."""
    *_, process, word, _ = ("", "", *path.name.split("."))
    if word != "unfinished" or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
