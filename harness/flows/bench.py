"""`harness bench`: compile -> build -> measure -> compare with the oracle -> store. The main job, told as a story."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.compiler import Compiled, Objective, compile_model
from harness.device.boards import Board, find_boards
from harness.device.build import Build, build, compiler_version
from harness.device.runner import open_device
from harness.device.sizes import measure_sizes
from harness.errors import HarnessError, UserError
from harness.flows.feed import Feed, first_output, model_input, output_rows, prepare
from harness.flows.inferences import BlockCounting, Job, Timed, building, find_counting, time_inferences
from harness.flows.models import Model, find_models
from harness.flows.place import choose
from harness.flows.provenance import provenance
from harness.flows.report import PAGE, draw
from harness.flows.request import Request
from harness.flows.run import Run
from harness.flows.students import students
from harness.oracle import Oracle, cached_run, engine_of
from harness.report import csv, markdown
from harness.report.entries import Source
from harness.report.progress import Speaker
from harness.rows.measurement import Confusion, Document, Layer, Row, row_id
from harness.rows.store import append_run, check_free, write_run

ENGINE = "harness"
_LOOK_S = 0.2
"""How often the oracle is looked after."""


@dataclass
class Findings:
    """What is known about a job so far; it becomes a row whether or not the job ends well."""

    columns: dict[str, Any]
    layers: tuple[Layer, ...] = ()
    confusion: Confusion | None = None
    elves: dict[str, Path] = field(default_factory=dict)

    def row(self, status: str, reason: str | None = None) -> Row:
        """Return the row; what was never found stays unknown."""
        return Row(status=status, error=reason, **self.columns)


def bench(request: Request, speaker: Speaker) -> Run:
    """Measure every model on every board and write the run.

    Args:
        request: what the user asked for.
        speaker: says what is done, on stderr.

    Returns:
        The run, written to its folder; some of its rows may have failed (`Run.check`).

    Raises:
        UserError: an input is bad: nothing was built and nothing written.
        EnvironmentFailure: no compiler, emulator or board, found before the first build.
        OSError: the run cannot be written.
    """
    folder = request.out or request.runs / datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")
    check_free(folder)
    found: list[Findings] = []
    rows: list[Row] = []
    failures: list[Exception] = []
    interrupted = False
    with TemporaryDirectory(prefix="harness-") as work:
        jobs = plan(request, Path(work), speaker)
        boards = [job.place.board for job in jobs]
        counting = {where: find_counting(where, speaker) for where in dict.fromkeys(job.place.where for job in jobs)}
        for job in jobs:
            findings = Findings(identity(job, request))
            try:
                row = finish(job, request, counting[job.place.where], findings, speaker)
            except KeyboardInterrupt:
                row, interrupted = findings.row("partial", "interrupted"), True
            except Exception as failure:  # not even a fault of the harness may cost the rows that are finished
                speaker.shout(f"{job.model.name} on {job.place.board.name}: failed")
                row = findings.row("failed", reason(failure))
                failures.append(failure)
            found.append(findings)
            rows.append(row)
            if interrupted:
                break
    document = document_of(rows, found, request.command)
    reports: dict[str, str | bytes] = {"table.csv": csv.table(document), "report.md": markdown.report(document)}
    try:
        reports |= draw([Source(folder.name, document)], PAGE, plots=request.plots, speaker=speaker, boards=boards)
    except KeyboardInterrupt:
        interrupted = True
    finally:  # rows took longer than their page, which `harness report` can make again
        elves = {name: path for findings in found for name, path in findings.elves.items()}
        if request.out:
            write_run(folder, document, reports, elves)
        else:
            folder = append_run(request.runs, folder.name, document, reports, elves)
    return Run(document, folder, tuple(failures), interrupted)


def document_of(rows: Sequence[Row], found: Sequence[Findings], command: str | None) -> Document:
    """Return the document of a run."""
    layers = tuple(layer for findings in found for layer in findings.layers)
    confusions = {findings.columns["row_id"]: findings.confusion for findings in found if findings.confusion}
    return Document(tuple(rows), layers, confusions=confusions, command=command)


def reason(failure: Exception) -> str:
    """Say in one line why a row failed; what nobody foresaw is named by its class."""
    known = isinstance(failure, HarnessError | OSError)
    return " ".join((str(failure) if known else f"unexpected {type(failure).__name__}: {failure}").split())


def plan(request: Request, work: Path, speaker: Speaker) -> list[Job]:
    """Check every input before the first build.

    Returns:
        One job for each model and board.

    Raises:
        UserError: a model, a board, the data or an option is bad, or a model is too big for a board.
        EnvironmentFailure: the compiler, the emulator or the wanted board is not there.
    """
    boards = find_boards(request.boards)
    models = find_models(request.models or students(request.task, request.data, speaker))
    compiled = compile_all(models, boards, work, request.optimise, speaker)
    fitting = [
        (board, model, compiled[board.name, model.name])
        for board in boards
        for model in models
        if fits(model, compiled[board.name, model.name], board, named=bool(request.models))
    ]
    if not fitting:
        raise UserError(f"no student of the zoo fits {', '.join(board.name for board in boards)}: name a .tflite file")
    feeds = {model.name: feed_for(model, code, request, speaker) for _, model, code in fitting}
    for note in dict.fromkeys(note for feed in feeds.values() for note in feed.samples.notes):
        speaker.say(note)
    compiler_version()
    places = {board.name: choose(board, request.on, request.flash, speaker) for board in boards}
    return [Job(model, places[board.name], code, feeds[model.name]) for board, model, code in fitting]


def compile_all(
    models: Sequence[Model], boards: Sequence[Board], work: Path, optimise: Objective, speaker: Speaker
) -> dict[tuple[str, str], Compiled]:
    """Return the code of every model for every board, by their names."""
    pairs = [(board, model) for board in boards for model in models]
    compiled = {}
    with speaker.steps_bar("compiling") as advance:
        advance(0, len(pairs))
        for board, model in pairs:
            folder = work / board.name / model.name
            compiled[board.name, model.name] = compile_for(model, board, folder, optimise)
            advance(len(compiled), len(pairs))
    return compiled


def compile_for(model: Model, board: Board, out: Path, optimise: Objective) -> Compiled:
    """Compile a model for a board's core and memory."""
    return compile_model(
        model.path, out, core=board.core, optimise=optimise, flash_bytes=board.flash_bytes, ram_bytes=board.ram_bytes
    )


def fits(model: Model, compiled: Compiled, board: Board, *, named: bool) -> bool:
    """Tell whether weights and arena fit the board; code and stack come on top, the linker has the last word.

    Raises:
        UserError: they do not, and the user named the model; says by how many bytes.
    """
    needs = {
        "flash": (compiled.description["flash_weights_bytes"], board.flash_bytes, "weight data"),
        "RAM": (compiled.description["ram_arena_bytes"], board.ram_bytes, "arena"),
    }
    problems = [
        f"its {part} takes {need} bytes, {need - has} bytes more than the {has} bytes of {memory}"
        for memory, (need, has, part) in needs.items()
        if need > has
    ]
    if problems and named:
        raise UserError(f"{model.name} is too big for {board.name}: {' and '.join(problems)}; take a smaller model")
    return not problems


def feed_for(model: Model, compiled: Compiled, request: Request, speaker: Speaker) -> Feed:
    """Read the samples of a model."""
    inputs = [model_input(tensor) for tensor in compiled.description["inputs"]]
    output = int(np.prod(compiled.description["outputs"][0]["shape"]))
    with speaker.steps_bar(f"{model.name}: reading samples") as advance:
        return prepare(
            model, inputs, output, task=request.task, data=request.data, samples=request.samples, advance=advance
        )


def identity(job: Job, request: Request) -> dict[str, Any]:
    """Return the columns that are known before anything runs."""
    board, description = job.place.board, job.compiled.description
    toolchain = compiler_version()
    return {
        "row_id": row_id(job.model.sha256, board.name, job.place.where, request.optimise, toolchain),
        "model": job.model.name,
        "model_sha256": job.model.sha256,
        "macs": description["macs"],
        "macs_executed": description["macs_executed"],
        "board": board.name,
        "mcu": board.mcu,
        "core": board.core,
        "clock_hz": board.clock_hz,
        "where": job.place.where,
        "optimise": request.optimise,
        "engine": ENGINE,
        "toolchain": toolchain,
        "flash_weights_bytes": description["flash_weights_bytes"],
        "ram_arena_bytes": description["ram_arena_bytes"],
        **job.feed.columns(),
        **provenance(),
    }


def finish(job: Job, request: Request, counting: BlockCounting, findings: Findings, speaker: Speaker) -> Row:
    """Build, run and judge one job; `findings` has what is known if it fails or is interrupted.

    Raises:
        HarnessError: the build, the device or the oracle failed.
    """
    clock = time.monotonic()
    try:
        # The oracle works beside the device: neither waits for the other's arithmetic.
        with ThreadPoolExecutor(1) as pool, Oracle() as oracle:
            answered: list[int] = []
            golden = pool.submit(golden_outputs, oracle, job, answered.append)
            with building(job, speaker) as advance:
                built = build(job.compiled.folder, job.place.board, job.place.where, advance)
            note_build(job, built, findings)
            note_time(job, time_inferences(job, built, counting, speaker, force=request.flash), findings)
            outputs = run_samples(job, built, request, speaker)
            wait_for_oracle(job, golden, answered, speaker)
            judge(job, outputs, golden.result(), findings, speaker)
    finally:
        findings.columns["seconds"] = round(time.monotonic() - clock, 3)
    return findings.row("ok")


def note_build(job: Job, built: Build, findings: Findings) -> None:
    """Take the sizes from the ELFs, and keep the ELFs."""
    arena = job.compiled.description["ram_arena_bytes"]
    sizes = measure_sizes(built.firmware_elf, built.size_elf, built.empty_elf, arena)
    findings.columns |= vars(sizes) | {"flags": built.flags, "toolchain": built.toolchain}
    elves = {"firmware": built.firmware_elf, "size": built.size_elf, "empty": built.empty_elf}
    findings.elves = {f"{findings.columns['row_id']}/{name}.elf": path for name, path in elves.items()}


def note_time(job: Job, timed: Timed, findings: Findings) -> None:
    """Take what the timed inferences say, of the whole model and of its layers."""
    static = findings.columns["ram_static_bytes"] + findings.columns["ram_arena_bytes"]
    findings.columns |= timed.timing.columns | {"emulator": timed.emulator}
    findings.columns["ram_total_bytes"] = static + findings.columns["ram_stack_bytes"]
    identifier = findings.columns["row_id"]
    findings.layers = tuple(
        Layer(row_id=identifier, index=i, name=layer["name"], op=layer["op"], macs=layer["macs"], **spent)
        for i, (layer, spent) in enumerate(zip(job.compiled.description["layers"], timed.timing.layers, strict=True))
    )


def run_samples(job: Job, built: Build, request: Request, speaker: Speaker) -> NDArray[np.uint8]:
    """Return the output bytes (n, output bytes) of all samples; without the clock an emulator is four times as fast."""
    batches = []
    board, where = job.place.board, job.place.where
    with (
        open_device(board, built, where, sha256=job.model.sha256, clock=False, force=request.flash) as device,
        speaker.bar(f"{job.model.name} on {job.place}", len(job.feed)) as advance,
    ):
        for batch in device.infer(job.feed.rows()):
            batches.append(batch)
            advance(len(batch))
    return np.concatenate(batches)


def golden_outputs(oracle: Oracle, job: Job, progress: Callable[[int], None]) -> NDArray[np.uint8]:
    """Return the oracle's output bytes (n, output bytes) of all samples."""
    engine = engine_of(job.model.content)
    return output_rows(cached_run(oracle, job.model.content, job.feed.inputs, engine=engine, progress=progress))


def wait_for_oracle(job: Job, golden: Future[NDArray[np.uint8]], answered: Sequence[int], speaker: Speaker) -> None:
    """Wait until the oracle is done; `answered` are the samples of each of its answers so far."""
    if golden.done():
        return
    what = f"{job.model.name}: waiting for the oracle"
    speaker.say(what)
    with speaker.steps_bar(what) as advance:
        while not wait([golden], timeout=_LOOK_S).done:
            advance(sum(answered), len(job.feed))


def judge(
    job: Job, outputs: NDArray[np.uint8], golden: NDArray[np.uint8], findings: Findings, speaker: Speaker
) -> None:
    """Compare the outputs with the oracle's, byte for byte, and with the labels."""
    exact = int((outputs == golden).all(axis=1).sum())
    answers = first_output(outputs, job.compiled.description["outputs"])
    findings.columns |= {"bit_exact_samples": exact, "accuracy": job.feed.accuracy(answers)}
    findings.confusion = job.feed.confusion(answers)
    if exact < len(outputs):
        speaker.shout(f"{job.model.name}: {len(outputs) - exact} of {len(outputs)} outputs differ from the oracle's")
