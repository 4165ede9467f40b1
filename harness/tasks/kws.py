"""Keyword spotting, 12 classes: Speech Commands v0.02 (Warden, arXiv:1804.03209), MLPerf Tiny's maps, synthesised."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.tasks import data, folders, recordings
from harness.tasks.dataset import Dataset
from harness.tasks.split import only

LABELS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "unknown", "silence")
"""The order of this project's students."""
MLPERF_LABELS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")
"""The order of MLPerf Tiny's models, taken for every model without a card."""
SAMPLE_RATE = 16_000
CLIP = 16_000
"""Samples of a clip: one second."""
BACKGROUND = "_background_noise_"
"""The folder of Speech Commands with minutes of noise: no class of words."""
CORPUS = "speech_commands_v0.02"
TEST_SET = "speech_commands_test_set_v0.02"
"""The folders that `harness data get speech_commands` writes."""
SYNTHETIC = Path(__file__).resolve().parent / "synthetic" / "speech.zip"


def speech_commands(split: str = "test") -> Dataset:
    """Return Speech Commands as sound.

    Args:
        split: "test": the 4,890 clips of the official 12-class test set. "train" and "validation": all recordings of
            these speakers in the whole corpus, 35 words and no silence.

    Raises:
        UserError: they are not there, or there is no such split.
    """
    only(split, "speech_commands", ("train", "validation", "test"))
    zips = data.find("speech_commands", "test_wav_flac")
    if split == "test" and zips:
        return _archives("speech_commands", zips)
    name = TEST_SET if split == "test" else CORPUS
    path = data.require("speech_commands", "speech_commands", name, fetch=True)
    if split == "test":
        return replace(folder(path, "all"), name="speech_commands", classes=())
    return replace(folder(path, split), name=f"speech_commands ({split})", classes=())


def synthetic(split: str = "test") -> Dataset:
    """Return the project's own small set, spoken by a synthesiser and mixed with noise (synthetic/generate.py)."""
    only(split, "synthetic")
    members = data.members(SYNTHETIC)
    labels = tuple(name.split("/")[0] for name in members)
    return Dataset("synthetic", "sound", labels, lambda chosen: _read({SYNTHETIC: members}, chosen), names=members)


def kws01(split: str = "test") -> Dataset:
    """Return MLPerf Tiny's 1,000 samples as int8 maps (49, 10)."""
    only(split, "kws01")
    maps, labels, names = _kws01(_kws01_file())
    return Dataset("kws01", "map", labels, lambda chosen: maps[chosen], names=names)


def kws01_sound(split: str = "test") -> Dataset:
    """Return the sound of the same 1,000 clips, in the same order."""
    only(split, "kws01")
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
    return Dataset("kws01", "sound", labels, lambda chosen: _read(where, indices[chosen]), names=names)


def folder(path: Path, split: str = "all") -> Dataset:
    """Return a user's own recordings: one folder a word, WAV or FLAC files inside.

    Clips are cut or padded with zeros to one second, resampled to 16 kHz, several channels mixed to one; the notes say
    of how many. `_background_noise_` is no word and left out.

    Args:
        path: the folder with the folders; their names are the classes (`_silence_` is silence).
        split: train, validation, test (by speaker where the file name tells) or all.

    Raises:
        UserError: no such split, no recordings, or a file that is none.
    """
    found = folders.read(path, split, recordings.SUFFIXES, recordings.WHAT, {BACKGROUND})
    clip = recordings.Clip(SAMPLE_RATE, CLIP)
    notes = found.notes + recordings.check(found.files, clip)
    return Dataset(
        found.name,
        "sound",
        found.labels,
        lambda chosen: recordings.read([found.files[index] for index in chosen], clip),
        found.classes,
        notes,
        tuple(map(str, found.files)),
    )


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
    names = tuple(f"{path.name}/{member}" for path, member in _flat(where))
    return Dataset(name, "sound", labels, lambda chosen: _read(where, chosen), names=names)


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
