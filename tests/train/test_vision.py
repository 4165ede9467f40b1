"""Training of vision: teacher and student see the same pictures, and none of the test set is among them."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("keras")

from harness.errors import UserError
from harness.tasks import cifar as original
from harness.tasks.frontend import PICTURE, SPEECH_LOG_MEL, FrontEnd
from harness.tasks.split import part_of
from harness.tasks.vision import LABELS, cifar10
from harness.train import cifar, packed, recipe, vision
from harness.train.examples import View, evenly
from harness.train.images import Images, Vision
from harness.train.recipe import Recipe
from tests.train.test_augment_vision import EVERYTHING

COUNT = 30
PLAIN = replace(PICTURE, mean=(120.0,), std=(60.0,))
BY_COLOUR = replace(PICTURE, mean=(125.0, 123.0, 114.0), std=(62.0, 61.0, 66.0))


@pytest.fixture(scope="module")
def seen() -> Vision:
    random = np.random.default_rng(4)
    shown = Images(random.integers(0, 256, (COUNT, 32, 32, 3), np.uint8), np.sort(random.integers(10, size=COUNT)))
    return Vision(shown, shown.first(7), LABELS)


def view(seen: Vision, frontend: FrontEnd = BY_COLOUR, epoch: int = 0, **changes: Any) -> View:
    return vision._views(seen, replace(EVERYTHING, **changes), frontend)(epoch)


@pytest.mark.parametrize("epoch", range(3))
def test_student_and_teacher_see_the_same(seen: Vision, epoch: int) -> None:
    student, teacher = view(seen, BY_COLOUR, epoch), view(seen, PLAIN, epoch)
    assert student.inputs.shape == (COUNT, 32, 32, 3)
    np.testing.assert_allclose(student.inputs * BY_COLOUR.std + BY_COLOUR.mean, teacher.inputs * 60 + 120, atol=1e-3)
    np.testing.assert_array_equal(student.targets, teacher.targets)


def test_the_same_number_and_seed_are_the_same_view(seen: Vision) -> None:
    first = view(seen, epoch=1)
    for again in (view(seen, epoch=1), view(seen, epoch=4, views=3)):
        np.testing.assert_array_equal(first.inputs, again.inputs)
        np.testing.assert_array_equal(first.targets, again.targets)
    for other in (view(seen, epoch=2), view(seen, epoch=1, seed=4)):
        assert np.abs(other.inputs - first.inputs).mean() > 0.1


def test_targets_are_distributions_with_the_larger_share_its_own(seen: Vision) -> None:
    targets, labels = view(seen).targets, seen.training.labels
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    assert targets[np.arange(COUNT), labels].min() >= 0.5 and targets.max(axis=1).min() < 1
    plain = view(seen, mixup=0.0, cutmix=0.0).targets
    np.testing.assert_array_equal(plain, np.eye(10)[labels])


def test_the_fingerprint_is_of_all_that_views_hang_on(seen: Vision) -> None:
    pixels = seen.training.pixels.copy()
    pixels[3, 5, 7, 1] ^= 1
    moved = replace(seen.training, labels=np.roll(seen.training.labels, 1))
    found = [
        vision._fingerprint(seen, EVERYTHING),
        vision._fingerprint(seen, replace(EVERYTHING, seed=4)),
        vision._fingerprint(seen, replace(EVERYTHING, crop=3)),
        vision._fingerprint(replace(seen, training=Images(pixels, seen.training.labels)), EVERYTHING),
        vision._fingerprint(replace(seen, training=moved), EVERYTHING),
    ]
    assert len(set(found)) == 5
    assert vision._fingerprint(replace(seen), replace(EVERYTHING)) == found[0]


@pytest.fixture
def prepared(seen: Vision, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setattr(cifar, "load", lambda limit: seen)
    return Recipe("x", "vision", vision.DATA, augmentation=EVERYTHING)


def test_the_student_gets_standardised_colours(prepared: Recipe, seen: Vision) -> None:
    examples, frontend = vision.prepare(prepared)
    assert (frontend.kind, len(frontend.mean), len(frontend.std)) == ("picture", 3, 3)
    inputs = frontend.features(seen.training.pixels)
    np.testing.assert_allclose(inputs.mean(axis=(0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(inputs.std(axis=(0, 1, 2)), 1, atol=1e-3)
    np.testing.assert_array_equal(examples.validation_inputs, inputs[evenly(COUNT, 7)])


def test_as_they_are_come_lossless_pictures_where_there_are_some(
    prepared: Recipe, seen: Vision, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, frontend = vision.prepare(prepared)
    np.testing.assert_array_equal(examples.as_they_are(COUNT), frontend.features(seen.training.pixels))
    few = seen.training.first(5)
    monkeypatch.setattr(cifar, "load", lambda limit: replace(seen, lossless=few))
    examples, frontend = vision.prepare(prepared)
    np.testing.assert_array_equal(examples.as_they_are(COUNT), frontend.features(few.pixels))


@pytest.mark.parametrize("teacher", [SPEECH_LOG_MEL, replace(PICTURE, mean=(1.0, 2.0)), replace(PICTURE, bins=40)])
def test_a_teacher_that_sees_something_else_is_refused(prepared: Recipe, teacher: FrontEnd) -> None:
    examples, _ = vision.prepare(prepared)
    with pytest.raises(UserError, match="expected a teacher that takes pictures of 3 colours"):
        examples.through(teacher)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "mfcc"}, r"expected shape in \[frontend\], got 'kind'"),
        ({"shape": [32, 32]}, "expected height, width and 1 or 3 colours for frontend.shape"),
        ({"shape": [32, 32, 2]}, "1 or 3 colours"),
        ({"shape": [32.5, 32, 3]}, "1 or 3 colours"),
        ({"shape": [64, 64, 3]}, r"expected \[32, 32, 3\] for frontend.shape with cifar10"),
    ],
)
def test_a_shape_that_the_pictures_cannot_have_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        vision.prepare(Recipe("x", "vision", vision.DATA, frontend=changes, augmentation=EVERYTHING))


def test_a_recipe_has_the_settings_of_its_task(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('name = "x"\ntask = "vision"\n[augmentation]\ncutmix = 1.0\ncrop = 4\n')
    read = recipe.read(file)
    assert (read.data, read.augmentation) == ("cifar10", replace(type(EVERYTHING)(), cutmix=1.0, crop=4))
    for change, message in (
        ("augmentation.gain=3", "expected one of seed, views, flip, .*, got 'gain'"),
        ("augmentation.flip=2", "expected 0 to 1 for augmentation.flip"),
        ("data=speech_commands", "expected cifar10 or a folder for data"),
        ("task=kws", "expected one of seed, views, shift, .*, got 'cutmix'"),
    ):
        with pytest.raises(UserError, match=message):
            recipe.read(file, [change])


def test_a_folder_of_pictures_is_learned_from_by_its_splits(tmp_path: Path) -> None:
    for number, colour in enumerate(("red", "blue")):
        (tmp_path / colour).mkdir()
        for name in range(40):
            levels = np.full((20, 24, 3), 10 * number + 100, np.uint8)
            Image.fromarray(levels).save(tmp_path / colour / f"{name}.png")
    plan = Recipe("x", "vision", str(tmp_path), frontend={"shape": [16, 24, 1]}, augmentation=EVERYTHING)
    examples, frontend = vision.prepare(plan)
    parts = [part_of(f"{name}.png") for name in range(40)]
    assert examples.classes == ("blue", "red") and len(frontend.mean) == 1
    assert np.bincount(examples.labels).tolist() == [parts.count("train")] * 2
    assert examples.validation_inputs.shape == (2 * parts.count("validation"), 16, 24, 1)
    assert examples.view(0).inputs.shape == (2 * parts.count("train"), 16, 24, 1)


def hashes(pixels: np.ndarray) -> set[bytes]:
    return {hashlib.sha256(each.tobytes()).digest() for each in pixels}


@pytest.mark.slow
def test_no_test_picture_and_no_validation_picture_is_learned_from(data: Path) -> None:
    """Neither by its bytes, nor as the JPEG that shows it."""
    seen = cifar.load()
    with np.load(data / "cifar10" / "cifar10_lossless_part.npz") as content:
        test = content["x_test"]
    copies = packed.decode(data / "cifar10" / "cifar10_jpeg_test.npz", range(10_000))
    training, validation = hashes(seen.training.pixels), hashes(seen.validation.pixels)
    assert (len(seen.training), len(seen.validation)) == (53_085, 1_000)
    assert not training & validation
    assert not (training | validation) & (hashes(test) | hashes(copies))
    learned = thumbs(seen.training.pixels)
    for label in range(10):
        here = learned[seen.training.labels == label]
        held = thumbs(seen.validation.pixels[seen.validation.labels == label])
        distance = (held**2).sum(1)[:, None] + (here**2).sum(1) - 2 * held @ here.T
        assert distance.min() / held.shape[1] > 40  # a JPEG's is at most 39, another picture's at least 43


def thumbs(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(-1, 8, 4, 8, 4, 3).mean(axis=(2, 4), dtype=np.float32).reshape(len(pixels), -1)


def test_a_few_are_spread_over_the_classes(data: Path) -> None:
    seen = cifar.load(100)
    alone = cifar.validation(100)
    np.testing.assert_array_equal(alone.pixels, seen.validation.pixels)
    assert alone.names == seen.validation.names
    judged = cifar10("validation")
    np.testing.assert_array_equal(judged.fetch(np.arange(1_000)), cifar.validation().pixels)
    assert judged.labels == tuple(LABELS[label] for label in cifar.validation().labels)
    assert len(set(seen.training.names)) == len(seen.training) == 100
    assert len(seen.training) == len(seen.validation) == 100
    assert seen.lossless
    assert {name for name in seen.training.names if "jpeg" not in name} == set(seen.lossless.names)
    assert np.bincount(seen.training.labels, minlength=10).min() > 3
    assert "JPEG copies" in seen.notes[0]


def test_the_original_files_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cifar10" / original.FOLDER).mkdir(parents=True)
    pixels = np.arange(50_000, dtype=np.uint16).view(np.uint8).reshape(50_000, 1, 1, 2)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setattr(original, "read", lambda folder, split: (pixels, (3,) * 50_000))
    seen = cifar.load()
    numbers = [each.pixels.reshape(-1, 2).copy().view(np.uint16)[:, 0] for each in (seen.training, seen.validation)]
    assert numbers[1].tolist() == list(range(40_017, 41_017))
    assert sorted(np.concatenate(numbers)) == list(range(50_000))


def test_no_data_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    with pytest.raises(UserError, match="HARNESS_DATA is not set"):
        cifar.load()
