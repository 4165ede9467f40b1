"""A run that names no model takes the students of the zoo that its task and its data are for."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from harness.errors import UserError
from harness.flows import students
from harness.report.progress import Speaker
from tests.command import assert_failed, harness

KWS, VISION = ("kws_a", "kws_b"), ("cifar_a",)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what is said, before a zoo of two tasks."""
    monkeypatch.setattr(students, "zoo_models", lambda: {stem: Path(stem) for stem in (*VISION, *KWS)})
    task = {**dict.fromkeys(KWS, "kws"), **dict.fromkeys(VISION, "vision")}
    monkeypatch.setattr(students, "read_card", lambda path: SimpleNamespace(task=task[path.name]))
    return io.StringIO()


def choose(task: str | None, data: str | None, said: io.StringIO) -> tuple[str, ...]:
    return students.students(task, data, Speaker(Console(file=said, width=200)))


@pytest.mark.parametrize(
    ("task", "data", "stems"),
    [
        (None, None, (*VISION, *KWS)),
        (None, "random", (*VISION, *KWS)),
        (None, "synthetic", KWS),
        (None, "speech_commands", KWS),
        (None, "cifar10", VISION),
        ("vision", None, VISION),
        ("kws", "random", KWS),
    ],
)
def test_task_and_data_choose(said: io.StringIO, task: str | None, data: str | None, stems: tuple[str, ...]) -> None:
    assert choose(task, data, said) == stems
    left = [stem for stem in (*VISION, *KWS) if stem not in stems]
    assert said.getvalue() == (f"left out, of another task: {', '.join(left)}\n" if left else "")


@pytest.mark.parametrize(("file", "stems"), [("yes/a.WAV", KWS), ("cat/a.png", VISION)])
def test_a_folder_is_for_the_task_of_its_files(
    said: io.StringIO, tmp_path: Path, file: str, stems: tuple[str, ...]
) -> None:
    path = tmp_path / file
    path.parent.mkdir()
    path.touch()
    assert choose(None, str(tmp_path), said) == stems


@pytest.mark.parametrize(
    ("task", "data", "problem"),
    [
        ("sound", None, "unknown task 'sound'"),
        (None, "synthetc", "cifar10, kws01, random, speech_commands, synthetic or .* got 'synthetc'.*'synthetic'"),
        ("vision", "synthetic", "expected cifar10, random or a folder .* got 'synthetic'"),
        (None, ".", "a folder with one folder of recordings or pictures a class"),
    ],
)
def test_what_no_student_takes_is_refused(
    said: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str | None, data: str | None, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=problem):
        choose(task, data, said)


def test_bench_asks_for_them() -> None:
    failed = harness("bench", "--board", "nano33", "--data", "synthetc")
    assert_failed(failed, 2, "cifar10, kws01, random, speech_commands, synthetic", "did you mean 'synthetic'?")
