"""A folder without labels: every file in it, whatever its folder is called, and long recordings piece by piece."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.tasks import folders, recordings
from harness.tasks.recordings import Clip, Piece
from tests.tasks.clips import record, tone

CLIP = Clip(16_000, 16_000)


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(1, 60_000), min_size=1, max_size=3))
def test_pieces_one_behind_the_other_are_the_recording(lengths: list[int]) -> None:
    random = np.random.default_rng(0)
    sounds = [np.round(random.uniform(-0.5, 0.5, length) * 32768) / 32768 for length in lengths]
    with TemporaryDirectory() as folder:
        files = [record(Path(folder, f"{number}.wav"), sound) for number, sound in enumerate(sounds)]
        pieces, notes = recordings.pieces(files, CLIP)
        clips = recordings.read(pieces, CLIP)
    for file, sound in zip(files, sounds, strict=True):
        own = np.concatenate([clip for clip, piece in zip(clips, pieces, strict=True) if piece.file == file])
        left_out = len(sound) - len(own)
        assert left_out < 8_000 and len(own) - len(sound) < (8_001 if len(sound) >= 8_000 else 16_000)
        np.testing.assert_allclose(own[: len(sound)], sound[: len(own)], atol=1e-6)
        assert not own[len(sound) :].any()
    longer = sum(length > 16_000 for length in lengths)
    said = (f"cut into pieces of 1 s: {longer} of {len(lengths)} files are longer, {len(pieces)} in all",)
    assert notes == (said if longer else ())


def test_pieces_of_another_rate_are_resampled_and_it_is_said(tmp_path: Path) -> None:
    file = record(tmp_path / "a.wav", np.concatenate([tone(440, 44_100), tone(880, 44_100)]), 44_100)
    pieces, notes = recordings.pieces([file], CLIP)
    assert pieces == (Piece(file, 0), Piece(file, 1))
    assert notes[0] == "resampled to 16000 Hz: 1 of 44100 Hz (of 1 files)"
    for clip, hertz in zip(recordings.read(pieces, CLIP), (440, 880), strict=True):
        assert np.abs(np.fft.rfft(clip)).argmax() == hertz
        assert np.abs(clip - tone(hertz, 16_000))[500:-500].max() < 0.01


def test_a_file_that_is_no_recording_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(
        UserError, match=r"expected a recording in .*a\.wav, got something else .*: mend or remove"
    ) as e:
        recordings.pieces([tmp_path / "a.wav"], CLIP)
    assert "\n" not in str(e.value)


def test_all_files_below_count_and_no_folder_means_anything(tmp_path: Path) -> None:
    wanted = ["_background_noise_/b.FLAC", "a.wav", "x/y/z/c.wav"]
    for name in (*wanted, "x/notes.txt", ".hidden/d.wav", "x/._e.wav"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files, notes = folders.below(tmp_path, recordings.SUFFIXES, recordings.WHAT)
    assert [str(file.relative_to(tmp_path)) for file in files] == wanted
    assert notes == (f"{tmp_path}: 1 other files than WAV or FLAC files are ignored",)
    with pytest.raises(UserError, match=r"expected WAV or FLAC files in .*hidden or in folders below it, found none"):
        folders.below(tmp_path / "x" / "hidden", recordings.SUFFIXES, recordings.WHAT)
