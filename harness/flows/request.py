"""What a user asks to be measured: by the command line, or from a Python program."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.flows import choices
from harness.flows.provenance import command_line
from harness.flows.settings import for_bench
from harness.rows.store import RUNS

if TYPE_CHECKING:  # the compiler takes a while to load
    from harness.compiler import Objective


@dataclass(frozen=True)
class Request:
    """What the user asked for; see the command line. `command` is the line itself, for the record."""

    models: tuple[str, ...]
    boards: tuple[str, ...]
    on: str
    flash: bool
    task: str | None
    data: str | None
    samples: int
    optimise: "Objective"
    out: Path | None
    runs: Path = RUNS
    plots: bool = False
    command: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no option may be (UserError)."""
        choices.where(self.on)
        choices.objective(self.optimise)
        choices.count("--samples", self.samples)


def complete(
    models: Sequence[str] = (),
    boards: Sequence[str] = (),
    *,
    on: str = "auto",
    flash: bool = False,
    task: str | None = None,
    data: str | None = None,
    samples: int | None = None,
    optimise: str | None = None,
    out: Path | None = None,
    plots: bool = False,
    command: str | None = None,
) -> Request:
    """Complete what was asked for from the settings; what is empty or None was not given.

    Without a `command` the one that asks for the same is put on record.

    Raises:
        UserError: the settings or an option is wrong, or no board is named anywhere.
    """
    if samples is not None:
        choices.count("--samples", samples)
    objective = None if optimise is None else choices.objective(optimise)
    given = for_bench(models, boards, data, samples, objective)
    request = Request(
        given.models, given.boards, on, flash, task, given.data, given.samples, given.optimise, out, given.runs, plots
    )
    return replace(request, command=command or command_line(["bench", *_arguments(request)]))


def _arguments(request: Request) -> Iterator[str]:
    """Yield what `harness bench` has to be told to do the same."""
    yield from request.models
    for board in request.boards:
        yield from ("--board", board)
    yield from ("--on", request.on, "--samples", str(request.samples), "--optimise", request.optimise)
    for option, value in (("--task", request.task), ("--data", request.data), ("--out", request.out)):
        if value is not None:
            yield from (option, os.fspath(value))
    yield from ("--flash",) * request.flash
    yield from ("--plots",) * request.plots
