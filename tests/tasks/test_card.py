"""Model cards: written, read again, and refused when they are wrong. Each card of the zoo is true to its file."""

import hashlib
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.tasks import read_card, write_card, zoo_models
from tests.tasks.test_samples import CARD


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_card(CARD, tmp_path / "m.toml")
    assert read_card(tmp_path / "m.tflite") == CARD


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
    assert len(card.labels) == 12 if card.task == "kws" else 10
    assert card.command == f"harness evaluate {stem} --data {card.dataset}"
