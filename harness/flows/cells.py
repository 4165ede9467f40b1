"""One cell of a study: a recipe with a seed, trained by `harness distill` in a process of its own.

So TensorFlow's state, threads and seeds are the run's own. A cell is finished when its `result.json` is there; one that
was killed goes on at its last epoch. While it is trained its folder is locked by that process: who wants the same cell
meanwhile waits for it, and finds it finished.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

from harness.errors import UserError
from harness.rows.gains import NONE, Run
from harness.rows.lines import METHODS
from harness.rows.partial import locked
from harness.tasks import read_card
from harness.train import recipe as recipes
from harness.train.recipe import Recipe
from harness.train.run_folder import CHECKPOINT, PREDICTIONS, RECIPE, RESULT, is_of, read_json, read_predictions

SAID = "said.txt"
"""What the process printed, in the cell's folder."""
HARD = "hard_"
"""What the names of recipes begin with that learn from hard labels alone and are not what others are held against."""
_PROGRAM = "from harness.cli import main; main()"


@dataclass(frozen=True)
class Cell:
    """A run to be made.

    Attributes:
        recipe: its file.
        called: the recipe's path below the folder of the study, without its suffix: `soft`, or `xs/soft`.
        method: what it is called in `methods.csv`.
        seed: of the run.
        changes: "section.name=value" each.
        folder: of the run.
        plan: what the recipe says, with the changes.
    """

    recipe: Path
    called: str
    method: str
    seed: int
    changes: tuple[str, ...]
    folder: Path
    plan: Recipe

    @property
    def name(self) -> str:
        """Return what it is called in messages: by its recipe, since `none` may be of several students."""
        return f"{self.called} with seed {self.seed}"

    @property
    def finished(self) -> bool:
        """Tell whether its result is there, and all that belongs to it."""
        return is_finished(self.folder)

    @property
    def started(self) -> bool:
        """Tell whether there is something to go on with."""
        return self.finished or any(self.folder.rglob(CHECKPOINT))

    def check(self) -> None:
        """Refuse a folder with the run of another recipe.

        Raises:
            UserError: it is.
        """
        record = self.folder / RECIPE
        if self.started and record.exists() and not is_of(read_json(record), self.plan):
            raise UserError(
                f"expected {self.folder} to be of {self.recipe} as it is now, it holds the run of another recipe: "
                "name another folder with --out, or remove it"
            )

    def run(self) -> Run:
        """Return what a finished cell has."""
        return read_run(self.folder, self.method)

    def job(self) -> tuple[list[str], Path, Path]:
        """Return the arguments of `train`, for this computer or another that has the same files."""
        options = [part for change in self.changes for part in ("--set", change)]
        folder = self.folder.resolve()
        command = ["distill", str(self.recipe.resolve()), "--seed", str(self.seed), "--out", str(folder), *options]
        return command, folder, Path.cwd()


def is_finished(folder: Path) -> bool:
    """Tell whether a run's folder has its result, and all that belongs to it: what the board measured, too."""
    if not (folder / RESULT).exists() or not (folder / PREDICTIONS).exists():
        return False
    with suppress(ValueError, KeyError):  # what is damaged is no reason to train again: `read_run` tells
        result = read_json(folder / RESULT)
        if result.get("board"):
            card = read_card(folder / f"{result['student']}.tflite")
            return card is not None and card.measured is not None
    return True


def make_cell(recipe: Path, folder: Path, seed: int, changes: Sequence[str] = (), called: str | None = None) -> Cell:
    """Read a recipe; `method_of` says what its method is called.

    Args:
        recipe: the TOML file.
        folder: below which the cell has its own.
        seed: wins over the recipe's.
        changes: "section.name=value" each.
        called: the recipe's path below that of the study, without its suffix; None for the name of its file.

    Raises:
        UserError: the recipe is wrong.
    """
    plan = recipes.read(recipe, changes, seed)
    called = called or recipe.stem
    name = method_of(plan.distill.method, recipe.stem)
    return Cell(recipe, called, name, seed, tuple(changes), folder / f"{called}-seed{seed}", plan)


def method_of(method: str, name: str) -> str:
    """Return what the table calls the method of a recipe called `name`: so, but hard labels alone `none`.

    Unless the name begins with `hard_`: labels alone, learned from otherwise, are held against `none`, too.
    """
    return NONE if method == NONE and not name.startswith(HARD) else name


def read_run(folder: Path, method: str | None = None) -> Run:
    """Return what the folder of a finished run has, as the line of `method`, which its folder is called after.

    Raises:
        UserError: its files are damaged.
    """
    try:
        result, predictions = read_json(folder / RESULT), read_predictions(folder)
        name = method_of(result["method"], method or folder.name.rpartition("-seed")[0])
        return Run(METHODS.line(result | {"method": name}), predictions.right, predictions.labels)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise UserError(f"expected a finished run in {folder}, got: {error}; remove the folder") from error


def finished_runs(folder: Path) -> list[Run]:
    """Return all finished cells below a folder, whatever study made them."""
    found = sorted(result.parent for result in folder.rglob(f"*-seed*/{RESULT}"))
    return [read_run(each) for each in found if is_finished(each)]


@dataclass(frozen=True)
class Failure:
    """Why a cell is not finished.

    Attributes:
        reason: one line.
        mistake: whether it is the user's.
    """

    reason: str
    mistake: bool = False


def train(
    command: Sequence[str], folder: Path, current: Path, waiting: Callable[[], None] = lambda: None
) -> Failure | None:
    """Run a cell's command, unless another process finishes the cell meanwhile; None where it is finished.

    Args:
        command: arguments of `harness`.
        folder: of the cell.
        current: folder that relative paths in a recipe are relative to.
        waiting: called where another process trains it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, waiting) as lock:
        if is_finished(folder):
            return None
        with (folder / SAID).open("w", encoding="utf-8") as said:
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM, *command],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=current,
                pass_fds=[lock],  # who kills this process does not give the cell free: its child goes on
                check=False,
            )
    return None if done.returncode == 0 else Failure(_last_words(folder, done.returncode), done.returncode == 2)


def _last_words(folder: Path, status: int) -> str:
    """Return why a process ended: its line of error, else its last line."""
    if status < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
    lines = (folder / SAID).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("harness: error: ")]
    return (errors or lines or [f"ended with status {status}"])[-1].removeprefix("harness: error: ")
