"""A user's own pictures, and CIFAR-10's original files."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import UserError
from harness.tasks import TASKS, Card, ModelInput, cifar, load, vision
from tests.tasks.clips import paint
from tests.tasks.python2 import dump
from tests.tasks.test_samples import CARD, PICTURE

GREY = ModelInput((1, 96, 96, 1), "int8", 1.0, -128)


def all_of(path: Path, *shape: int) -> np.ndarray:
    dataset = vision.folder(path, "all", shape or vision.SHAPE)  # type: ignore[arg-type]
    return dataset.fetch(np.arange(len(dataset.labels)))


def test_pictures_of_every_kind_come_as_they_are(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for name in ("a.png", "b.BMP"):
        (tmp_path / "Cat").mkdir(exist_ok=True)
        Image.fromarray(levels).save(tmp_path / "Cat" / name)
    paint(tmp_path / "dog" / "c.jpeg", colour=(200, 100, 50))
    dataset = vision.folder(tmp_path, "all")
    assert (dataset.labels, dataset.classes, dataset.notes) == (("cat", "cat", "dog"), ("cat", "dog"), ())
    pictures = all_of(tmp_path)
    np.testing.assert_array_equal(pictures[:2], [levels, levels])
    assert np.abs(pictures[2].astype(int) - (200, 100, 50)).max() <= 3


def test_other_sizes_are_resized_and_said(tmp_path: Path) -> None:
    paint(tmp_path / "cat" / "a.png", (64, 48))
    paint(tmp_path / "cat" / "b.png")
    np.testing.assert_array_equal(all_of(tmp_path), np.broadcast_to([10, 20, 30], (2, 32, 32, 3)))
    assert vision.folder(tmp_path, "all").notes == ("resized to 32x32, the model's: 1 of 64x48 (of 2 files)",)


def test_a_model_of_one_colour_gets_grey(tmp_path: Path) -> None:
    paint(tmp_path / "cat" / "a.png", (96, 96), (90, 90, 90))
    assert (all_of(tmp_path, 96, 96, 1) == 90).all()
    assert "turned grey" in vision.folder(tmp_path, "all", (96, 96, 1)).notes[0]


def test_a_photograph_is_turned_upright_and_transparency_dropped(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    picture = Image.new("RGB", (32, 16), (0, 0, 0))
    picture.paste((255, 255, 255), (16, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right to view
    picture.save(tmp_path / "cat" / "a.png", exif=exif)
    upright = all_of(tmp_path, 32, 16, 3)[0]
    assert upright[:16].max() == 0
    assert upright[16:].min() == 255
    assert vision.folder(tmp_path, "all", (32, 16, 3)).notes == ()
    Image.new("RGBA", (32, 32), (1, 2, 3, 0)).save(tmp_path / "cat" / "a.png")
    assert all_of(tmp_path)[0, 0, 0].tolist() == [1, 2, 3]


def test_files_that_are_no_picture_are_named(tmp_path: Path) -> None:
    paint(tmp_path / "cat" / "a.png")
    bad = tmp_path / "cat" / "bad.jpg"
    for content in (b"", b"no picture", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"):
        bad.write_bytes(content)
        with pytest.raises(UserError, match=r"expected a picture in .*cat/bad\.jpg, got none"):
            vision.folder(tmp_path, "all")
    bad.unlink()
    Image.new("I;16", (32, 32)).save(tmp_path / "cat" / "deep.png")
    with pytest.raises(UserError, match=r"expected 8 bits a colour in .*deep\.png"):
        vision.folder(tmp_path, "all")


def test_a_damaged_body_is_named_when_it_is_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    (tmp_path / "cat").mkdir()
    whole = tmp_path / "cat" / "a.png"
    Image.fromarray(noise).save(whole)
    whole.write_bytes(whole.read_bytes()[:600])
    dataset = vision.folder(tmp_path, "all")
    with pytest.raises(UserError, match=r"expected a picture in .*a\.png"):
        dataset.fetch(np.arange(1))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected folders of PNG, JPEG or BMP files, one a class"):
        vision.folder(tmp_path, "all")


def test_a_folder_is_fitted_to_the_model_and_its_classes(tmp_path: Path) -> None:
    card = Card(**{**vars(CARD), "task": "vision", "labels": vision.LABELS, "frontend": TASKS["vision"].frontend})
    for word in ("cat", "dog"):
        paint(tmp_path / word / "a.png", (50, 50))
    samples = load(TASKS["vision"], str(tmp_path), card, PICTURE, 10, outputs=10)
    assert samples.inputs.shape == (2, 32, 32, 3)
    assert samples.inputs[0, 0, 0].tolist() == [10 - 128, 20 - 128, 30 - 128]
    assert samples.labels is not None
    assert [samples.classes[i] for i in samples.labels] == ["cat", "dog"]
    assert samples.notes == ("resized to 32x32, the model's: 2 of 50x50 (of 2 files)",)
    paint(tmp_path / "lamp" / "a.png")
    with pytest.raises(UserError, match=rf"no class 'lamp' of {tmp_path.name}: expected airplane, .*rename or remove"):
        load(TASKS["vision"], str(tmp_path), card, PICTURE, 10, outputs=10)


def test_a_model_without_a_card_has_the_folders_as_classes_where_there_are_as_many_outputs(tmp_path: Path) -> None:
    for word in ("person", "nobody"):
        paint(tmp_path / word / "a.png")
    assert load(TASKS["vision"], str(tmp_path), None, GREY, 10, outputs=2).classes == ("nobody", "person")
    with pytest.raises(UserError, match="10 outputs for task vision or folders for 3 classes, got 2, got one with 3"):
        load(TASKS["vision"], str(tmp_path), None, GREY, 10, outputs=3)
    with pytest.raises(UserError, match="expected a model that takes pictures"):
        load(TASKS["vision"], str(tmp_path), None, ModelInput((1, 490), "int8"), 10)
    with pytest.raises(UserError, match="1 or 3 colours"):
        load(TASKS["vision"], str(tmp_path), None, ModelInput((1, 8, 8, 2), "int8"), 10)


def batches(folder: Path, count: int = 20) -> dict[str, tuple[np.ndarray, list[int]]]:
    """Write six batches as Python 2 did; return what is in them."""
    random, written = np.random.default_rng(0), {}
    folder.mkdir(parents=True)
    for name in (*cifar.BATCHES["train"], *cifar.BATCHES["test"]):
        pixels = random.integers(0, 256, (count, 3072), np.uint8)
        labels = [int(label) for label in random.integers(0, 10, count)]
        content = {b"batch_label": b"batch", b"labels": labels, b"data": pixels, b"filenames": [b"a.png"] * count}
        (folder / name).write_bytes(dump(content))
        written[name] = (pixels, labels)
    return written


def test_cifar10_is_read_from_its_original_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"'cifar10' at .*cifar-10-batches-py.*harness data get cifar10"):
        vision.cifar10()
    written = batches(tmp_path / "cifar10" / cifar.FOLDER)
    test, train = vision.cifar10("test"), vision.cifar10("train")
    assert (test.name, len(test.labels), train.name, len(train.labels)) == ("cifar10", 20, "cifar10 (train)", 100)
    pixels, labels = written["test_batch"]
    picture = test.fetch(np.array([7]))[0]
    for colour in range(3):
        np.testing.assert_array_equal(picture[:, :, colour].ravel(), pixels[7, 1024 * colour : 1024 * (colour + 1)])
    assert test.labels == tuple(vision.LABELS[label] for label in labels)
    with pytest.raises(UserError, match="no split 'all': expected train or validation or test"):
        vision.cifar10("all")


def test_validation_is_a_part_of_the_original_training_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setattr(vision, "VALIDATION", slice(83, 93))  # the 4th to the 13th of the fifth batch
    pixels, labels = batches(tmp_path / "cifar10" / cifar.FOLDER)["data_batch_5"]
    found = vision.cifar10("validation")
    assert (found.name, found.labels) == ("cifar10 (validation)", tuple(vision.LABELS[i] for i in labels[3:13]))
    np.testing.assert_array_equal(found.fetch(np.array([0]))[0, :, :, 2].ravel(), pixels[3, 2048:])


def test_the_lossless_part_has_no_training_split(data: Path) -> None:
    with pytest.raises(UserError, match="only the splits 'validation' and 'test' here"):
        vision.cifar10("train")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (pickle.dumps({b"data": Evil()}, 2), "asks for"),
        (b"", "EOFError"),
        (b"no pickle", "UnpicklingError"),
        (pickle.dumps([1], 2), "TypeError"),
        (dump({b"data": np.zeros((1, 3072), np.int16), b"labels": [0]}), "other types"),
        (dump({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}), "other types"),
        (dump({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}), "other types"),
    ],
)
def test_a_batch_that_is_none_is_refused_and_runs_nothing(
    tmp_path: Path, content: bytes, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(UserError, match=rf"expected a batch of CIFAR-10.*{part}"):
        cifar.read(tmp_path, "test")
    assert capsys.readouterr().out == ""
