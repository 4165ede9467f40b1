"""Model cards: written, read again, and refused when they are wrong. Each card of the zoo is true to its file."""

import hashlib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.tasks import read_card, write_card, zoo_models
from harness.tasks.card import Measured, Unlabelled
from tests.tasks.test_samples import CARD

sizes = st.integers(0, 2**40)
words = st.text(st.characters(exclude_categories=["C"]), max_size=20)
measurements = st.builds(Measured, words, words, words, sizes, sizes, sizes, sizes, sizes, words)
unlabelled = st.builds(Unlabelled, sizes, words)


@given(st.none() | measurements, st.none() | unlabelled, words, st.floats(0, 100))
def test_a_card_comes_back_as_it_was_written(
    measured: Measured | None, unlabelled: Unlabelled | None, student: str, accuracy: float
) -> None:
    card = replace(CARD, measured=measured, unlabelled=unlabelled, student=student, accuracy=accuracy)
    with TemporaryDirectory() as folder:
        write_card(card, Path(folder, "m.toml"))
        assert read_card(Path(folder, "m.tflite")) == card


def test_a_model_without_a_card_has_none(tmp_path: Path) -> None:
    assert read_card(tmp_path / "m.tflite") is None


@pytest.mark.parametrize(
    "text",
    [
        b"not toml",
        b"task = 'kws'",
        b"task = 'caf\xe9'",
        b"frontend = 5",
        b"[frontend]\nkind = 'mfcc'\nwrong = 1",
        b"[frontend]\nkind = 'melfcc'",
        b"[frontend]\nkind = 'mfcc'\nscale = 'x'",
        b"accuracy = 'high'\n[frontend]\nkind = 'mfcc'",
        b"measured = 5\n[frontend]\nkind = 'mfcc'",
        b"[frontend]\nkind = 'mfcc'\n[measured]\nboard = 'nano33'",
        b"[frontend]\nkind = 'mfcc'\n[measured]\ninstructions = 1.5",
    ],
)
def test_a_wrong_card_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "m.toml").write_bytes(text)
    with pytest.raises(UserError, match="expected a model card"):
        read_card(tmp_path / "m.tflite")


def test_the_zoo_is_not_empty() -> None:
    assert zoo_models()


@pytest.mark.parametrize("stem", zoo_models())
def test_a_zoo_card_is_of_its_file(stem: str) -> None:
    path = zoo_models()[stem]
    card = read_card(path)
    assert card is not None
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(card.labels) == (12 if card.task == "kws" else 10)
    assert card.command == f"harness evaluate {stem} --data {card.dataset}"
