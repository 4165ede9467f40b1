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
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from harness import __version__, completion
from harness.errors import HarnessError, Interrupted, RuleBroken
from harness.flows import choices
from harness.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType

    from harness.report.progress import Speaker

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHARED = ("quiet", "verbose")
_QUIET, _LOG = (f"harness.{name}" for name in _SHARED)

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|ZOO", help="A .tflite file, or a student of the zoo.", autocompletion=completion.models
    ),
]
BoardOption = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="A board of `harness boards`, or a board file.", autocompletion=completion.boards
    ),
]
OnOption = Annotated[
    str,
    typer.Option(
        metavar="PLACE",
        help="qemu, hardware or renode; auto: the board if one answers, else its emulated twin.",
        autocompletion=completion.places,
    ),
]
FlashOption = Annotated[bool, typer.Option("--flash", help="Flash an attached board whatever it holds.")]
TaskOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="kws or vision; default: what fits the model.", autocompletion=completion.tasks),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|DIR",
        help="kws01, speech_commands, cifar10, synthetic, random, or a folder with data.",
        autocompletion=completion.data,
    ),
]
OptimiseOption = Annotated[
    str,
    typer.Option(
        metavar="GOAL",
        help="What the compiler favours: balanced, latency, ram or flash.",
        autocompletion=completion.objectives,
    ),
]
PlotsOption = Annotated[
    bool, typer.Option("--plots", help="Write the plots as PNG and SVG, too, to the folder `plots` beside the page.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


def examples(*lines: str) -> str:
    """Return the end of a command's help; a backspace keeps each line whole."""
    head = "Examples:" if len(lines) > 1 else "Example:"
    return "\n".join(["\b", head, *(f"  {line}" for line in lines)])


app = typer.Typer(
    name="harness",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: an example stays one line, whatever the width
    context_settings={"help_option_names": ["-h", "--help"]},
)

data_app = typer.Typer(
    help="Fetch the data sets that models are measured on.",
    epilog=examples("harness data get cifar10 --out data"),
    rich_markup_mode=None,
)
app.add_typer(data_app, name="data")

study_app = typer.Typer(
    help="Train many students, and compare the ways.",
    epilog=examples("harness study distillation --table"),
    rich_markup_mode=None,
)
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
        status = int(parser()(arguments, prog_name="harness", standalone_mode=False, obj=tuple(arguments)) or 0)
        if status == Interrupted.exit_status:  # typer's word for KeyboardInterrupt
            raise Interrupted("interrupted, nothing was finished")
        return status
    except HarnessError as error:
        return _fail(str(error), error.exit_status, error)
    except typer.TyperException as error:
        return _fail(f"{_with_nearest(error, arguments)} (see harness --help)", 2, error)
    except OSError as error:
        return _fail(_explain(error), 3, error)
    except Exception as error:
        advice = "this is a fault of the harness: run again with HARNESS_DEBUG=1 and report what it prints"
        return _fail(f"unexpected {type(error).__name__}: {error}; {advice}", 3, error)


def parser() -> Any:
    """Return the parser of the command line; what all commands share may stand before or behind a command's name."""
    root = typer.main.get_command(app)
    shared = [option for option in root.params if option.name in _SHARED]
    for command in _commands(root):
        command.params += shared
    return root


def _commands(group: Any) -> Iterator[Any]:
    """Yield the commands of a group, and those of the groups in it."""
    for command in group.commands.values():
        yield command
        if hasattr(command, "commands"):
            yield from _commands(command)


def _be_quiet(context: typer.Context, value: bool) -> None:
    if value:
        context.meta[_QUIET] = True


def _be_verbose(context: typer.Context, value: bool) -> None:
    if value and _LOG not in context.meta:
        from harness.report.progress import Speaker, told

        context.meta[_LOG] = context.find_root().with_resource(told(Speaker(_console(sys.stderr))))


@app.callback(
    invoke_without_command=True,
    epilog=examples("harness bench --board nano33", "harness evaluate kws_s --data synthetic", "harness doctor"),
)
def harness(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", callback=_be_quiet, expose_value=False, help="Say nothing but the result, or what failed."
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", callback=_be_verbose, expose_value=False,
            help="Say which commands are run, which files are written and what came from the cache.",
        ),
    ] = False,
) -> None:  # fmt: skip
    """Say how fast, how big and how accurate a neural network is on a microcontroller board."""
    if version:
        _print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        _print(context.get_help())


@app.command(
    epilog=examples(
        "harness bench --board nano33",
        "harness bench my_model.tflite --board nano33 --on qemu --samples 16",
        "harness bench kws_s kws_xs --board nano33 --data synthetic --json",
    )
)
def bench(
    context: typer.Context,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL|ZOO", help="Default: every zoo student that fits.", autocompletion=completion.models
        ),
    ] = None,
    board: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A board of `harness boards`, or a board file; repeatable.",
            autocompletion=completion.boards,
        ),
    ] = None,
    on: OnOption = "auto",
    flash: FlashOption = False,
    task: TaskOption = None,
    data: DataOption = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="The first N of a fixed shuffle; default: 100.")
    ] = None,
    optimise: Annotated[
        str | None,
        typer.Option(
            metavar="GOAL",
            help="What the compiler favours: balanced (the default), latency, ram or flash.",
            autocompletion=completion.objectives,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder; default: results/runs/<run>.")
    ] = None,
    plots: PlotsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure models on boards: speed, size and accuracy.

    Every output byte is compared with TensorFlow Lite Micro's. What the command line leaves out is taken from the
    section tool.harness of pyproject.toml.
    """
    from harness.flows.bench import bench as run_bench
    from harness.flows.provenance import command_line
    from harness.flows.request import complete
    from harness.report import terminal

    request = complete(
        models or (),
        board or (),
        on=on,
        flash=flash,
        task=task,
        data=data,
        samples=samples,
        optimise=optimise,
        out=out,
        plots=plots,
        command=command_line(context.obj),
    )
    run = run_bench(request, _speaker(context))
    if as_json:
        _print(run.document.to_json(), end="")
    else:
        _show(terminal.summary(run.document))
    _speaker(context).say(f"written to {run.folder}")
    run.check()


@app.command(
    "compile",
    epilog=examples(
        "harness compile my_model.tflite -o my_model_c",
        "harness compile kws_s -o kws_c --core m4f --prefix kws --optimise ram",
    ),
)
def compile_(
    context: typer.Context,
    model: ModelArgument,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder to write.")],
    prefix: Annotated[str, typer.Option(metavar="NAME", help="Of the C names: NAME_invoke.")] = "model",
    core: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="m4f adds assembly for it; default: portable C11 for any compiler.",
            autocompletion=completion.cores,
        ),
    ] = None,
    optimise: OptimiseOption = "balanced",
) -> None:
    """Write a model as a folder of C for your own firmware.

    The folder has init, invoke, tensors, and the kernels they need.
    """
    from harness.flows.compile import compile_to

    description = compile_to(model, out, prefix=prefix, core=core, optimise=optimise)
    weights, arena = description["flash_weights_bytes"], description["ram_arena_bytes"]
    layers, macs = len(description["layers"]), description["macs"]
    _print(f"{out}: {layers} layers, {macs:,} MACs, {weights:,} bytes of weights, {arena:,} bytes of arena")
    _speaker(context).say(f"how to use it: {out / 'README.md'}")


@app.command(
    epilog=examples(
        "harness evaluate kws_s --data speech_commands",
        "harness evaluate my_model.tflite --data my_recordings --plot confusion.png",
    )
)
def evaluate(
    context: typer.Context,
    model: ModelArgument,
    data: DataOption = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="train, validation, test or all; default: test, of a folder all.",
            autocompletion=completion.splits,
        ),
    ] = None,
    task: TaskOption = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="The first N of a fixed shuffle; default: all.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the confusion matrix as .png or .svg.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the accuracy of a model on this computer.

    Says the recall of every class, and what is taken for what.
    """
    from harness.flows.evaluate import EVERYTHING
    from harness.flows.evaluate import evaluate as run_evaluate
    from harness.report import confusion, terminal
    from harness.report.plot import check_plot, plot_confusion

    if plot is not None:
        check_plot(plot)
    count = EVERYTHING if samples is None else samples
    document = run_evaluate(model, data=data, split=split, task=task, speaker=_speaker(context), samples=count)
    assert document.confusion is not None
    if plot is not None:
        plot_confusion(document.confusion, terminal.headline(document.rows[0]), plot)
        _speaker(context).say(f"drawn to {plot}")
    if as_json:
        _print(document.to_json(), end="")
        return
    _show(terminal.recall(document.confusion))
    _show(confusion.matrix(document.confusion))
    _show(terminal.summary(document))


@data_app.command("get", epilog=examples("harness data get cifar10 --out data"))
def data_get(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="speech_commands (2.5 GB) or cifar10 (170 MB).",
            autocompletion=completion.originals,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder for all data; default: HARNESS_DATA.")
    ] = None,
) -> None:
    """Download a data set from its authors.

    It is checked and unpacked where `--data NAME` finds it. What broke off goes on where it stopped.
    """
    from harness.flows.data import get_data

    _print(str(get_data(name, out, _speaker(context))))


@app.command(epilog=examples("harness boards", "harness boards --attached --json"))
def boards(
    attached: Annotated[bool, typer.Option("--attached", help="Only those attached to this computer.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the boards."""
    from harness.flows.boards import list_boards
    from harness.report import terminal

    found = list_boards(attached_only=attached)
    _print(json.dumps({"schema": 1, "boards": found}, indent=1)) if as_json else _show(terminal.boards(found))


@app.command(epilog=examples("harness doctor"))
def doctor() -> None:
    """Say what is missing, and what mends it.

    Exit status 3 where something is missing without which nothing can be measured.
    """
    from harness.flows.doctor import examine, require
    from harness.flows.mending import make_plan
    from harness.report import terminal

    found = examine()
    _show(terminal.findings(found, make_plan(found)))
    require(found)


@app.command(epilog=examples("harness setup", "harness setup --yes"))
def setup(
    context: typer.Context, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Install what is missing, after asking.

    Shows each command and how to undo it: Debian packages with apt-get, Python packages with pip, the group of the
    serial ports, a udev rule; with sudo where it needs root. At the end the doctor looks again.
    """
    from harness.flows.doctor import examine, require
    from harness.flows.mending import make_plan
    from harness.flows.setup import check
    from harness.flows.setup import setup as run_setup
    from harness.report import terminal

    failures = run_setup(make_plan(examine()), _confirm(yes), _speaker(context))
    found = examine()
    _show(terminal.findings(found, make_plan(found)))
    check(failures)
    require(found)


@app.command(
    epilog=examples(
        "harness compare results/baselines/zoo results/runs/mine",
        "harness compare OLD NEW --fail-on 'instructions>+0.5%' --fail-on 'accuracy<-1'",
        "harness compare OLD NEW --markdown > comment.md",
    )
)
def compare(
    context: typer.Context,
    old: Annotated[
        Path | None,
        typer.Argument(metavar="OLD", help="A run folder or its rows.json; default: the baseline of pyproject.toml."),
    ] = None,
    new: Annotated[
        Path | None, typer.Argument(metavar="NEW", help="Another; default: the newest in results/runs.")
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="'instructions>+0.5%' or 'accuracy<-0.5'; may be repeated.",
            autocompletion=completion.rules,
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a comment for a pull request.")] = False,
) -> None:
    """Show what changed between two runs.

    Exit status 1 where a rule broke. A rule holds the change of a column against a limit: with % relative to OLD, else
    NEW - OLD. Runs and rules that the command line leaves out are taken from the section tool.harness of
    pyproject.toml: its baseline, its fail-on, and the newest run in results/runs.
    """
    from harness.flows.compare import choose_runs, compare_runs, verdict_line
    from harness.report import pull_request, terminal

    comparison, verdicts = compare_runs(*choose_runs(old, new, fail_on, _speaker(context)))
    if markdown:
        _print(pull_request.comment(comparison, verdicts), end="")
    else:
        _show(terminal.differences(comparison, verdicts))
    if verdicts:
        raise RuleBroken(verdict_line(comparison, verdicts))


@app.command(
    epilog=examples(
        "harness history kws_s --board nano33 -o history.svg",
        "harness history kws_s --board nano33 --where qemu --json",
    )
)
def history(
    context: typer.Context,
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
    """Show one model on one board through all runs.

    Says what changed from commit to commit.
    """
    from harness.flows.history import document, read_history
    from harness.report import history as report
    from harness.report.plot import check_plot

    if out is not None:
        check_plot(out, "-o")
    entries = read_history(model, board, where, runs, _speaker(context))
    if out is not None:
        report.draw(entries, out)
        _speaker(context).say(f"drawn to {out}")
    if as_json:
        _print(json.dumps(document(entries), indent=1, allow_nan=False))
    else:
        _show(report.table(entries))


@app.command(epilog=examples("harness report results/baselines/zoo results/runs/mine -o both.html"))
def report(
    context: typer.Context,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders or their rows.json.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page to write, FILE.html.")],
    plots: PlotsOption = False,
) -> None:
    """Write one page about one or several runs.

    It has the table, plots, layers, confusion matrices and provenance.
    """
    from harness.flows.report import report as write_report

    write_report(runs, out, plots=plots, speaker=_speaker(context))
    _print(str(out))


@app.command(epilog=examples("harness plan my_model.tflite --board nano33 --optimise ram"))
def plan(
    model: ModelArgument,
    board: BoardOption,
    optimise: OptimiseOption = "balanced",
    as_json: JsonOption = False,
) -> None:
    """Show what a model will take on a board; nothing is built.

    Says which kernel each layer gets, and what lies where in memory.
    """
    from harness.flows.plan import plan as make_plan
    from harness.report import terminal

    report = make_plan(model, board, choices.objective(optimise))
    if as_json:
        _print(json.dumps(report.document(), indent=1, allow_nan=False))
    else:
        _show(terminal.plan(report))


@app.command(
    epilog=examples(
        "harness distill recipes/kws_quick.toml --out quick",
        "harness distill recipes/kws_quick.toml --set distill.temperature=2 --seed 1",
        "harness distill kws_xxs --unlabelled my_recordings --out mine",
    )
)
def distill(
    context: typer.Context,
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="A TOML file, or the name of a recipe that comes along.")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.NAME=VALUE", help="Wins over the recipe; may be repeated."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, metavar="N", help="Wins over the recipe's.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The run's folder; default: trained/NAME.")] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Learn from the files in this folder and a teacher alone, without labels."),
    ] = None,
) -> None:
    """Train a student, quantise it and measure it.

    The same command after an interruption goes on at the last finished epoch.
    """
    from harness.flows.distill import distill as run_distill
    from harness.flows.distill import from_folder

    wanted = [*from_folder(unlabelled), *(changes or [])]
    _print(str(run_distill(recipe, out, wanted, seed, _speaker(context))))


@study_app.command(
    "distillation",
    epilog=examples(
        "harness study distillation --method none --method dkd --seed 0 --out mine",
        "harness study distillation --resume --dask tcp://127.0.0.1:8786",
    ),
)
def study_distillation(
    context: typer.Context,
    task: Annotated[
        str,
        typer.Option(metavar="NAME", help="Whose recipes: recipes/distillation/NAME.", autocompletion=completion.tasks),
    ] = "kws",
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A recipe's name, or a folder's; may be repeated; default: all."),
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
    """Say what each method of distillation gains, and costs.

    A cell is a recipe with a seed, trained in a process of its own. Finished cells are kept, and not trained again.
    """
    from harness.flows.study import SEEDS, Request, study
    from harness.report import gains

    speaker = _speaker(context)
    request = Request(
        task, tuple(method or ()), tuple(seed or SEEDS), recipes, out, resume, dask, tuple(changes or ()), table
    )
    found = study(request, speaker)
    if as_json:
        _print(json.dumps(found.document(), indent=1, allow_nan=False))
    else:
        _show(gains.table(found.gains, found.missing, found.notes))
    speaker.say(f"tables in {found.folder}")
    found.check()


@app.command(
    "inspect-teacher",
    epilog=examples(
        "harness inspect-teacher kws_resnet --student kws_xs --out inspected",
        "harness inspect-teacher kws_resnet_small --recipe recipes/kws_quick.toml",
    ),
)
def inspect_teacher(
    context: typer.Context,
    teacher: Annotated[str, typer.Argument(metavar="TEACHER", help="A teacher of the zoo, or a .keras file.")],
    student: Annotated[
        str | None, typer.Option(metavar="MODEL|ZOO", help="A student to hold beside it: where do they disagree?")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="RECIPE.toml", help="Examine what this recipe trains on, too.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="NAME|DIR", help="Instead of the validation set: a data set or a folder.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many items of each set; default: all.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder; default: inspected/TEACHER.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Examine a teacher before it teaches.

    Calibration, soft targets by temperature, which classes it holds alike, and where a student disagrees.
    """
    from harness.flows.inspect_teacher import inspect_teacher as inspect
    from harness.flows.provenance import command_line
    from harness.report.inspection import terminal

    speaker = _speaker(context)
    command = command_line(context.obj)
    found, folder = inspect(
        teacher, student=student, recipe=recipe, data=data, samples=samples, out=out, command=command,
        speaker=speaker,
    )  # fmt: skip
    if as_json:
        _print(json.dumps(found.document(), indent=1, allow_nan=False))
    else:
        _show(terminal.summary(found))
    speaker.say(f"written to {folder}")


@app.command(epilog=examples("harness diff my_model.tflite --board nano33 --on qemu"))
def diff(
    context: typer.Context,
    model: ModelArgument,
    board: BoardOption,
    on: OnOption = "auto",
    flash: FlashOption = False,
    task: TaskOption = None,
    data: DataOption = None,
    samples: Annotated[int, typer.Option(metavar="N", help="The first N of a fixed shuffle.")] = 4,
    optimise: OptimiseOption = "balanced",
    as_json: JsonOption = False,
) -> None:
    """Find the first layer that a board computes otherwise.

    Every layer is compared with TensorFlow Lite Micro's, byte for byte. Exit status 1 where one differs.
    """
    from harness.flows.diff import diff as run_diff
    from harness.flows.request import Request
    from harness.report import terminal

    report = run_diff(
        Request((model,), (board,), on, flash, task, data, samples, choices.objective(optimise), None),
        _speaker(context),
    )
    if as_json:
        _print(json.dumps(report.document(), indent=1, allow_nan=False))
    else:
        _show(terminal.layers(report))
    report.check()


@app.command(epilog=examples("harness profile my_model.tflite --board nano33 --on qemu"))
def profile(
    context: typer.Context,
    model: ModelArgument,
    board: BoardOption,
    on: OnOption = "auto",
    flash: FlashOption = False,
    data: DataOption = None,
    optimise: OptimiseOption = "balanced",
    as_json: JsonOption = False,
) -> None:
    """Show where an inference spends its instructions.

    By layer and by function. On the emulated board instructions are exact and cycles estimated; a real board times its
    layers alone.
    """
    from harness.flows.profile import profile as run_profile
    from harness.flows.request import Request
    from harness.flows.timing import INFERENCES
    from harness.report import terminal

    request = Request((model,), (board,), on, flash, None, data, INFERENCES, choices.objective(optimise), None)
    report = run_profile(request, _speaker(context))
    if as_json:
        _print(json.dumps(report.document(), indent=1, allow_nan=False))
    else:
        _show(terminal.profile(report))


def _confirm(yes: bool) -> "Callable[[str], bool] | None":
    """Return what asks the user; None where there is no terminal to ask on."""
    if yes:
        return lambda question: True
    if not sys.stdin.isatty():
        return None
    return lambda question: typer.confirm(question, err=True)


def _speaker(context: typer.Context) -> "Speaker":
    from harness.report.progress import Speaker, silence

    return silence() if _QUIET in context.meta else Speaker(_console(sys.stderr))


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

    terminal = file.isatty()
    return Console(
        file=file,
        width=None if terminal else WIDTH,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        force_interactive=None if terminal else False,  # FORCE_COLOR may colour a pipe, but nothing moves in one
        highlight=False,
    )


def _with_nearest(error: typer.TyperException, arguments: list[str]) -> str:
    """Put the nearest name behind a message about one that the parser does not know."""
    name = getattr(error, "option_name", "")
    options = getattr(error, "possibilities", None)  # of an unknown option of two dashes
    if options is not None:
        return error.message + did_you_mean(name, options)
    word = next((word for word in arguments if re.match(r"-[a-z]{3}", word) and name.strip("-") in word), "")
    if name and word:  # it was read letter by letter
        return f"No such option: {word}; an option of several letters begins with two dashes: -{word}"
    message = error.format_message().rstrip(".").replace("Value error, ", "")
    return re.sub(r"\. Did you mean ('[^']*').*", r"; did you mean \1?", message)


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
