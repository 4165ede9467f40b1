"""Run folders on disk: written whole or not at all, and read back.

A store is a folder with one folder a run; runs are added, never changed. Hidden folders in it are being written, or
were left by a process that was killed: no reader looks at them, and the next run removes them.
"""

import errno
import itertools
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.rows.measurement import Document
from harness.rows.partial import partial_folder, sync

ROWS = "rows.json"
RUNS = Path("results/runs")
"""The store, below the folder it belongs to."""

log = logging.getLogger(__name__)
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


@dataclass(frozen=True)
class StoredRun:
    """A run of a store."""

    folder: Path
    document: Document


@dataclass(frozen=True)
class Store:
    """What a store holds: the runs in the order of their names, and a line about each folder that is no run."""

    runs: tuple[StoredRun, ...]
    damaged: tuple[str, ...]


def check_free(folder: Path) -> None:
    """Make sure that a run can be written to `folder`.

    Raises:
        UserError: it holds a run already, it is a file, or its parent cannot be written to.
    """
    if (folder / ROWS).exists():
        raise UserError(
            f"expected a folder without a run for --out, got {folder} with its {ROWS}: name another or remove it"
        )
    if folder.exists() and not folder.is_dir():
        raise UserError(f"expected a folder for --out, got the file {folder}: name another")
    parent = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to {parent}: name another folder with --out")


def append_run(
    runs: Path, name: str, document: Document, reports: Mapping[str, str | bytes], elves: Mapping[str, Path]
) -> Path:
    """Add a run to the store `runs`, whole or not at all.

    Args:
        runs: the store; it is made where it is missing.
        name: of the run's folder; where it is taken, `-2` or the next free number is put behind it.
        document: what becomes `rows.json`.
        reports: path below the folder -> content of what goes beside it.
        elves: path below `elf/` -> the ELF file to copy there.

    Returns:
        The run's folder.

    Raises:
        OSError: the disk is full or cannot be written to; nothing of the run is left behind.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with partial_folder(runs, name, sweep=".") as partial:
        _fill(partial, document, reports, elves)
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        return next(runs / free for free in names if _rename(partial, runs / free))


def write_run(folder: Path, document: Document, reports: Mapping[str, str | bytes], elves: Mapping[str, Path]) -> None:
    """Write a run to a folder of the user's choice; arguments and failures as for `append_run`.

    The folder appears, or takes the place of an empty one, in one step. Where it holds other files they stay, and
    `rows.json` is moved in last: a folder with a `rows.json` is a complete run.

    Raises:
        UserError: another run was written there meanwhile.
        OSError: the disk is full or cannot be written to; nothing of the run is left behind.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    replaced = _replaceable(folder)
    parent = folder.parent if replaced else folder
    with partial_folder(parent, folder.name, sweep=f".{folder.name}.") as partial:
        _fill(partial, document, reports, elves)
        done = _rename(partial, folder) if replaced else _move_in(partial, folder)
    if not done:
        raise UserError(f"expected {folder} to stay free, got another run written there meanwhile: name another")


def read_document(path: Path) -> Document:
    """Read a `rows.json`, or the one in a run folder.

    Raises:
        UserError: there is none, or it is not a document of this schema.
    """
    file = path / ROWS if path.is_dir() else path
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"expected a run folder or a {ROWS}, got {path}: {error.strerror}") from error
    try:
        return Document.from_json(content)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error


def read_store(runs: Path) -> Store:
    """Read every run of a store; one that is missing holds none.

    Raises:
        UserError: `runs` is not a folder that can be read.
    """
    found, damaged = [], []
    try:
        folders = sorted(path for path in runs.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError:
        folders = []
    except OSError as error:
        raise UserError(f"expected a folder of runs, got {runs}: {error.strerror}") from error
    for folder in folders:
        try:
            found.append(StoredRun(folder, read_document(folder)))
        except UserError as error:
            damaged.append(str(error))
    return Store(tuple(found), tuple(damaged))


def _fill(partial: Path, document: Document, reports: Mapping[str, str | bytes], elves: Mapping[str, Path]) -> None:
    for name, source in elves.items():
        target = partial / "elf" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for name, content in {**reports, ROWS: document.to_json()}.items():
        target = partial / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
    for path in (*partial.rglob("*"), partial):
        sync(path)


def _replaceable(folder: Path) -> bool:
    """Tell whether another folder may take this one's place: it is not there, or empty and nothing holds it there."""
    if not folder.exists():
        return True
    held = folder.is_mount() or folder == Path.cwd() or not os.access(folder.parent, os.W_OK | os.X_OK)
    return not held and not any(folder.iterdir())


def _rename(partial: Path, folder: Path) -> bool:
    """Give the folder its name in one step; POSIX lets it replace an empty one. False where the name is taken."""
    try:
        partial.rename(folder)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    sync(folder.parent)
    _log_files(folder)
    return True


def _move_in(partial: Path, folder: Path) -> bool:
    """Move every file to a folder that holds others, `rows.json` last; False where that has come meanwhile."""
    if (folder / ROWS).exists():
        return False
    rows = partial / ROWS
    moved: list[Path] = []
    try:
        for file in [path for path in partial.rglob("*") if path.is_file() and path != rows]:
            target = folder / file.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
            moved.append(target)
        for parent in {path.parent for path in moved}:
            sync(parent)
        rows.replace(folder / ROWS)
    finally:
        if not (folder / ROWS).exists():
            for path in moved:
                with suppress(OSError):
                    path.unlink()
    sync(folder)
    _log_files(folder)
    return True


def _log_files(folder: Path) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        log.info("wrote %s", path)
