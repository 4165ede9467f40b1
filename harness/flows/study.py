"""`harness study distillation`: every recipe of a folder with every seed -> runs -> what each is worth -> tables."""

import importlib.util
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness import resources
from harness.errors import EnvironmentFailure, Interrupted, UserError
from harness.flows import cells, cluster
from harness.flows.cells import Cell, Failure
from harness.nearest import did_you_mean
from harness.report import gains as report
from harness.report.progress import Speaker
from harness.rows.gains import GAINS, NONE, Gain, gains, lines_of, read_gains
from harness.rows.lines import METHODS
from harness.rows.partial import write_file

RUNS = Path("trained/distillation")
"""Where the runs go, one folder a task, one folder a run in it."""
SEEDS = (0, 1, 2)
ON_HOST = "the float model, on the host alone: no board runs it"
"""What is said of a student whose recipes have `export.kind = "host"`."""
_RESULTS = "results/distillation"
_PLOTS = "assets/distillation"  # from the documentation, which shows them
_DOC = "docs/distillation.md"
_Outcomes = Iterator[tuple[Cell, Failure | None]]


@dataclass(frozen=True)
class Request:
    """What is to be studied.

    Attributes:
        task: kws or vision.
        methods: names of recipes, all where it is empty.
        seeds: of the runs, each once.
        recipes: folder of recipes, None for that of the task.
        out: folder of the runs and, where it is named, of the tables.
        resume: go on where runs are there already.
        address: of a Dask scheduler, None for one process at a time here.
        changes: "section.name=value" each, for every recipe.
        table_only: train nothing.
    """

    task: str = "kws"
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = SEEDS
    recipes: Path | None = None
    out: Path | None = None
    resume: bool = False
    address: str | None = None
    changes: tuple[str, ...] = ()
    table_only: bool = False

    @property
    def runs(self) -> Path:
        """Return the folder of the task's runs."""
        return (self.out or RUNS) / self.task

    @property
    def tables(self) -> Path:
        """Return the folder of the tables: the checkout's, where its recipes are run as they are."""
        results = resources.in_checkout(_RESULTS)
        return results if results and self.out is None and not self.changes else self.out or RUNS


@dataclass(frozen=True)
class Study:
    """What came out.

    Attributes:
        task: as requested.
        gains: of all runs of the task in the folder.
        missing: (student, method) of recipes without a finished run.
        failed: name of each cell that failed, and why.
        exports: what each student's recipes make, by its name: `export.kind` as recipes have it.
        folder: of the tables.
    """

    task: str
    gains: tuple[Gain, ...]
    missing: tuple[tuple[str, str], ...]
    failed: dict[str, Failure]
    exports: dict[str, str]
    folder: Path

    @property
    def notes(self) -> dict[str, str]:
        """Return what a reader has to know of a student, by its name."""
        return _notes(self.exports)

    def document(self) -> dict[str, object]:
        """Return the document of `--json`."""
        from dataclasses import asdict

        return {
            "schema": 1,
            "task": self.task,
            "gains": [
                asdict(each) | {"verdict": each.verdict, "export": self.exports.get(each.student)}
                for each in self.gains
            ],
            "missing": [{"student": student, "method": method} for student, method in self.missing],
            "failed": [{"cell": name, "reason": failure.reason} for name, failure in self.failed.items()],
        }

    def check(self) -> None:
        """Raise where a cell failed: UserError where the user can mend all of them, else EnvironmentFailure."""
        if self.failed:
            name, failure = next(iter(self.failed.items()))
            kind = UserError if all(each.mistake for each in self.failed.values()) else EnvironmentFailure
            more = f" (and {len(self.failed) - 1} more)" if len(self.failed) > 1 else ""
            raise kind(f"{name} failed: {failure.reason}{more}; mend it, and go on with --resume")


def study(request: Request, speaker: Speaker) -> Study:
    """Train what is not trained yet, and write the tables.

    Raises:
        UserError: a recipe, a name or the cluster's address is wrong, or a folder holds another recipe's run.
        EnvironmentFailure: what training or the cluster needs is not installed.
        Interrupted: the user stopped it; what is finished is in the tables.
    """
    everything = _cells(request)
    wanted = [] if request.table_only else _chosen(everything, request)
    failed: dict[str, Failure] = {}
    try:
        failed = _train(wanted, request, speaker)
    except KeyboardInterrupt:
        _write(everything, request, failed, speaker)
        raise Interrupted(_how_to_go_on(wanted)) from None
    return _write(everything, request, failed, speaker)


def recipes_of(task: str, folder: Path | None = None) -> list[Path]:
    """Return the recipes of a study: hard labels alone first, because all others are held against them.

    Those in a folder of the folder count, too, where it has a `none.toml`: they are of another student.

    Raises:
        UserError: there are none.
    """
    known = sorted(path.name for path in (resources.recipes() / "distillation").iterdir() if path.is_dir())
    if folder is None and task not in known:
        raise UserError(f"unknown task {task!r}: expected {', '.join(known)}{did_you_mean(task, known)}")
    where = _folder_of(task, folder)
    folders = [where, *(none.parent for none in where.glob(f"*/{NONE}.toml"))]  # others may hold runs, and their cards
    found = [path for each in folders for path in each.glob("*.toml")]
    found.sort(key=lambda path: (path.stem != NONE, _called(path, where)))
    if not found:
        raise UserError(f"expected recipes, NAME.toml each, in {where}: name a folder with --recipes")
    return found


def _folder_of(task: str, folder: Path | None) -> Path:
    return folder or resources.recipes() / "distillation" / task


def _called(recipe: Path, folder: Path) -> str:
    """Return the name of a recipe in a study: its path below the folder, without its suffix."""
    return recipe.relative_to(folder).with_suffix("").as_posix()


def table(task: str, found: Sequence[Gain]) -> str:
    """Return the Markdown table of a task that docs/distillation.md holds: lines of gains.csv, and what is missing.

    Args:
        task: its recipes are those of the checkout.
        found: lines of any task.
    """
    folder = resources.recipes() / "distillation" / task
    everything = _cells(Request(task=task)) if any(folder.glob("*.toml")) else []
    mine = [each for each in found if each.task == task]
    return report.markdown(mine, _missing(everything, mine), _notes(_exports(everything)), f"{_PLOTS}/")


def _cells(request: Request) -> list[Cell]:
    """Return all cells of the folder of recipes: every recipe with every seed, seed by seed within.

    `none` of each student is first.

    Raises:
        UserError: a recipe is wrong or of another task, or two would have the same line in the table.
    """
    found: dict[tuple[str, str, int], Cell] = {}
    folder = _folder_of(request.task, request.recipes)
    for recipe in recipes_of(request.task, request.recipes):
        for seed in dict.fromkeys(request.seeds):
            cell = cells.make_cell(recipe, request.runs, seed, request.changes, _called(recipe, folder))
            if cell.plan.task != request.task:
                raise UserError(f"expected a recipe for --task {request.task} at {recipe}, got {cell.plan.task!r}")
            key = (cell.plan.name, cell.method, seed)
            if key in found:
                raise UserError(
                    f"expected one recipe of '{cell.method}' for the student {cell.plan.name}, got "
                    f"{found[key].recipe.name} and {recipe.name}: give one of the students another name"
                )
            found[key] = cell
    return sorted(found.values(), key=lambda cell: cell.method != NONE)


def _chosen(everything: Sequence[Cell], request: Request) -> list[Cell]:
    """Return the cells that were asked for.

    Raises:
        UserError: a method has no recipe, a folder holds another recipe's run, or runs are there and `resume` is not.
    """
    known = list(dict.fromkeys(name for cell in everything for name in _names(cell)))
    for name in request.methods:
        if name not in known:
            raise UserError(f"expected --method of {', '.join(known)}, got '{name}'{did_you_mean(name, known)}")
    chosen = [cell for cell in everything if not request.methods or not _names(cell).isdisjoint(request.methods)]
    for cell in chosen:
        cell.check()
    started = [cell for cell in chosen if cell.started]
    if started and not request.resume:
        raise UserError(
            f"expected --resume, or another folder with --out: {request.runs} holds {len(started)} of these "
            f"{len(chosen)} runs already, such as {started[0].folder.name}"
        )
    return chosen


def _names(cell: Cell) -> set[str]:
    """Return what `--method` calls a cell: its recipe, or a folder that the recipe is in."""
    return {cell.called, *(str(folder) for folder in PurePosixPath(cell.called).parents)} - {"."}


def _train(wanted: Sequence[Cell], request: Request, speaker: Speaker) -> dict[str, Failure]:
    """Train the cells that are not finished, and put each into the table as it ends; return those that failed.

    Where the first of all fails nothing is known to work, so the others are not begun.
    """
    left = [cell for cell in wanted if not cell.finished]
    if not left:
        return {}
    failed: dict[str, Failure] = {}
    with ExitStack() as stack:
        outcomes = _outcomes(left, request, speaker, stack)
        advance = stack.enter_context(speaker.steps_bar(f"cells of {request.task}"))
        advance(0, len(left))
        started = time.monotonic()
        for done, (cell, failure) in enumerate(outcomes, 1):
            if failure is not None:
                failed[cell.name] = failure
                speaker.shout(f"{cell.name} failed: {failure.reason} ({cell.folder / cells.SAID})")
            if cell.finished:
                line = cell.run().line
                METHODS.put(request.tables / "methods.csv", [line])
                seconds = (time.monotonic() - started) / done * (len(left) - done)
                speaker.say(
                    f"{done} of {len(left)}: {cell.name}: {float(line['accuracy']):.2f} %, "
                    f"{float(line['train_seconds']):.0f} s{_left(seconds)}"
                )
            elif done == 1 and len(left) == len(wanted):
                break
            advance(done, len(left))
    return failed


def _outcomes(left: Sequence[Cell], request: Request, speaker: Speaker, stack: ExitStack) -> _Outcomes:
    """Return each cell as it ends: on the workers of a cluster where one is named."""
    if request.address is not None:
        client = stack.enter_context(cluster.connected(request.address))
        speaker.say(f"{len(left)} cells on {cluster.workers(client)} threads of workers at {request.address}")
        return cluster.on_cluster(client, left)
    if importlib.util.find_spec("keras") is None:
        raise EnvironmentFailure("training needs Keras and TensorFlow: pip install 'tinyml-harness[train]'")
    return _here(left, speaker)


def _here(left: Iterable[Cell], speaker: Speaker) -> _Outcomes:
    """Train one cell after the other."""
    for cell in left:
        speaker.say(f"training {cell.name} in {cell.folder}")
        waiting = _waiting(cell, speaker)
        yield cell, cells.train(*cell.job(), waiting)


def _waiting(cell: Cell, speaker: Speaker) -> Callable[[], None]:
    return lambda: speaker.shout(f"{cell.name} is being trained by another process: waiting for it")


def _left(seconds: float) -> str:
    """Write the time left."""
    if seconds <= 0:
        return ""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f", {hours} h {minutes} min left" if hours else f", {max(minutes, 1)} min left"


def _how_to_go_on(wanted: Sequence[Cell]) -> str:
    done = sum(cell.finished for cell in wanted)
    return f"interrupted: {done} of {len(wanted)} cells are finished and kept; the same command with --resume goes on"


def _write(everything: Sequence[Cell], request: Request, failed: dict[str, Failure], speaker: Speaker) -> Study:
    """Write the tables and the plots of all finished runs of the folder, each file whole or not at all."""
    runs = [run for run in cells.finished_runs(request.runs) if run.line["task"] == request.task]
    found, folder = gains(runs), request.tables
    if runs:
        METHODS.put(folder / "methods.csv", [run.line for run in runs])
        GAINS.put(folder / "gains.csv", lines_of(found))
    known = [each for each in read_gains(GAINS.read(folder / "gains.csv")) if each.task == request.task]
    missing = _missing(everything, known)
    if known:
        plots = _plots(request)
        plots.mkdir(parents=True, exist_ok=True)
        for name, content in report.plots(known):
            write_file(plots / name, content)
    exports = _exports(everything)
    _write_text(request, known, missing, _notes(exports))
    return Study(request.task, tuple(known), missing, failed, exports, folder)


def _plots(request: Request) -> Path:
    """Return the folder of the plots: beside the text that shows them."""
    doc = _documentation(request)
    return request.tables if doc is None else doc.parent / _PLOTS


def _documentation(request: Request) -> Path | None:
    """Return the page that holds the tables: of a checkout whose figures these are, None elsewhere."""
    return resources.in_checkout(_DOC) if request.tables == resources.in_checkout(_RESULTS) else None


def _write_text(
    request: Request, known: Sequence[Gain], missing: Sequence[tuple[str, str]], notes: dict[str, str]
) -> None:
    """Write the Markdown table: into the documentation of the checkout, else beside the CSV."""
    doc = _documentation(request)
    if doc is not None:
        text = doc.read_text(encoding="utf-8")
        write_file(doc, report.with_table(text, request.task, table(request.task, known)))
    elif known:
        write_file(request.tables / f"gains_{request.task}.md", report.markdown(known, missing, notes, ""))


def _missing(everything: Iterable[Cell], found: Iterable[Gain]) -> tuple[tuple[str, str], ...]:
    """Return (student, method) of the recipes without a figure."""
    there = {(each.student, each.method) for each in found}
    names = dict.fromkeys((cell.plan.name, cell.method) for cell in everything)
    return tuple(name for name in names if name not in there)


def _exports(everything: Iterable[Cell]) -> dict[str, str]:
    """Return what the recipes of each student make, by its name."""
    return {cell.plan.name: cell.plan.export.kind for cell in everything}


def _notes(exports: dict[str, str]) -> dict[str, str]:
    return {student: ON_HOST for student, kind in exports.items() if kind == "host"}
