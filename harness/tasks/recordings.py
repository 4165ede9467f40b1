"""A user's own recordings, of any sample rate and number of channels, as clips of one length."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
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


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording: `number` 0 is its first clip, 1 the clip behind it, and so on."""

    file: Path
    number: int = 0


def check(files: Sequence[Path], clip: Clip) -> tuple[str, ...]:
    """Read the headers of all files.

    Returns:
        What is done to some of them, one line each: resampled, mixed to one channel, cut.

    Raises:
        UserError: a file is no recording or an empty one; names it.
    """
    headers = [_header(file) for file in files]
    cut = sum(header.seconds > clip.seconds for header in headers)
    notes = _notes(headers, clip.sample_rate)
    return (*notes, f"cut to the first {clip.seconds:g} s: {cut} of {len(files)} files are longer") if cut else notes


def pieces(files: Sequence[Path], clip: Clip) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    """Cut recordings into clips, one behind the other; what is left at an end counts where it is half a clip or more.

    Returns:
        The clips, one at least of every file, and what is done to some files, one line each.

    Raises:
        UserError: a file is no recording or an empty one; names it.
    """
    headers = [_header(file) for file in files]
    counts = [max(1, floor(header.seconds / clip.seconds + 0.5)) for header in headers]
    found = tuple(Piece(file, number) for file, count in zip(files, counts, strict=True) for number in range(count))
    longer, notes = sum(header.seconds > clip.seconds for header in headers), _notes(headers, clip.sample_rate)
    if not longer:
        return found, notes
    cut = f"cut into pieces of {clip.seconds:g} s: {longer} of {len(files)} files are longer, {len(found)} in all"
    return found, (*notes, cut)


def read(files: Sequence[Path | Piece], clip: Clip) -> NDArray[np.float32]:
    """Return the clips (n, samples), in -1 to 1: of a file the first, with zeros behind it where it is shorter.

    Several channels become their mean; another sample rate is resampled (soxr, its quality "HQ").

    Raises:
        UserError: a file cannot be read, is empty or holds values that are no numbers; names it.
    """
    clips = np.zeros((len(files), clip.samples), np.float32)
    for row, file in enumerate(files):
        sound = _read(file if isinstance(file, Piece) else Piece(file), clip)[: clip.samples]
        clips[row, : len(sound)] = sound
    return clips


def whole(files: Sequence[Path], sample_rate: int) -> tuple[list[NDArray[np.float32]], tuple[str, ...]]:
    """Return recordings of any length, at `sample_rate` Hz and in -1 to 1, and what is done to some, one line each.

    Raises:
        UserError: a file cannot be read, is empty or holds values that are no numbers; names it.
    """
    notes = _notes([_header(file) for file in files], sample_rate)
    return [_sound(file, sample_rate) for file in files], notes


@dataclass(frozen=True)
class _Header:
    """What a file says of itself."""

    file: Path
    rate: int
    seconds: float
    channels: int


def _header(file: Path) -> _Header:
    import soundfile

    try:
        found = soundfile.info(file)
    except soundfile.SoundFileError as error:
        raise _no_recording(file, error) from error
    if not found.frames:
        raise _empty(file)
    return _Header(file, found.samplerate, found.frames / found.samplerate, found.channels)


def _read(piece: Piece, clip: Clip) -> NDArray[np.float32]:
    return _sound(piece.file, clip.sample_rate, piece.number * clip.seconds, clip.seconds + _MARGIN_S)


def _sound(file: Path, sample_rate: int, start: float = 0.0, seconds: float | None = None) -> NDArray[np.float32]:
    """Return what begins `start` seconds from the beginning and is `seconds` long, None for all that follows."""
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(file) as recording:
            rate = recording.samplerate
            recording.seek(round(start * rate))
            frames = -1 if seconds is None else ceil(seconds * rate)
            sound = recording.read(frames, dtype="float32", always_2d=True).mean(axis=1)
    except soundfile.SoundFileError as error:
        raise _no_recording(file, error) from error
    if not len(sound):
        raise _empty(file)
    if not np.isfinite(sound).all():
        raise UserError(f"expected finite samples in {file}, got infinity or no number: mend or remove the file")
    if rate != sample_rate:
        sound = soxr.resample(sound, rate, sample_rate)
    return np.asarray(sound, np.float32)


def _no_recording(file: Path, error: Exception) -> UserError:
    reason = str(error).split(": ", 1)[-1].rstrip(".")
    return UserError(f"expected a recording in {file}, got something else ({reason}): mend or remove the file")


def _empty(file: Path) -> UserError:
    return UserError(f"expected sound in {file}, got a recording without samples: remove the file")


def _notes(headers: Sequence[_Header], sample_rate: int) -> tuple[str, ...]:
    count, rates = len(headers), Counter(header.rate for header in headers)
    mixed = [header.file for header in headers if header.channels > 1]
    others = sorted((rate, files) for rate, files in rates.items() if rate != sample_rate)
    notes = []
    if others:
        listed = ", ".join(f"{files} of {rate} Hz" for rate, files in others)
        notes.append(f"resampled to {sample_rate} Hz: {listed} (of {count} files)")
    if mixed:
        notes.append(f"mixed to one channel, their mean: {len(mixed)} of {count} files, first {mixed[0]}")
    return tuple(notes)
