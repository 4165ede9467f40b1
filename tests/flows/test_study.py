"""`harness study distillation` over runs that take a moment (stand_in.py); real ones: tests/train/test_study.py."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.flows import study as flow
from harness.rows.gains import GAINS, read_gains
from harness.rows.lines import METHODS
from tests.command import ROOT, assert_failed
from tests.flows.stand_in import STARTS

BASE = 'name = "toy"\ntask = "kws"\n[distill]\nmethod = "none"\n'


class Place:
    """A folder with recipes, a study of them, and what came out."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.runs = self.out / "kws"
        self.recipe("none", BASE)
        self.recipe("own_teacher", 'like = "none.toml"\n[distill]\nmethod = "own_teacher"\n')
        self.recipe("mutual", 'like = "none.toml"\n[distill]\nmethod = "mutual"\n')

    def recipe(self, name: str, text: str) -> None:
        path = self.folder / "recipes" / f"{name}.toml"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)

    def wish(self, name: str, text: str = "") -> Path:
        self.runs.mkdir(parents=True, exist_ok=True)
        (self.runs / name).write_text(text)
        return self.runs / name

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.flows.stand_in", "study", "distillation"]
        where = ["--recipes", self.folder / "recipes", "--out", self.out]
        variables = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([*command, *where, *arguments], cwd=self.folder, env=variables, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip

    def study(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        said = process.communicate(timeout=200)
        return subprocess.CompletedProcess(arguments, process.returncode, *said)

    def starts(self, cell: str) -> int:
        path = self.runs / cell / STARTS
        return len(path.read_text().splitlines()) if path.exists() else 0

    def lines(self) -> list[tuple[str, str]]:
        return [(line["method"], line["seed"]) for line in METHODS.read(self.out / "methods.csv")]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    (made.runs / "hold").unlink(missing_ok=True)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def kill(process: subprocess.Popen[str], *more: int) -> None:
    process.kill()
    process.wait()
    for number in more:
        os.kill(number, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def test_every_recipe_with_every_seed_then_tables_and_a_plot(place: Place) -> None:
    done = place.study("--seed", "0", "--seed", "1", "--method", "none", "--method", "mutual", "--json")
    assert done.returncode == 0, done.stderr
    assert place.lines() == [("mutual", "0"), ("mutual", "1"), ("none", "0"), ("none", "1")]
    document = json.loads(done.stdout)
    assert document["missing"] == [{"student": "toy", "method": "own_teacher"}]
    mutual = next(each for each in document["gains"] if each["method"] == "mutual")
    assert mutual["seeds"] == "0 1" and mutual["samples"] == 200 and mutual["verdict"] == "helps"
    assert mutual["gain_low"] < mutual["gain"] < mutual["gain_high"]
    assert [each.method for each in read_gains(GAINS.read(place.out / "gains.csv"))] == ["mutual", "none"]
    files = {path.name for path in place.out.iterdir() if path.is_file()}
    assert files == {"methods.csv", "gains.csv", "gains_toy.svg", "gains_toy.png", "gains_kws.md"}
    assert "not run yet" in (place.out / "gains_kws.md").read_text()
    assert [line.split(":")[0] for line in done.stderr.splitlines() if " of 4: " in line] == [
        f"{number} of 4" for number in (1, 2, 3, 4)
    ]

    assert_failed(place.study("--seed", "0", "--seed", "1", "--method", "none"), 2, "--resume", "2 of these 2 runs")
    again = place.study("--seed", "0", "--seed", "1", "--resume")
    assert again.returncode == 0, again.stderr
    assert [place.starts(f"{name}-seed1") for name in ("none", "mutual", "own_teacher")] == [1, 1, 1]
    assert "helps" in again.stdout and max(map(len, again.stdout.splitlines())) <= 120


def test_a_table_of_what_is_there_trains_nothing(place: Place) -> None:
    assert place.study("--seed", "0", "--method", "none").returncode == 0
    (place.out / "gains.csv").unlink()
    done = place.study("--table")
    assert done.returncode == 0, done.stderr
    assert not (place.runs / "mutual-seed0").exists()
    assert [line["method"] for line in GAINS.read(place.out / "gains.csv")] == ["none"]
    assert done.stdout.count("not run yet") == 2


def test_a_folder_of_recipes_is_another_student(place: Place) -> None:
    place.recipe("xs/none", BASE.replace("toy", "small"))
    place.recipe("run/card", "neither a recipe\n")
    place.recipe("xs/mutual", 'like = "none.toml"\n[distill]\nmethod = "mutual"\n')
    assert place.study("--seed", "0", "--method", "xs/none").returncode == 0
    assert [path.name for path in place.runs.iterdir()] == ["xs"]
    done = place.study("--seed", "0", "--method", "none", "--method", "xs", "--resume")
    assert done.returncode == 0, done.stderr
    assert place.starts("xs/none-seed0") == place.starts("xs/mutual-seed0") == place.starts("none-seed0") == 1
    found = read_gains(GAINS.read(place.out / "gains.csv"))
    assert {(each.student, each.method) for each in found} == {("small", "none"), ("small", "mutual"), ("toy", "none")}
    assert all(each.gain is not None for each in found if each.method == "mutual")
    assert_failed(place.study("--method", "xs/mutua"), 2, "did you mean", "xs/mutual")


def test_each_student_is_held_against_its_own_hard_labels(place: Place) -> None:
    place.recipe("gru_none", f'{BASE}[export]\nkind = "host"\n'.replace("toy", "gru"))
    place.recipe("gru", 'like = "gru_none.toml"\n[distill]\nmethod = "mutual"\n')
    assert place.study("--seed", "0", "--method", "none", "--method", "gru").returncode == 0
    found = {(each.student, each.method): each for each in read_gains(GAINS.read(place.out / "gains.csv"))}
    assert set(found) == {("toy", "none"), ("gru", "gru")}
    assert found["gru", "gru"].gain is None  # the hard labels of another student are no measure

    place.wish("fail-gru_none", "3")
    done = place.study("--seed", "0", "--method", "gru_none", "--method", "none", "--resume")
    assert_failed(done, 3, "gru_none with seed 0 failed")
    (place.runs / "fail-gru_none").unlink()
    done = place.study("--seed", "0", "--resume", "--json")
    assert done.returncode == 0, done.stderr
    gains = {(each["student"], each["method"]): each for each in json.loads(done.stdout)["gains"]}
    assert {key for key, each in gains.items() if each["gain"] is not None} == {
        ("toy", "mutual"), ("toy", "own_teacher"), ("gru", "gru"),
    }  # fmt: skip
    assert {each["student"]: each["export"] for each in gains.values()} == {"toy": "int8", "gru": "host"}
    text = (place.out / "gains_kws.md").read_text()
    assert f"### gru\n\n{flow.ON_HOST.capitalize()}.\n\n![" in text and text.count("on the host") == 1
    assert f"gru, 40 epochs, 20 items: {flow.ON_HOST}" in place.study("--table").stdout


def test_other_uses_of_hard_labels_are_held_against_them(place: Place) -> None:
    place.recipe("hard_fresh", 'like = "none.toml"\n[augmentation]\nviews = 0\n')
    assert place.study("--seed", "0", "--method", "hard_fresh", "--method", "none").returncode == 0
    assert place.lines() == [("hard_fresh", "0"), ("none", "0")]
    found = {each.method: each.gain for each in read_gains(GAINS.read(place.out / "gains.csv"))}
    assert found["none"] is None and found["hard_fresh"] is not None
    assert place.study("--table").returncode == 0  # read again from the folders of the runs
    assert place.lines() == [("hard_fresh", "0"), ("none", "0")]


def test_who_kills_the_study_finds_its_cell_still_trained_and_waits_for_it(place: Place) -> None:
    hold = place.wish("hold")
    first = place.start("--seed", "0", "--method", "none")
    until(lambda: place.starts("none-seed0"))
    kill(first)
    second = place.start("--seed", "0", "--method", "none", "--resume")
    assert second.stderr is not None
    said = ""
    while "another process" not in said:
        said = second.stderr.readline()
        assert said
    hold.unlink()
    _, rest = second.communicate(timeout=120)
    assert second.returncode == 0, rest
    assert (place.starts("none-seed0"), place.lines()) == (1, [("none", "0")])


def test_a_cell_that_was_killed_goes_on_and_those_before_it_are_kept(place: Place) -> None:
    assert place.study("--seed", "0", "--method", "none").returncode == 0
    place.wish("hold")
    process = place.start("--seed", "0", "--resume")
    until(lambda: place.starts("mutual-seed0"))
    kill(process, int((place.runs / "mutual-seed0" / STARTS).read_text()))
    assert place.lines() == [("none", "0")]
    (place.runs / "hold").unlink()
    assert place.study("--seed", "0", "--resume").returncode == 0
    assert [place.starts(f"{name}-seed0") for name in ("none", "mutual", "own_teacher")] == [1, 2, 1]
    assert len(place.lines()) == 3


def test_an_interrupt_keeps_what_is_finished(place: Place) -> None:
    assert place.study("--seed", "0", "--method", "none").returncode == 0
    place.wish("hold")
    process = place.start("--seed", "0", "--resume")
    until(lambda: place.starts("mutual-seed0"))
    os.killpg(process.pid, signal.SIGINT)
    out, said = process.communicate(timeout=120)
    done = subprocess.CompletedProcess([], process.returncode, out, said)
    assert_failed(done, 130, "1 of 3 cells are finished and kept", "--resume")
    assert place.lines() == [("none", "0")]
    with suppress(ProcessLookupError):
        until(lambda: os.kill(int((place.runs / "mutual-seed0" / STARTS).read_text()), 0))


def test_a_cell_that_fails_is_told_and_the_others_go_on(place: Place) -> None:
    fail = place.wish("fail-mutual", "2")
    done = place.study("--seed", "0", "--json")
    assert_failed(done, 2, "mutual with seed 0 failed: expected luck for mutual", "--resume")
    assert place.lines() == [("none", "0"), ("own_teacher", "0")]
    assert json.loads(done.stdout)["failed"] == [{"cell": "mutual with seed 0", "reason": "expected luck for mutual"}]
    fail.write_text("3")
    assert_failed(place.study("--seed", "0", "--resume"), 3, "expected luck")
    fail.unlink()
    assert place.study("--seed", "0", "--resume").returncode == 0


def test_a_cell_that_its_board_did_not_measure_is_not_finished(place: Place) -> None:
    silent = place.wish("silent-board")
    assert_failed(place.study("--seed", "0", "--method", "none"), 3, "none with seed 0 failed: nano33 (qemu) did not")
    silent.unlink()
    assert place.study("--seed", "0", "--method", "none", "--resume").returncode == 0
    assert (place.starts("none-seed0"), place.lines()) == (2, [("none", "0")])


def test_where_the_first_fails_the_others_are_not_begun(place: Place) -> None:
    place.wish("fail-none", "2")
    assert_failed(place.study("--seed", "0"), 2, "none with seed 0 failed")
    assert not (place.runs / "mutual-seed0").exists()
    assert not (place.out / "methods.csv").exists()


def test_a_folder_with_another_recipes_run_is_left_alone(place: Place) -> None:
    assert place.study("--seed", "0", "--method", "none").returncode == 0
    before = (place.out / "methods.csv").read_bytes()
    for changed in (["--set", "schedule.epochs=7"], ["--set", "distill.temperature=2"]):
        done = place.study("--seed", "0", "--resume", *changed)
        assert_failed(done, 2, "none-seed0", "another recipe", "--out")
    assert (place.out / "methods.csv").read_bytes() == before
    assert not (place.runs / "mutual-seed0").exists()


def test_a_run_of_an_older_version_counts_where_only_defaults_were_added(place: Place) -> None:
    assert place.study("--seed", "0", "--method", "none").returncode == 0
    record = place.runs / "none-seed0" / "recipe.json"
    plan = json.loads(record.read_text())
    del plan["distill"]["features_first"]
    record.write_text(json.dumps(plan))
    assert place.study("--seed", "0", "--method", "none", "--resume").returncode == 0
    record.write_text(json.dumps(plan | {"gone": 1}))
    assert_failed(place.study("--seed", "0", "--method", "none", "--resume"), 2, "another recipe")


@pytest.mark.parametrize(
    ("recipe", "arguments", "parts"),
    [
        (None, ["--method", "mutal"], ["--method", "'mutal'", "did you mean 'mutual'"]),
        (None, ["--set", "distill.alpha=2"], ["distill.alpha", "0 to 1"]),
        (None, ["--task", "vision"], ["--task vision", "none.toml", "'kws'"]),
        (None, ["--recipes", "nowhere"], ["nowhere", "--recipes"]),
        (BASE, [], ["one recipe of 'none'", "plain.toml"]),
        ("name =", [], ["plain.toml", "TOML"]),
    ],
)
def test_the_users_mistake_is_one_line_before_anything_is_trained(
    place: Place, recipe: str | None, arguments: list[str], parts: list[str]
) -> None:
    if recipe:
        place.recipe("plain", recipe)
    done = place.study(*arguments)
    assert_failed(done, 2, *parts)
    assert (done.stdout, place.out.exists()) == ("", False)


def test_a_damaged_run_is_named(place: Place) -> None:
    assert place.study("--seed", "0", "--method", "none").returncode == 0
    for name, content in (("predictions.npz", b"PK\x03\x04 damaged"), ("predictions.npz", b""), ("result.json", b"{")):
        (place.runs / "none-seed0" / name).write_bytes(content)
        assert_failed(place.study("--table"), 2, "none-seed0", "remove the folder")


def test_the_checkouts_tables_are_of_its_recipes_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    results = ROOT / "results" / "distillation"
    assert flow.Request().tables == results
    assert flow.Request(changes=("schedule.examples=9",)).tables == flow.RUNS
    assert flow.Request(out=tmp_path).tables == tmp_path
    monkeypatch.setattr("harness.resources.in_checkout", lambda name: None)  # as in a wheel
    assert flow.Request().tables == flow.RUNS


def test_the_table_in_the_documentation_is_the_one_of_the_committed_figures() -> None:
    known = read_gains(GAINS.read(ROOT / "results" / "distillation" / "gains.csv"))
    doc = (ROOT / "docs" / "distillation.md").read_text(encoding="utf-8")
    for task in ("kws", "vision"):
        wanted = f"<!-- table of {task} -->\n\n{flow.table(task, known)}\n\n<!-- end of table -->"
        assert wanted in doc, "run: harness study distillation --table --task " + task


def test_the_committed_gains_are_means_of_the_committed_runs() -> None:
    runs = METHODS.read(ROOT / "results" / "distillation" / "methods.csv")
    for gain in read_gains(GAINS.read(ROOT / "results" / "distillation" / "gains.csv")):
        same = {"task": gain.task, "student": gain.student, "method": gain.method, "teacher": gain.teacher,
                "epochs": str(gain.epochs), "n": str(gain.n), "dataset": gain.dataset}  # fmt: skip
        mine = [run for run in runs if same.items() <= run.items() and run["seed"] in gain.seeds.split()]
        assert len(mine) == len(gain.seeds.split()), gain
        assert sum(float(run["accuracy"]) for run in mine) / len(mine) == pytest.approx(gain.accuracy, abs=0.011)
