"""The Python interface: what `harness bench`, `compile` and `evaluate` do, for programs and notebooks.

Each function does what the command of the same name does, with the same defaults, settings and messages, and says
nothing while it works unless `progress` is true. What the user got wrong raises `UserError`, what the machine or the
board got wrong `EnvironmentFailure`; both are `HarnessError`, and their text is one line that says what to do.
"""

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import Interrupted, UserError
from harness.flows.choices import Where
from harness.rows.measurement import Confusion, Document, Row

if TYPE_CHECKING:  # a program that only reads rows needs none of these
    import pandas

    from harness.compiler import Objective
    from harness.flows.run import Run
    from harness.report.progress import Speaker
    from harness.rows.store import Store, StoredRun

File = str | os.PathLike[str]


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What `evaluate` found; shown as a table in a notebook.

    Attributes:
        row: the measurement; `where` is "host".
        confusion: what was taken for what.
    """

    row: Row
    confusion: Confusion

    @property
    def accuracy(self) -> float:
        """Percent of the samples whose class was answered."""
        assert self.row.accuracy is not None  # `evaluate` takes no data without labels
        return self.row.accuracy

    def recall_frame(self) -> "pandas.DataFrame":
        """Return a frame with one line a class: label, recall (percent), samples."""
        from harness.rows.frames import recall_frame

        return recall_frame(self.confusion)

    def confusion_frame(self) -> "pandas.DataFrame":
        """Return a frame of counts: the true class down, the answer across."""
        from harness.rows.frames import matrix_frame

        return matrix_frame(self.confusion)

    def __repr__(self) -> str:
        from harness.report.terminal import plain_summary

        return plain_summary(Document((self.row,)))

    def _repr_html_(self) -> str:
        from harness.report import terminal
        from harness.report.notebook import table

        return table(Document((self.row,)), terminal.headline(self.row))


@dataclass(frozen=True)
class CFolder:
    """A model as C.

    Attributes:
        folder: with model.c, model.h, model.json and the kernels it needs.
        layers: how many there are.
        macs: multiply-accumulates of one inference.
        flash_weights_bytes: weights, biases and what requantises them.
        ram_arena_bytes: activations and scratch, input and output included.
        description: the content of model.json.
    """

    folder: Path
    layers: int
    macs: int
    flash_weights_bytes: int
    ram_arena_bytes: int
    description: Mapping[str, Any]


def bench(
    models: File | Sequence[File] = (),
    board: str | Sequence[str] = (),
    *,
    on: Where = "auto",
    flash: bool = False,
    task: str | None = None,
    data: File | None = None,
    samples: int | None = None,
    optimise: "Objective | None" = None,
    out: File | None = None,
    plots: bool = False,
    progress: bool = False,
) -> "Run":
    """Measure models on boards: latency, memory, accuracy, and whether every output byte is right.

    What is left out is taken from the section tool.harness of the nearest pyproject.toml, as the command line does.

    Args:
        models: .tflite files or students of the zoo, one or several; none: every student that fits.
        board: names of boards, one or several; `harness boards` lists them.
        on: "auto" (the board if one answers, else its emulated twin), "qemu", "hardware" or "renode".
        flash: flash an attached board whatever it holds.
        task: "kws" or "vision"; None: what fits the model.
        data: "kws01", "speech_commands", "cifar10", "synthetic", "random", or a folder; None: the task's own.
        samples: the first so many of a fixed shuffle, from 1; None: 100.
        optimise: what the compiler favours: "balanced", "latency", "ram" or "flash"; None: "balanced".
        out: the run folder; None: a new one in results/runs.
        plots: write the plots as PNG and SVG, too.
        progress: say on stderr what is done, with bars where a terminal can show them.

    Returns:
        The rows. Rows that failed are among them, with `status` "failed" and the reason in `error`;
        `Run.check` raises for them.

    Raises:
        UserError: an input is bad; nothing was built and nothing written.
        EnvironmentFailure: compiler, emulator or board is missing.
        KeyboardInterrupt: the user stopped it; says where the finished rows are kept.

    Example:
        >>> from harness import bench
        >>> run = bench("kws_xs", "nano33", on="qemu", samples=8)  # doctest: +SKIP
        >>> run.frame()[["model", "instructions", "latency_ms", "ram_total_bytes"]]  # doctest: +SKIP
    """
    from harness.flows.bench import bench as run_bench
    from harness.flows.request import complete

    request = complete(
        [os.fspath(model) for model in _several(models)],
        [os.fspath(name) for name in _several(board)],
        on=on,
        flash=flash,
        task=task,
        data=None if data is None else os.fspath(data),
        samples=samples,
        optimise=optimise,
        out=None if out is None else Path(out),
        plots=plots,
    )
    run = run_bench(request, _speaker(progress))
    if run.interrupted:  # a caught HarnessError must not swallow a Ctrl-C
        try:
            run.check()
        except Interrupted as stopped:
            raise KeyboardInterrupt(str(stopped)) from None
    return run


def compile_model(
    model: File,
    out: File,
    *,
    prefix: str = "model",
    core: str | None = None,
    optimise: "Objective" = "balanced",
) -> CFolder:
    """Write a model as a folder of C: init, invoke, tensors, and the kernels it needs.

    Args:
        model: a .tflite file or a student of the zoo.
        out: the folder to write; files in it that the compiler does not write stay.
        prefix: of the C names, e.g. "model" for `model_invoke`.
        core: "m0plus", "m3", "m4f", "m7", "m33" or "m55" may add assembly; None: portable C11.
        optimise: what the compiler favours: "balanced", "latency", "ram" or "flash".

    Returns:
        The folder and what was planned, bytes.

    Raises:
        UserError: the model cannot be read or compiled, or an option is wrong; nothing is written.

    Example:
        >>> from harness import compile_model
        >>> compile_model("kws_xs", "kws_xs_c", core="m4f").ram_arena_bytes  # doctest: +SKIP
    """
    from harness.flows.compile import compile_to

    folder = Path(out)
    description = compile_to(os.fspath(model), folder, prefix=prefix, core=core, optimise=optimise)
    return CFolder(
        folder,
        len(description["layers"]),
        description["macs"],
        description["flash_weights_bytes"],
        description["ram_arena_bytes"],
        description,
    )


def evaluate(
    model: File,
    data: File | None = None,
    *,
    split: str | None = None,
    task: str | None = None,
    samples: int | None = None,
    progress: bool = False,
) -> Evaluation:
    """Measure the accuracy of a model on this computer, in the arithmetic that a board uses.

    Args:
        model: a .tflite file, or a student or teacher of the zoo.
        data: as for `bench`; data without labels is an error.
        split: "train", "validation", "test" or "all"; None: "test", of a folder "all".
        task: "kws" or "vision"; None: what fits the model.
        samples: the first so many of a fixed shuffle, 1 or more; None: all.
        progress: say on stderr what is done, with bars where a terminal can show them.

    Returns:
        The row, and what was taken for what.

    Raises:
        UserError: the model or the data cannot be read, or the data has no labels.

    Example:
        >>> from harness import evaluate
        >>> evaluate("kws_xs", "synthetic").recall_frame()  # doctest: +SKIP
    """
    from harness.flows.evaluate import EVERYTHING
    from harness.flows.evaluate import evaluate as run_evaluate

    name = None if data is None else os.fspath(data)
    count = EVERYTHING if samples is None else samples
    speaker = _speaker(progress)
    document = run_evaluate(os.fspath(model), data=name, split=split, task=task, speaker=speaker, samples=count)
    assert document.confusion is not None
    return Evaluation(document.rows[0], document.confusion)


def load_rows(*runs: File) -> "pandas.DataFrame":
    """Read the rows of runs as one frame.

    Args:
        runs: run folders, `rows.json` files, or stores (folders of run folders such as results/runs); none: the
            project's own store. A damaged run in a store is left out, with a warning.

    Returns:
        One line a row: `run`, the name of its run, then the columns of `rows.json`. Whole numbers are Int64, others
        float64, text is string; unknown is NA.

    Raises:
        UserError: there is no run, or one that was named cannot be read.

    Example:
        >>> from harness import load_rows
        >>> load_rows("results/baselines/zoo").query("status == 'ok'")["instructions"].sum()  # doctest: +SKIP
    """
    import pandas

    from harness.flows.report import name_runs
    from harness.flows.settings import read_settings
    from harness.rows.frames import rows_frame

    found: list[StoredRun] = []
    for path in runs or (read_settings().runs,):
        store = _read(Path(path))
        for line in store.damaged:
            warnings.warn(f"left out, damaged: {line}", stacklevel=2)
        found += store.runs
    frames = []
    for name, run in zip(name_runs([run.folder for run in found]), found, strict=True):
        frame = rows_frame(run.document.rows)
        frame.insert(0, "run", pandas.array([name] * len(frame), dtype="string"))
        frames.append(frame)
    return pandas.concat(frames, ignore_index=True)


def _read(path: Path) -> "Store":
    """Return the store at a path; a run by itself is one, too.

    Raises:
        UserError: neither is there, or the run is damaged.
    """
    from harness.rows.store import ROWS, Store, StoredRun, read_document, read_store

    if not path.is_dir() or (path / ROWS).exists():
        return Store((StoredRun(path, read_document(path)),), ())
    store = read_store(path)
    if not store.runs:
        raise UserError(f"expected a run folder, a {ROWS} or a folder of runs, got {path} without any")
    return store


def _several(given: Any) -> Sequence[Any]:
    """Return one or several names as several."""
    return (given,) if isinstance(given, str | os.PathLike) else given


def _speaker(progress: bool) -> "Speaker":
    from rich.console import Console

    from harness.report.progress import Speaker, silence

    return Speaker(Console(file=sys.stderr, highlight=False)) if progress else silence()
