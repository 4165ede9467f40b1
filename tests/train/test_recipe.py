"""Recipes: every one in the repository is read, and a wrong one is refused before anything is trained."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("keras")

from harness.errors import UserError
from harness.tasks import read_card, zoo_models
from harness.train import recipe
from harness.train.distill.methods import choose
from harness.train.speech import _frontend

GOOD = 'name = "x"\ntask = "kws"\n'
TAUGHT = ("distill.method=soft", "distill.teachers=a")
HINTED = ("distill.method=hint", "distill.teachers=a", "distill.hint.student=s", "distill.hint.teacher=t")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    (tmp_path / "r.toml").write_text(GOOD)
    return tmp_path / "r.toml"


def test_every_recipe_of_the_repository_is_read(recipes: Path) -> None:
    plans = {path: recipe.read(path) for path in recipes.rglob("*.toml")}
    made = [plan.name for path, plan in plans.items() if path.parent == recipes]
    assert made and len(set(made)) == len(made)
    for path, plan in plans.items():
        assert plan.name == path.stem or plan.export.kind == "float" or path.parent != recipes
        assert set(plan.distill.teachers) <= set(made)
        choose(plan.distill)
        if plan.task == "kws":
            _frontend(plan.frontend)


def test_every_model_of_the_zoo_has_its_recipe(recipes: Path) -> None:
    teachers = sorted(Path(next(iter(zoo_models().values()))).parent.glob("teachers/*.keras"))
    for path in [*zoo_models().values(), *teachers]:
        card = read_card(path)
        assert card is not None
        file, *changes = card.recipe.split(" --set ")
        plan = recipe.read(recipes.parent / file, changes, card.seed)
        assert (plan.name, plan.task) == (path.stem, card.task)


def test_what_a_recipe_leaves_out_has_a_default(good: Path) -> None:
    good.write_text(GOOD + "[schedule]\nepochs = 3\n")
    read = recipe.read(good)
    assert (read.schedule.epochs, read.schedule.batch, read.augmentation.shift) == (3, recipe.Schedule().batch, 0.0)


@pytest.mark.parametrize(
    ("changes", "where", "value"),
    [
        (["schedule.epochs=3"], "schedule.epochs", 3),
        (["schedule.learning_rate = 1e-3"], "schedule.learning_rate", 1e-3),
        (["schedule.epochs=3", "schedule.epochs=4"], "schedule.epochs", 4),
        (["seed=7"], "seed", 7),
        (["name=quick"], "name", "quick"),
        (['name="quick"'], "name", "quick"),
        (["export.board="], "export.board", ""),
        ([*TAUGHT], "distill.teachers", ("a",)),
        (["distill.method=soft", 'distill.teachers=["a", "b/c.keras"]'], "distill.teachers", ("a", "b/c.keras")),
        (["distill.teachers=[]"], "distill.teachers", ()),
        (["distill.temperature=2"], "distill.temperature", (2.0, 2.0)),
        (["distill.alpha=[1, 0.5]"], "distill.alpha", (1.0, 0.5)),
        (["student.stages=[[8, 1], [16, 2]]"], "student", {"architecture": "dscnn", "stages": [[8, 1], [16, 2]]}),
        (["student.a.b=3"], "student", {"architecture": "dscnn", "a": {"b": 3}}),
        (["frontend.kind=mfcc"], "frontend", {"kind": "mfcc"}),
    ],
)
def test_the_command_line_wins_over_the_file(good: Path, changes: list[str], where: str, value: Any) -> None:
    good.write_text(GOOD + '[student]\narchitecture = "dscnn"\n[schedule]\nepochs = 9\n')
    read: Any = recipe.read(good, changes)
    for name in where.split("."):
        read = getattr(read, name)
    assert read == value


def test_a_recipe_may_be_like_another_but_for_what_it_says(good: Path) -> None:
    (good.parent / "sub").mkdir()
    (good.parent / "base.toml").write_text(
        'name = "base"\ntask = "kws"\nseed = 4\n[student]\narchitecture = "temporal"\nstem = 8\n'
        "[schedule]\nepochs = 3\nbatch = 8\n[distill.hint]\nstudent = 1\n"
    )
    (good.parent / "sub" / "r.toml").write_text('like = "../base.toml"\nname = "sub"\n[schedule]\nepochs = 5\n')
    good.write_text('like = "sub/r.toml"\nname = "x"\n[student]\nstem = 9\n[distill.hint]\nteacher = 2\n')
    read = recipe.read(good, ["schedule.batch=7"])
    assert (read.name, read.task, read.seed) == ("x", "kws", 4)
    assert read.student == {"architecture": "temporal", "stem": 9}
    assert (read.schedule.epochs, read.schedule.batch) == (5, 7)
    assert read.distill.methods == {"hint": {"student": 1, "teacher": 2}}
    good.write_text('like = "base.toml"\n[student]\narchitecture = "dscnn"\n')
    assert recipe.read(good).student == {"architecture": "dscnn"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('like = "r.toml"', "expected a recipe that stands for itself at .*r.toml, it is like itself"),
        ('like = "none.toml"', "expected a recipe in TOML at .*none.toml"),
        ("like = 3", "expected a text for 'like' in .*r.toml, got 3"),
    ],
)
def test_a_recipe_like_nothing_is_refused(good: Path, text: str, message: str) -> None:
    good.write_text(text)
    with pytest.raises(UserError, match=message):
        recipe.read(good)


@given(st.floats(1e-3, 1e3), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_numbers_come_through_as_they_are(temperature: float, alpha: float, seed: int) -> None:
    table: dict[str, Any] = {}
    recipe._apply(f"distill.temperature={temperature!r}", table)
    recipe._apply(f"distill.alpha = [{alpha!r}, 1]", table)
    recipe._apply(f"seed={seed}", table)
    assert table == {"distill": {"temperature": temperature, "alpha": [alpha, 1]}, "seed": seed}


def test_a_seed_of_its_own_wins_over_everything(good: Path) -> None:
    good.write_text(GOOD + "seed = 1\n")
    assert [recipe.read(good, ["seed=2"], seed).seed for seed in (None, 0, 5)] == [2, 0, 5]


def test_every_setting_is_checked_for_its_type(good: Path) -> None:
    for section, kind in recipe.sections("kws").items():
        for field in dataclasses.fields(kind):
            for value in ("true",) if field.name == "methods" else ("true", "{ a = 1 }"):
                with pytest.raises(UserError, match=rf"for '{field.name}' in \[{section}\]"):
                    recipe.read(good, [f"{section}.{field.name}={value}"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "expected a recipe in TOML"),
        ('name = "x"', "expected 'name' and 'task'"),
        ('name = "x"\ntask = "chess"', "expected kws.* for task of .*, got 'chess'"),
        (GOOD + "epoch = 3", "got 'epoch'"),
        (GOOD + "[schedule]\nepoch = 3", "expected one of epochs, batch, .*, got 'epoch'"),
        (GOOD + "[schedule]\nepochs = 0", "expected 1 or more for schedule.epochs"),
        (GOOD + "[schedule]\nepochs = 1.5", "expected a whole number for 'epochs'"),
        (
            GOOD + "[schedule]\nepochs = 10\ncycles = 4",
            "expected 0, or so many that schedule.epochs is a multiple of them",
        ),
        (GOOD + "[schedule]\nema = 1.0", "expected 0 to below 1 for schedule.ema"),
        (GOOD + '[augmentation]\nshift = "far"', "expected a number for 'shift'"),
        (GOOD + "augmentation = 3", "expected a table"),
        (GOOD + "student = 3", "expected a table for 'student'"),
        (GOOD + 'frontend = "mfcc"', "expected a table for 'frontend'"),
        ('name = "../x"\ntask = "kws"', "for name of"),
        ('name = 5\ntask = "kws"', "expected a text for 'name'"),
        (GOOD + "[student]\nchannels = 3", "for student.architecture"),
    ],
)
def test_a_wrong_recipe_is_refused(good: Path, text: str, message: str) -> None:
    good.write_text(text)
    with pytest.raises(UserError, match=message):
        recipe.read(good)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["schedule.epochs"], "expected --set section.name=value, got 'schedule.epochs'"),
        (["=3"], "expected --set section.name=value, got '=3'"),
        (["schedule.=3"], "expected --set section.name=value"),
        (["seed=1", "seed.a=3", "seed.a.b=1"], "expected --set section.name=value, got 'seed.a=3': 'seed' is no"),
        (["schedul.epochs=3"], "expected one of name, .*, got 'schedul'"),
        (["schedule.epoch=3"], r"expected one of epochs, .* in \[schedule\]"),
        (["schedule.epochs=many"], "expected a whole number for 'epochs' .*, got 'many'"),
        (["schedule.learning_rate=inf"], "expected a number for 'learning_rate' .*, got inf"),
        (["seed=-1"], "expected 0 to 4294967295 for seed"),
        (["seed=4294967296"], "expected 0 to 4294967295 for seed"),
        ([*TAUGHT, "distill.temperature=0"], "expected above 0 for distill.temperature"),
        ([*TAUGHT, "distill.temperature=[4, -1]"], "expected above 0 for distill.temperature"),
        ([*TAUGHT, "distill.temperature=nan"], "expected a number, or two in a list"),
        ([*TAUGHT, "distill.temperature=inf"], "expected a number, or two in a list"),
        ([*TAUGHT, "distill.alpha=1.1"], "expected 0 to 1 for distill.alpha"),
        ([*TAUGHT, "distill.alpha=[0.5, -0.1]"], "expected 0 to 1 for distill.alpha"),
        ([*TAUGHT, "distill.alpha=[0, 0.5, 1]"], "expected a number, or two in a list"),
        ([*TAUGHT, "distill.alpha=0, 1"], "expected a number, or two in a list"),
        (["distill.method=soft"], r"expected one or more distill.teachers .* with the method 'soft', got 0"),
        (["distill.teachers=a"], r"expected no distill.teachers .* with the method 'none', got 1"),
        ([*TAUGHT, "distill.generations=1"], "expected distill.teachers or distill.generations, got both"),
        (["distill.method=mutual", "distill.generations=1"], "expected no distill.teachers"),
        ([*TAUGHT, "distill.generations=-1"], "expected 0 or more for distill.generations"),
        (["distill.teachers=[1]"], "expected a list of texts"),
        ([TAUGHT[1], "distill.method=warm"], "expected distill.method to be none, or .*hint.*soft.*, got 'warm'"),
        ([TAUGHT[1], "distill.method=soft+soft"], "joined by '.', got 'soft.soft'"),
        ([TAUGHT[1], "distill.method=soft+"], "joined by '.', got 'soft.'"),
        ([*HINTED[:3]], r"expected as many layers for student as for teacher, .* in \[distill.hint\], got"),
        ([*HINTED, 'distill.teachers=["a", "b"]'], "expected one teacher for the method 'hint', which compares layers"),
        ([*HINTED, "distill.hint.weight=0"], r"expected above 0 for weight in \[distill.hint\]"),
        ([*HINTED, "distill.hint.weight=true"], r"expected a number for 'weight' in \[distill.hint\]"),
        ([*HINTED, "distill.hint.height=1"], r"expected one of weight, .* in \[distill.hint\], got 'height'"),
        ([*HINTED, "distill.hint.student=[1.5]"], r"expected a list of names or numbers of layers"),
        ([*HINTED, "distill.features_first=40"], "expected 0 to below epochs for distill.features_first"),
        ([*TAUGHT, "distill.features_first=2"], "expected distill.features_first with a method that compares layers"),
        ([*TAUGHT, "distill.warm.weight=2"], r"expected a section of .*soft.* in \[distill\], got 'warm'"),
        ([*TAUGHT, "distill.temperature.a=2"], "expected a number, or two"),
        ([TAUGHT[1], "distill.method=dkd", "distill.dkd.target=-1"], "expected 0 or more for target and others"),
        ([TAUGHT[1], "distill.method=dist", "distill.dist.intra=-1"], "expected 0 or more for inter and intra"),
        ([TAUGHT[1], "distill.method=rkd", "distill.rkd.angle=-1"], "expected 0 or more for distance and angle"),
        ([TAUGHT[1], "distill.method=ensemble", "distill.ensemble.average=mode"], "expected probabilities or logits"),
        ([TAUGHT[1], "distill.method=ensemble", "distill.ensemble.shares=[1, 0]"], "expected above 0 for shares"),
        (
            [TAUGHT[1], "distill.method=ensemble", "distill.ensemble.shares=[1, 2]"],
            "a share for each teacher .* 2 for 1",
        ),
        (["distill.method=mutual", "distill.mutual.peers=0"], "expected 1 or more for peers"),
        (["distill.method=mutual", "distill.mutual.peer.stem=8"], "expected a name for peer.architecture"),
        (["distill.method=own_teacher"], "expected one layer or more for exits"),
        (
            ["distill.method=own_teacher", "distill.own_teacher.exits=a", "distill.own_teacher.labels=2"],
            "0 to 1 for la",
        ),
        (["augmentation.noise=2"], "expected 0 to 1 for augmentation.noise"),
        (["data=nowhere"], "expected speech_commands or a folder for data of .*, got 'nowhere'"),
        (["export.kind=int4"], "expected int8, float or host for export.kind"),
    ],
)
def test_a_wrong_change_is_one_line(good: Path, changes: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        choose(recipe.read(good, changes).distill)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("method", ["none", "soft", "hint", "soft+hint", "hint+dkd+dist"])
def test_methods_come_by_their_names(good: Path, method: str) -> None:
    changes = (*HINTED, f"distill.method={method}", *(("distill.teachers=[]",) if method == "none" else ()))
    chosen = choose(recipe.read(good, changes).distill)
    assert list(chosen) == ([] if method == "none" else method.split("+"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "mfc"}, "'mfcc' or 'log_mel' for frontend.kind, got 'mfc'"),
        ({"hop_ms": 15.0}, "10 or 20 for frontend.hop_ms, got 15.0"),
        ({"kind": "mfcc"}, "some for 'mfcc'.* got 0"),
        ({"kind": "mfcc", "coefficients": 41}, "a whole number up to 40"),
        ({"kind": "mfcc", "coefficients": 2.5}, "a whole number up to 40"),
        ({"kind": "mfcc", "coefficients": "ten"}, "a whole number up to 40"),
        ({"coefficients": 10}, "0 for 'log_mel'"),
        ({"dct_norm": "none"}, "'htk' or 'ortho' for frontend.dct_norm"),
        ({"bins": 20}, "expected one of kind, .*, got 'bins'"),
    ],
)
def test_a_front_end_that_the_pictures_cannot_give_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _frontend(changes)


def test_a_missing_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a recipe in TOML"):
        recipe.read(tmp_path / "none.toml")
