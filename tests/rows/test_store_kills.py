"""A store stays whole whatever happens while a run is written to it."""

import ctypes
import errno
import multiprocessing
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.rows import partial
from harness.rows.store import ROWS, append_run, read_document, read_store, write_run
from tests.command import ROOT
from tests.rows import faults

DOCUMENT = read_document(ROOT / "results" / "baselines" / "zoo")
TEXTS = {"report.md": "report\n" * 500, "table.csv": "table\n" * 500}
ELF = b"\x7fELF" * 5_000
FILES = {ROWS, *TEXTS, "elf/row/firmware.elf", "elf/row/size.elf"}
KILLS = 100
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def elves(tmp_path: Path) -> dict[str, Path]:
    elf = tmp_path / "built.elf"
    elf.write_bytes(ELF)
    return {"row/firmware.elf": elf, "row/size.elf": elf}


def assert_whole(run: Path) -> None:
    assert read_document(run) == DOCUMENT
    assert {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()} == FILES
    assert {name: (run / name).read_text() for name in TEXTS} == TEXTS
    assert (run / "elf/row/firmware.elf").read_bytes() == (run / "elf/row/size.elf").read_bytes() == ELF


def assert_valid(runs: Path) -> int:
    """Check that every run of a store is whole, and that it holds nothing else that can be seen; count the runs."""
    store = read_store(runs)
    assert store.damaged == ()
    assert [run.folder for run in store.runs] == sorted(path for path in runs.glob("*") if path.name[0] != ".")
    for run in store.runs:
        assert_whole(run.folder)
    return len(store.runs)


def write_for_ever(runs: Path, elves: dict[str, Path], started: ctypes.c_int) -> None:
    while True:
        started.value += 1
        append_run(runs, "run", DOCUMENT, TEXTS, elves)


@pytest.mark.slow
def test_100_kills_at_random_moments(tmp_path: Path, elves: dict[str, Path]) -> None:
    runs, moments = tmp_path / "runs", random.Random(6)
    started, left_over, finished = FORK.RawValue(ctypes.c_int, 0), 0, 0  # one with a lock could be killed with it held
    clock = time.monotonic()
    append_run(runs, "run", DOCUMENT, TEXTS, elves)
    usual = time.monotonic() - clock
    for _ in range(KILLS):
        before = started.value
        process = FORK.Process(target=write_for_ever, args=(runs, elves, started))
        process.start()
        while started.value == before:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 4 * usual))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        hidden = list(runs.glob(".*"))
        assert len(hidden) <= 1  # what the one before left is swept
        left_over += len(hidden)
        finished += assert_valid(runs)
        for run in runs.glob("run*"):  # checked, so away with it: else the test grows with the square
            shutil.rmtree(run)
    assert left_over, "no kill hit a run that was being written"
    assert finished, "no run was ever finished"
    append_run(runs, "last", DOCUMENT, TEXTS, elves)
    assert [path.name for path in runs.iterdir()] == ["last"]


def add(runs: Path, elves: dict[str, Path]) -> Callable[[], object]:
    return lambda: append_run(runs, "run", DOCUMENT, TEXTS, elves)


def test_a_kill_at_every_step(tmp_path: Path, elves: dict[str, Path]) -> None:
    step, status, left_over = 0, -signal.SIGKILL, 0
    while status == -signal.SIGKILL:
        runs = tmp_path / f"runs{step}"
        status = faults.run_until(step, faults.die, add(runs, elves))
        whole = assert_valid(runs) if runs.exists() else 0
        left_over += runs.exists() and any(runs.glob(".*"))
        append_run(runs, "next", DOCUMENT, TEXTS, elves)
        assert list(runs.glob(".*")) == []
        assert assert_valid(runs) == whole + 1
        step += 1
    assert status == faults.NOT_REACHED
    assert left_over > 10


@pytest.mark.parametrize("prepared", [False, True])
def test_a_kill_leaves_a_folder_of_the_users_choice_whole_or_empty(
    tmp_path: Path, elves: dict[str, Path], prepared: bool
) -> None:
    step, status, empty = 0, -signal.SIGKILL, 0
    while status == -signal.SIGKILL:
        folder = tmp_path / f"step{step}" / "out"
        folder.parent.mkdir()
        if prepared:
            folder.mkdir()
        status = faults.run_until(step, faults.die, lambda folder=folder: write_run(folder, DOCUMENT, TEXTS, elves))  # type: ignore[misc]
        if folder.exists() and any(folder.iterdir()):
            assert_whole(folder)
        else:
            empty += 1
        step += 1
    assert status == faults.NOT_REACHED
    assert empty > 10


def test_a_failure_at_every_step_leaves_nothing(tmp_path: Path, elves: dict[str, Path]) -> None:
    raised, step, status = 0, 0, faults.RAISED
    while status != faults.NOT_REACHED:
        runs = tmp_path / f"runs{step}"
        status = faults.run_until(step, faults.fail, add(runs, elves))
        whole = assert_valid(runs) if runs.exists() else 0
        assert whole or status == faults.RAISED
        assert list(runs.glob(".*")) == []
        raised += not whole
        step += 1
    assert raised > 15


@pytest.mark.parametrize("limit", [0, 100, 3_000, 10_000, 19_999])
def test_a_full_disk_leaves_nothing(tmp_path: Path, elves: dict[str, Path], limit: int) -> None:
    runs = tmp_path / "runs"
    append_run(runs, "before", DOCUMENT, TEXTS, elves)

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        append_run(runs, "after", DOCUMENT, TEXTS, elves)

    assert faults.run_until(-1, faults.fail, fill) == faults.RAISED
    assert [path.name for path in runs.iterdir()] == ["before"]
    assert assert_valid(runs) == 1


@pytest.mark.parametrize("kept", [False, True])
def test_a_disk_that_fills_up_between_two_writes(
    tmp_path: Path, elves: dict[str, Path], monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """Each call of fsync fails in turn; in a folder with other files those stay as they were."""
    folder = tmp_path / "out"
    if kept:
        folder.mkdir()
        (folder / "mine.txt").write_text("mine")
    fsync = os.fsync
    for step in range(100):
        left = iter(range(step))

        def failing(handle: int, left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(handle)

        monkeypatch.setattr(os, "fsync", failing)
        try:
            write_run(folder, DOCUMENT, TEXTS, elves)
        except OSError:
            if not (folder / ROWS).exists():
                assert [p.name for p in tmp_path.rglob("*") if p.is_file()] in (
                    ["built.elf"],
                    ["built.elf", "mine.txt"],
                )
                continue
            break  # the last: the run is whole, only its name may not be on disk yet
    assert step > 5
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {"mine.txt"} == FILES
    assert (folder / "mine.txt").exists() == kept


def test_a_kill_while_a_folder_with_other_files_is_filled(tmp_path: Path, elves: dict[str, Path]) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    step = 0
    while (
        faults.run_until(step, faults.die, lambda: write_run(folder, DOCUMENT, TEXTS, elves)) == -signal.SIGKILL
        and not (folder / ROWS).exists()
    ):
        assert (folder / "mine.txt").read_text() == "mine"
        step += 1
    assert step > 15
    visible = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and "partial" not in str(p)}
    assert visible == FILES | {"mine.txt"}


def test_what_is_still_being_written_is_not_swept(tmp_path: Path, elves: dict[str, Path]) -> None:
    runs = tmp_path / "runs"
    for name in (".old.partial", ".notes"):
        (runs / name).mkdir(parents=True)
    with partial.partial_folder(runs, "slow", sweep=".") as slow:
        append_run(runs, "quick", DOCUMENT, TEXTS, elves)
        assert sorted(path.name for path in runs.iterdir()) == sorted((".notes", "quick", slow.name))
    assert assert_valid(runs) == 1


def test_runs_of_the_same_moment_get_names_of_their_own(tmp_path: Path, elves: dict[str, Path]) -> None:
    def write() -> None:
        for _ in range(5):
            append_run(tmp_path / "runs", "now", DOCUMENT, TEXTS, elves)

    processes = [FORK.Process(target=write) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert assert_valid(tmp_path / "runs") == 15
    assert (tmp_path / "runs" / "now").is_dir()
    assert (tmp_path / "runs" / "now-15").is_dir()
