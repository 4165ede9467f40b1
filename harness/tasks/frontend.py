"""From one second of sound, or one picture, to what a model's input layer takes.

All arithmetic is numpy's, in the order and with the conventions of TensorFlow's signal operators, because the models
that exist were trained with those. A `FrontEnd` is exactly the `[frontend]` section of a model card.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FrontEnd:
    """Everything needed to feed a model from raw sound or pictures, anywhere.

    The fields from `sample_rate` to `dct_norm` describe sound and stay at their defaults for `kind = "picture"`.

    Attributes:
        kind: "mfcc", "log_mel" or "picture".
        sample_rate: Hz.
        normalise: "peak" divides a clip by its largest sample, signed, not by its largest magnitude (as MLPerf Tiny
            does); "none" leaves it.
        window_ms: length of the periodic Hann window, ms.
        hop_ms: distance of two windows, ms.
        fft: length of the transform, samples; the window is padded with zeros at its end.
        power: 1 takes the magnitude of the spectrum, 2 its square.
        bins: mel bins.
        fmin_hz: lower edge of the lowest mel bin, Hz.
        fmax_hz: upper edge of the highest mel bin, Hz.
        log_offset: added before the natural logarithm.
        coefficients: how many cepstral coefficients are kept, from the lowest; 0 for "log_mel".
        dct_norm: "htk": DCT-II times sqrt(2 / bins) throughout (TensorFlow's MFCC); "ortho": orthonormal.
        mean: subtracted last: one number, or one for each column (coefficient, bin, or colour).
        std: then divided by: likewise.
        scale: of the model's int8 input: real = scale * (q - zero_point).
        zero_point: of the model's int8 input.
        rounding: "nearest" (ties to even) or "zero" (cut towards zero, as MLPerf Tiny does).
    """

    kind: Literal["mfcc", "log_mel", "picture"]
    sample_rate: int = 0
    normalise: Literal["peak", "none"] = "none"
    window_ms: float = 0.0
    hop_ms: float = 0.0
    fft: int = 0
    power: Literal[1, 2] = 1
    bins: int = 0
    fmin_hz: float = 0.0
    fmax_hz: float = 0.0
    log_offset: float = 0.0
    coefficients: int = 0
    dct_norm: Literal["htk", "ortho"] = "htk"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0
    zero_point: int = 0
    rounding: Literal["nearest", "zero"] = "nearest"

    def features(self, raw: NDArray[Any]) -> Floats:
        """Return the real-valued model inputs.

        Args:
            raw: sound (n, samples), float in -1 to 1; or pictures (n, height, width, colours), uint8.

        Returns:
            float32 (n, frames, columns) for sound, (n, height, width, colours) for pictures.

        Raises:
            UserError: the clips are shorter than one window.
        """
        if self.kind == "picture":
            return self.standardise(raw.astype(np.float32))
        return self.from_log_mel(self.log_mel(raw))

    def log_mel(self, sound: NDArray[Any]) -> Floats:
        """Return ln(mel spectrum + log_offset), float32 (n, frames, bins), of sound (n, samples) in -1 to 1."""
        window = round(self.sample_rate * self.window_ms / 1000)
        hop = round(self.sample_rate * self.hop_ms / 1000)
        if sound.shape[-1] < window:
            raise UserError(f"expected clips of at least {window} samples (one window), got {sound.shape[-1]}")
        sound = sound.astype(np.float32)
        if self.normalise == "peak":
            sound = _by_peak(sound)
        frames = np.lib.stride_tricks.sliding_window_view(sound, window, axis=-1)[:, ::hop]
        spectrum = np.abs(np.fft.rfft(frames * _hann(window), self.fft, axis=-1)).astype(np.float32)
        # In double precision: how a product is rounded hangs on the number of threads, and on a clip's neighbours.
        matrix = _mel_matrix(self.bins, self.fft, self.sample_rate, self.fmin_hz, self.fmax_hz)
        mel = np.asarray((spectrum**self.power).astype(np.float64) @ matrix, np.float32)
        return np.asarray(np.log(mel + np.float32(self.log_offset)), np.float32)

    def from_log_mel(self, log_mel: Floats) -> Floats:
        """Return the model inputs (n, frames, columns) of log-mel maps (n, frames, bins): the steps after the log."""
        if self.kind == "mfcc":
            matrix = _dct_matrix(self.bins, self.coefficients, self.dct_norm)
            log_mel = np.asarray(log_mel.astype(np.float64) @ matrix, np.float32)
        return self.standardise(log_mel)

    def standardise(self, values: Floats) -> Floats:
        """Subtract `mean` and divide by `std`, each one number or one for every column."""
        if self.mean == (0.0,) and self.std == (1.0,):
            return values
        return np.asarray((values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32), np.float32)

    def quantise(self, features: Floats) -> NDArray[np.int8]:
        """Return `features` as the int8 the model takes, saturated at -128 and 127; the shape is kept."""
        return quantise(features, self.scale, self.zero_point, self.rounding)


def quantise(values: Floats, scale: float, zero_point: int, rounding: str = "nearest") -> NDArray[np.int8]:
    """Return round(values / scale + zero_point), saturated to int8; `rounding` is "nearest" or "zero"."""
    round_ = np.rint if rounding == "nearest" else np.trunc
    steps = round_(values / np.float32(scale) + np.float32(zero_point))
    return np.asarray(np.clip(steps, -128, 127), np.int8)


def _by_peak(sound: Floats) -> Floats:
    """Divide every clip by its largest sample; a clip without a positive sample is left as it is."""
    peak = sound.max(axis=-1, keepdims=True)
    return np.asarray(sound / np.where(peak > 0, peak, np.float32(1)), np.float32)


@lru_cache
def _hann(length: int) -> Floats:
    """Return the periodic Hann window (`tf.signal.hann_window`)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


@lru_cache
def _mel_matrix(bins: int, fft: int, sample_rate: int, fmin_hz: float, fmax_hz: float) -> Floats:
    """Return (fft / 2 + 1, bins) triangles on the mel scale 1127 ln(1 + f / 700), the zero frequency left out.

    The definition of `tf.signal.linear_to_mel_weight_matrix`.
    """

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)

    spectrum = mel(np.linspace(0, sample_rate / 2, fft // 2 + 1)[1:])[:, None]
    edges = np.linspace(mel(fmin_hz), mel(fmax_hz), bins + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (spectrum - lower) / (centre - lower)
    falling = (upper - spectrum) / (upper - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.pad(triangles, [(1, 0), (0, 0)]).astype(np.float32)


@lru_cache
def _dct_matrix(bins: int, coefficients: int, norm: str) -> Floats:
    """Return (bins, coefficients), the DCT-II basis times sqrt(2 / bins); "ortho" scales the first by sqrt(1 / 2)."""
    basis = np.cos(np.pi / bins * np.outer(np.arange(bins) + 0.5, np.arange(coefficients))) * np.sqrt(2 / bins)
    if norm == "ortho":
        basis[:, 0] /= np.sqrt(2)
    return np.asarray(basis, np.float32)


#: MLPerf Tiny's keyword-spotting front end, 49x10, and the quantisation of its kws_ref_model and kws01 maps.
MLPERF_KWS = FrontEnd(
    kind="mfcc",
    sample_rate=16_000,
    normalise="peak",
    window_ms=30.0,
    hop_ms=20.0,
    fft=512,
    power=1,
    bins=40,
    fmin_hz=20.0,
    fmax_hz=4_000.0,
    log_offset=1e-6,
    coefficients=10,
    dct_norm="htk",
    scale=0.5847029089927673,
    zero_point=83,
    rounding="zero",
)

#: The 98x40 log-mel map that the training pictures of Speech Commands show (one row each 10 ms).
SPEECH_LOG_MEL = FrontEnd(
    kind="log_mel",
    sample_rate=16_000,
    window_ms=30.0,
    hop_ms=10.0,
    fft=512,
    power=2,
    bins=40,
    fmin_hz=0.0,
    fmax_hz=4_000.0,
    log_offset=4e-7,
)

#: Pictures as grey levels 0 to 255; a model without a card takes int8 = level - 128.
PICTURE = FrontEnd(kind="picture", scale=1.0, zero_point=-128)
