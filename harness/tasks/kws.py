"""Keyword spotting, 12 classes: Speech Commands v0.02 (Warden, arXiv:1804.03209), MLPerf Tiny's maps, synthesised."""

import csv
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.tasks import data
from harness.tasks.dataset import Dataset

LABELS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "unknown", "silence")
"""The order of this project's students."""
MLPERF_LABELS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")
"""The order of MLPerf Tiny's models, taken for every model without a card."""
SAMPLE_RATE = 16_000
CLIP = 16_000
"""Samples of a clip: one second."""
SYNTHETIC = Path(__file__).resolve().parent / "synthetic" / "speech.zip"


def speech_commands() -> Dataset:
    """Return the 4,890 clips of the official 12-class test set, as sound."""
    return _archives("speech_commands", data.require("speech_commands", "speech_commands", "test_wav_flac"))


def synthetic() -> Dataset:
    """Return the project's own small set, spoken by a synthesiser and mixed with noise (synthetic/generate.py)."""
    members = data.members(SYNTHETIC)
    labels = tuple(name.split("/")[0] for name in members)
    return Dataset("synthetic", "sound", labels, lambda chosen: _read({SYNTHETIC: members}, chosen))


def kws01() -> Dataset:
    """Return MLPerf Tiny's 1,000 samples as int8 maps (49, 10)."""
    maps, labels, _ = _kws01(_kws01_file())
    return Dataset("kws01", "map", labels, lambda chosen: maps[chosen])


def kws01_sound() -> Dataset:
    """Return the sound of the same 1,000 clips, in the same order."""
    folder = data.require("kws01", "speech_commands", "test_wav_flac")
    _, labels, names = _kws01(_kws01_file())
    with data.require("kws01", "speech_commands", "test_wav_manifest.csv").open(newline="", encoding="utf-8") as file:
        clips = {name: row for row in csv.DictReader(file) for name in row["mlperf_tiny_kws01_names"].split(";")}
    where = {path: data.members(path) for path in sorted(folder.glob("*.zip"))}
    position = {(path.stem, Path(name).stem): i for i, (path, name) in enumerate(_flat(where))}
    try:
        indices = np.array([position[clips[name]["class"], clips[name]["clip"]] for name in names])
    except KeyError as error:
        raise UserError(f"expected the clip {error} of kws01 in {folder}; the data folder is not whole") from error
    return Dataset("kws01", "sound", labels, lambda chosen: _read(where, indices[chosen]))


def folder(path: Path) -> Dataset:
    """Return a user's own recordings: one folder a word, WAV or FLAC files of 16 kHz inside.

    Folders that are no class are `unknown`; `_silence_` and `_unknown_` are read as silence and unknown. Clips are cut
    or padded with zeros to one second.

    Raises:
        UserError: no folder with recordings.
    """
    files = sorted(p for p in path.glob("*/*") if p.suffix.lower() in (".wav", ".flac"))
    if not files:
        raise UserError(f"expected folders of WAV or FLAC files, one a word, in {path}, found none")
    words = (file.parent.name.strip("_").lower() for file in files)
    labels = tuple(word if word in LABELS else "unknown" for word in words)
    return Dataset(path.name, "sound", labels, lambda chosen: _read_files([files[i] for i in chosen]))


def _kws01_file() -> Path:
    return data.require("kws01", "mlperf_tiny", "kws01.npz")


@lru_cache
def _kws01(path: Path) -> tuple[NDArray[np.int8], tuple[str, ...], tuple[str, ...]]:
    """Return maps, labels and names."""
    with np.load(path) as content:
        classes = [name.decode() for name in content["classes"]]
        names = tuple(name.decode() for name in content["names"])
        return content["x"], tuple(classes[label] for label in content["y"]), names


def _archives(name: str, folder: Path) -> Dataset:
    """Return a data set of zips, one a class."""
    where = {path: data.members(path) for path in sorted(folder.glob("*.zip"))}
    labels = tuple(path.stem.strip("_") for path, _ in _flat(where))
    return Dataset(name, "sound", labels, lambda chosen: _read(where, chosen))


def _flat(where: dict[Path, tuple[str, ...]]) -> Iterator[tuple[Path, str]]:
    for path, names in where.items():
        for name in names:
            yield path, name


def _read(where: dict[Path, tuple[str, ...]], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read the chosen clips, (n, CLIP), opening each archive once."""
    flat = list(_flat(where))
    clips = np.zeros((len(chosen), CLIP), np.float32)
    for path in where:
        wanted = [(row, flat[index][1]) for row, index in enumerate(chosen) if flat[index][0] == path]
        for (row, _), sound in zip(wanted, data.sounds(path, [name for _, name in wanted], SAMPLE_RATE), strict=True):
            clips[row, : min(CLIP, len(sound))] = sound[:CLIP]
    return clips


def _read_files(files: list[Path]) -> NDArray[np.float32]:
    clips = np.zeros((len(files), CLIP), np.float32)
    for row, file in enumerate(files):
        sound = data.sound(file, file.name, SAMPLE_RATE)
        clips[row, : min(CLIP, len(sound))] = sound[:CLIP]
    return clips
