"""Augmentation of sound: seeded, within the range of grey levels, and nothing where nothing is asked for."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.train.augment import jpeg
from harness.train.augment.speech import SpeechAugmentation, augment, lead_in

STRONG = SpeechAugmentation(
    shift=8, align=0.5, time_warp=0.1, mel_warp=0.05, mel_shift=1, gain=15, noise=0.5, jpeg_noise=0.9
)


def pictures(count: int = 16) -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 255, (count, 98, 40)).astype(np.float32)


def changed(how: SpeechAugmentation, grey: np.ndarray, *, step: int = 1, lead: int = 0, seed: int = 0) -> np.ndarray:
    noise = np.full((3, 98, 40), 1e-3, np.float32)
    return augment(grey, np.full(len(grey), lead), noise, how, step, np.random.default_rng(seed))


@pytest.mark.parametrize("step", [1, 2])
def test_nothing_asked_nothing_changed(step: int) -> None:
    np.testing.assert_allclose(changed(SpeechAugmentation(), pictures(), step=step), pictures()[:, ::step], atol=1e-4)


def test_the_same_seed_gives_the_same_pictures() -> None:
    first, again, other = (changed(STRONG, pictures(), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.min() >= 0 and first.max() <= 255


@pytest.mark.parametrize("name", ["shift", "time_warp", "mel_warp", "mel_shift", "gain", "noise", "jpeg_noise"])
def test_each_change_changes_something(name: str) -> None:
    how = replace(SpeechAugmentation(), **{name: 1.0 if name == "noise" else getattr(STRONG, name)})
    assert np.abs(changed(how, pictures()) - pictures()).max() > 1


def test_empty_pictures_get_neither_gain_nor_jpeg_noise() -> None:
    how = SpeechAugmentation(gain=15, jpeg_noise=0.9)
    assert changed(how, np.zeros((4, 98, 40), np.float32)).max() == 0


def test_a_centred_short_recording_moves_to_the_start() -> None:
    grey = np.zeros((1, 98, 40), np.uint8)
    grey[:, 20:78] = 100
    assert lead_in(grey).tolist() == [20]
    moved = changed(SpeechAugmentation(align=1.0), grey.astype(np.float32), lead=20)
    assert moved[0, 0].min() == 100
    full = np.full((1, 98, 40), 100, np.uint8)
    assert lead_in(full).tolist() == [0]


def test_the_jpeg_noise_is_as_large_as_jpegs_own() -> None:
    """On a picture of full contrast nearly every coefficient survives, so quality 75 leaves this error."""
    picture = np.random.default_rng(0).uniform(0, 255, (96, 40)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=75)
    error = np.asarray(Image.open(file)).astype(np.float32) - picture
    assert jpeg.grey(98, 40).std() == pytest.approx(error.std(), rel=0.15)


@settings(max_examples=25, deadline=None)
@given(
    step=st.sampled_from((1, 2)), masks=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    longest=st.tuples(st.floats(0, 98), st.floats(0, 40)), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_masks_hide_at_most_what_they_may(
    step: int, masks: tuple[int, int], longest: tuple[float, float], seed: int
) -> None:
    """Whole rows and columns, each of them the picture's mean; nothing else changes."""
    how = SpeechAugmentation(time_masks=masks[0], time_mask=longest[0], mel_masks=masks[1], mel_mask=longest[1])
    before = np.where(pictures(4) > 100, 200, 50).astype(np.float32)  # far from its mean everywhere
    after = changed(how, before, step=step, seed=seed)
    for picture, hidden, seen in zip(before, np.abs(after - before[:, ::step]) > 1, after, strict=True):
        rows, columns = hidden.all(axis=1), hidden.all(axis=0)
        assert rows.sum() <= masks[0] * np.ceil(longest[0] / step)
        assert columns.sum() <= masks[1] * np.ceil(longest[1])
        np.testing.assert_array_equal(hidden, rows[:, None] | columns)
        np.testing.assert_allclose(seen[hidden], picture.mean(), rtol=1e-5)


def test_masks_hide_half_of_their_longest_on_average() -> None:
    how = SpeechAugmentation(time_masks=1, time_mask=20.0, mel_masks=1, mel_mask=10.0)
    hidden = np.abs(changed(how, pictures(400)) - pictures(400)) > 1e-3
    assert hidden.all(axis=2).sum(axis=1).mean() == pytest.approx(10, abs=1)
    assert hidden.all(axis=1).sum(axis=1).mean() == pytest.approx(5, abs=0.5)
