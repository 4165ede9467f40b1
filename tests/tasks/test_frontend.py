"""The front end against TensorFlow's own operators, and against MLPerf Tiny's bytes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.tasks import data as tasks_data
from harness.tasks import kws
from harness.tasks.frontend import MLPERF_KWS, SPEECH_LOG_MEL, FrontEnd, quantise
from tests.command import ROOT


def noise(count: int) -> np.ndarray:
    random = np.random.default_rng(1)
    return (random.standard_normal((count, 16_000)) * random.uniform(0.01, 0.3, (count, 1))).astype(np.float32)


FRONT_ENDS = {
    "MFCC 49x10": replace(MLPERF_KWS, normalise="none"),
    "MFCC 49x10, by peak": MLPERF_KWS,
    "MFCC 49x10, orthonormal, power": replace(MLPERF_KWS, normalise="none", power=2, dct_norm="ortho"),
    "log-mel 49x40": replace(SPEECH_LOG_MEL, hop_ms=20.0),
    "log-mel 49x40, magnitude, by peak": replace(MLPERF_KWS, kind="log_mel", coefficients=0),
    "log-mel 98x40": SPEECH_LOG_MEL,
}
"""Every map that a student takes, in every way its columns may be computed."""


def of_tensorflow(frontend: FrontEnd, sound: np.ndarray) -> np.ndarray:
    """Return the features with TensorFlow's signal operators alone."""
    import tensorflow as tf

    if frontend.normalise == "peak":
        sound = sound / tf.reduce_max(sound, axis=-1, keepdims=True)
    window, hop = round(16 * frontend.window_ms), round(16 * frontend.hop_ms)
    spectrum = tf.abs(tf.signal.stft(sound, window, hop, frontend.fft, tf.signal.hann_window)) ** frontend.power
    matrix = tf.signal.linear_to_mel_weight_matrix(40, 257, 16_000, frontend.fmin_hz, frontend.fmax_hz)
    log_mel = tf.math.log(spectrum @ matrix + frontend.log_offset)
    if frontend.kind == "log_mel":
        return np.asarray(log_mel)
    mfcc = np.array(tf.signal.mfccs_from_log_mel_spectrograms(log_mel)[..., : frontend.coefficients])
    if frontend.dct_norm == "ortho":
        mfcc[..., 0] /= np.sqrt(2)  # TensorFlow scales the lowest like the others
    return mfcc


@pytest.fixture(scope="module")
def sounds() -> dict[str, np.ndarray]:
    """Return random sound, and real clips of every class with quiet and loud ones among them."""
    found = {"random": noise(8), "synthesised": kws.synthetic().fetch(np.arange(0, 48, 4))}
    if tasks_data.root():
        speech = kws.speech_commands()
        found["recorded"] = speech.fetch(np.arange(0, len(speech.labels), 80))
    return found


_PRINTED = """
import hashlib
from tests.tasks.test_frontend import FRONT_ENDS, noise
features = [each.features(noise(64)).tobytes() for each in FRONT_ENDS.values()]
print([hashlib.sha256(each).hexdigest() for each in features])
"""


def test_features_are_the_same_by_one_thread_and_by_two() -> None:
    """A training run, and what its teacher said, are gone on with where another number of cores is free."""
    said = []
    for threads in ("1", "2"):
        variables = os.environ | {"OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        said.append(subprocess.run([sys.executable, "-c", _PRINTED], env=variables, capture_output=True, check=True))
    assert said[0].stdout == said[1].stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_features_are_those_of_tensorflow(name: str, sounds: dict[str, np.ndarray]) -> None:
    frontend = FRONT_ENDS[name]
    for kind, sound in sounds.items():
        expected, found = of_tensorflow(frontend, sound), frontend.features(sound)
        rows, columns = name.split(",")[0].split()[1].split("x")
        assert found.shape == expected.shape == (len(sound), int(rows), int(columns)), kind
        difference = np.abs(found - expected)
        # Both transforms work in float32; in an almost empty bin the logarithm makes their last bits large.
        assert difference.mean() < 5e-6, kind
        assert difference.max() < 2e-3, kind


def test_mlperf_tinys_bytes_come_out_of_the_sound_of_the_same_clips(data: Path) -> None:
    everything = np.arange(1000)
    maps = kws.kws01().fetch(everything).astype(int)
    features = MLPERF_KWS.features(kws.kws01_sound().fetch(everything))
    away = np.abs(MLPERF_KWS.quantise(features).astype(int) - maps)
    assert away.size == 490_000
    assert (away == 0).sum() >= 488_600  # 488,618 here
    assert (away <= 1).sum() >= 489_980  # 489,985 here
    # The other 15 are beyond the range of a byte: ours stop at its end, MLPerf Tiny's go on at its start.
    beyond = np.trunc(features / np.float32(MLPERF_KWS.scale) + MLPERF_KWS.zero_point)[away > 1]
    assert (beyond > 127).all()
    np.testing.assert_array_equal(beyond - 256, maps[away > 1])


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
