"""Augmentation of pictures: flips, crops and cutout are what they say, and mixing says whose pixels are whose."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.train.augment import jpeg
from harness.train.augment.vision import VisionAugmentation, augment, mix

EVERYTHING = VisionAugmentation(
    flip=0.5,
    crop=4,
    brightness=20,
    contrast=0.2,
    saturation=0.2,
    jpeg_noise=1,
    cutout=8,
    mixup=0.4,
    cutmix=1,
    mixed=0.8,
)
SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from((1, 3)))


def pictures(count: int = 16, shape: tuple[int, ...] = (32, 32, 3)) -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 255, (count, *shape)).astype(np.float32)


def changed(pixels: np.ndarray, seed: int = 0, **how: Any) -> np.ndarray:
    return augment(pixels, VisionAugmentation(**how), np.random.default_rng(seed))


def test_nothing_asked_nothing_changed() -> None:
    np.testing.assert_array_equal(changed(pictures()), pictures())
    mixed, _, own = mix(pictures(), VisionAugmentation(), np.random.default_rng(0))
    np.testing.assert_array_equal(mixed, pictures())
    assert (own == 1).all()


def test_the_same_seed_gives_the_same_pictures() -> None:
    first, again, other = (augment(pictures(), EVERYTHING, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.min() >= 0 and first.max() <= 255 and first.dtype == np.float32


@pytest.mark.parametrize("name", ["flip", "crop", "brightness", "contrast", "saturation", "jpeg_noise", "cutout"])
def test_each_change_changes_something(name: str) -> None:
    assert np.abs(changed(pictures(), **{name: getattr(EVERYTHING, name)}) - pictures()).max() > 1


@settings(max_examples=20, deadline=None)
@given(SHAPES, SEEDS)
def test_a_flip_is_a_mirror_image(shape: tuple[int, ...], seed: int) -> None:
    before = pictures(8, shape)
    np.testing.assert_array_equal(changed(before, seed, flip=1.0), before[:, :, ::-1])
    for one, other in zip(before, changed(before, seed, flip=0.5), strict=True):
        assert np.array_equal(one, other) or np.array_equal(one[:, ::-1], other)


@settings(max_examples=20, deadline=None)
@given(SHAPES, st.integers(1, 9), SEEDS)
def test_a_crop_is_a_window_of_the_reflected_picture(shape: tuple[int, ...], crop: int, seed: int) -> None:
    before = pictures(4, shape)
    padded = np.pad(before, [(0, 0), (crop, crop), (crop, crop), (0, 0)], mode="reflect")
    for after, around in zip(changed(before, seed, crop=crop), padded, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(around, shape)[:, :, 0]
        assert (windows == after).all(axis=(2, 3, 4)).any()


@settings(max_examples=20, deadline=None)
@given(SHAPES, st.integers(1, 9), SEEDS)
def test_cutout_hides_a_square_behind_the_mean_colour(shape: tuple[int, ...], side: int, seed: int) -> None:
    before = np.where(pictures(4, shape) > 100, 255, 0).astype(np.float32)
    before[:, 0, 0] = 128 - before.mean(axis=(1, 2)) / 3  # no mean is 0 or 255
    for one, after in zip(before, changed(before, seed, cutout=side), strict=True):
        hidden = (after != one).any(axis=-1)
        rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
        if len(rows):
            inside = np.ix_(range(rows[0], rows[-1] + 1), range(columns[0], columns[-1] + 1))
            assert max(len(rows), len(columns)) <= side
            assert np.allclose(after[inside], one.mean(axis=(0, 1)), atol=1e-3)


def test_cutout_hides_its_whole_square_where_it_lies_inside() -> None:
    hidden = (changed(pictures(200), cutout=8) != pictures(200)).any(axis=-1).sum(axis=(1, 2))
    assert hidden.max() == 64 and hidden.min() >= 16


@settings(max_examples=30, deadline=None)
@given(
    mixup=st.sampled_from((0.0, 0.2, 1.0)), cutmix=st.sampled_from((0.0, 1.0, 3.0)), mixed=st.floats(0, 1), seed=SEEDS
)
def test_pixels_are_mixed_as_the_shares_say(mixup: float, cutmix: float, mixed: float, seed: int) -> None:
    """Pictures of one level each: the share can be read from their mean."""
    levels = np.arange(10, 170, 20, dtype=np.float32)
    flat = np.broadcast_to(levels[:, None, None, None], (8, 32, 32, 3)).copy()
    how = VisionAugmentation(mixup=mixup, cutmix=cutmix, mixed=mixed)
    after, partner, own = mix(flat, how, np.random.default_rng(seed))
    assert ((own >= 0.5) & (own <= 1)).all()
    np.testing.assert_allclose(after.mean(axis=(1, 2, 3)), levels * own + levels[partner] * (1 - own), rtol=1e-4)
    if not mixup:  # cutmix leaves each pixel one of the two
        assert np.isin(after, levels).all()
    if mixed == 0:
        assert (own == 1).all()


def test_some_are_pasted_and_some_blended_and_some_left() -> None:
    flat = np.broadcast_to(np.arange(400, dtype=np.float32)[:, None, None, None] % 2 * 200, (400, 32, 32, 3)).copy()
    after, _, own = mix(flat, EVERYTHING, np.random.default_rng(0))
    kinds = [len(np.unique(each)) for each in after]
    blended = np.array([kind == 1 for kind in kinds]) & (own < 1)
    assert 0.15 < np.mean(own == 1) < 0.35
    assert 0.3 < blended.mean() < 0.5 and 0.3 < np.mean(np.array(kinds) == 2) < 0.5


def test_saturation_leaves_brightness_and_grey_pictures() -> None:
    before = np.clip(pictures(), 60, 190)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    np.testing.assert_allclose(changed(before, saturation=0.3) @ weights, before @ weights, atol=1e-2)
    grey = np.repeat(before[..., :1], 3, axis=-1)
    np.testing.assert_allclose(changed(grey, saturation=0.3), grey, atol=1e-3)


@pytest.mark.parametrize("name", ["flip", "mixed", "contrast", "saturation"])
def test_shares_go_up_to_one(name: str) -> None:
    assert VisionAugmentation(**{name: 1.0}).ranges()[name][0]
    assert not VisionAugmentation(**{name: 1.1}).ranges()[name][0]
    assert not VisionAugmentation(**{name: -0.1}).ranges()[name][0]


def test_the_noise_is_like_jpegs_error_on_smooth_pictures() -> None:
    """Smooth pictures with some texture, as photographs are."""
    random = np.random.default_rng(0)
    coarse = random.uniform(60, 190, (40, 4, 4, 3)).astype(np.float32)
    smooth = np.stack([np.asarray(Image.fromarray(each.astype(np.uint8)).resize((32, 32))) for each in coarse])
    before = np.clip(smooth + random.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)
    error = []
    for picture in before:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=75)
        error.append(np.asarray(Image.open(file)).astype(np.float32) - picture)
    noise = jpeg.coloured(32, 32, 64).std()
    assert 0.5 < noise / np.std(error) < 1.5
