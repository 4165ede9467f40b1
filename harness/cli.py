"""The command line: parses, calls one flow, prints. Every failure is one line on stderr and an exit status.

0 done, 1 a `--fail-on` rule broke or `diff` found a difference, 2 the user's mistake, 3 the environment or the device
failed, 130 interrupted.
"""

import errno
import json
import os
import re
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from harness import __version__
from harness.errors import EnvironmentFailure, HarnessError, Interrupted, RuleBroken
from harness.nearest import did_you_mean

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from harness.report.progress import Speaker

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Where = Literal["auto", "qemu", "hardware", "renode"]
Objective = Literal["balanced", "latency", "ram", "flash"]

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL|ZOO", help="A .tflite file, or a student of the zoo.")]
DataOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|DIR", help="kws01, speech_commands, cifar10, synthetic, random, or a folder with data."),
]
OptimiseOption = Annotated[Objective, typer.Option(help="What the compiler favours.")]
PlotsOption = Annotated[
    bool, typer.Option("--plots", help="Write the plots as PNG and SVG, too, to the folder `plots` beside the page.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]

app = typer.Typer(
    name="harness",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

data_app = typer.Typer(help="Fetch the data sets that models are measured on.")
app.add_typer(data_app, name="data")

study_app = typer.Typer(help="Train many students, and say what each way of training is worth.")
app.add_typer(study_app, name="study")


def main() -> NoReturn:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: the command line without the program's name.

    Returns:
        The exit status.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends emulators and removes half files, as Ctrl-C does
    try:
        status = int(app(arguments, prog_name="harness", standalone_mode=False, obj=tuple(arguments)) or 0)
        if status == Interrupted.exit_status:  # typer's word for KeyboardInterrupt
            raise Interrupted("interrupted, nothing was finished")
        return status
    except HarnessError as error:
        return _fail(str(error), error.exit_status, error)
    except typer.TyperException as error:
        return _fail(f"{_with_nearest(error.format_message().rstrip('.'))} (see harness --help)", 2, error)
    except OSError as error:
        return _fail(_explain(error), 3, error)
    except Exception as error:
        advice = "this is a fault of the harness: run again with HARNESS_DEBUG=1 and report what it prints"
        return _fail(f"unexpected {type(error).__name__}: {error}; {advice}", 3, error)


@app.callback(invoke_without_command=True)
def harness(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Say how fast, how big and how accurate a neural network is on a microcontroller board.

    Example: harness bench --board nano33
    """
    if version:
        _print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        _print(context.get_help())


@app.command()
def bench(
    context: typer.Context,
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL|ZOO]...", help="Default: every zoo student that fits.")
    ] = None,
    board: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A board of `harness boards`; may be repeated.")
    ] = None,
    on: Annotated[Where, typer.Option(help="auto: the board if one answers, else its emulated twin.")] = "auto",
    flash: Annotated[bool, typer.Option("--flash", help="Flash an attached board whatever it holds.")] = False,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="kws or vision; default: what fits the model.")
    ] = None,
    data: DataOption = None,
    samples: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N of a fixed shuffle; default: 100.")
    ] = None,
    optimise: Annotated[Objective | None, typer.Option(help="What the compiler favours; default: balanced.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder; default: results/runs/<run>.")
    ] = None,
    plots: PlotsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure models on boards: latency, memory, accuracy, and whether every output byte is right.

    What the command line leaves out is taken from the section tool.harness of pyproject.toml.

    Examples:
      harness bench --board nano33

      harness bench my_model.tflite --board nano33 --on qemu --samples 16 --json
    """
    from harness.flows.bench import Request
    from harness.flows.bench import bench as run_bench
    from harness.flows.provenance import command_line
    from harness.flows.settings import for_bench
    from harness.report import terminal

    given = for_bench(models or (), board or (), data, samples, optimise)
    request = Request(
        given.models,
        given.boards,
        on,
        flash,
        task,
        given.data,
        given.samples,
        given.optimise,
        out,
        given.runs,
        plots,
        command_line(context.obj),
    )
    run = run_bench(request, _speaker())
    if as_json:
        _print(run.document.to_json(), end="")
    else:
        _show(terminal.summary(run.document))
    _speaker().say(f"written to {run.folder}")
    run.check()


@app.command("compile")
def compile_(
    model: ModelArgument,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder to write.")],
    prefix: Annotated[str, typer.Option(metavar="NAME", help="Of the C names: NAME_invoke.")] = "model",
    core: Annotated[str | None, typer.Option(metavar="NAME", help="Default: portable C11 for any compiler.")] = None,
    optimise: OptimiseOption = "balanced",
) -> None:
    """Write a model as a folder of C: init, invoke, tensors, and the kernels it needs.

    Example: harness compile my_model.tflite -o my_model_c
    """
    from harness.flows.compile import compile_to

    description = compile_to(model, out, prefix=prefix, core=core, optimise=optimise)
    weights, arena = description["flash_weights_bytes"], description["ram_arena_bytes"]
    layers, macs = len(description["layers"]), description["macs"]
    _print(f"{out}: {layers} layers, {macs:,} MACs, {weights:,} bytes of weights, {arena:,} bytes of arena")
    _speaker().say(f"how to use it: {out / 'README.md'}")


@app.command()
def evaluate(
    model: ModelArgument,
    data: DataOption = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="train, validation, test or all; default: test, of a folder all."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="kws or vision; default: what fits the model.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the confusion matrix as .png or .svg.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the accuracy of a model on this computer: recall of every class, and what is taken for what.

    Examples:
      harness evaluate my_model.tflite --data kws01 --plot confusion.png

      harness evaluate my_model.tflite --data my_recordings --split test
    """
    from harness.flows.evaluate import evaluate as run_evaluate
    from harness.report import confusion, terminal
    from harness.report.plot import check_plot, plot_confusion

    if plot is not None:
        check_plot(plot)
    document = run_evaluate(model, data=data, split=split, task=task, speaker=_speaker())
    assert document.confusion is not None
    if plot is not None:
        plot_confusion(document.confusion, terminal.headline(document.rows[0]), plot)
        _speaker().say(f"drawn to {plot}")
    if as_json:
        _print(document.to_json(), end="")
        return
    _show(terminal.recall(document.confusion))
    _show(confusion.matrix(document.confusion))
    _show(terminal.summary(document))


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="speech_commands (2.5 GB) or cifar10 (170 MB).")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder for all data; default: HARNESS_DATA.")
    ] = None,
) -> None:
    """Download a data set from its authors, check it, unpack it where `--data NAME` finds it.

    What broke off goes on where it stopped.

    Example: harness data get cifar10 --out ~/data
    """
    from harness.flows.data import get_data

    _print(str(get_data(name, out, _speaker())))


@app.command()
def boards(
    attached: Annotated[bool, typer.Option("--attached", help="Only those attached to this computer.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the boards.

    Example: harness boards --attached
    """
    from harness.flows.boards import list_boards
    from harness.report import terminal

    found = list_boards(attached_only=attached)
    _print(json.dumps({"schema": 1, "boards": found}, indent=1)) if as_json else _show(terminal.boards(found))


@app.command()
def doctor() -> None:
    """Say what is installed, what is missing, and the command that mends it."""
    from harness.flows.doctor import examine
    from harness.report import terminal

    findings = examine()
    _show(terminal.findings(findings))
    missing = [finding for finding in findings if finding.needed and not finding.ok]
    if missing:
        names = ", ".join(finding.name for finding in missing)
        raise EnvironmentFailure(f"missing or broken: {names}; mend it with: {missing[0].remedy}")


@app.command()
def compare(
    old: Annotated[
        Path | None, typer.Argument(help="A run folder or its rows.json; default: the baseline of pyproject.toml.")
    ] = None,
    new: Annotated[Path | None, typer.Argument(help="Another; default: the newest in results/runs.")] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="'instructions>+0.5%' or 'accuracy<-0.5'; may be repeated."),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a comment for a pull request.")] = False,
) -> None:
    """Show what changed between two runs; exit with 1 when a rule breaks.

    A rule holds the change of a column against a limit: with % relative to OLD, else NEW - OLD. Runs and rules that the
    command line leaves out are taken from the section tool.harness of pyproject.toml: its baseline, its fail-on, and
    the newest run in results/runs.

    Example: harness compare results/baselines/nano33 results/runs/mine --fail-on 'instructions>+0.5%'
    """
    from harness.flows.compare import choose_runs, compare_runs, verdict_line
    from harness.report import pull_request, terminal

    comparison, verdicts = compare_runs(*choose_runs(old, new, fail_on, _speaker()))
    if markdown:
        _print(pull_request.comment(comparison, verdicts), end="")
    else:
        _show(terminal.differences(comparison, verdicts))
    if verdicts:
        raise RuleBroken(verdict_line(comparison, verdicts))


@app.command()
def history(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The name of a model in the runs, or its file.")],
    board: Annotated[str, typer.Option(metavar="NAME", help="A board of the runs.")],
    where: Annotated[
        str | None, typer.Option(metavar="NAME", help="qemu, hardware or renode; default: all there are.")
    ] = None,
    runs: Annotated[Path | None, typer.Option(metavar="DIR", help="Run folders; default: results/runs.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Draw the history as .png or .svg.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show one model on one board through all runs: what changed from commit to commit.

    Example: harness history kws_s --board nano33 -o history.svg
    """
    from harness.flows.history import document, read_history
    from harness.report import history as report
    from harness.report.plot import check_plot

    if out is not None:
        check_plot(out, "-o")
    entries = read_history(model, board, where, runs, _speaker())
    if out is not None:
        report.draw(entries, out)
        _speaker().say(f"drawn to {out}")
    if as_json:
        _print(json.dumps(document(entries), indent=1, allow_nan=False))
    else:
        _show(report.table(entries))


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders or their rows.json.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page to write, FILE.html.")],
    plots: PlotsOption = False,
) -> None:
    """Write one page about one or several runs: table, plots, layers, confusion matrices, provenance.

    Example: harness report results/baselines/zoo results/runs/mine -o both.html
    """
    from harness.flows.report import report as write_report

    write_report(runs, out, plots=plots, speaker=_speaker())
    _print(str(out))


@app.command()
def plan(
    model: ModelArgument,
    board: Annotated[str, typer.Option(metavar="NAME", help="A board of `harness boards`.")],
    optimise: OptimiseOption = "balanced",
    as_json: JsonOption = False,
) -> None:
    """Show what a model will take on a board, and which kernel each layer gets, before anything is built.

    Example: harness plan my_model.tflite --board nano33 --optimise ram
    """
    from harness.flows.plan import plan as make_plan
    from harness.report import terminal

    report = make_plan(model, board, optimise)
    if as_json:
        _print(json.dumps(report.document(), indent=1, allow_nan=False))
    else:
        _show(terminal.plan(report))


@app.command()
def distill(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="What to train, on what, and how.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.NAME=VALUE", help="Wins over the recipe; may be repeated."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, metavar="N", help="Wins over the recipe's.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The run's folder; default: trained/NAME.")] = None,
) -> None:
    """Train a student from its teachers, quantise it, and say how accurate, big and fast it is.

    The same command after an interruption goes on at the last finished epoch.

    Example: harness distill recipes/kws_quick.toml --set distill.temperature=2 --out quick
    """
    from harness.flows.distill import distill as run_distill

    _print(str(run_distill(recipe, out, changes or [], seed, _speaker())))


@study_app.command("distillation")
def study_distillation(
    task: Annotated[Literal["kws", "vision"], typer.Option(help="Whose recipes: recipes/distillation/TASK.")] = "kws",
    method: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A recipe's name; may be repeated; default: all.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(min=0, metavar="N", help="May be repeated; default: 0, 1 and 2.")
    ] = None,
    recipes: Annotated[Path | None, typer.Option(metavar="DIR", help="Recipes of your own, NAME.toml each.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the runs and tables; default: trained/distillation, and in a "
            "checkout results/distillation for the tables of recipes without --set.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the runs that are there.")] = False,
    dask: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="Train on the workers of this Dask scheduler.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.NAME=VALUE", help="Wins over each recipe; may be repeated."),
    ] = None,
    table: Annotated[bool, typer.Option("--table", help="Train nothing: the table of what is finished.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a student by each method of distillation, and say what each gains over hard labels alone, and costs.

    A cell is a recipe with a seed, trained in a process of its own. Finished cells are kept, and not trained again.

    Examples:
      harness study distillation --method none --method dkd --seed 0 --out mine

      harness study distillation --resume --dask tcp://127.0.0.1:8786
    """
    from harness.flows.study import SEEDS, Request, study
    from harness.report import gains

    request = Request(
        task, tuple(method or ()), tuple(seed or SEEDS), recipes, out, resume, dask, tuple(changes or ()), table
    )
    found = study(request, _speaker())
    if as_json:
        _print(json.dumps(found.document(), indent=1, allow_nan=False))
    else:
        _show(gains.table(found.gains, found.missing))
    _speaker().say(f"tables in {found.folder}")
    found.check()


@app.command()
def diff(
    model: ModelArgument,
    board: Annotated[str, typer.Option(metavar="NAME", help="A board of `harness boards`.")],
    on: Annotated[Where, typer.Option(help="auto: the board if one answers, else its emulated twin.")] = "auto",
    flash: Annotated[bool, typer.Option("--flash", help="Flash an attached board whatever it holds.")] = False,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="kws or vision; default: what fits the model.")
    ] = None,
    data: DataOption = None,
    samples: Annotated[int, typer.Option(min=1, metavar="N", help="The first N of a fixed shuffle.")] = 4,
    optimise: OptimiseOption = "balanced",
    as_json: JsonOption = False,
) -> None:
    """Compare every layer on a board with TensorFlow Lite Micro's, byte for byte; name the first that differs.

    Exit status 1 where a layer differs.

    Example: harness diff my_model.tflite --board nano33 --on qemu
    """
    from harness.flows.bench import Request
    from harness.flows.diff import diff as run_diff
    from harness.report import terminal

    report = run_diff(Request((model,), (board,), on, flash, task, data, samples, optimise, None), _speaker())
    if as_json:
        _print(json.dumps(report.document(), indent=1, allow_nan=False))
    else:
        _show(terminal.layers(report))
    report.check()


@app.command()
def profile(
    model: ModelArgument,
    board: Annotated[str, typer.Option(metavar="NAME", help="A board of `harness boards`.")],
    on: Annotated[Where, typer.Option(help="auto: the board if one answers, else its emulated twin.")] = "auto",
    flash: Annotated[bool, typer.Option("--flash", help="Flash an attached board whatever it holds.")] = False,
    data: DataOption = None,
    optimise: OptimiseOption = "balanced",
    as_json: JsonOption = False,
) -> None:
    """Show where an inference spends its instructions and cycles, by layer and by function.

    On the emulated board instructions are exact and cycles estimated; a real board times its layers alone.

    Example: harness profile my_model.tflite --board nano33 --on qemu
    """
    from harness.flows.bench import Request
    from harness.flows.profile import profile as run_profile
    from harness.flows.timing import INFERENCES
    from harness.report import terminal

    request = Request((model,), (board,), on, flash, None, data, INFERENCES, optimise, None)
    report = run_profile(request, _speaker())
    if as_json:
        _print(json.dumps(report.document(), indent=1, allow_nan=False))
    else:
        _show(terminal.profile(report))


def _speaker() -> "Speaker":
    from harness.report.progress import Speaker

    return Speaker(_console(sys.stderr))


def _show(what: "RenderableType") -> None:
    """Print a table on stdout."""
    console = _console(sys.stdout)
    with console.capture() as capture:
        console.print(what)
    _print(capture.get(), end="")


def _print(text: str, end: str = "\n") -> None:
    """Print text on stdout as it is; a reader that went away is not a failure of the command."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:  # what is still to be printed goes nowhere, or Python's exit would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _console(file: Any) -> "Console":
    """Return a console; where no terminal says how wide it is, tables get the width they were made for."""
    from rich.console import Console

    from harness.report.terminal import WIDTH

    return Console(file=file, width=None if file.isatty() else WIDTH, highlight=False)


def _with_nearest(message: str) -> str:
    """Put the nearest name behind a message that lists the names of a choice."""
    message = message.replace("Value error, ", "")
    choice = re.search(r"('[^']*') is not one of (.*)", message)
    return message + did_you_mean(choice[1].strip("'"), re.findall(r"'([^']*)'", choice[2])) if choice else message


def _explain(error: OSError) -> str:
    if error.errno in _DISK_FULL:
        return f"expected space to write to, the disk is full ({error.filename or 'no file named'}): free some"
    where = f" at {error.filename}" if error.filename else ""
    return f"the system says {error.strerror or error}{where}"


def _fail(message: str, status: int, error: BaseException) -> int:
    if os.environ.get("HARNESS_DEBUG") == "1":
        traceback.print_exception(error)
    print(f"harness: error: {' '.join(message.split())}", file=sys.stderr)
    return status
