"""The training pictures show what the front end computes from sound."""

import csv
from pathlib import Path

import numpy as np
import pytest

from harness.tasks import kws
from harness.tasks.frontend import SPEECH_LOG_MEL
from harness.tasks.kws import LABELS
from harness.train import pictures
from harness.train.pictures import to_grey, to_log_mel


def test_grey_levels_and_logarithms_are_inverse() -> None:
    levels = np.linspace(0, 255, 100, dtype=np.float32)
    np.testing.assert_allclose(to_grey(to_log_mel(levels)), levels, atol=1e-4)


def test_pictures_are_what_the_front_end_makes_of_the_sound(data: Path) -> None:
    """Official test recordings, the only ones with both. What is left is the error of JPEG."""
    folder = data / "speech_commands"
    with (folder / "test_wav_manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] == "yes"]
    with np.load(folder / "logmel98x40_jpeg_testing.npz") as packed:
        names = [name.decode() for name in packed["names"]]
    shown = pictures._read(folder / "logmel98x40_jpeg_testing.npz").grey
    index = {name.split("/")[1].split(".")[0]: i for i, name in enumerate(names) if name.startswith("yes/")}
    speech = kws.speech_commands()
    spoken = np.flatnonzero(np.array(speech.labels) == "yes")
    sound = speech.fetch(spoken)
    whole = [i for i in range(len(rows)) if sound[i, -320:].any()]  # shorter ones are centred in the picture
    ours = to_grey(SPEECH_LOG_MEL.log_mel(sound[whole]))
    theirs = np.stack([shown[index[rows[i]["clip"].split(".")[0]]] for i in whole]).astype(np.float32)
    difference = theirs - ours
    assert len(whole) > 300
    assert abs(difference.mean()) < 0.2
    assert np.median(np.abs(difference)) < 3


def test_training_and_validation_share_no_speaker(data: Path) -> None:
    speakers = []
    for name in ("training", "validation"):
        with np.load(data / "speech_commands" / f"logmel98x40_jpeg_{name}.npz") as packed:
            speakers.append({each.decode().split("/")[1].split("_nohash_")[0] for each in packed["names"]})
    assert min(map(len, speakers)) > 100
    assert not speakers[0] & speakers[1]


def test_silence_is_as_loud_and_as_quiet_as_it_may_be() -> None:
    recordings = [np.random.default_rng(0).standard_normal(40_000).astype(np.float32) * np.float32(0.003)]
    silence = pictures._silence(pictures._silent_sound(recordings, 64, np.random.default_rng(1)))
    assert silence.shape == (64, 98, 40)
    level = silence.mean(axis=(1, 2))
    assert level.min() < 30 and level.max() > 130


@pytest.mark.slow
def test_validation_alone_is_the_validation_of_all_and_its_names_are_of_its_pictures(data: Path) -> None:
    speech, alone = pictures.load(3, 40), pictures.validation(3, 40)
    np.testing.assert_array_equal(alone.grey, speech.validation.grey)
    np.testing.assert_array_equal(alone.labels, speech.validation.labels)
    assert alone.names == speech.validation.names
    for part in (speech.training, speech.validation.first(50)):
        words = [name.split("/")[0] if "/" in name else "silence" for name in part.names]
        assert words == [LABELS[label] for label in part.labels]
