"""Views: two front ends hear the same sound, a number always means the same view, and targets stay probabilities."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("keras")

from harness.errors import UserError
from harness.tasks.frontend import MLPERF_KWS, SPEECH_LOG_MEL, FrontEnd
from harness.tasks.kws import LABELS
from harness.train import pictures, speech
from harness.train.augment.speech import SpeechAugmentation
from harness.train.examples import View
from harness.train.pictures import Pictures, Speech
from harness.train.recipe import Recipe

EVERYTHING = SpeechAugmentation(
    shift=8, align=0.5, time_warp=0.1, mel_warp=0.05, mel_shift=1, gain=15, noise=0.5, jpeg_noise=0.9,
    time_masks=2, time_mask=30, mel_masks=2, mel_mask=10, mixup=0.5, seed=3,
)  # fmt: skip
FINE = replace(SPEECH_LOG_MEL, mean=tuple(np.linspace(-9, -7, 40)), std=(2.5,))
COARSE = replace(FINE, hop_ms=20.0)
MFCC = replace(SPEECH_LOG_MEL, kind="mfcc", hop_ms=20.0, coefficients=10)
COUNT = 40


@pytest.fixture(scope="module")
def heard() -> Speech:
    """Return pictures of noise; every fourth shows a short recording in the middle, as is met in the real ones."""
    random = np.random.default_rng(4)
    grey = random.integers(20, 200, (COUNT, 98, 40), dtype=np.uint8)
    grey[::4, :30] = grey[::4, -30:] = 0
    shown = Pictures(grey, random.integers(len(LABELS), size=COUNT))
    return Speech(shown, shown, np.exp(random.normal(-6, 2, (5, 98, 40))).astype(np.float32))


def view(heard: Speech, frontend: FrontEnd = COARSE, epoch: int = 0, **changes: Any) -> View:
    return speech._views(heard, replace(EVERYTHING, **changes), frontend)(epoch)


def same(one: View, other: View) -> bool:
    return np.array_equal(one.inputs, other.inputs) and np.array_equal(one.targets, other.targets)


@pytest.mark.parametrize("epoch", range(3))
def test_student_and_teacher_hear_the_same(heard: Speech, epoch: int) -> None:
    fine, coarse, mfcc = (view(heard, frontend, epoch) for frontend in (FINE, COARSE, MFCC))
    assert fine.inputs.shape == (COUNT, 98, 40, 1) and coarse.inputs.shape == (COUNT, 49, 40, 1)
    np.testing.assert_allclose(fine.inputs[:, ::2], coarse.inputs, atol=1e-4)
    log_mel = coarse.inputs[..., 0] * 2.5 + np.array(COARSE.mean, np.float32)
    np.testing.assert_allclose(mfcc.inputs[..., 0], MFCC.from_log_mel(log_mel), atol=1e-2)
    for other in (coarse, mfcc):
        np.testing.assert_array_equal(fine.targets, other.targets)


def test_the_same_number_and_seed_are_the_same_view(heard: Speech) -> None:
    first = view(heard, epoch=1)
    assert same(first, view(heard, epoch=1))
    for other in (view(heard, epoch=2), view(heard, epoch=1, seed=4)):
        assert np.abs(other.inputs - first.inputs).mean() > 0.1


@settings(max_examples=10, deadline=None)
@given(views=st.integers(1, 4), epoch=st.integers(0, 12))
def test_so_many_views_come_in_turn(heard: Speech, views: int, epoch: int) -> None:
    met = [view(heard, MFCC, number, views=views) for number in (epoch, epoch + views, epoch % views)]
    assert same(met[0], met[1]) and same(met[0], met[2])
    assert views == 1 or not same(met[0], view(heard, MFCC, epoch + 1, views=views))


def test_mixing_keeps_the_larger_share_and_says_whose_the_rest_is(heard: Speech) -> None:
    targets, labels = view(heard).targets, heard.training.labels
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    assert targets[np.arange(COUNT), labels].min() >= 0.5
    assert ((targets > 0).sum(axis=1) <= 2).all() and (targets.max(axis=1) < 1).any()


def test_inputs_are_mixed_as_the_targets_say() -> None:
    """Pictures of one level each, one of a class: the share can be read from the levels."""
    level = 10 + 20 * np.arange(12)
    shown = Pictures(np.broadcast_to(level[:, None, None], (12, 98, 40)).astype(np.uint8), np.arange(12))
    flat = Speech(shown, shown, np.zeros((1, 98, 40), np.float32))
    mixed = speech._views(flat, SpeechAugmentation(mixup=1.0, seed=5), SPEECH_LOG_MEL)(0)
    expected = speech.to_log_mel((mixed.targets @ level).astype(np.float32))
    np.testing.assert_allclose(mixed.inputs.mean(axis=(1, 2, 3)), expected, atol=1e-3)


def test_without_mixing_a_target_is_its_label(heard: Speech) -> None:
    np.testing.assert_array_equal(view(heard, mixup=0.0).targets, np.eye(len(LABELS))[heard.training.labels])


def test_without_augmentation_a_view_is_the_pictures(heard: Speech) -> None:
    plain = speech._views(heard, SpeechAugmentation(), COARSE)(7)
    np.testing.assert_allclose(plain.inputs, speech.inputs(heard.training, COARSE), atol=1e-4)


def test_the_fingerprint_is_of_all_that_views_hang_on(heard: Speech) -> None:
    other = heard.training.grey.copy()
    other[3, 5, 7] ^= 1
    labels = np.roll(heard.training.labels, 1)
    found = {
        speech._fingerprint(*each)
        for each in (
            (heard, EVERYTHING),
            (heard, replace(EVERYTHING, seed=4)),
            (heard, replace(EVERYTHING, mel_mask=9.0)),
            (replace(heard, training=Pictures(other, heard.training.labels)), EVERYTHING),
            (replace(heard, training=Pictures(heard.training.grey, labels)), EVERYTHING),
            (replace(heard, noise=heard.noise[::-1]), EVERYTHING),
        )
    }
    assert len(found) == 6
    assert speech._fingerprint(replace(heard), replace(EVERYTHING)) in found


def test_the_fingerprint_is_of_the_code_that_changes_pictures_too(
    heard: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a teacher said of views that are no longer made must not be taken for what it says of today's."""
    before = speech._fingerprint(heard, EVERYTHING)
    augment = speech.augment
    monkeypatch.setattr(speech, "augment", lambda *given: np.minimum(augment(*given), 200))
    assert speech._fingerprint(heard, EVERYTHING) != before


@pytest.fixture
def prepared(heard: Speech, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setattr(pictures, "load", lambda seed, every: heard)
    return Recipe("x", "kws", speech.DATA, frontend={"hop_ms": 20}, augmentation=EVERYTHING)


def test_the_student_gets_standardised_columns(prepared: Recipe, heard: Speech) -> None:
    examples, frontend = speech.prepare(prepared)
    assert (frontend.kind, frontend.hop_ms, len(frontend.mean), len(frontend.std)) == ("log_mel", 20.0, 40, 40)
    columns = speech.inputs(heard.training, frontend)
    np.testing.assert_allclose(columns.mean(axis=(0, 1, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(columns.std(axis=(0, 1, 3)), 1, atol=1e-3)
    theirs = examples.through(FINE)(0).inputs[:, ::2, :, 0] * FINE.std[0] + FINE.mean
    np.testing.assert_allclose(examples.view(0).inputs[..., 0], frontend.standardise(theirs), atol=1e-3)


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (MLPERF_KWS, "expected a teacher whose front end"),
        (replace(SPEECH_LOG_MEL, fmax_hz=8_000.0), "expected a teacher whose front end"),
        (replace(SPEECH_LOG_MEL, hop_ms=15.0), "frontend.hop_ms"),
        (FrontEnd("picture"), "frontend.kind"),
    ],
)
def test_a_teacher_that_hears_something_else_is_refused(prepared: Recipe, teacher: FrontEnd, message: str) -> None:
    examples, _ = speech.prepare(prepared)
    with pytest.raises(UserError, match=message):
        examples.through(teacher)


@pytest.mark.parametrize("make", [pictures._crops, pictures._silent_sound])
def test_silence_and_noise_hang_on_the_seed(make: Callable[..., np.ndarray]) -> None:
    recordings = [np.random.default_rng(1).normal(0, 0.01, 30_000).astype(np.float32)]
    first, again, other = (make(recordings, 5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_data_no_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    with pytest.raises(UserError, match="HARNESS_DATA is not set"):
        speech.prepare(Recipe("x", "kws", speech.DATA, augmentation=EVERYTHING))
