"""`harness inspect-teacher`: who is asked what, what is written, what is refused."""

import hashlib
import json
from dataclasses import dataclass, replace
from io import StringIO
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

keras = pytest.importorskip("keras")

from harness import resources  # noqa: E402
from harness.cli import run  # noqa: E402
from harness.errors import UserError  # noqa: E402
from harness.flows import inspect_teacher as flow  # noqa: E402
from harness.oracle import Oracle  # noqa: E402
from harness.report.inspection.document import Inspection  # noqa: E402
from harness.report.progress import Speaker  # noqa: E402
from harness.tasks import kws, vision, write_card  # noqa: E402
from harness.tasks.frontend import PICTURE, SPEECH_LOG_MEL, FrontEnd  # noqa: E402
from harness.tasks.split import part_of  # noqa: E402
from tests.command import ROOT, assert_failed, harness  # noqa: E402
from tests.support.tflite_builder import ModelBuilder, Q  # noqa: E402
from tests.tasks.clips import paint, record, tone  # noqa: E402
from tests.tasks.test_samples import CARD  # noqa: E402

WORDS = ("high", "low", "middle")
FRONTEND = replace(SPEECH_LOG_MEL, mean=(-6.0,), std=(4.0,))
COARSE = replace(FRONTEND, hop_ms=20.0, scale=0.05, zero_point=3)
RECIPE = """
name = "tiny"
task = "kws"
data = "{data}"
[student]
architecture = "dscnn"
[frontend]
kind = "log_mel"
hop_ms = 20.0
[augmentation]
views = 1
[distill]
method = "soft"
teachers = ["{teacher}"]
temperature = 2.0
"""


@dataclass(frozen=True)
class Scene:
    """A folder with recordings, a teacher, a student and a recipe."""

    words: Path
    teacher: Path
    student: Path
    recipe: Path


def carded(path: Path, frontend: FrontEnd, labels: tuple[str, ...], dataset: str, task: str = "kws") -> Path:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = replace(CARD, task=task, labels=labels, sha256=digest, frontend=frontend, dataset=dataset)
    write_card(card, path.with_suffix(".toml"))
    return path


def student_of(folder: Path, name: str = "pupil", labels: tuple[str, ...] = WORDS, **card: Any) -> Path:
    """Write an int8 student of 49x40 log-mel inputs that knows nothing, and its card."""
    random = np.random.default_rng(1)
    builder = ModelBuilder()
    weights = random.integers(-127, 128, (len(labels), 1960), dtype=np.int8)
    x = builder.input((1, 1960), Q(COARSE.scale, COARSE.zero_point))
    bias = np.zeros(len(labels), np.int32)
    y = builder.softmax(builder.fully_connected(x, weights, [0.004], bias, Q(0.1, 0)))
    path = folder / f"{name}.tflite"
    path.write_bytes(builder.build(y))
    return carded(path, **{"frontend": COARSE, "labels": labels, "dataset": "words", **card})


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    random = np.random.default_rng(0)
    for word, hertz in zip(WORDS, (2000, 300, 800), strict=True):
        for part, wanted in (("train", 4), ("validation", 3)):
            names = (name for name in (f"{word}{number}.wav" for number in count()) if part_of(name) == part)
            for name in islice(names, wanted):
                sound = tone(hertz, 16_000) * random.uniform(0.05, 1) + random.normal(0, 0.01, 16_000)
                record(folder / "words" / word / name, sound)
    keras.utils.set_random_seed(3)
    inputs = keras.Input((98, 40, 1))
    pooled = keras.layers.AveragePooling2D((98, 4))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(pooled)))
    model.save(folder / "wise.keras")
    teacher = carded(folder / "wise.keras", FRONTEND, WORDS, str(folder / "words"))
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE.format(data=folder / "words", teacher=teacher))
    return Scene(folder / "words", teacher, student_of(folder), recipe)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no plots, which takes longest."""
    monkeypatch.setattr("harness.report.inspection.files.plots", lambda inspection: [])


def inspected(scene: Scene, out: Path, **options: Any) -> Inspection:
    return flow.inspect_teacher(str(scene.teacher), out=out, speaker=Speaker(Console(file=StringIO())), **options)[0]


def features(files: list[str], frontend: FrontEnd) -> np.ndarray:
    folder = Path(files[0]).parents[1]
    dataset = kws.folder(folder)
    chosen = np.array([dataset.names.index(file) for file in files])
    return frontend.features(dataset.fetch(chosen))


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_teacher_and_student_hear_the_same_recordings_each_through_its_own_front_end(
    scene: Scene, tmp_path: Path, undrawn: None
) -> None:
    [shown] = inspected(scene, tmp_path / "out", student=str(scene.student), data=str(scene.words)).sets
    assert shown.name == "words"
    assert [Path(name).parent.name for name in shown.names] == [word for word in WORDS for _ in range(7)]
    labels = np.repeat(np.arange(3), 7)
    model = keras.saving.load_model(scene.teacher, compile=False)
    teacher = np.asarray(model(features([*shown.names], FRONTEND)[..., None]), np.float64)
    quantised = COARSE.quantise(features([*shown.names], COARSE)).reshape(21, 1960)
    with Oracle() as oracle:
        [output] = oracle.run(scene.student.read_bytes(), [quantised])
    student = (output.reshape(21, 3).astype(np.float64) + 128) / 256
    found = shown.findings
    assert found.accuracy == pytest.approx(100 * (teacher.argmax(axis=1) == labels).mean())
    assert found.student is not None
    assert found.student.accuracy == pytest.approx(100 * (student.argmax(axis=1) == labels).mean())
    differ = np.flatnonzero(teacher.argmax(axis=1) != student.argmax(axis=1))
    assert len(differ) > 0
    assert {each.item for each in found.student.disagreements} == {*differ}
    assert (student[differ] == 0).any()  # what the floor is for
    for each in found.student.disagreements:
        p = softmax(teacher)[each.item]
        q = np.maximum(student[each.item] / student[each.item].sum(), 1 / 512)
        assert each.kl_bits == pytest.approx(np.sum(p * np.log2(p * q.sum() / q)), rel=1e-3)
        assert each.teacher_probability == pytest.approx(p.max(), rel=1e-4)
    assert found.similarity_temperature == 4


def test_without_data_it_is_the_validation_speakers_and_a_recipe_adds_its_first_view(
    scene: Scene, tmp_path: Path, cache: Path, undrawn: None
) -> None:
    validation, view = inspected(
        scene, tmp_path / "out", student=str(scene.student), recipe=scene.recipe
    ).sets  # fmt: skip
    assert (validation.name, view.name) == ("words (validation)", "tiny (training, view 0)")
    assert {part_of(Path(name).name) for name in validation.names} == {"validation"}
    assert {part_of(Path(name).name) for name in view.names} == {"train"}
    assert (validation.findings.items, view.findings.items) == (9, 12)
    assert view.findings.similarity_temperature == 2
    assert len([*cache.glob("teachers/wise-*/view0.npy")]) == 1  # what a training would use
    model = keras.saving.load_model(scene.teacher, compile=False)
    labels = np.array([WORDS.index(Path(name).parent.name) for name in view.names])
    said = np.asarray(model(features([*view.names], FRONTEND)[..., None]))
    assert view.findings.accuracy == pytest.approx(100 * (said.argmax(axis=1) == labels).mean())
    [alone] = inspected(scene, tmp_path / "out", samples=5).sets
    assert (alone.findings.items, alone.findings.student) == (5, None)
    assert set(alone.names) < set(validation.names)


def test_a_student_in_another_order_of_the_same_classes_is_understood(
    scene: Scene, tmp_path: Path, undrawn: None
) -> None:
    turned = student_of(tmp_path, labels=WORDS[::-1])
    [shown] = inspected(scene, tmp_path / "out", student=str(turned), data=str(scene.words)).sets
    quantised = COARSE.quantise(features([*shown.names], COARSE)).reshape(21, 1960)
    with Oracle() as oracle:
        [output] = oracle.run(turned.read_bytes(), [quantised])
    answers = 2 - output.reshape(21, 3).argmax(axis=1)
    beside = shown.findings.student
    assert beside is not None
    assert beside.accuracy == pytest.approx(100 * (answers == np.repeat(np.arange(3), 7)).mean())
    assert len(beside.disagreements) > 0
    assert all(each.student == answers[each.item] for each in beside.disagreements)
    assert len(inspected(scene, tmp_path / "out", student=str(turned)).sets) == 1


@pytest.mark.slow
def test_the_folder_is_whole_replaced_by_the_next_and_nobody_elses(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    inspected(scene, out, data=str(scene.words))
    assert {path.name for path in out.iterdir()} == {"inspection.json", "report.html", "plots"}
    assert len([*(out / "plots").iterdir()]) == 6
    monkeypatch.setattr("harness.report.inspection.files.plots", lambda inspection: [])
    inspected(scene, out, data=str(scene.words), student=str(scene.student))
    assert {path.name for path in out.iterdir()} == {"inspection.json", "report.html", "disagreements.csv"}
    before = (out / "inspection.json").read_bytes()

    def full(folder: Path, *_: Any) -> None:
        folder.mkdir()
        (folder / "inspection.json").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(flow, "_fill", full)
    for target in (out, tmp_path / "new"):
        with pytest.raises(OSError, match="No space"):
            inspected(scene, target, data=str(scene.words))
    monkeypatch.undo()
    renamed = Path.rename

    def blocked(path: Path, target: Path) -> Path:
        if target == out and path.name.endswith(".partial"):
            raise PermissionError(13, "Permission denied")
        return renamed(path, target)

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("harness.report.inspection.files.plots", lambda inspection: [])
    monkeypatch.setattr(Path, "rename", blocked)
    with pytest.raises(PermissionError):
        inspected(scene, out, data=str(scene.words))
    assert (out / "inspection.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "cache"}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("dear")
    with pytest.raises(UserError, match="to be empty or to hold an older inspection"):
        inspected(scene, mine, data=str(scene.words))
    with pytest.raises(UserError, match="is a file"):
        inspected(scene, mine / "thesis.tex", data=str(scene.words))
    assert (mine / "thesis.tex").read_text() == "dear"


def test_what_does_not_go_together_is_refused(
    scene: Scene, tmp_path: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    words, out = str(scene.words), tmp_path / "out"

    def refused(match: str, **options: Any) -> None:
        with pytest.raises(UserError, match=match) as caught:
            inspected(scene, out, **options)
        assert "\n" not in str(caught.value)
        assert not out.exists()

    vision = student_of(tmp_path, "eye", frontend=PICTURE, task="vision")
    refused("expected a student of task kws, like its teacher, eye is of vision", student=str(vision))
    other = student_of(tmp_path, "other", ("a", "b", "c"))
    refused(r"expected a student of the teacher's classes \(high, low, middle\), other has a, b, c", student=str(other))
    fewer = student_of(tmp_path, "fewer", WORDS[:2])
    refused("fewer has high, low", student=str(fewer))
    refused("expected a .tflite|not a .tflite", student=str(scene.teacher))
    refused("expected a .tflite file or a student of the zoo", student=str(tmp_path / "none.tflite"))
    changed = student_of(tmp_path, "changed")
    changed.write_bytes(changed.read_bytes() + b"\0")
    refused("to be the model of its card", student=str(changed))
    peak = student_of(tmp_path, "peak", frontend=replace(COARSE, normalise="peak"))
    refused("peak sees something else: judge it on recordings or pictures, with --data", student=str(peak))
    short = student_of(tmp_path, "short", frontend=replace(COARSE, hop_ms=10.0))
    refused(r"short takes \(1960,\), its front end gives \(98, 40, 1\)", student=str(short))
    refused("expected data with labels for --data, got 'random'", data="random")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused("expected folders of WAV or FLAC files", data=str(empty))
    refused("unknown data 'nowhere'", data="nowhere")
    record(tmp_path / "strange" / "cough" / "a.wav", tone(100, 16_000))
    refused("the model knows no class 'cough'", data=str(tmp_path / "strange"))
    seen = tmp_path / "cifar.toml"
    seen.write_text('name = "c"\ntask = "vision"\n')
    refused("expected a recipe of task kws, like the teacher", recipe=seen)
    blind = tmp_path / "blind.toml"
    blind.write_text(f'unlabelled = "{tmp_path}"\nname = "b"\ntask = "kws"\n')
    refused("expected a recipe with labels to judge the teacher by, .*blind.toml takes none", recipe=blind)
    refused("expected data set 'speech_commands' at", data="speech_commands")
    assert inspected(scene, out, student=str(peak), data=words).student == "peak"  # recordings show it all


def test_a_teacher_of_pictures_is_shown_the_validation_pictures_of_its_folder(tmp_path: Path, undrawn: None) -> None:
    random = np.random.default_rng(5)
    for number in range(40):
        for word, level in (("dark", 40), ("light", 200)):
            red = int(level + random.integers(-30, 30))
            paint(tmp_path / "pictures" / word / f"{word}{number}.png", (32, 32), (red, level, level))
    inputs = keras.Input((32, 32, 3))
    keras.utils.set_random_seed(2)
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    keras.Model(inputs, keras.layers.Dense(2)(pooled)).save(tmp_path / "seer.keras")
    frontend = replace(PICTURE, mean=(120.0,), std=(60.0,))
    seer = carded(tmp_path / "seer.keras", frontend, ("dark", "light"), str(tmp_path / "pictures"), "vision")
    speaker = Speaker(Console(file=StringIO()))
    [shown] = flow.inspect_teacher(str(seer), out=tmp_path / "out", speaker=speaker)[0].sets
    assert shown.name == "pictures (validation)"
    assert {part_of(Path(name).name) for name in shown.names} == {"validation"}
    dataset = vision.folder(tmp_path / "pictures", "validation")
    model = keras.saving.load_model(seer, compile=False)
    said = np.asarray(model(frontend.features(dataset.fetch(np.arange(len(dataset.labels)))))).argmax(axis=1)
    right = [("dark", "light")[answer] == label for answer, label in zip(said, dataset.labels, strict=True)]
    assert shown.findings.accuracy == pytest.approx(100 * np.mean(right))


def test_a_teacher_whose_data_is_gone_says_so(scene: Scene, tmp_path: Path) -> None:
    moved = tmp_path / "moved.keras"
    moved.write_bytes(scene.teacher.read_bytes())
    carded(moved, FRONTEND, WORDS, "gone")
    with pytest.raises(UserError, match="expected the data of the teacher, speech_commands or a folder, at 'gone'"):
        inspected(replace(scene, teacher=moved), tmp_path / "out")
    with pytest.raises(UserError, match=r"expected data of the teacher's classes"):
        carded(moved, FRONTEND, ("a", "b", "c"), str(scene.words))
        inspected(replace(scene, teacher=moved), tmp_path / "out")
    with pytest.raises(UserError, match=r"takes inputs of \(49, 40, 1\), moved takes \(98, 40, 1\)"):
        carded(moved, COARSE, WORDS, str(scene.words))
        inspected(replace(scene, teacher=moved), tmp_path / "out")


def test_json_is_alone_on_stdout(
    scene: Scene, tmp_path: Path, undrawn: None, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["inspect-teacher", str(scene.teacher), "--data", str(scene.words), "--out", str(tmp_path / "out")]
    assert run([*arguments, "--json"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["teacher"], document["sets"][0]["items"]) == ("wise", 21)
    assert json.loads((tmp_path / "out" / "inspection.json").read_text()) == document
    assert f"written to {tmp_path / 'out'}" in printed.err
    assert run(arguments) == 0
    assert "of 21 items of words" in capsys.readouterr().out


@pytest.mark.slow
def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    failed = harness("inspect-teacher", "nobody", cwd=tmp_path)
    teachers = sorted(path.stem for path in (resources.zoo() / "teachers").glob("*.keras"))
    assert_failed(failed, 2, f"a teacher of the zoo ({', '.join(teachers)}) or a .keras file")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_the_small_teacher_of_the_zoo_and_a_student(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(data))
    options = ["--student", "kws_xxs", "--samples", "300", "--out", str(tmp_path / "out"), "--json"]
    assert run(["inspect-teacher", "kws_resnet_small", *options]) == 0
    [shown] = json.loads(capsys.readouterr().out)["sets"]
    assert shown["name"] == "speech_commands (validation)"
    assert 90 < shown["accuracy"] < 97
    assert 90 < shown["student"]["accuracy"] < 97
    assert 0 < shown["calibration"]["as_it_is"]["ece"] < 0.06
    entropies = [each["entropy_bits"] for each in shown["softness"]]
    assert 0.1 < entropies[0] < 0.6 < 3 < entropies[-1]
    assert 0 < shown["student"]["differ"] < 45
    assert (tmp_path / "out" / "plots" / "similarity_speech_commands-validation.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_numbers_of_the_docs(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(data))
    text = " ".join((ROOT / "docs" / "inspecting_a_teacher.md").read_text(encoding="utf-8").split())
    command = ["inspect-teacher", "kws_resnet", "--student", "kws_xs"]
    assert f"harness {' '.join(command)} needs" in text
    assert run([*command, "--json", "--out", str(tmp_path / "out")]) == 0
    [shown] = json.loads(capsys.readouterr().out)["sets"]
    now, then = (shown["calibration"][name] for name in ("as_it_is", "scaled"))
    assert f"{shown['items']:,} validation items, of which `kws_resnet` gets {shown['accuracy']:.2f} % right" in text
    assert f"weighted by items: {100 * now['ece']:.2f} % here" in text
    assert f"likeliest, T = {then['temperature']:.2f}" in text
    for each in shown["softness"]:
        row = (f"{each['entropy_bits']:.3f}", f"{each['right']:.4f}", f"{each['runner_up']:.4f}")
        assert f"| {each['temperature']:g} | {' | '.join(row)} |" in text
    pairs = [
        f"{each['true']} as {each['other']} ({100 * each['share']:.1f} %)" for each in shown["similarity"]["likest"]
    ]
    assert f"The strongest pairs are {pairs[0]}, {pairs[1]} and {pairs[2]}" in text
    student = shown["student"]
    assert (
        f"`kws_xs` ({student['accuracy']:.2f} %) differs on {student['differ']} items: the teacher is right on " in text
    )
    assert (
        f"{student['teacher_right']}, the student on {student['student_right']}, neither on {student['neither']}"
        in text
    )
    assert "T = 2 to 4" in text
    assert "at T = 2 to 4" in shown["advice"][1]
