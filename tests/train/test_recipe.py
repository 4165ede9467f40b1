"""Recipes: every one in the repository is read, and a wrong one is refused before anything is trained."""

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.tasks import read_card, zoo_models
from harness.train import recipe

GOOD = 'name = "x"\ntask = "kws"\n'


def test_every_recipe_of_the_repository_is_read(recipes: Path) -> None:
    names = {path.stem: recipe.read(path).name for path in recipes.glob("*.toml")}
    assert names
    assert all(stem == name for stem, name in names.items())


def test_every_student_of_the_zoo_has_its_recipe(recipes: Path) -> None:
    for path in zoo_models().values():
        card = read_card(path)
        assert card is not None
        plan = recipe.read(recipes.parent / card.recipe)
        assert (plan.name, plan.task, plan.seed) == (path.stem, card.task, card.seed)


def test_what_a_recipe_leaves_out_has_a_default(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(GOOD + "[schedule]\nepochs = 3\n")
    read = recipe.read(tmp_path / "r.toml")
    assert (read.schedule.epochs, read.schedule.batch, read.augmentation.shift) == (3, recipe.Schedule().batch, 0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "expected a recipe in TOML"),
        ('name = "x"', "expected 'name' and 'task'"),
        ('name = "x"\ntask = "vww"', "'task' .* out of its range"),
        (GOOD + "epoch = 3", "got 'epoch'"),
        (GOOD + "[schedule]\nepoch = 3", r"got 'epoch'"),
        (GOOD + "[schedule]\nepochs = 0", "'epochs' .* out of its range"),
        (GOOD + "[schedule]\nepochs = true", "expected a number for 'epochs'"),
        (GOOD + "[schedule]\nepochs = 1.5", "expected a number for 'epochs'"),
        (GOOD + "[schedule]\nema = 1.0", "'ema' .* out of its range"),
        (GOOD + '[augmentation]\nshift = "far"', "expected a number for 'shift'"),
        (GOOD + "augmentation = 3", "expected a table"),
        (GOOD + "seed = -1", "'seed' .* out of its range"),
        ('name = "../x"\ntask = "kws"', "'name' .* out of its range"),
        ('name = 5\ntask = "kws"', "'name' .* out of its range"),
        (GOOD + "[student]\nchannels = 3", "'student.architecture' .* out of its range"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(UserError, match=message):
        recipe.read(tmp_path / "r.toml")


def test_a_missing_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a recipe in TOML"):
        recipe.read(tmp_path / "none.toml")
