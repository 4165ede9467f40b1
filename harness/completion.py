"""What the shell offers behind an option: the names of boards, models, tasks, data. Quick: nothing heavy is loaded."""

from collections.abc import Iterable
from glob import escape, glob

from harness import resources
from harness.flows import choices


def boards(incomplete: str) -> list[str]:
    """Return the boards whose names begin so."""
    return _beginning(incomplete, (path.stem for path in resources.boards().glob("*.json")))


def models(incomplete: str) -> list[str]:
    """Return the zoo's students whose names begin so, and .tflite files; where there are none the shell takes over."""
    students = (path.stem for path in resources.zoo().glob("*.tflite"))
    files = glob(f"{escape(incomplete)}*.tflite")  # noqa: PTH207  (a path is offered as it is typed: ./ stays)
    return _beginning(incomplete, students) + sorted(files)


def places(incomplete: str) -> list[str]:
    """Return what `--on` takes."""
    return _beginning(incomplete, choices.WHERES)


def objectives(incomplete: str) -> list[str]:
    """Return what `--optimise` takes."""
    return _beginning(incomplete, choices.OBJECTIVES)


def tasks(incomplete: str) -> list[str]:
    """Return the tasks whose names begin so."""
    from harness.tasks import TASKS

    return _beginning(incomplete, TASKS)


def data(incomplete: str) -> list[str]:
    """Return the data sets whose names begin so."""
    from harness.tasks import TASKS

    return _beginning(incomplete, ["random", *(name for task in TASKS.values() for name in task.datasets)])


def originals(incomplete: str) -> list[str]:
    """Return what `harness data get` brings."""
    from harness.tasks.originals import ORIGINALS

    return _beginning(incomplete, ORIGINALS)


def cores(incomplete: str) -> list[str]:
    """Return what `--core` takes."""
    return _beginning(incomplete, choices.CORES)


def splits(incomplete: str) -> list[str]:
    """Return what `--split` takes."""
    from harness.tasks.split import SPLITS

    return _beginning(incomplete, SPLITS)


def rules(incomplete: str) -> list[str]:
    """Return the columns that a rule of `--fail-on` can speak about."""
    from harness.rows.measurement import numeric_columns

    return _beginning(incomplete, numeric_columns())


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
