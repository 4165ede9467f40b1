"""Three words that are tones, and a recipe that learns them in seconds."""

from itertools import count, islice
from pathlib import Path

import numpy as np

from harness.tasks.split import part_of
from tests.tasks.clips import record, tone

WORDS = {"high": 2400, "low": 300, "middle": 900}
RECIPE = """
name = "tones"
task = "kws"
[student]
architecture = "temporal"
stem = 4
stages = [[6, 1]]
strides = [2]
[frontend]
hop_ms = 20
[schedule]
epochs = 8
batch = 4
learning_rate = 2e-2
ema = 0.5
[augmentation]
shift = 4
views = 2
[export]
board = ""
calibration = 20
"""


def record_words(folder: Path) -> Path:
    """Write a folder of recordings a word: 16 to learn from, 4 for validation, 4 for the test."""
    random = np.random.default_rng(0)
    for word, hertz in WORDS.items():
        for part, wanted in (("train", 16), ("validation", 4), ("test", 4)):
            names = (name for name in (f"{word}{number}.wav" for number in count()) if part_of(name) == part)
            for name in islice(names, wanted):
                sound = tone(hertz * random.uniform(0.9, 1.1), 16_000) * random.uniform(0.1, 1)
                record(folder / word / name, sound + random.normal(0, 0.01, 16_000))
    return folder
