"""A handful of inferences on a device: timed by its clock and, on an emulator, counted block by block."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.compiler import Compiled
from harness.device.blocks import BlocksUnavailable
from harness.device.blocks.counter import count_blocks
from harness.device.blocks.plugin import find_plugin
from harness.device.build import Build
from harness.device.protocol import Measurement
from harness.device.runner import open_device
from harness.flows import timing
from harness.flows.feed import Feed
from harness.flows.models import Model
from harness.flows.place import Place
from harness.flows.timing import Timing
from harness.report.progress import Speaker

INSTEAD = "cycles are instructions times a documented average"


@dataclass(frozen=True)
class Job:
    """One model at one place: everything is checked, nothing is built."""

    model: Model
    place: Place
    compiled: Compiled
    feed: Feed


@dataclass(frozen=True)
class BlockCounting:
    """Whether blocks are counted.

    Attributes:
        plugin: what QEMU is to load; None where blocks are not counted.
        why_not: the reason, in one line; empty where they are.
    """

    plugin: Path | None
    why_not: str = ""


@dataclass(frozen=True)
class Timed:
    """Timed inferences: what they say, the emulator they ran in (None on a board), and why blocks are unknown."""

    timing: Timing
    emulator: str | None
    why_no_blocks: str


@contextmanager
def building(job: Job, speaker: Speaker) -> Iterator[Callable[[int, int], None]]:
    """Say that a job is built, half a minute's work unless it is kept; yields what shows how far it is."""
    what = f"{job.model.name}: building for {job.place.board.name}"
    speaker.say(what)
    with speaker.steps_bar(what) as advance:
        yield advance


def find_counting(where: str, speaker: Speaker) -> BlockCounting:
    """Return whether blocks can be counted; says why not where they should be ("qemu") and cannot."""
    if where != "qemu":
        return BlockCounting(None, "a board has a counter of cycles and none of blocks")
    try:
        return BlockCounting(find_plugin())
    except BlocksUnavailable as problem:
        return _without(problem, speaker)


def time_inferences(job: Job, built: Build, counting: BlockCounting, speaker: Speaker, *, force: bool) -> Timed:
    """Time the first samples, with the clock that resolves single instructions (or the board's own).

    Args:
        job: what to time.
        built: its firmware.
        counting: of its place.
        speaker: says what is done.
        force: flash a board whatever it holds.

    Raises:
        EnvironmentFailure: emulator or board failed.
    """
    few = job.feed.rows()[: timing.INFERENCES]
    board, where = job.place.board, job.place.where
    what = f"{job.model.name}: timing {len(few)} inferences on {job.place}"
    speaker.say(what)
    try:
        with ExitStack() as stack:
            advance = stack.enter_context(speaker.steps_bar(what))
            counter = (
                stack.enter_context(count_blocks(counting.plugin, built.firmware_elf)) if counting.plugin else None
            )
            opened = open_device(board, built, where, sha256=job.model.sha256, clock=True, counter=counter, force=force)
            device = stack.enter_context(opened)
            measured: list[Measurement] = []
            advance(0, len(few))
            for row in few:
                measured.append(device.measure(row.tobytes()))
                advance(len(measured), len(few))
            found = timing.summarise(measured, device.hello, board, where, device.counted())
            return Timed(found, device.emulator, counting.why_not)
    except BlocksUnavailable as problem:
        return time_inferences(job, built, _without(problem, speaker), speaker, force=force)


def _without(problem: BlocksUnavailable, speaker: Speaker) -> BlockCounting:
    speaker.shout(f"blocks are not counted: {problem}; {INSTEAD}")
    return BlockCounting(None, str(problem))
