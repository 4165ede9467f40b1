"""A teacher is read or refused in one line; what it says of a view is computed once and never read half written."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from harness.errors import UserError  # noqa: E402
from harness.tasks import write_card  # noqa: E402
from harness.tasks.frontend import SPEECH_LOG_MEL  # noqa: E402
from harness.train import trainer  # noqa: E402
from harness.train.distill import teacher  # noqa: E402
from harness.train.distill.teacher import Teacher, answers_of_views, load_teacher  # noqa: E402
from harness.train.examples import TrainingSet, View  # noqa: E402
from tests.tasks.test_samples import CARD  # noqa: E402
from tests.train import toys  # noqa: E402


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def described(path: Path, labels: tuple[str, ...] = toys.CLASSES) -> Path:
    """Write the card of a .keras file."""
    digest = sha256(path.read_bytes()).hexdigest()
    write_card(replace(CARD, labels=labels, sha256=digest, frontend=SPEECH_LOG_MEL), path.with_suffix(".toml"))
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "wise.keras"
    toys.tiny().save(path)
    return described(path)


def test_a_teacher_comes_from_a_file_or_from_the_zoo(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "path_of_teachers", lambda: file.parent)
    inputs = toys.toy().calibration
    for name in (str(file), "wise"):
        found = load_teacher(name, toys.CLASSES)
        assert (found.name, found.frontend) == ("wise", SPEECH_LOG_MEL)
        assert found.sha256 == sha256(file.read_bytes()).hexdigest()
        assert not found.model.trainable_variables
        np.testing.assert_array_equal(trainer.logits(found.model, inputs), trainer.logits(toys.tiny(), inputs))


def without_a_card(path: Path) -> Path:
    path.with_suffix(".toml").unlink()
    return path


def of_another_card(path: Path) -> Path:
    path.with_suffix(".toml").write_text("teacher = 5\n")
    return path


def changed_since(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    return path


def renamed(path: Path) -> Path:
    return path.rename(path.with_suffix(".h5"))


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:500])
    return described(path)


def overwritten(path: Path) -> Path:
    """Damage what the archive's own checksums cover."""
    content = path.read_bytes()
    start = content.index(b"\x89HDF") + 100
    damaged = bytes(byte ^ 255 for byte in content[start : start + 3000])
    path.write_bytes(content[:start] + damaged + content[start + len(damaged) :])
    return described(path)


def emptied(path: Path) -> Path:
    path.write_bytes(b"")
    return described(path)


def of_code(path: Path) -> Path:
    inputs = keras.Input(toys.SHAPE)
    keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs)).save(path)
    return described(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.with_name("wiser.keras"), r"expected a teacher of the zoo \(.*\) or a .keras file, got"),
        (lambda path: path.parent, "expected a teacher of the zoo"),
        (renamed, "expected a teacher of the zoo"),
        (without_a_card, r"expected a model card beside the teacher, found none at .*wise.toml"),
        (of_another_card, "expected a model card"),
        (lambda path: described(path, ("dark", "bright", "even")), "in its order: dark, even, bright; wise.keras has"),
        (changed_since, "expected at .* the file that its card describes"),
        (cut, "expected a Keras model at"),
        (overwritten, "expected a Keras model at"),
        (emptied, "expected a Keras model at"),
        (of_code, "expected a Keras model at"),
    ],
)
def test_what_is_no_teacher_is_one_line(
    file: Path, tmp_path: Path, spoil: Callable[[Path], Path], message: str
) -> None:
    for suffix in (".keras", ".toml"):
        (tmp_path / f"wise{suffix}").write_bytes(file.with_suffix(suffix).read_bytes())
    with pytest.raises(UserError, match=message) as raised:
        load_teacher(str(spoil(tmp_path / "wise.keras")), toys.CLASSES)
    assert "\n" not in str(raised.value)


class Listening:
    """A training set of two views in turn, which counts how often each is made."""

    def __init__(self, fingerprint: str = "toy") -> None:
        self.made: list[int] = []
        self.said: list[str] = []
        examples = toys.toy(lambda inputs, epoch: inputs[:8] + epoch % 2)

        def view(epoch: int) -> View:
            self.made.append(epoch)
            return examples.view(epoch)

        self.examples: TrainingSet = replace(examples, through=lambda frontend: view, fingerprint=fingerprint)

    def to(self, teacher: Teacher) -> Callable[[int], np.ndarray]:
        answers, _ = answers_of_views(teacher, [], self.examples, lambda epoch: epoch % 2, self.said.append)
        return lambda epoch: answers(epoch).logits


WISE = {"name": "wise", "sha256": "1" * 64, "frontend": SPEECH_LOG_MEL}


@pytest.fixture(scope="module")
def wise() -> Teacher:
    return Teacher(model=toys.tiny(), **WISE)  # type: ignore[arg-type]


def test_the_time_that_a_teacher_takes_is_shown_where_it_has_to_think(cache: Path, wise: Teacher) -> None:
    shown: dict[str, list[tuple[int, int]]] = {}

    @contextmanager
    def bar(what: str) -> Iterator[Callable[[int, int], None]]:
        counts = shown.setdefault(what, [])
        yield lambda done, steps: counts.append((done, steps))

    listening = Listening("shown")
    answers, _ = answers_of_views(wise, [], listening.examples, lambda epoch: epoch % 2, listening.said.append, bar)
    for epoch in range(4):
        answers(epoch)
    items = len(listening.examples.view(0).inputs)
    assert shown == {f"teacher wise, view {number}": [(items, items)] for number in range(2)}


def test_a_teacher_of_items_of_another_size_is_refused(cache: Path, wise: Teacher) -> None:
    listening = Listening()
    small = replace(listening.examples.view(0), inputs=np.zeros((2, 5, 5, 1), np.float32))
    examples = replace(listening.examples, through=lambda frontend: lambda epoch: small)
    with pytest.raises(UserError, match=r"expected a teacher that takes inputs of \(5, 5, 1\), wise takes"):
        answers_of_views(wise, [], examples, lambda epoch: epoch, listening.said.append)[0](0)
    assert not list(cache.rglob("*.npy"))


def test_a_view_is_heard_once_by_all_runs(cache: Path, wise: Teacher) -> None:
    listening = Listening()
    logits = listening.to(wise)
    heard = [logits(epoch) for epoch in range(5)]
    assert listening.made == [0, 1]
    assert len(listening.said) == 2 and all(str(cache) in line for line in listening.said)
    for epoch in range(5):
        inputs = listening.examples.through(wise.frontend)(epoch).inputs
        np.testing.assert_allclose(heard[epoch], trainer.logits(wise.model, inputs), rtol=1e-6)
    assert np.abs(heard[0] - heard[1]).max() > 0.01
    later = Listening()
    np.testing.assert_array_equal(later.to(wise)(3), heard[1])
    assert later.made == [] and later.said == []


def test_layers_are_kept_in_half_precision_beside_the_logits(cache: Path) -> None:
    listening, network = Listening(), toys.network()
    wise = Teacher(model=network, **WISE)  # type: ignore[arg-type]
    listening.to(wise)(0)  # the logits alone are there already
    layers = ["features", "-2"]
    answers, shapes = answers_of_views(wise, layers, listening.examples, lambda epoch: epoch % 2, listening.said.append)
    assert shapes == {"features": (6, 5, 8), "-2": (8,)}
    [said, again] = [answers(0), answers(2)]
    assert listening.made == [0, 0]
    inputs = listening.examples.view(0).inputs
    maps = keras.Model(network.inputs, network.get_layer("features").output)(inputs, training=False).numpy()
    np.testing.assert_allclose(said.logits, network(inputs, training=False), atol=1e-5)
    np.testing.assert_allclose(said.features["features"], maps, rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(said.features["-2"], maps.mean(axis=(1, 2)), rtol=2e-3, atol=1e-3)
    for layer in layers:
        assert said.features[layer].dtype == np.float16 and len(said.features[layer]) == 8
        np.testing.assert_array_equal(said.features[layer], again.features[layer])
    with pytest.raises(UserError, match=r"expected a layer of student of .*features.*, got 'maps'"):
        answers_of_views(wise, ["maps"], listening.examples, lambda epoch: 0, listening.said.append)


@pytest.mark.parametrize(
    "change",
    [{"name": "wiser"}, {"sha256": "2" * 64}, {"frontend": replace(SPEECH_LOG_MEL, hop_ms=20.0)}, {"fingerprint": "x"}],
)
def test_another_teacher_front_end_or_data_is_heard_anew(cache: Path, wise: Teacher, change: dict[str, Any]) -> None:
    Listening().to(wise)(0)
    listening = Listening(change.get("fingerprint", "toy"))
    listening.to(replace(wise, **{name: value for name, value in change.items() if name != "fingerprint"}))(0)
    assert listening.made == [0]


def test_half_a_file_is_never_read(cache: Path, wise: Teacher, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(path: Path, *arguments: Any, **options: Any) -> None:
        started(path, *arguments, **options)
        path.write_bytes(path.read_bytes()[:-5])
        raise toys.Killed

    started = np.lib.format.open_memmap
    with monkeypatch.context() as broken:
        broken.setattr(np.lib.format, "open_memmap", half)
        with pytest.raises(toys.Killed):
            Listening().to(wise)(0)
    [left] = [path.name for path in cache.rglob("*") if path.is_file()]
    assert re.fullmatch(r"view0\.\d+\.unfinished\.npy", left)
    listening = Listening()
    assert listening.to(wise)(0).shape == (8, 3)
    assert listening.made == [0]
