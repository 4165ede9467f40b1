"""`[tool.harness]` in a project's pyproject.toml: what its models are measured on, and what a change may not do.

The file is the nearest one in the current folder and those above it that has the section; the search ends at the top of
a git checkout. Paths in it are relative to the file. What the command line says wins.
"""

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from harness.device.boards import is_file
from harness.errors import UserError
from harness.nearest import did_you_mean
from harness.rows.store import RUNS

if TYPE_CHECKING:  # the compiler takes a while to load
    from harness.compiler import Objective

FILE = "pyproject.toml"
SECTION = "[tool.harness]"
SAMPLES = 100


@dataclass(frozen=True)
class Settings:
    """What the section says; None or empty where it does not.

    Attributes:
        runs: the store of the project: `results/runs` beside the file, or in the current folder where there is none.
        boards: names, or paths of board files.
        models: paths of .tflite files, or students of the zoo.
        data: a data set's name, or a folder.
        samples: how many, from 1.
        optimise: what the compiler favours.
        fail_on: rules of `harness compare`.
        baseline: the run folder that a new run is compared with.
    """

    runs: Path = RUNS
    boards: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    data: str | None = None
    samples: int | None = None
    optimise: "Objective | None" = None
    fail_on: tuple[str, ...] = ()
    baseline: Path | None = None


@dataclass(frozen=True)
class Bench:
    """What `harness bench` is to measure: the command line, and what it leaves out from the settings."""

    models: tuple[str, ...]
    boards: tuple[str, ...]
    data: str | None
    samples: int
    optimise: "Objective"
    runs: Path


def for_bench(
    models: Sequence[str],
    boards: Sequence[str],
    data: str | None,
    samples: int | None,
    optimise: "Objective | None",
) -> Bench:
    """Complete a command line; arguments that are empty or None were not given.

    Raises:
        UserError: as for `read_settings`, or no board is named anywhere.
    """
    settings = read_settings()
    if not (boards or settings.boards):
        raise UserError(f"expected --board NAME, or boards under {SECTION} in {FILE}; harness boards lists them")
    return Bench(
        tuple(models) or settings.models,
        tuple(boards) or settings.boards,
        data or settings.data,
        samples or settings.samples or SAMPLES,
        optimise or settings.optimise or "balanced",
        settings.runs,
    )


def read_settings(start: Path | None = None) -> Settings:
    """Return the settings for a folder (default: the current one), all unset where no file has the section.

    Raises:
        UserError: a file that is no TOML, an unknown key, a value of the wrong type, or a glob that fits no file.
    """
    for folder in _upward((start or Path.cwd()).resolve()):
        section = _section(folder / FILE)
        if section is not None:
            return _settings(section, folder)
    return Settings()


def _upward(start: Path) -> list[Path]:
    folders = [start, *start.parents]
    top = next((i for i, folder in enumerate(folders) if (folder / ".git").exists()), len(folders) - 1)
    return folders[: top + 1]


def _section(file: Path) -> Mapping[str, Any] | None:
    if not file.is_file():
        return None
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no TOML and no UTF-8 are ValueErrors
        raise UserError(f"expected {file} to be TOML, got: {getattr(error, 'strerror', None) or error}") from error
    tool = content.get("tool", {})
    section = tool.get("harness") if isinstance(tool, dict) else None
    if section is not None and not isinstance(section, dict):
        raise UserError(f"{file}: expected the table {SECTION}, got harness = {section!r}")
    return section


def _settings(section: Mapping[str, Any], folder: Path) -> Settings:
    known: dict[str, Callable[[Any, Path], Any]] = {
        "boards": _boards,
        "models": _models,
        "data": _data,
        "samples": _count,
        "optimise": _objective,
        "fail-on": _rules,
        "baseline": _folder,
    }
    values = {}
    for key, value in section.items():
        try:
            if key not in known:
                raise UserError(f"unknown key {key!r}: expected one of {', '.join(known)}{did_you_mean(key, known)}")
            values[key.replace("-", "_")] = known[key](value, folder)
        except UserError as error:
            where = "" if key not in known else f"{key}: "
            raise UserError(f"{folder / FILE}, {SECTION}: {where}{error}") from error
    return Settings(runs=_near(folder / RUNS), **values)


def _names(value: Any, _: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise UserError(f'expected a list of strings, such as ["a", "b"], got {value!r}')
    return tuple(value)


def _boards(value: Any, folder: Path) -> tuple[str, ...]:
    return tuple(str(_near(folder / name)) if is_file(name) else name for name in _names(value, folder))


def _models(value: Any, folder: Path) -> tuple[str, ...]:
    return tuple(model for name in _names(value, folder) for model in _find(name, folder))


def _find(name: str, folder: Path) -> list[str]:
    """Return what a name or a glob stands for; `find_models` judges what is neither file nor student."""
    from harness.flows.models import zoo_names

    path = folder / name
    if name in zoo_names() or not (path.exists() or path.suffix or _is_glob(name)):
        return [name]
    if path.exists() or not _is_glob(name):
        return [str(_near(path))]
    try:
        found = sorted(folder.glob(name))
    except (ValueError, NotImplementedError) as error:
        raise UserError(f"expected a pattern relative to the file, got {name!r}: {error}") from error
    if not found:
        raise UserError(f"expected files for {name!r}, got none in {folder}: mend the pattern")
    return [str(_near(path)) for path in found]


def _is_glob(name: str) -> bool:
    return any(character in name for character in "*?[")


def _data(value: Any, folder: Path) -> str:
    name = _text(value)
    return str(_near(folder / name)) if (folder / name).is_dir() else name


def _count(value: Any, _: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(f"expected a whole number from 1, got {value!r}")
    return value


def _objective(value: Any, _: Path) -> Any:
    from harness.compiler import Objective

    known: tuple[Objective, ...] = get_args(Objective)
    if value not in known:
        raise UserError(f"expected one of {', '.join(known)}, got {value!r}{did_you_mean(str(value), known)}")
    return value


def _rules(value: Any, folder: Path) -> tuple[str, ...]:
    from harness.rows.compare import parse_rule

    return tuple(parse_rule(rule).text for rule in _names(value, folder))


def _folder(value: Any, folder: Path) -> Path:
    return _near(folder / _text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise UserError(f"expected a string, got {value!r}")
    return value


def _near(path: Path) -> Path:
    """Return a path as seen from the current folder, where it lies below it: short enough for a message."""
    return Path(os.path.relpath(path)) if path.is_relative_to(Path.cwd()) else path
