"""From a .tflite file to a program: layers in order, and where their data lies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.compiler.choose import PORTABLE, Target, choose, code_bytes, with_macs
from harness.compiler.graph import Graph
from harness.compiler.kernels import lower, size
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Constant, Layer
from harness.compiler.memory import MemoryPlan, plan_memory
from harness.compiler.passes.drop_reshapes import drop_reshapes
from harness.compiler.passes.fuse_activations import fuse_activations
from harness.compiler.passes.reshape_channels import rewrite_channels
from harness.compiler.roll import roll
from harness.compiler.tflite import read_model
from harness.compiler.validate import validate
from harness.errors import UserError

PRICES = (1e-8, 3e-8, 1e-7, 3e-7, 1e-6, 1e-5)
"""What a byte of flash becomes worth where the fastest kernels do not fit, until they do."""


@dataclass(frozen=True)
class Program:
    """Everything the emitter writes down.

    Attributes:
        graph: the model after the passes, for tensor names, shapes and scales.
        layers: in execution order.
        aliases: tensor -> the tensor whose memory it names (reshapes).
        memory: where tensors and scratch lie.
        target: what it was compiled for.
    """

    graph: Graph
    layers: tuple[Layer, ...]
    aliases: Mapping[int, int]
    memory: MemoryPlan
    target: Target

    def constants(self) -> list[Constant]:
        """Return every array that goes to flash, constant operands included, in order of use."""
        return [constant for layer in self.layers for constant in (*operands(self.graph, layer), *layer.constants)]

    @property
    def flash_weights_bytes(self) -> int:
        """Return the size of section `.rodata.weights`, equal arrays stored once."""
        return sum(aligned for aligned in {c.values.tobytes(): -(-c.bytes // 4) * 4 for c in self.constants()}.values())

    @property
    def flash_code_bytes(self) -> int:
        """Return about what the code takes: routines at their size, the C around them as it mostly is."""
        return code_bytes(self.layers, shared=self.target.shared)

    @property
    def ram_stack_bytes(self) -> int:
        """Return about how much stack an inference takes."""
        return max((size.stack(layer, shared=self.target.shared) for layer in self.layers), default=0)

    @property
    def fits(self) -> bool:
        """Tell whether flash and RAM of the target are enough, as far as is known before anything is built."""
        flash = self.flash_weights_bytes + self.flash_code_bytes
        ram = self.memory.arena_bytes + self.ram_stack_bytes
        return _within(flash, self.target.flash_bytes) and _within(ram, self.target.ram_bytes)

    @property
    def macs(self) -> int:
        """Return the multiply-accumulates of one inference of the file's graph, padding counted."""
        return sum(layer.macs for layer in self.layers)

    @property
    def macs_executed(self) -> int:
        """Return those that are left, padding counted: dead channels are gone, padding channels there."""
        return sum(layer.macs_executed for layer in self.layers)


def _within(need: int, limit: int | None) -> bool:
    return limit is None or need <= limit


def operands(graph: Graph, layer: Layer) -> list[Constant]:
    """Return the inputs of a layer that are constants of the file."""
    tensors = (graph.tensors[index] for index in layer.inputs)
    return [Constant("operand", "int8_t", tensor.data) for tensor in tensors if tensor.data is not None]


def read_program(model: Path, target: Target = PORTABLE) -> Program:
    """Read and plan a model for a target.

    Raises:
        UserError: the file is missing, damaged, or asks for something unsupported.
    """
    graph = read_model(model)
    program = make_program(graph, target)
    for price in PRICES if target.objective == "latency" else ():
        if program.fits:
            break
        program = make_program(graph, replace(target, price=price))
    return program


def make_program(graph: Graph, target: Target = PORTABLE, *, channel_multiple: int | None = None) -> Program:
    """Check, simplify, lower and place a graph; `channel_multiple` as `multiple` of `rewrite_channels`."""
    multiple = channel_multiple or target.channel_multiple
    validate(graph)
    graph = fuse_activations(graph)
    macs = file_macs(graph)
    graph, aliases = drop_reshapes(rewrite_channels(graph, multiple))
    if not graph.operators:
        raise UserError(f"{graph.stem}: the model computes nothing: expected an operator other than RESHAPE")
    chosen = choose([Node(graph, operator) for operator in graph.operators], target)
    layers = [with_macs(layer, macs[operator.index]) for layer, operator in zip(chosen, graph.operators, strict=True)]
    rolled = roll(graph, layers, aliases, target)
    memory = plan_memory(graph, rolled, aliases)
    return Program(graph, memory.ordered(rolled), aliases, memory, target)


def file_macs(graph: Graph) -> Mapping[int, int]:
    """Check every operator, and return its multiply-accumulates, by its index, before any channel leaves."""
    graph, _ = drop_reshapes(graph)
    return {operator.index: lower(Node(graph, operator)).macs for operator in graph.operators}
