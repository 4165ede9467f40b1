"""Speaks the keywords with espeak-ng, adds noise: `python -m harness.tasks.synthetic.generate` writes speech.zip.

Needs espeak-ng (`apt install espeak-ng`) and soundfile. Same seed, same version of espeak-ng: same sound.
"""

import io
import subprocess
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import EnvironmentFailure
from harness.tasks import kws

PER_CLASS = 4
SEED = 0
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb+m3", "en-us+m7", "en-gb-x-rp+f2")
UNKNOWN_WORDS = ("marvin", "seven", "house", "bird", "wow", "tree")
Sound = NDArray[np.float64]


def main() -> None:
    """Write the archive beside this file."""
    import soundfile

    random = np.random.default_rng(SEED)
    with zipfile.ZipFile(kws.SYNTHETIC, "w", zipfile.ZIP_STORED) as archive:
        for label in kws.LABELS:
            for take in range(PER_CLASS):
                flac = io.BytesIO()
                clip = np.round(_clip(label, take, random) * 32767).astype(np.int16)
                soundfile.write(flac, clip, kws.SAMPLE_RATE, format="FLAC", subtype="PCM_16")
                # A fixed date: the archive then depends on the sound alone.
                archive.writestr(zipfile.ZipInfo(f"{label}/{take}.flac", (2026, 1, 1, 0, 0, 0)), flac.getvalue())
    print(f"wrote {kws.SYNTHETIC}: {kws.SYNTHETIC.stat().st_size} bytes")


def _clip(label: str, take: int, random: np.random.Generator) -> Sound:
    """Return one second: a word (or none) somewhere in it, over coloured noise, in -1 to 1."""
    clip = _noise(random) * 10 ** random.uniform(-3.5, -2.3)
    if label == "silence":
        return clip
    word = UNKNOWN_WORDS[take] if label == "unknown" else label
    speech = _speak(word, VOICES[take], speed=int(random.integers(120, 170)), pitch=int(random.integers(35, 65)))[
        : kws.CLIP
    ]
    speech = speech / np.abs(speech).max() * random.uniform(0.2, 0.7)
    start = (kws.CLIP - len(speech)) // 2
    clip[start : start + len(speech)] += speech
    return np.clip(clip, -1, 1)


def _noise(random: np.random.Generator) -> Sound:
    """Return noise of unit RMS whose spectrum falls with a random slope between white and pink."""
    spectrum = np.fft.rfft(random.standard_normal(kws.CLIP))
    spectrum /= np.maximum(1, np.arange(len(spectrum))) ** random.uniform(0.0, 0.5)
    noise = np.fft.irfft(spectrum, kws.CLIP)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)), np.float64)


def _speak(word: str, voice: str, *, speed: int, pitch: int) -> Sound:
    """Return a word at 16 kHz, silence around it cut off.

    Raises:
        EnvironmentFailure: espeak-ng is not installed or fails.
    """
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "word.wav"
        command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(file), word]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise EnvironmentFailure(f"expected espeak-ng to speak, got {error}; apt install espeak-ng") from error
        samples, rate = soundfile.read(file, dtype="float64")
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]
    # Through the spectrum, so that nothing above the new Nyquist frequency folds back.
    length = round(len(samples) * kws.SAMPLE_RATE / rate)
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return np.asarray(np.fft.irfft(spectrum, length) * length / len(samples), np.float64)


if __name__ == "__main__":
    main()
