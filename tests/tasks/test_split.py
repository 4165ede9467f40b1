"""The split rule against the partitions that Speech Commands was published with."""

import csv
import re
from collections import Counter
from hashlib import sha1
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.tasks.split import SPLITS, check_split, only, part_of


def published(name: str) -> str:
    """The rule as the paper's appendix and the README of Speech Commands describe it, step by step."""
    hashed = int(sha1(re.sub(r"_nohash_.*$", "", name).encode()).hexdigest(), 16)
    percent = (hashed % (2**27 - 1 + 1)) * (100.0 / (2**27 - 1))
    return "validation" if percent < 10 else "test" if percent < 20 else "train"


@given(st.from_regex(r"[a-z0-9]{1,12}(_nohash_[0-9])?(_nohash_)?\.wav", fullmatch=True))
def test_it_is_the_published_rule(name: str) -> None:
    assert part_of(name) == published(name)


def test_all_recordings_of_a_speaker_are_in_one_part() -> None:
    assert len({part_of(f"0c540988_nohash_{number}.{kind}") for number in range(9) for kind in ("wav", "flac")}) == 1
    assert len({part_of(f"{number}.wav") for number in range(100)}) == 3


def test_a_name_that_is_no_unicode_has_a_part() -> None:
    assert part_of("caf\udce9.wav") in SPLITS


def test_the_official_test_clips_are_in_the_test_part(data: Path) -> None:
    with (data / "speech_commands" / "test_wav_manifest.csv").open(newline="", encoding="utf-8") as file:
        names = [f"{row['speaker']}_nohash_0.wav" for row in csv.DictReader(file) if row["speaker"]]
    assert Counter(map(part_of, names)) == {"test": 4482}


@pytest.mark.parametrize(
    ("official", "part"), [("training", "train"), ("validation", "validation"), ("testing", "test")]
)
def test_the_official_partitions_come_out(data: Path, official: str, part: str) -> None:
    with np.load(data / "speech_commands" / f"logmel98x40_jpeg_{official}.npz") as packed:
        names = [name.decode().split("/")[1] for name in packed["names"]]
    assert {part_of(name) for name in names} == {part}


def test_what_is_no_split_is_refused() -> None:
    with pytest.raises(UserError, match="unknown split 'moon': expected train, validation, test, all"):
        check_split("moon")
    with pytest.raises(UserError, match="'kws01' has no split 'train': expected test"):
        only("train", "kws01")
