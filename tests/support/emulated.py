"""Builds compiled models for a Cortex-M4F and runs them in QEMU, where a byte read too far is a fault.

The objects are linked twice. In the layout "end" each arena ends at the last byte of RAM and each model's weights end
at the last byte of flash; in "start" both begin at the first byte of a memory. What lies beyond is forbidden, see
tests/firmware/emulated.c. All models of a program use the same edges, one after another: their arenas share memory,
and their weights are copied there from where they are loaded.
"""

import random
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
from elftools.elf.elffile import ELFFile

from harness import resources
from harness.compiler.choose import Objective, Target, candidates
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer
from harness.device.blocks.program import Program
from harness.device.boards import find_board
from harness.oracle import Oracle
from tests.support.exactness import compile_all, difference
from tests.support.host_build import split_outputs
from tests.support.strategies import Case

Layout = Literal["end", "start"]
LAYOUTS: tuple[Layout, ...] = ("end", "start")

MAIN = Path(__file__).parents[1] / "firmware" / "emulated.c"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffunction-sections", "-fdata-sections")
ARENA_EDGE: Mapping[Layout, int] = {"end": 0x2080_0000, "start": 0x2000_0000}
WEIGHTS_EDGE: Mapping[Layout, int] = {"end": 0x0080_0000, "start": 0x2100_0000}
IMAGES = 0x2180_0000
"""Where weights are loaded: the upper half of the 16 MB PSRAM."""
STACK_TOP = 0x0100_4000
"""16 KB of block RAM, with a forbidden gap below it."""
ICOUNT_SHIFT = 8
TICKS_AN_INSTRUCTION = 6.4

_LINK = """
ENTRY(reset_handler)
SECTIONS {
    .text : { KEEP(*(.vectors)) *(.text .text.*) . = ALIGN(8); } > CODE
%(placed)s
    .rodata : { *(.rodata .rodata.*) . = ALIGN(8); } > CODE
    .data : { data_start = .; *(.data .data.*) . = ALIGN(4); data_end = .; } > DATA AT > CODE
    data_image = LOADADDR(.data);
    .bss (NOLOAD) : { bss_start = .; *(.bss .bss.*) *(COMMON) . = ALIGN(8); bss_end = .; } > DATA
    stack_top = 0x%(stack)x;
    /DISCARD/ : { *(.ARM.exidx* .comment) }
}
"""
_PLACED = """
    .arena_%(name)s 0x%(arena)x (NOLOAD) : { %(name)s_arena_start = .; */%(name)s.o(.bss .bss.*) }
    %(name)s_arena_end = 0x%(arena_end)x;
    .weights_%(name)s 0x%(weights)x : AT(0x%(image)x) { */%(name)s.o(.rodata.weights .rodata.weights.*) . = ALIGN(4); }
    %(name)s_weights_start = 0x%(weights)x;
    %(name)s_weights_end = 0x%(weights_end)x;
    %(name)s_image = 0x%(image)x;
"""
_JOB = """    {{"{name}", {name}_layers, {layers}, {samples}, {name}_arena_start, {name}_arena_end, {name}_image,
     {name}_weights_start, {name}_weights_end, {inputs}, {outputs}, {{{spans}}}}},
"""


@dataclass(frozen=True)
class EmulatedProgram:
    """Models in one folder, compiled to objects.

    Attributes:
        folder: with the objects.
        descriptions: model.json of each model, by prefix.
    """

    folder: Path
    descriptions: Mapping[str, Mapping[str, Any]]

    def run(self, layout: Layout, inputs: Sequence[Sequence[np.ndarray]], *, clock: bool = False) -> "Run":
        """Link, run every model on its inputs, and look after it.

        Args:
            layout: at which edges of the memories arena and weights lie.
            inputs: of each model one array (n, ...) an input.
            clock: count instructions; without interrupts.

        Raises:
            AssertionError: a fault, a register that was not restored, weights that were overwritten.
        """
        work = self.folder / (f"{layout}_clock" if clock else layout)
        work.mkdir(exist_ok=True)
        rows = [np.hstack([_bytes(array) for array in arrays]) for arrays in inputs]
        elf = self._link(work, layout, [len(part) for part in rows], disturb=not clock)
        (work / "inputs").write_bytes(b"".join(part.tobytes() for part in rows))
        self._emulate(elf, work, clock=clock)
        return Run(self.descriptions, [len(part) for part in rows], work / "outputs", work / "ticks")

    def _link(self, work: Path, layout: Layout, samples: Sequence[int], *, disturb: bool) -> Path:
        (work / "jobs.inc").write_text(_jobs(self.descriptions, samples, disturb=disturb))
        (work / "link.ld").write_text(self._script(layout))
        startup, elf = resources.firmware() / "platform" / "startup.c", work / "test.elf"
        objects = [self.folder / f"{name}{part}.o" for name in self.descriptions for part in ("", "_kernels")]
        _call(
            [*_gcc(), f"-I{work}", "-nostartfiles", "-specs=nano.specs", "-Wl,--gc-sections,--no-check-sections",
             "-Wl,--no-warn-rwx-segments", "-T", work / "link.ld", MAIN, startup,
             *(path for path in objects if path.exists()), "-o", elf],
            self.folder,
        )  # fmt: skip
        return elf

    def _script(self, layout: Layout) -> str:
        placed, image = [], IMAGES
        for name in self.descriptions:
            arena, weights = self._sizes[name]
            down_arena, down_weights = (-(-arena // 8) * 8, weights) if layout == "end" else (0, 0)
            at, weights_at = ARENA_EDGE[layout] - down_arena, WEIGHTS_EDGE[layout] - down_weights
            placed.append(
                _PLACED
                % {
                    "name": name, "arena": at, "arena_end": at + arena, "weights": weights_at,
                    "weights_end": weights_at + weights, "image": image,
                }
            )  # fmt: skip
            image += -(-weights // 16) * 16
        memory = (
            "MEMORY {\n    CODE (rx) : ORIGIN = 0, LENGTH = 2M\n    DATA (rw) : ORIGIN = 0x20300000, LENGTH = 64K\n}"
        )
        return memory + _LINK % {"placed": "".join(placed), "stack": STACK_TOP}

    @cached_property
    def _sizes(self) -> Mapping[str, tuple[int, int]]:
        """Return the bytes of each model's arena, and of its weights, in whole words."""
        sizes = {}
        for name in self.descriptions:
            with (self.folder / f"{name}.o").open("rb") as file:
                sections = {s.name: s["sh_size"] for s in ELFFile(file).iter_sections()}
            arena = sum(size for section, size in sections.items() if section.startswith(".bss"))
            sizes[name] = arena, -(-sections.get(".rodata.weights", 0) // 4) * 4
        return sizes

    def _emulate(self, elf: Path, work: Path, *, clock: bool) -> None:
        command = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "null"]
        command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]
        command += ["-icount", f"shift={ICOUNT_SHIFT}"] if clock else []
        process = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=300)
        assert process.returncode == 0, self._explain(elf, (process.stderr + process.stdout).strip())

    def _explain(self, elf: Path, said: str) -> str:
        what, *rest = said.splitlines()[-1].split() if said else [""]
        if len(rest) != 5:
            return f"QEMU ended: {said[:2000]}"
        name, *numbers = rest
        layer, sample, a, b = (int(number, 16) for number in numbers)
        known = self.descriptions[name]["layers"] if name in self.descriptions else []
        kernel = known[layer]["kernel"] if layer < len(known) else "?"
        facts = {
            "fault": lambda: f"fault in {Program.read(elf).function_at(a).name} (pc {a:#x}) at address {b:#x}",
            "registers": lambda: f"not restored: {', '.join(_registers(a))}",
            "weights": lambda: "the weights were overwritten",
            "arena": lambda: f"byte {a} behind the arena was overwritten",
            "file": lambda: f"the emulator's file system: operation {a}, {b} bytes",
        }
        return f"{name}, layer {layer} ({kernel}), sample {sample}: {facts[what]()}; linked in {elf.parent.name}"


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    descriptions: Mapping[str, Mapping[str, Any]]
    samples: Sequence[int]
    outputs_file: Path
    ticks_file: Path

    def outputs(self) -> list[list[np.ndarray]]:
        """Return of each model one array (n, *shape) an output."""
        raw, found = np.fromfile(self.outputs_file, np.uint8), []
        for description, samples in zip(self.descriptions.values(), self.samples, strict=True):
            size = samples * sum(output["bytes"] for output in description["outputs"])
            found.append(split_outputs(raw[:size].reshape(samples, -1), description))
            raw = raw[size:]
        return found

    def instructions(self) -> list[list[int]]:
        """Return of each model the instructions of each layer, on the first sample; only where they were counted."""
        ticks = iter(np.fromfile(self.ticks_file, np.uint32).tolist())
        return [
            [round(next(ticks) / TICKS_AN_INSTRUCTION) for _ in description["layers"]]
            for description in self.descriptions.values()
        ]


def build(folder: Path, descriptions: Mapping[str, Mapping[str, Any]]) -> EmulatedProgram:
    """Compile the models that were written into `folder`, by prefix, with the nano33's flags.

    Raises:
        AssertionError: the compiler or the assembler complains; the message holds its words.
    """
    sources = [folder / f"{name}{part}" for name in descriptions for part in (".c", "_kernels.S")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_compile, [source for source in sources if source.exists()]))
    return EmulatedProgram(folder, descriptions)


def _compile(source: Path) -> None:
    _call([*_gcc(), "-c", source, "-o", source.with_suffix(".o")], source.parent)


def _gcc() -> list[str]:
    return ["arm-none-eabi-gcc", *find_board("nano33").code_flags.split(), *FLAGS]


def _call(command: Sequence[str | Path], folder: Path) -> None:
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[:4000]


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)


def _jobs(descriptions: Mapping[str, Mapping[str, Any]], samples: Sequence[int], *, disturb: bool) -> str:
    symbols = ("arena_start", "arena_end", "weights_start", "weights_end", "image")
    lines = []
    for name in descriptions:
        lines.append(f"extern void (*const {name}_layers[])(void);")
        lines.append(f"extern uint8_t {', '.join(f'{name}_{symbol}[]' for symbol in symbols)};")
    lines.append("static const job jobs[] = {")
    for (name, description), count in zip(descriptions.items(), samples, strict=True):
        ends = [*description["inputs"], *description["outputs"]]
        lines.append(
            _JOB.format(
                name=name, layers=len(description["layers"]), samples=count, inputs=len(description["inputs"]),
                outputs=len(description["outputs"]),
                spans=", ".join(f"{{{end['offset']}, {end['bytes']}}}" for end in ends),
            )
        )  # fmt: skip
    return "\n".join([*lines, "};", f"enum {{ JOBS = {len(descriptions)}, DISTURB = {int(disturb)} }};", ""])


def _registers(mask: int) -> list[str]:
    names = ["sp", *("?" * 3), *(f"r{n}" for n in range(4, 12)), *("?" * 4), *(f"s{n}" for n in range(16, 32))]
    return [name for bit, name in enumerate(names) if mask >> bit & 1]


@contextmanager
def any_candidates(seed: int) -> Iterator[None]:
    """Let the compiler take any of a layer's generated candidates, not the best: each must be exact."""
    rng = random.Random(seed)

    def choose(nodes: Sequence[Node], target: Target) -> list[Layer]:
        options = [candidates(node, target).layers for node in nodes]
        return [rng.choice(layers[1:] or layers) for layers in options]

    with patch("harness.compiler.program.choose", choose):
        yield


@dataclass(frozen=True)
class Way:
    """How to compile for the Cortex-M4F: for an objective, or with candidates that a seed picks."""

    optimise: Objective = "balanced"
    seed: int | None = None

    def compile(self, models: Sequence[bytes], folder: Path) -> EmulatedProgram:
        """Compile models into one folder, with the prefixes m0, m1 ...; see `compile_all`."""
        with any_candidates(self.seed) if self.seed is not None else nullcontext():
            return build(folder, compile_all(models, folder, core="m4f", optimise=self.optimise))


def check(
    cases: Sequence[Case], folder: Path, oracle: Oracle, way: Way = Way(), layouts: Sequence[Layout] = LAYOUTS
) -> EmulatedProgram:
    """Assert that all cases are exact on the emulated core, in each layout; return the build, which they share.

    Raises:
        AssertionError: they are not; names the sample and the place. The models and inputs of those that differ are
            left in a folder of their own.
    """
    program = way.compile([case.model for case in cases], folder)
    golden = [oracle.run(case.model, case.inputs) for case in cases]
    found = {}
    for layout in layouts:
        try:
            outputs = program.run(layout, [case.inputs for case in cases]).outputs()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{_labels(cases, program)}\n{way}; {_keep(cases)}") from error
        for case, expected, got in zip(cases, golden, outputs, strict=True):
            if text := difference(expected, got, case):
                found[f"{layout}: {text}"] = case
    assert not found, "\n".join([*found, f"{way}; {_keep(list(found.values()))}"])
    return program


def _labels(cases: Sequence[Case], program: EmulatedProgram) -> str:
    return "\n".join(f"{name}: {case.label}" for name, case in zip(program.descriptions, cases, strict=True))


def _keep(cases: Sequence[Case]) -> str:
    """Leave what is needed to see a failure again."""
    folder = Path(tempfile.mkdtemp(prefix="harness-mismatch-"))
    for index, case in enumerate(cases):
        (folder / f"{index}.tflite").write_bytes(case.model)
        np.savez(folder / f"{index}.npz", *case.inputs)
    return f"models and inputs are in {folder}"
