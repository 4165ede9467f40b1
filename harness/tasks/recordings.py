"""A user's own recordings, of any sample rate and number of channels, as clips of one length."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError

SUFFIXES = (".wav", ".flac")
WHAT = "WAV or FLAC files"

_MARGIN_S = 0.1
"""Read beyond the end of a clip, s: the resampler's filter looks ahead, far less than this."""


@dataclass(frozen=True)
class Clip:
    """What becomes of a recording: its first `samples` at `sample_rate` Hz, with zeros behind where it is shorter."""

    sample_rate: int
    samples: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / self.sample_rate


def check(files: Sequence[Path], clip: Clip) -> tuple[str, ...]:
    """Read the headers of all files.

    Returns:
        What is done to some of them, one line each: resampled, mixed to one channel, cut.

    Raises:
        UserError: a file is no recording or an empty one; names it.
    """
    import soundfile

    rates: Counter[int] = Counter()
    mixed: list[Path] = []
    cut = 0
    for file in files:
        try:
            header = soundfile.info(file)
        except soundfile.SoundFileError as error:
            raise _no_recording(file, error) from error
        if not header.frames:
            raise _empty(file)
        rates[header.samplerate] += 1
        cut += header.frames > clip.seconds * header.samplerate
        if header.channels > 1:
            mixed.append(file)
    return _notes(len(files), rates, mixed, cut, clip)


def read(files: Sequence[Path], clip: Clip) -> NDArray[np.float32]:
    """Return the clips (n, samples), in -1 to 1.

    Several channels become their mean; another sample rate is resampled (soxr, its quality "HQ").

    Raises:
        UserError: a file cannot be read, is empty or holds values that are no numbers; names it.
    """
    clips = np.zeros((len(files), clip.samples), np.float32)
    for row, file in enumerate(files):
        sound = _read(file, clip)[: clip.samples]
        clips[row, : len(sound)] = sound
    return clips


def _read(file: Path, clip: Clip) -> NDArray[np.float32]:
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(file) as recording:
            rate = recording.samplerate
            frames = ceil((clip.seconds + _MARGIN_S) * rate)
            sound = recording.read(frames, dtype="float32", always_2d=True).mean(axis=1)
    except soundfile.SoundFileError as error:
        raise _no_recording(file, error) from error
    if not len(sound):
        raise _empty(file)
    if not np.isfinite(sound).all():
        raise UserError(f"expected finite samples in {file}, got infinity or no number: mend or remove the file")
    if rate != clip.sample_rate:
        sound = soxr.resample(sound, rate, clip.sample_rate)
    return np.asarray(sound, np.float32)


def _no_recording(file: Path, error: Exception) -> UserError:
    reason = str(error).split(": ", 1)[-1].rstrip(".")
    return UserError(f"expected a recording in {file}, got something else ({reason}): mend or remove the file")


def _empty(file: Path) -> UserError:
    return UserError(f"expected sound in {file}, got a recording without samples: remove the file")


def _notes(count: int, rates: Counter[int], mixed: list[Path], cut: int, clip: Clip) -> tuple[str, ...]:
    others = sorted((rate, files) for rate, files in rates.items() if rate != clip.sample_rate)
    notes = []
    if others:
        listed = ", ".join(f"{files} of {rate} Hz" for rate, files in others)
        notes.append(f"resampled to {clip.sample_rate} Hz: {listed} (of {count} files)")
    if mixed:
        notes.append(f"mixed to one channel, their mean: {len(mixed)} of {count} files, first {mixed[0]}")
    if cut:
        notes.append(f"cut to the first {clip.seconds:g} s: {cut} of {count} files are longer")
    return tuple(notes)
