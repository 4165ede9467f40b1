"""What is kept on disk is whole, and does not grow without end."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("keras")

from harness.train.distill import kept
from tests.train.toys import Killed


def parts(count: int, batch: int) -> Iterator[dict[str, np.ndarray]]:
    for start in range(0, count, batch):
        rows = np.arange(start, min(start + batch, count), dtype=np.float32)
        yield {"": rows[:, None], "maps": rows[:, None, None] * np.ones((2, 3), np.float32)}


def precision(name: str) -> type[np.floating]:
    return np.float16 if name else np.float32


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50))
def test_arrays_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, count: int, batch: int
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    paths = {"": folder / "a" / "view0.npy", "maps": folder / "a" / "view0-maps.npy"}
    kept.write(paths, count, precision, parts(count, batch))
    logits, maps = kept.read(paths[""]), kept.read(paths["maps"], mapped=True)
    assert (logits.dtype, maps.dtype, maps.shape) == (np.float32, np.float16, (count, 2, 3))
    np.testing.assert_array_equal(logits[:, 0], np.arange(count))
    np.testing.assert_array_equal(maps[:, 1, 2], np.arange(count))
    assert sorted(path.name for path in (folder / "a").iterdir()) == ["view0-maps.npy", "view0.npy"]


def test_a_kill_between_two_parts_leaves_no_file_that_is_read(tmp_path: Path) -> None:
    def killed() -> Iterator[dict[str, np.ndarray]]:
        yield from parts(4, 4)
        raise Killed

    with pytest.raises(Killed):
        kept.write({"": tmp_path / "view0.npy", "maps": tmp_path / "view0-maps.npy"}, 8, precision, killed())
    assert not list(tmp_path.glob("view?.npy")) and not list(tmp_path.glob("view?-maps.npy"))


def test_what_was_unused_for_longest_goes_first(tmp_path: Path) -> None:
    for number in range(5):
        path = tmp_path / "teacher" / f"view{number}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, np.zeros(1000, np.float32))
        os.utime(path, (number, number))
    size = path.stat().st_size
    kept.read(tmp_path / "teacher" / "view0.npy")
    mapped = kept.read(tmp_path / "teacher" / "view1.npy", mapped=True)
    os.utime(tmp_path / "teacher" / "view1.npy", (1, 1))
    assert kept.trim(tmp_path, 5 * size) == []
    assert [gone.name for gone in kept.trim(tmp_path, 3 * size + 1)] == ["view1.npy", "view2.npy"]
    assert sorted(left.name for left in tmp_path.rglob("*.npy")) == ["view0.npy", "view3.npy", "view4.npy"]
    np.testing.assert_array_equal(mapped, 0)


def test_what_a_process_writes_is_left_and_what_a_killed_one_wrote_goes(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    alive, left = tmp_path / f"view0.{os.getpid()}.unfinished.npy", tmp_path / f"view1.{gone.pid}.unfinished.npy"
    for path in (alive, left, tmp_path / "view2.npy"):
        np.save(path, np.zeros(1000, np.float32))
        os.utime(path, (1, 1))
    assert {path.name for path in kept.trim(tmp_path, 0)} == {left.name, "view2.npy"}
    assert list(tmp_path.iterdir()) == [alive]
