"""`harness data get`: a data set from its authors' address into the folder that the loaders read."""

import os
from pathlib import Path

from harness.errors import UserError
from harness.flows.download import check, download
from harness.flows.extract import extract
from harness.nearest import did_you_mean
from harness.report.progress import Speaker
from harness.tasks import data
from harness.tasks.originals import ORIGINALS, Original


def get_data(name: str, out: Path | None, speaker: Speaker) -> Path:
    """Bring a data set: what is there already is left alone, what broke off goes on.

    Args:
        name: one of `ORIGINALS`.
        out: takes the place of HARNESS_DATA.
        speaker: says what is done.

    Returns:
        The data set's folder.

    Raises:
        UserError: no such data set, or nowhere to write it to.
        EnvironmentFailure: no network, a server that refuses, or bytes that are not those expected.
        OSError: the disk is full.
    """
    if name not in ORIGINALS:
        hint = did_you_mean(name, ORIGINALS)
        raise UserError(f"unknown data set {name!r}: expected {' or '.join(ORIGINALS)}{hint}")
    root = _root(out)
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    for original in ORIGINALS[name]:
        _get(original, folder, speaker)
    if data.root() != root:
        speaker.say(f"set {data.VARIABLE}={root} to use it")
    return folder


def _get(original: Original, folder: Path, speaker: Speaker) -> None:
    """Download and unpack one archive; it is removed when its content is there."""
    target = folder / original.folder
    if target.is_dir():
        speaker.say(f"{target} is there already")
        return
    archive = folder / original.file_name
    if archive.exists():  # left by an interruption, or put there by hand
        check(archive, original.sha256, original.url, speaker)
    else:
        speaker.say(f"{original.url}: {original.size / 1e6:,.0f} MB to {folder}")
        download(original.url, archive, original.sha256, speaker)
    extract(archive, original.inside, target, speaker)
    archive.unlink()


def _root(out: Path | None) -> Path:
    """Return the folder for all data sets.

    Raises:
        UserError: none is named, or it is a file.
    """
    named = str(out) if out is not None else os.environ.get(data.VARIABLE)
    if not named:
        raise UserError(f"expected a folder to write to: set {data.VARIABLE} or add --out DIR")
    root = Path(named).absolute()
    if root.exists() and not root.is_dir():
        raise UserError(f"expected a folder to write to, got the file {root}: name another with --out")
    return root
