"""A user's own recordings: which are taken, what becomes of them, and what is said of bad ones."""

from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.tasks import kws
from harness.tasks.folders import check_trainable
from harness.tasks.split import part_of
from tests.tasks.clips import record, tone


def all_of(path: Path, split: str = "all") -> np.ndarray:
    dataset = kws.folder(path, split)
    return dataset.fetch(np.arange(len(dataset.labels)))


def test_classes_are_the_names_of_the_folders(tmp_path: Path) -> None:
    for word in ("Banana", "_silence_", "apple"):
        record(tmp_path / word / "a.wav", tone(440, 16_000))
        record(tmp_path / word / "b.FLAC", tone(440, 16_000))
    dataset = kws.folder(tmp_path, "all")
    assert dataset.classes == ("apple", "banana", "silence")
    assert dataset.labels == ("banana", "banana", "silence", "silence", "apple", "apple")
    assert (dataset.name, dataset.notes) == (tmp_path.name, ())


def test_noise_other_files_and_empty_folders_are_said_to_be_left_out(tmp_path: Path) -> None:
    record(tmp_path / "yes" / "a.wav", tone(440, 16_000))
    record(tmp_path / "_background_noise_" / "tap.wav", tone(440, 16_000, 3))
    (tmp_path / "no").mkdir()
    (tmp_path / "yes" / "readme.txt").write_text("x")
    (tmp_path / "yes" / ".hidden.wav").write_text("x")
    dataset = kws.folder(tmp_path, "all")
    assert (dataset.labels, dataset.classes) == (("yes",), ("yes",))
    said = "\n".join(dataset.notes)
    for part in ("_background_noise_ is no class", "no WAV or FLAC files in no", "1 other files than WAV"):
        assert part in said


def test_splits_are_disjoint_and_whole_and_keep_a_speaker_together(tmp_path: Path) -> None:
    for word in ("yes", "no"):
        for speaker in range(30):
            for take in range(2):
                record(tmp_path / word / f"{speaker:08x}_nohash_{take}.wav", tone(440, 16_000, 0.01))
    sets = {split: kws.folder(tmp_path, split) for split in ("train", "validation", "test", "all")}
    sizes = {split: len(dataset.labels) for split, dataset in sets.items()}
    assert sizes["train"] + sizes["validation"] + sizes["test"] == sizes["all"] == 120
    for split in ("train", "validation", "test"):
        speakers = sum(part_of(f"{speaker:08x}_nohash_0.wav") == split for speaker in range(30))
        assert sizes[split] == 4 * speakers
        assert sets[split].classes == ("no", "yes")
        assert f"{sizes[split]} of 120 files are in the split {split}, by speaker" in "\n".join(sets[split].notes)
        assert sets[split].name == f"{tmp_path.name} ({split})"


def test_a_split_without_files_says_where_they_are(tmp_path: Path) -> None:
    name = next(f"{number}.wav" for number in range(100) if part_of(f"{number}.wav") == "train")
    record(tmp_path / "yes" / name, tone(440, 16_000))
    with pytest.raises(
        UserError, match=r"split test of .*found none \(train 1, validation 0, test 0\): take --split all"
    ):
        kws.folder(tmp_path, "test")
    assert "by the hash of the file name" in kws.folder(tmp_path, "train").notes[0]
    with pytest.raises(UserError, match="unknown split 'moon'"):
        kws.folder(tmp_path, "moon")


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
def test_another_sample_rate_is_resampled_and_said(tmp_path: Path, rate: int) -> None:
    record(tmp_path / "yes" / "a.wav", tone(440, rate), rate)
    record(tmp_path / "yes" / "b.wav", tone(440, 16_000))
    resampled, plain = all_of(tmp_path)
    middle = slice(800, 15_200)  # the resampler's filter sees the start and the end of the sound
    assert np.abs(resampled - plain)[middle].max() < 1e-3
    assert kws.folder(tmp_path, "all").notes == (f"resampled to 16000 Hz: 1 of {rate} Hz (of 2 files)",)


def test_what_16_khz_cannot_hold_is_filtered_out(tmp_path: Path) -> None:
    record(tmp_path / "yes" / "a.wav", tone(10_000, 48_000), 48_000)
    assert np.abs(all_of(tmp_path)[0, 800:15_200]).max() < 1e-3


def test_a_long_recording_is_cut_and_a_short_one_padded(tmp_path: Path) -> None:
    record(tmp_path / "yes" / "long.wav", tone(440, 44_100, 30), 44_100)
    record(tmp_path / "yes" / "short.wav", np.full(4_000, 0.25))
    long, short = all_of(tmp_path)
    assert np.abs(long[:15_900] - tone(440, 16_000)[:15_900])[800:].max() < 1e-3
    np.testing.assert_allclose(short, np.pad(np.full(4_000, 0.25), (0, 12_000)), atol=1e-4)
    assert "cut to the first 1 s: 1 of 2 files are longer" in kws.folder(tmp_path, "all").notes


def test_channels_are_mixed_and_said(tmp_path: Path) -> None:
    both = np.stack([np.full(16_000, 0.5), np.full(16_000, 0.1)], axis=1)
    file = record(tmp_path / "yes" / "a.wav", both)
    record(tmp_path / "yes" / "b.wav", both[:, 0])
    np.testing.assert_allclose(all_of(tmp_path)[:, ::4000], [[0.3] * 4, [0.5] * 4], atol=1e-4)
    assert kws.folder(tmp_path, "all").notes == (f"mixed to one channel, their mean: 1 of 2 files, first {file}",)


def test_files_that_are_no_recording_are_named(tmp_path: Path) -> None:
    record(tmp_path / "yes" / "a.wav", tone(440, 16_000))
    bad = tmp_path / "yes" / "bad.wav"
    for content in (b"", b"no sound", b"RIFF\x24\x00\x00\x00WAVE"):
        bad.write_bytes(content)
        with pytest.raises(UserError, match=r"expected a recording in .*yes/bad.wav, got something else"):
            kws.folder(tmp_path, "all")
    record(bad, np.zeros(0))
    with pytest.raises(UserError, match=r"expected sound in .*bad.wav, got a recording without samples"):
        kws.folder(tmp_path, "all")


def test_a_damaged_body_is_named_when_it_is_read(tmp_path: Path) -> None:
    import soundfile

    whole = record(tmp_path / "yes" / "a.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 16_000))
    content = bytearray(whole.read_bytes())
    content[2_000:] = b"\x00" * (len(content) - 2_000)
    whole.write_bytes(content)
    dataset = kws.folder(tmp_path, "all")
    with pytest.raises(UserError, match=r"a\.flac"):
        dataset.fetch(np.arange(1))
    endless = tmp_path / "yes" / "a.flac"
    endless.unlink()
    soundfile.write(tmp_path / "yes" / "n.wav", np.full(100, np.nan, np.float32), 16_000, subtype="FLOAT")
    with pytest.raises(UserError, match=r"expected finite samples in .*n\.wav"):
        all_of(tmp_path)


def test_an_empty_folder_and_loose_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected folders of WAV or FLAC files, one a class, in .*, found none$"):
        kws.folder(tmp_path, "all")
    with pytest.raises(UserError, match=r"found none$"):
        kws.folder(tmp_path / "missing", "all")
    record(tmp_path / "a.wav", tone(440, 16_000))
    with pytest.raises(UserError, match="1 such files outside any: put each into a folder"):
        kws.folder(tmp_path, "all")


def test_what_cannot_be_trained_with_is_refused(tmp_path: Path) -> None:
    train, test = (next(f"{n}.wav" for n in range(99) if part_of(f"{n}.wav") == part) for part in ("train", "test"))
    record(tmp_path / "yes" / train, tone(440, 16_000))
    with pytest.raises(UserError, match=r"at least two classes to train with .*got yes"):
        check_trainable(kws.folder(tmp_path, "all"))
    record(tmp_path / "no" / test, tone(440, 16_000))
    check_trainable(kws.folder(tmp_path, "all"))
    with pytest.raises(UserError, match="got none of 'no'"):
        check_trainable(kws.folder(tmp_path, "train"))
