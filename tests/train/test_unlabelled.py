"""Learning without labels: what is read, what is refused, and that nothing of a private folder leaves the run's."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

from harness import cli
from harness.errors import UserError
from harness.flows.distill import from_folder
from harness.tasks import read_card
from harness.train import recipe, speech, vision
from harness.train.distill import distill, run
from harness.train.distill.method import Answers
from harness.train.distill.methods import check_without_labels, choose
from harness.train.distill.objective import Distilled, with_layers
from harness.train.examples import UNKNOWN, TrainingSet, View, unknown
from harness.train.materials import MATERIALS
from harness.train.objective import HardLabels
from harness.train.recipe import Distill, Recipe
from tests.tasks.clips import paint, record, tone
from tests.train import toys
from tests.train.tones import RECIPE, WORDS, record_words

COUNT = 30
"""Recordings in the private folder, of one second or two."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with labelled tones, as many without labels under names that lie, and a recipe."""
    folder = tmp_path_factory.mktemp("scene")
    record_words(folder / "words")
    random = np.random.default_rng(1)
    for number in range(COUNT):
        hertz = [*WORDS.values()][number % 3]
        sounds = [tone(hertz * random.uniform(0.9, 1.1), 16_000) * random.uniform(0.1, 1) for _ in range(2)]
        sound = np.concatenate(sounds[: 1 + number % 2])
        name = f"{[*WORDS][number % 2]}/secret{number}.wav"
        record(folder / "hush" / name, sound + random.normal(0, 0.01, len(sound)))
    (folder / "r.toml").write_text(RECIPE)
    return folder


def planned(scene: Path, *changes: str) -> Recipe:
    return recipe.read(scene / "r.toml", [f"data={scene / 'words'}", f"unlabelled={scene / 'hush'}", *changes])


def prepared(plan: Recipe) -> TrainingSet:
    return MATERIALS[plan.task].prepare(plan, None)[0]


def test_the_items_are_the_folders_and_what_judges_them_is_the_data(scene: Path) -> None:
    examples, labelled = prepared(planned(scene)), prepared(planned(scene, "unlabelled="))
    assert len(examples.labels) == COUNT + COUNT // 2 and set(examples.labels) == {UNKNOWN}
    assert examples.classes == labelled.classes
    assert examples.validation_inputs.shape == labelled.validation_inputs.shape
    np.testing.assert_array_equal(examples.validation_labels, labelled.validation_labels)
    view = examples.view(0)
    assert len(view.inputs) == len(view.targets) == len(examples.labels) and not view.targets.any()
    assert examples.names == ()
    cut = [note for note in examples.notes if note.startswith("cut into pieces")]
    assert cut == [f"cut into pieces of 1 s: {COUNT // 2} of {COUNT} files are longer, {COUNT + COUNT // 2} in all"]
    assert len(prepared(planned(scene, "schedule.examples=7")).labels) == 7


def test_its_digest_is_of_the_contents_alone(scene: Path, tmp_path: Path) -> None:
    for name in ("a/1.wav", "a/2.wav"):
        record(tmp_path / "one" / name, tone(300 if "1" in name else 900, 16_000))
        record(tmp_path / "other" / name[2:], tone(300 if "1" in name else 900, 16_000))
    one, other = (prepared(planned(scene, f"unlabelled={tmp_path / name}")).digest for name in ("one", "other"))
    assert one == other and len(one) == 64
    record(tmp_path / "other" / "2.wav", tone(901, 16_000))
    assert prepared(planned(scene, f"unlabelled={tmp_path / 'other'}")).digest != one


def test_the_items_of_the_data_without_their_labels_look_the_same(scene: Path) -> None:
    """So what a teacher said of them is used again, and a study compares like with like."""
    forgotten = prepared(planned(scene, f"unlabelled={scene / 'words'}"))
    labelled = prepared(planned(scene, "unlabelled="))
    assert forgotten.fingerprint == labelled.fingerprint and forgotten.digest == labelled.digest
    np.testing.assert_array_equal(forgotten.view(1).inputs, labelled.view(1).inputs)
    assert set(forgotten.labels) == {UNKNOWN} and not forgotten.view(1).targets.any()
    assert not planned(scene, f"unlabelled={scene / 'words'}").private
    assert planned(scene).private


def test_pictures_of_any_size_in_any_folder(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number in range(60):
            paint(tmp_path / "labelled" / name / f"{number}.png", colour=(number, 0, 0))
    for number, size in enumerate([(32, 32), (64, 40), (10, 10)]):
        paint(tmp_path / "hush" / "a" / "b" / f"{number}.png", size, (40 * number, 9, 9))
    (tmp_path / "r.toml").write_text('name = "p"\ntask = "vision"\n[student]\narchitecture = "resnet"\n')
    changes = [f"data={tmp_path / 'labelled'}", f"unlabelled={tmp_path / 'hush'}", "augmentation.mixup=1"]
    examples = prepared(recipe.read(tmp_path / "r.toml", changes))
    assert examples.classes == ("cat", "dog") and examples.names == ()
    assert list(examples.labels) == [UNKNOWN] * 3
    assert examples.view(0).inputs.shape == (3, 32, 32, 3) and not examples.view(0).targets.any()
    assert any(note.startswith("resized to 32x32") for note in examples.notes)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"expected PNG, JPEG or BMP files in .* or in folders below it, found none"):
        prepared(recipe.read(tmp_path / "r.toml", [*changes, f"unlabelled={tmp_path / 'empty'}"]))


@pytest.mark.parametrize("task", [speech, vision])
def test_the_official_data_judges_what_private_recordings_taught(
    task: Any, data: Path, tmp_path: Path, scene: Path
) -> None:
    """Validation is that of the data set, whatever is learned from."""
    text = f'name = "x"\ntask = "{"kws" if task is speech else "vision"}"\n[student]\narchitecture = "dscnn"\n'
    (tmp_path / "r.toml").write_text(text)
    paint(tmp_path / "pictures" / "1.png")
    private = scene / "hush" if task is speech else tmp_path / "pictures"
    plan = recipe.read(tmp_path / "r.toml", [f"unlabelled={private}", "schedule.examples=300"])
    examples, items = prepared(plan), MATERIALS[plan.task].validation(plan)
    assert examples.classes == items.classes and 200 < len(items.labels) <= 300
    np.testing.assert_array_equal(examples.validation_labels, items.labels)


def test_labels_that_are_not_there_cannot_be_learned_from(scene: Path) -> None:
    examples = prepared(planned(scene))
    with pytest.raises(ValueError):
        HardLabels(toys.network(), examples.labels, 3, 0.0)


def test_alpha_is_1_and_stays_so(scene: Path) -> None:
    assert planned(scene).distill.alpha == (1.0, 1.0)
    assert planned(scene, "distill.temperature=2").distill.alpha == (1.0, 1.0)
    for alpha, got in (("0.9", "0.9 to 0.9"), ("[1, 0.5]", "1 to 0.5")):
        with pytest.raises(UserError, match=f"expected 1 for distill.alpha of .*r.toml, .*, got {got}"):
            planned(scene, f"distill.alpha={alpha}")
    with pytest.raises(UserError, match=r"expected a folder, or .*, for unlabelled of .*, got 'nowhere'"):
        planned(scene, "unlabelled=nowhere")
    with pytest.raises(UserError, match="expected a text for 'unlabelled'"):
        planned(scene, "unlabelled=3")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["distill.method=none"], "expected one of dist, ensemble, soft in distill.method, .*, got 'none'"),
        (["distill.method=hint", "distill.teachers=t"], "nothing else teaches the logits, got 'hint'"),
        (
            ["distill.method=dkd", "distill.teachers=t"],
            "expected methods that take no labels, .* got 'dkd'; take",
        ),
        (["distill.method=soft+mutual", "distill.teachers=t"], "got 'mutual'"),
        (["distill.method=soft+own_teacher", "distill.teachers=t"], "got 'own_teacher'"),
        (["distill.method=soft", "distill.generations=1"], "without distill.generations, the first of which learns"),
    ],
)
def test_a_method_that_needs_labels_is_refused_before_anything_is_read(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: list[str], message: str
) -> None:
    monkeypatch.setattr(run, "MATERIALS", {})
    exits = {"distill.own_teacher.exits": "stage1", "distill.hint.student": "stage1", "distill.hint.teacher": "stage1"}
    told = [f"{name}={value}" for name, value in exits.items() if name.split(".")[1] in changes[0]]
    with pytest.raises(UserError, match=message) as raised:
        distill(scene / "r.toml", tmp_path / "out", changes=[f"unlabelled={scene / 'hush'}", *changes, *told])
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_exits_may_learn_from_the_deepest_alone(scene: Path) -> None:
    told = ["distill.method=soft+own_teacher", "distill.teachers=t", "distill.own_teacher.exits=stage1"]
    plan = planned(scene, *told, "distill.own_teacher.labels=0").distill
    check_without_labels(choose(plan), plan)


@pytest.mark.parametrize("method", ["soft+hint", "dist+hint"])
def test_there_is_no_hard_term_and_fewer_items_than_a_batch_are_one_step(method: str, tmp_path: Path) -> None:
    toy, teacher = toys.toy(), toys.network("teacher", 7)
    for count in (5, 1):
        view = View(toy.view(0).inputs[:count], np.zeros((count, 3), np.float32))
        said = np.full((count, 1, 3), 0.5, np.float32)
        few = replace(toy, view=lambda epoch, view=view: view, labels=unknown(count))
        student = toys.network()
        objective = _without_labels(student, few, said, teacher, method)
        epochs = toys.trained(student, tmp_path / f"{count}.npz", objective, few)
        assert all(set(epoch.terms) == {method.split("+")[0], "hint"} for epoch in epochs) and len(epochs) == 3
        assert all(np.isfinite(epoch.loss) for epoch in epochs)


def _without_labels(model: Any, examples: TrainingSet, said: np.ndarray, teacher: Any, method: str) -> Distilled:
    """Return the objective of a model that hears both what a teacher says and its layer."""
    settings = Distill(method, ("a",), alpha=(1.0, 1.0), methods=toys.HINT)
    speaker, theirs = with_layers(teacher, ["features"])
    features = {"features": np.asarray(speaker(examples.view(0).inputs)[1]["features"])}
    return Distilled(model, None, choose(settings), settings, 3, lambda epoch: Answers(said, features), theirs)


def test_the_option_is_two_changes_and_others_win(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert from_folder(None) == ()
    odd = Path('a "b" é\\c')
    changes = from_folder(odd)
    assert changes[1:] == ("distill.alpha=1",)
    table: dict[str, Any] = {}
    recipe._apply(changes[0], table)
    assert table == {"unlabelled": str(odd)}
    private = str(scene / "hush")
    arguments = ["distill", "kws_xxs", "--unlabelled", private, "--set", "distill.alpha=0.5"]
    assert cli.run(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("harness: error: expected 1 for distill.alpha of ")


@pytest.mark.slow
def test_a_private_folder_teaches_and_nothing_of_it_leaves_the_runs(
    scene: Path, tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    labelled = f"data={scene / 'words'}"
    wise = distill(scene / "r.toml", tmp_path / "wise", changes=[labelled, "name=wise", "export.kind=float"])
    written: list[Path] = []
    for module, name in ((np, "save"), (np, "savez"), (np, "savez_compressed"), (np.lib.format, "open_memmap")):
        monkeypatch.setattr(module, name, _noting(getattr(module, name), written))
    layers = ("distill.hint.student=stage1", "distill.hint.teacher=stage1")
    taught = [labelled, f"distill.teachers={wise.model}", "distill.method=soft+hint", *layers]
    changes = [*from_folder(scene / "hush"), *taught]
    out, lines = tmp_path / "student", list[str]()

    def killed(line: str) -> None:
        lines.append(line)
        if line.startswith("epoch 2 of 8"):
            raise toys.Killed

    with pytest.raises(toys.Killed):
        distill(scene / "r.toml", out, changes=changes, say=killed)
    assert len(list((out / "teachers").rglob("*.npy"))) == 4  # two views, of each the logits and a layer
    student = distill(scene / "r.toml", out, changes=changes, say=lines.append)
    assert sum("computed once" in line for line in lines) == 2  # none of them again
    assert [int(line.split()[1]) for line in lines if line.startswith("epoch")] == [1, 2, 2, 3, 4, 5, 6, 7, 8]
    assert student.card.accuracy > 60  # by chance: 33; by the folders' names, which lie: below 67 too
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").rglob("*.np*"))
    assert written and all(path.is_relative_to(out) for path in written)
    assert not list(out.rglob("*.npy")) and not (out / "teachers").exists()

    text = student.model.with_suffix(".toml").read_text()
    assert "hush" not in text and "secret" not in text
    card = read_card(student.model)
    assert card == student.card and card is not None and card.unlabelled is not None
    assert (card.unlabelled.items, len(card.unlabelled.sha256)) == (COUNT + COUNT // 2, 64)
    assert card.licence == "of whoever made the data"
    assert "--set unlabelled=DIR --set distill.alpha=1" in card.recipe
    assert card.sha256 == sha256(student.model.read_bytes()).hexdigest()
    note = json.loads((out / "result.json").read_text())
    assert (note["n"], note["method"]) == (COUNT + COUNT // 2, "soft+hint")
    with (out / "log.csv").open() as log:
        assert "hard" not in next(log)


def _noting(save: Callable[..., Any], written: list[Path]) -> Callable[..., Any]:
    """Return the function, noting where it writes to."""

    def noted(where: Any, *arguments: Any, **settings: Any) -> Any:
        written.append(Path(where.name if hasattr(where, "write") else where))
        return save(where, *arguments, **settings)

    return noted
