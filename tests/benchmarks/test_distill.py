"""The benchmark of what a distilled epoch costs says what it promises, on a few items."""

import re
from pathlib import Path

import pytest

pytest.importorskip("keras")

from benchmarks import distill
from tests.command import ROOT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("kws_s", ["plain", "cached", "recomputed", "keras"]),
        ("kws_quick", ["plain", "cached"]),  # an MFCC student: its teacher cannot hear the student's own inputs
    ],
)
def test_every_way_is_timed_and_the_teachers_passes_are_counted(
    recipe: str, expected: list[str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    table = distill.measure(ROOT / "recipes" / f"{recipe}.toml", "kws_resnet_small", examples=512, epochs=2, rounds=1)
    ways = {line.split()[0]: [float(word) for word in line.split()[1:]] for line in table.splitlines()[2:-1]}
    assert list(ways) == expected
    assert ways["plain"][1] == ways["plain"][3] == 1.0
    assert all(seconds > 0 for seconds, *_ in ways.values())
    found = re.fullmatch(r"one pass of the teacher over a view: ([0-9.]+) s; [0-9]+ views", table.splitlines()[-1])
    assert found and float(found[1]) > 0
