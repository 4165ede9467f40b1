"""Which part of a data set a file belongs to: `which_set` of Speech Commands (Warden, arXiv:1804.03209, its README).

The part hangs on the name alone, so it stays when files are added, and all files of one speaker are in one part: a
model is never tested on a voice that it was trained with.
"""

import hashlib
from typing import Literal

from harness.errors import UserError
from harness.nearest import did_you_mean

Part = Literal["train", "validation", "test"]

PARTS: tuple[Part, ...] = ("train", "validation", "test")
SPLITS = (*PARTS, "all")
"""What `--split` takes: a part, or everything there is."""
SPEAKER_END = "_nohash_"
"""What stands behind the speaker in the names of Speech Commands, `0c540988_nohash_1.wav`."""
VALIDATION_PERCENT = 10.0
TEST_PERCENT = 10.0

_MOST_FILES = 2**27 - 1


def part_of(file_name: str) -> Part:
    """Return the part that a file belongs to.

    Args:
        file_name: without its folder. What stands before `_nohash_` is the speaker and alone decides; a name without
            it decides as a whole.
    """
    speaker = file_name.split(SPEAKER_END)[0]
    digest = hashlib.sha1(speaker.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    percent = int(digest, 16) % (_MOST_FILES + 1) * (100.0 / _MOST_FILES)
    if percent < VALIDATION_PERCENT:
        return "validation"
    return "test" if percent < VALIDATION_PERCENT + TEST_PERCENT else "train"


def check_split(split: str) -> None:
    """Refuse a split that is none of `SPLITS` (UserError)."""
    if split not in SPLITS:
        raise UserError(f"unknown split {split!r}: expected {', '.join(SPLITS)}{did_you_mean(split, SPLITS)}")


def only(split: str, dataset: str, has: tuple[str, ...] = ("test",)) -> None:
    """Refuse a split that a data set does not have.

    Raises:
        UserError: names the splits it has.
    """
    check_split(split)
    if split not in has:
        raise UserError(f"data set '{dataset}' has no split '{split}': expected {' or '.join(has)}")
