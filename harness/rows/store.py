"""A run folder on disk: written whole or not at all, and read back."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UserError
from harness.rows.measurement import Document

ROWS = "rows.json"


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


def write_run(folder: Path, document: Document, reports: Mapping[str, str | bytes], elves: Mapping[str, Path]) -> None:
    """Write `rows.json`, the given reports and copies of the ELF files to `folder`, whole or not at all.

    Everything is written to a sibling first and renamed when it is safely on disk. Where `folder` exists and holds
    other files they stay, and `rows.json` is moved in last: a folder with a `rows.json` is a complete run.

    Args:
        folder: the run folder; its parents are made.
        document: what becomes `rows.json`.
        reports: path below the folder -> content of what goes beside it.
        elves: path below `elf/` -> the ELF file to copy there.

    Raises:
        OSError: the disk is full or cannot be written to; nothing of the run is left behind.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir()
        _fill(partial, document, reports, elves)
        _publish(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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


def _fill(partial: Path, document: Document, reports: Mapping[str, str | bytes], elves: Mapping[str, Path]) -> None:
    for name, source in elves.items():
        target = partial / "elf" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for name, content in {**reports, ROWS: document.to_json()}.items():
        target = partial / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
    for file in partial.rglob("*"):
        _sync(file)


def _publish(partial: Path, folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        partial.replace(folder)  # atomic; POSIX lets a folder replace an empty one
    else:
        for entry in sorted(partial.iterdir(), key=lambda path: path.name == ROWS):
            if entry.is_dir():
                shutil.rmtree(folder / entry.name, ignore_errors=True)
            entry.replace(folder / entry.name)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
