"""The front end against TensorFlow's own operators, and against MLPerf Tiny's bytes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.tasks import kws
from harness.tasks.frontend import MLPERF_KWS, SPEECH_LOG_MEL, FrontEnd, quantise


def noise(count: int) -> np.ndarray:
    random = np.random.default_rng(1)
    return (random.standard_normal((count, 16_000)) * random.uniform(0.01, 0.3, (count, 1))).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("frontend", [SPEECH_LOG_MEL, replace(MLPERF_KWS, normalise="none")])
def test_features_are_those_of_tensorflow(frontend: FrontEnd) -> None:
    import tensorflow as tf

    sound = noise(4)
    window, hop = round(16 * frontend.window_ms), round(16 * frontend.hop_ms)
    spectrum = tf.abs(tf.signal.stft(sound, window, hop, frontend.fft, tf.signal.hann_window)) ** frontend.power
    matrix = tf.signal.linear_to_mel_weight_matrix(40, 257, 16_000, max(frontend.fmin_hz, 1e-3), frontend.fmax_hz)
    expected = tf.math.log(spectrum @ matrix + frontend.log_offset)
    if frontend.kind == "mfcc":
        expected = tf.signal.mfccs_from_log_mel_spectrograms(expected)[..., : frontend.coefficients]
    difference = np.abs(frontend.features(sound) - expected.numpy())
    # Both transforms work in float32; in an almost empty bin the logarithm makes their last bits large.
    assert difference.mean() < 2e-5
    assert difference.max() < 1e-3


def test_mlperf_tinys_bytes_come_out_of_the_sound_of_the_same_clips(data: Path) -> None:
    chosen = np.arange(0, 1000, 5)
    maps, sound = kws.kws01().fetch(chosen), kws.kws01_sound().fetch(chosen)
    equal = MLPERF_KWS.quantise(MLPERF_KWS.features(sound)) == maps
    assert equal.mean() > 0.997


def test_the_rounding_of_the_front_end_is_what_the_bytes_ask_for(data: Path) -> None:
    chosen = np.arange(50)
    features = MLPERF_KWS.features(kws.kws01_sound().fetch(chosen))
    nearest = replace(MLPERF_KWS, rounding="nearest").quantise(features) == kws.kws01().fetch(chosen)
    assert nearest.mean() < 0.6


def test_a_clip_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(UserError, match="at least 480 samples"):
        SPEECH_LOG_MEL.features(np.zeros((1, 479), np.float32))


def test_silence_and_a_clip_without_a_positive_sample_are_finite() -> None:
    sound = np.stack([np.zeros(16_000), np.full(16_000, -0.5)]).astype(np.float32)
    assert np.isfinite(MLPERF_KWS.features(sound)).all()


@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20),
    scale=st.floats(2**-10, 2**10, width=32),
    zero_point=st.integers(-128, 127),
)
def test_quantised_values_are_the_nearest_or_the_end_of_the_range(
    values: list[float], scale: float, zero_point: int
) -> None:
    array = np.array(values, np.float32)
    q = quantise(array, scale, zero_point).astype(np.float64)
    exact = array.astype(np.float64) / scale + zero_point
    error = np.abs(q - np.clip(exact, -128, 127))
    assert (error <= 0.5 + 1e-6 * (1 + np.abs(exact) + abs(zero_point))).all()
