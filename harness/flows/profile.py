"""`harness profile`: where an inference spends its instructions and cycles, by layer and by function."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.device.blocks.inference import Spent
from harness.device.blocks.program import Function
from harness.device.build import build
from harness.flows.bench import plan
from harness.flows.inferences import Job, Timed, building, find_counting, time_inferences
from harness.flows.request import Request
from harness.report.progress import Speaker


@dataclass(frozen=True)
class LayerShare:
    """What one layer takes, called on its own; `instructions` is None on a board."""

    index: int
    name: str
    op: str
    macs: int
    instructions: int | None
    cycles: int


@dataclass(frozen=True)
class FunctionShare:
    """What one function of the firmware takes in a whole inference, without what it calls; `code_bytes` in flash."""

    name: str
    instructions: int
    cycles: int
    code_bytes: int


@dataclass(frozen=True)
class Profile:
    """One inference, the same that `bench` reports.

    Attributes:
        model: the file's stem.
        board: its name.
        where: "qemu" or "hardware".
        optimise: what the compiler favoured.
        method: "blocks" where executed blocks were counted, "timer" where only a clock or a cycle counter was read.
        clock_hz: of the board.
        instructions: exact; None on a board.
        cycles: estimated on an emulator, measured on a board.
        cycles_source: which of the two.
        latency_ms: cycles over the clock; on an emulator times the published ratio of hardware to the estimate.
        latency_low_ms: the band's low end; on a board the fastest inference.
        latency_high_ms: the band's high end; on a board the slowest.
        latency_source: as `cycles_source`.
        layers: in the order they run.
        functions: the costliest first; they add up to the whole. None with method "timer".
        reason: why `functions` is None; None where it is not.
    """

    model: str
    board: str
    where: str
    optimise: str
    method: str
    clock_hz: int
    instructions: int | None
    cycles: int
    cycles_source: str
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    latency_source: str
    layers: tuple[LayerShare, ...]
    functions: tuple[FunctionShare, ...] | None
    reason: str | None

    def document(self) -> dict[str, Any]:
        """Return the document of `profile --json`."""
        return {"schema": 1, **asdict(self)}


def profile(request: Request, speaker: Speaker) -> Profile:
    """Profile one model on one board.

    Args:
        request: as for `bench`, with one model and one board; `out` is not used.
        speaker: says what is done, on stderr.

    Raises:
        UserError: an input is bad: nothing was built.
        EnvironmentFailure: compiler, emulator or board failed.
    """
    with TemporaryDirectory(prefix="harness-") as work:
        [job] = plan(request, Path(work), speaker)
        counting = find_counting(job.place.where, speaker)
        with building(job, speaker) as advance:
            built = build(job.compiled.folder, job.place.board, job.place.where, advance)
        timed = time_inferences(job, built, counting, speaker, force=request.flash)
    return summarise(job, timed, request.optimise)


def summarise(job: Job, timed: Timed, optimise: str) -> Profile:
    """Return what the timed inferences say of a job."""
    place, columns, functions = job.place, timed.timing.columns, timed.timing.functions
    names = (
        "instructions",
        "cycles",
        "cycles_source",
        "latency_ms",
        "latency_low_ms",
        "latency_high_ms",
        "latency_source",
    )
    return Profile(
        model=job.model.name,
        board=place.board.name,
        where=place.where,
        optimise=optimise,
        method="timer" if functions is None else "blocks",
        clock_hz=place.board.clock_hz,
        **{name: columns[name] for name in names},
        layers=layer_shares(job.compiled.description["layers"], timed.timing.layers),
        functions=None if functions is None else function_shares(functions),
        reason=timed.why_no_blocks or None,
    )


def layer_shares(described: list[dict[str, Any]], spent: tuple[dict[str, Any], ...]) -> tuple[LayerShare, ...]:
    """Return the layers of a model.json with what each takes."""
    return tuple(
        LayerShare(index=i, name=layer["name"], op=layer["op"], macs=layer["macs"], **one)
        for i, (layer, one) in enumerate(zip(described, spent, strict=True))
    )


def function_shares(functions: Mapping[Function, Spent]) -> tuple[FunctionShare, ...]:
    """Return the functions, the one that takes most cycles first."""
    ordered = sorted(functions.items(), key=lambda item: (-item[1].cycles, item[0].name))
    return tuple(
        FunctionShare(function.name, spent.instructions, spent.cycles, function.code_bytes)
        for function, spent in ordered
    )
