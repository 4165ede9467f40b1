"""The whole chain of training, from a recipe to a model that the compiler takes and the emulated board computes."""

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from harness import cli
from harness.compiler import read_program
from harness.errors import UserError
from harness.tasks import Card, read_card
from harness.tasks.split import part_of
from harness.train import recipe, speech
from harness.train.distill import distill, run
from harness.train.distill.run import Result
from harness.train.recipe import Recipe
from harness.train.run_folder import CHECKPOINT, read_predictions
from tests.command import harness
from tests.train.tones import RECIPE, WORDS, record_words
from tests.train.toys import Killed

METHODS_COLUMNS = "task,student,teacher,method,seed,epochs,dataset,n,accuracy,train_seconds"
"""Of results/distillation/methods.csv."""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of tones, a recipe beside them that learns them, and a teacher's that differs in its name."""
    folder = tmp_path_factory.mktemp("words")
    record_words(folder / "data")
    (folder / "r.toml").write_text(RECIPE)
    return folder


def learn(words: Path, out: Path, *changes: str, say: Callable[[str], None] = lambda line: None) -> Result:
    return distill(words / "r.toml", out, changes=[f"data={words / 'data'}", *changes], seed=5, say=say)


def check_student(model: Path, card: Card) -> None:
    """Its card is of this file: hash, MACs, and what its input layer takes."""
    assert read_card(model) == card
    assert card.sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    program = read_program(model)
    assert program.macs == card.macs
    [tensor] = [program.graph.tensors[i] for i in program.graph.inputs]
    assert tensor.dtype == "int8" and tensor.quantization is not None
    quantised = (card.frontend.scale, card.frontend.zero_point)
    assert quantised == (tensor.quantization.scale, tensor.quantization.zero_point)
    columns = card.frontend.coefficients or card.frontend.bins
    assert tensor.shape == (1, round(980 / card.frontend.hop_ms), columns, 1)


def logged(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_student_teaches_itself_again_and_a_killed_generation_goes_on(
    words: Path, tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    changes = ("distill.method=soft", "distill.generations=2", "schedule.epochs=2")
    lines: list[str] = []

    def killed(line: str) -> None:
        lines.append(line)
        if line.startswith("epoch 2 of 2") and "soft" in line:
            raise Killed

    out = tmp_path / "student"
    with pytest.raises(Killed):
        learn(words, out, *changes, say=killed)
    student = learn(words, out, *changes, say=lines.append)
    made = [
        out / "before" / "before" / "tones_before_before.keras",
        out / "before" / "tones_before.keras",
        student.model,
    ]
    cards = [read_card(path) for path in made]
    assert all(card is not None for card in cards)
    assert [card.teacher for card in cards if card] == ["", "tones_before_before", "tones_before"]
    assert [card.seed for card in cards if card] == [7, 6, 5]
    assert student.model.name == "tones.tflite"
    told = [line for line in lines if line.startswith("generation")]
    assert told == ["generation 2 of tones", "generation 1 of tones_before, from hard labels alone"] * 2
    assert sum(line.startswith("epoch 1 of 2") for line in lines) == 3  # of each generation, once


@pytest.mark.slow
def test_a_teacher_teaches_a_student_who_is_killed_and_goes_on(
    words: Path, tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    teacher = learn(words, tmp_path / "teacher", "name=wise", "export.kind=float")
    assert (teacher.model.name, teacher.card.teacher, teacher.board) == ("wise.keras", "", "")
    assert read_card(teacher.model) == teacher.card
    assert teacher.card.labels == tuple(sorted(WORDS))

    further = learn(words, tmp_path / "further", "name=wise", "export.kind=float", "schedule.epochs=1",
                    f"start={teacher.model}")  # fmt: skip
    assert further.card.frontend == teacher.card.frontend
    assert further.card.accuracy >= 90  # one epoch from nothing: below 60
    with pytest.raises(UserError, match="expected for start a model of the recipe's architecture and sizes, wise has"):
        learn(words, tmp_path / "other", f"start={teacher.model}", "student.stem=6")
    with pytest.raises(UserError, match=r"expected 20\.0 for frontend.hop_ms, as the model to start from has it"):
        learn(words, tmp_path / "other", f"start={teacher.model}", "frontend.hop_ms=10")

    layers = ("distill.hint.student=stage1", "distill.hint.teacher=stage1")
    changes = ("distill.method=soft+hint", "distill.alpha=[1, 0.5]", f"distill.teachers={teacher.model}", *layers)
    lines: list[str] = []

    def killed(line: str) -> None:
        lines.append(line)
        if line.startswith("epoch 2 of 8"):
            raise Killed

    out = tmp_path / "student"
    with pytest.raises(Killed):
        learn(words, out, *changes, say=killed)
    student = learn(words, out, *changes, say=lines.append)
    learn(words, tmp_path / "whole", *changes)
    with np.load(out / CHECKPOINT) as resumed, np.load(tmp_path / "whole" / CHECKPOINT) as whole:
        assert set(resumed) == set(whole)
        for name in whole:  # weights, their averages, the optimizer, the regressor
            np.testing.assert_array_equal(resumed[name], whole[name])
    card = student.card
    check_student(student.model, card)
    assert (card.teacher, card.seed, card.samples, card.labels) == ("wise", 5, 12, teacher.card.labels)
    assert card.accuracy > 60  # by chance: 33
    assert card.recipe.endswith(f"/r.toml --set data={words / 'data'} " + " ".join(f"--set {each}" for each in changes))
    epochs = [int(line.split()[1]) for line in lines if line.startswith("epoch")]
    assert epochs == [1, 2, 2, 3, 4, 5, 6, 7, 8]  # the kill came before the checkpoint
    assert sum("computed once" in line for line in lines) == 2
    assert [line["epoch"] for line in logged(out)] == [str(number) for number in range(8)]
    assert all({"loss", "soft", "hint", "hard", "validation"} <= set(line) for line in logged(out))
    note = json.loads((out / "result.json").read_text())
    assert ",".join(note).startswith(METHODS_COLUMNS + ",")
    assert (note["method"], note["teacher"], note["n"], note["epochs"], note["seed"]) == ("soft+hint", "wise", 48, 8, 5)
    assert note["accuracy"] == card.accuracy
    assert note["validation"] == float(logged(out)[-1]["validation"])
    said = read_predictions(out)
    assert round(100 * said.right.mean(), 2) == card.accuracy
    assert sorted(said.labels) == sorted([0, 1, 2] * 4)
    assert learn(words, out, *changes, say=lines.append) == student
    assert lines[-1] == f"{student.model}: finished before; remove {out} to train it again"
    student.model.write_bytes(b"")  # such as from a full disk
    again = learn(words, out, *changes, say=lines.append)
    check_student(again.model, again.card)
    assert again.card.accuracy == card.accuracy


def test_a_run_goes_on_with_the_items_that_it_began_with(words: Path, tmp_path: Path, here: None) -> None:
    def killed(line: str) -> None:
        if line.startswith("epoch 2 of 2"):
            raise Killed

    data, out = shutil.copytree(words / "data", tmp_path / "data"), tmp_path / "out"
    changes = (f"data={data}", "schedule.epochs=2")
    with pytest.raises(Killed):
        learn(words, out, *changes, say=killed)
    scratch = out / ".converting-left" / "calibration.npy"  # as if the export had been killed
    scratch.parent.mkdir()
    scratch.touch()
    learned = next(file for file in sorted(data.glob("high/*.wav")) if part_of(file.name) == "train")
    learned.rename(tmp_path / "away.wav")
    with pytest.raises(UserError, match=f"training items that the run in {out} began with, those of {data} are others"):
        learn(words, out, *changes)
    (tmp_path / "away.wav").rename(learned)
    assert learn(words, out, *changes).model.exists()
    assert [int(line["epoch"]) for line in logged(out)] == [0, 1]
    assert not scratch.parent.exists()


def test_a_kill_leaves_no_half_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or its folder could not be gone on with."""

    def half(path: Path, text: str, **settings: str) -> None:
        path.write_bytes(text.encode()[:40])
        raise Killed

    run._claim(tmp_path, plan(), {})
    (tmp_path / run.CHECKPOINT).touch()
    with monkeypatch.context() as broken:
        broken.setattr(Path, "write_text", half)
        with pytest.raises(Killed):
            run._claim(tmp_path, plan(), {})
    run._claim(tmp_path, plan(), {})


def plan(**changes: int) -> Recipe:
    return Recipe("x", "kws", **changes)  # type: ignore[arg-type]


def test_a_folder_belongs_to_its_recipe(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    run._claim(out, plan(), {})
    run._claim(out, plan(seed=1), {})  # nothing is finished: the first may have been a mistake
    (out / run.CHECKPOINT).touch()
    run._claim(out, plan(seed=1), {})
    run._claim(tmp_path / "other", plan(), {})
    with pytest.raises(UserError, match=f"expected {out} to be empty or of the same recipe and teachers, it holds"):
        run._claim(out, plan(), {})
    with pytest.raises(UserError, match="holds another run"):  # the teacher of that name is another one now
        run._claim(out, plan(seed=1), {"kws_resnet": "5a409fd4"})
    with pytest.raises(UserError, match="name another folder with --out"):
        run._claim(out / run.CHECKPOINT / "below", plan(), {})
    (out / "recipe.json").unlink()
    with pytest.raises(UserError, match="holds another run"):  # a checkpoint of nobody knows what
        run._claim(out, plan(seed=1), {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["student.architecture=dscn"], "expected an architecture of dscnn, "),
        (["student.architecture=recurrent"], "host .* for export.kind of the architecture 'recurrent', got int8: no"),
        (["data=nowhere"], "for data of .*, got 'nowhere'"),
        (["distill.method=soft", "distill.teachers=nobody"], "expected a teacher of the zoo .*, got 'nobody'"),
        (["distill.teachers=nobody"], "expected no distill.teachers"),
        (["start=nobody"], "expected a teacher of the zoo .*, got 'nobody'"),
    ],
)
def test_a_mistake_ends_before_the_data_is_read(
    words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: list[str], message: str
) -> None:
    monkeypatch.setattr(run, "MATERIALS", {})
    with pytest.raises(UserError, match=message):
        learn(words, tmp_path / "out", *changes)
    assert not (tmp_path / "out").exists()


def test_sizes_that_make_no_model_end_before_anything_is_trained(words: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="architecture 'temporal' does not take these sizes"):
        learn(words, tmp_path / "out", "student.stages=[[6]]")
    assert not (tmp_path / "out" / "log.csv").exists()


@pytest.mark.slow
def test_the_quick_recipe_from_the_command_line_to_the_board(data: Path, recipes: Path, tmp_path: Path) -> None:
    """One test, so that tests that run side by side do not train it twice."""
    out, environment = tmp_path / "out", {"HARNESS_CACHE": str(tmp_path / "cache")}
    model = out / "kws_quick.tflite"
    learnt = harness("distill", "recipes/kws_quick.toml", "--out", out, environment=environment, timeout=500)
    assert learnt.returncode == 0, learnt.stderr
    assert learnt.stdout == f"{model}\n"
    assert learnt.stderr.count("computed once") == 2
    losses = [float(line["loss"]) for line in logged(out)]
    assert losses[-1] < 0.7 * losses[0]
    card = read_card(model)
    assert card is not None
    check_student(model, card)
    assert (card.teacher, card.dataset, card.samples) == ("kws_resnet_small", "speech_commands", 400)
    assert card.accuracy > 40  # by chance: 8.3
    for changes in ([], ["seed=1"]):
        with pytest.raises(UserError, match="holds another run"):
            distill(recipes / ("kws_quick.toml" if changes else "kws_s.toml"), out, changes=changes)

    measured = harness(
        "bench", model, "--board", "nano33", "--on", "qemu", "--samples", "16", "--data", "speech_commands",
        "--json", "--out", tmp_path / "run",
    )  # fmt: skip
    assert measured.returncode == 0, measured.stderr
    [row] = json.loads(measured.stdout)["rows"]
    assert (row["samples"], row["bit_exact_samples"], row["macs"]) == (16, 16, card.macs)
    assert card.measured is not None
    assert (card.measured.board, card.measured.where) == ("nano33", "qemu")
    assert row["instructions"] == pytest.approx(card.measured.instructions, rel=0.01)
    assert card.macs < row["instructions"] < 20 * card.macs
    assert row["flash_total_bytes"] == card.measured.flash_total_bytes


def test_the_users_mistake_is_one_line(recipes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["distill", str(recipes / "kws_quick.toml"), "--set", "distill.alpha=2", "--out", str(tmp_path / "out")]
    assert cli.run(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("harness: error: expected 0 to 1 for distill.alpha of ")
    assert not (tmp_path / "out").exists()


def test_no_data_no_training(recipes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    with pytest.raises(UserError, match="HARNESS_DATA is not set"):
        speech.prepare(recipe.read(recipes / "kws_quick.toml"))
