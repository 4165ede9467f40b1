"""Where real data lies, and how recordings are read."""

import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError

VARIABLE = "HARNESS_DATA"


def root() -> Path | None:
    """Return the folder that the environment variable HARNESS_DATA names, or None when it is unset or missing."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name and Path(name).is_dir() else None


def find(*parts: str) -> Path | None:
    """Return the path of a file or folder below HARNESS_DATA, or None where it is not there."""
    folder = root()
    path = folder.joinpath(*parts) if folder else None
    return path if path and path.exists() else None


def require(dataset: str, *parts: str, fetch: bool = False) -> Path:
    """Return the path below HARNESS_DATA of a part of `dataset`.

    Args:
        dataset: as messages call it.
        parts: of the path.
        fetch: `harness data get` brings it.

    Raises:
        UserError: it is not there; says where it was looked for.
    """
    path = find(*parts)
    if path:
        return path
    name = os.environ.get(VARIABLE)
    where = str(Path(name, *parts)) if name else f"${VARIABLE}/{'/'.join(parts)} ({VARIABLE} is not set)"
    get = f", or run harness data get {dataset}" if fetch else ""
    raise UserError(f"expected data set '{dataset}' at {where}, found nothing; set {VARIABLE} to the data folder{get}")


def members(archive: Path) -> tuple[str, ...]:
    """Return the names of the recordings in a zip, sorted.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(archive) as files:
            return tuple(sorted(name for name in files.namelist() if name.endswith((".flac", ".wav"))))
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"expected a zip of recordings at {archive}, got one that cannot be read: {error}") from error


def sounds(archive: Path, names: Sequence[str], sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """Yield the samples, in -1 to 1, of recordings in a zip, in the order of `names`.

    Raises:
        UserError: the archive or a recording cannot be read, or has another sample rate.
    """
    try:
        with zipfile.ZipFile(archive) as files:
            for name in names:
                yield sound(io.BytesIO(files.read(name)), f"{archive.name}/{name}", sample_rate)
    except (zipfile.BadZipFile, OSError, KeyError) as error:
        raise UserError(f"expected recordings in {archive}, got an archive that cannot be read: {error}") from error


def sound(file: BinaryIO, name: str, sample_rate: int) -> NDArray[np.float32]:
    """Return the samples of one recording, in -1 to 1; of several channels the first.

    Raises:
        UserError: it cannot be read, or has another sample rate.
    """
    import soundfile

    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise UserError(f"expected a recording in {name}, got something else: {error}") from error
    if rate != sample_rate:
        raise UserError(f"expected sound of {sample_rate} Hz in {name}, got {rate} Hz; convert it first")
    return np.asarray(samples[:, 0], np.float32)
