"""A user's own recordings of noise: read by the same rules as their words."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from harness.errors import UserError
from harness.train import recorded
from tests.tasks.clips import record, tone
from tests.train.tones import record_words

NOISE = "_background_noise_"


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of words, where no other noise is to be had."""
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "nothing"))
    return record_words(tmp_path / "words")


def loudest(noise: np.ndarray) -> int:
    """Return the mel bin that has most of the power."""
    return int(noise.mean(axis=(0, 1)).argmax())


def test_noise_of_any_rate_and_spelling_is_taken_and_what_is_done_to_it_is_said(words: Path) -> None:
    plain = record(words / NOISE / "hum.wav", tone(400, 16_000, 3))
    expected = recorded.load(words, 0, noise=True).noise
    plain.unlink()
    record(words / NOISE / "hum.WAV", tone(400, 44_100, 3), 44_100)
    found = recorded.load(words, 0, noise=True)
    assert loudest(found.noise) == loudest(expected)
    assert any(NOISE in note and "resampled to 16000 Hz: 1 of 44100 Hz" in note for note in found.notes)


def test_noise_of_several_channels_is_their_mean(words: Path) -> None:
    hum = tone(400, 16_000, 3)
    record(words / NOISE / "hum.wav", hum / 2)
    expected = recorded.load(words, 0, noise=True).noise
    record(words / NOISE / "hum.wav", np.stack([np.zeros_like(hum), hum], axis=1))
    np.testing.assert_allclose(recorded.load(words, 0, noise=True).noise, expected, rtol=0.01, atol=1e-6)


@pytest.mark.parametrize(
    ("sound", "words_of_it"), [(np.zeros(0), "recording without samples"), (None, "got something")]
)
def test_noise_that_is_no_sound_is_refused_by_name(words: Path, sound: np.ndarray | None, words_of_it: str) -> None:
    file = words / NOISE / "hum.wav"
    if sound is None:
        file.parent.mkdir()
        file.write_bytes(b"no recording")
    else:
        record(file, sound)
    with pytest.raises(UserError, match=f"{file}.*{words_of_it}"):
        recorded.load(words, 0, noise=True)


def test_without_noise_it_is_said_where_some_is_looked_for(words: Path) -> None:
    (words / NOISE).mkdir()
    (words / NOISE / "readme.txt").write_text("none")
    with pytest.raises(UserError, match=r"expected recordings of noise in .*_background_noise_ \(or HARNESS_DATA\)"):
        recorded.load(words, 0, noise=True)
