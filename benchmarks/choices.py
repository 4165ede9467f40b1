"""What the compiler does with MLPerf Tiny's models: the figures that docs/engine.md gives beside those of time.

    python -m benchmarks.choices [MODEL.tflite ...]

Nothing is built. Without models, the four under $HARNESS_DATA.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tabulate import tabulate

from benchmarks.engine import BOARD, PEERS
from harness.compiler import Program, Target, read_program
from harness.compiler.choose import OBJECTIVES
from harness.compiler.layer import Layer
from harness.compiler.memory import plan_memory
from harness.compiler.memory.planner import SECONDS
from harness.compiler.passes.fuse_activations import fuse_activations
from harness.compiler.passes.ranges import CHANNEL_AXIS, channel_ranges
from harness.compiler.tflite import read_model
from harness.device.boards import find_board
from harness.errors import HarnessError

HEADS = (
    *("model", "mode", "channels", "constant", "not at zero point", "MACs", "left", "kernels: generated", "portable"),
    *("requantised: two instructions", "sign besides", "exact form", "routines", "B", "B unshared"),
    *("arena B", "the least", "greedy", "in place only", "nothing shared"),
)


def row(model: Path, target: Target) -> list[object]:
    """Return what is to be told of a model, as in HEADS."""
    program = read_program(model, target)
    layers = program.layers
    forms = Counter(form(layer) for layer in layers if layer.macs and layer.routines)
    uses = Counter(routine.name for layer in layers for routine in layer.routines)
    sizes = {routine.name: routine.code_bytes for layer in layers for routine in layer.routines}
    generated = sum(bool(layer.routines) for layer in layers)
    in_place = [replace(each, overlaps={t: d for t, d in each.overlaps.items() if d == 0}) for each in layers]
    apart = [replace(each, overlaps={}, in_place=()) for each in layers]
    return [
        program.graph.stem, target.objective, *channels(model), program.macs, program.macs_executed, generated,
        len(layers) - generated, *(forms[name] for name in ("two", "signed", "exact")), len(uses), sum(sizes.values()),
        sum(sizes[name] * count for name, count in uses.items()), program.memory.arena_bytes,
        "yes" if program.memory.optimal else "unproven", arena(program, layers, seconds=0),
        arena(program, in_place), arena(program, apart),
    ]  # fmt: skip


def channels(model: Path) -> tuple[int, int, int]:
    """Return how many channels the layers with weights write, how many are constant, and not at the zero point."""
    graph = fuse_activations(read_model(model))
    ranges, counts = channel_ranges(graph), Counter[str]()
    for operator in graph.operators:
        if operator.op in CHANNEL_AXIS:
            tensor = graph.tensors[operator.outputs[0]]
            found, zero_point = ranges[tensor.index], tensor.quantization.zero_point if tensor.quantization else 0
            counts["all"] += len(found.low)
            counts["constant"] += int(found.constant.sum())
            counts["not at z"] += int((found.constant & (found.low != zero_point)).sum())
    return counts["all"], counts["constant"], counts["not at z"]


def form(layer: Layer) -> str:
    """Return how a layer with weights requantises: "two" instructions, "signed" or "exact"."""
    names = " ".join(routine.name for routine in layer.routines)
    return next((name for name in ("exact", "signed") if name in names), "two")


def arena(program: Program, layers: Sequence[Layer], seconds: float = SECONDS) -> int:
    """Return the arena that layers need, placed anew."""
    return plan_memory(program.graph, layers, program.aliases, seconds=seconds).arena_bytes


def main() -> int:
    """Compile every model for every objective and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choices", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, help=".tflite files (default: MLPerf Tiny's four)")
    models = parser.parse_args().models
    data = os.environ.get("HARNESS_DATA")
    if not models and not data:
        parser.error("expected models, or the environment variable HARNESS_DATA with mlperf_tiny/models in it")
    models = models or [Path(data or "", "mlperf_tiny", "models", f"{name}.tflite") for name in PEERS]
    try:
        board = find_board(BOARD)
        targets = [Target(board.core, mode, board.flash_bytes, board.ram_bytes) for mode in OBJECTIVES]
        rows = [row(model, target) for model in models for target in targets]
    except HarnessError as failure:
        print(f"choices: error: {failure}", file=sys.stderr)
        return failure.exit_status
    print(tabulate(rows, HEADS, intfmt=",", maxheadercolwidths=12))
    return 0


if __name__ == "__main__":
    sys.exit(main())
