"""An operator together with its graph: what every lowering asks of its tensors, with the complaints in one place."""

import math
from dataclasses import dataclass
from typing import Any, NoReturn

from numpy.typing import NDArray

from harness.compiler.fixedpoint import quantize_float, quantize_multiplier
from harness.compiler.graph import Graph, Operator, Quantization, Tensor
from harness.compiler.validate import describe
from harness.errors import UserError

# A larger left shift than this leaves no bit of a 32-bit accumulator.
MAX_LEFT_SHIFT = 30


@dataclass(frozen=True)
class Node:
    """One operator of one graph."""

    graph: Graph
    operator: Operator

    def fail(self, problem: str) -> NoReturn:
        """Refuse the model, naming this layer."""
        raise UserError(f"{describe(self.graph, self.operator)}: {problem}")

    def require(self, condition: bool, problem: str) -> None:
        """Refuse the model unless `condition` holds."""
        if not condition:
            self.fail(problem)

    def counts(self, inputs: tuple[int, ...], outputs: int = 1) -> None:
        """Require as many inputs as one of `inputs`, and `outputs` outputs."""
        got = len(self.operator.inputs)
        self.require(got in inputs, f"expected {' or '.join(map(str, inputs))} inputs, got {got}")
        self.require(
            len(self.operator.outputs) == outputs, f"expected {outputs} outputs, got {len(self.operator.outputs)}"
        )

    def optional(self, position: int) -> Tensor | None:
        """Return an input that may be left out."""
        if position >= len(self.operator.inputs):
            return None
        index = self.operator.inputs[position]
        return None if index is None else self.graph.tensors[index]

    def input(self, position: int = 0) -> Tensor:
        """Return an input that must be there."""
        tensor = self.optional(position)
        if tensor is None:
            self.fail(f"input {position} is missing")
        return tensor

    @property
    def output(self) -> Tensor:
        """Return the only output."""
        return self.graph.tensors[self.operator.outputs[0]]

    def option(self, name: str) -> Any:
        """Return an option of the operator."""
        return self.operator.options[name]

    def int8(self, tensor: Tensor) -> Quantization:
        """Require an int8 activation, quantised per tensor, and return its quantisation."""
        self.require(
            tensor.dtype == "int8", f"tensor {tensor.name[:60]!r} is {tensor.dtype}; only int8 is supported here"
        )
        q = tensor.quantization
        if q is None or q.per_channel:
            self.fail(f"tensor {tensor.name[:60]!r} needs one scale and one zero point")
        self.require(
            math.isfinite(q.scale) and q.scale > 0 and -128 <= q.zero_point <= 127,
            f"tensor {tensor.name[:60]!r} has scale {q.scale} and zero point {q.zero_point}; expected a positive scale "
            "and a zero point of int8",
        )
        return q

    def activation(self, position: int = 0) -> Tensor:
        """Return an int8 input that is computed, not constant."""
        tensor = self.input(position)
        self.int8(tensor)
        self.require(tensor.data is None, f"input {position} is a constant; expected computed values")
        return tensor

    def constant(self, position: int, dtype: str) -> NDArray[Any]:
        """Return the values of a constant input of the given type."""
        tensor = self.input(position)
        self.require(tensor.dtype == dtype, f"input {position} is {tensor.dtype}; expected {dtype}")
        if tensor.data is None:
            self.fail(f"input {position} is computed at run time; expected a constant of the file")
        return tensor.data

    def same_quantization(self) -> None:
        """Require that input and output share scale and zero point."""
        source, target = self.int8(self.input()), self.int8(self.output)
        self.require(source.same_as(target), "input and output differ in scale or zero point; expected the same")

    def same_shape(self) -> None:
        """Require that input and output have the same shape."""
        source, target = self.input().shape, self.output.shape
        self.require(source == target, f"expected output shape {list(source)}, got {list(target)}")

    def expect_output_shape(self, shape: tuple[int, ...]) -> None:
        """Require the output shape that the operator's definition gives."""
        got = self.output.shape
        self.require(got == shape, f"expected output shape {list(shape)}, got {list(got)}")

    def clamp(self, activation: str) -> tuple[int, int]:
        """Return the range of the output after a fused activation (CalculateActivationRangeQuantized)."""
        q = self.int8(self.output)
        limits: dict[str, tuple[float | None, float | None]] = {
            "NONE": (None, None),
            "RELU": (0.0, None),
            "RELU6": (0.0, 6.0),
            "RELU_N1_TO_1": (-1.0, 1.0),
        }
        if activation not in limits:
            self.fail(f"fused activation {activation} is not supported; supported: {', '.join(limits)}")
        low, high = limits[activation]
        return (
            -128 if low is None else max(-128, quantize_float(low, q.scale, q.zero_point)),
            127 if high is None else min(127, quantize_float(high, q.scale, q.zero_point)),
        )

    def multiplier(self, real: float) -> tuple[int, int]:
        """Split a real multiplier into fixed point, refusing what 32 bits cannot do."""
        self.require(
            math.isfinite(real) and real >= 0,
            f"the scales give the multiplier {real}; expected a finite one, not negative",
        )
        multiplier, shift = quantize_multiplier(real)
        self.require(
            shift <= MAX_LEFT_SHIFT,
            f"the scales give the multiplier {real:.3g}; expected less than 2**{MAX_LEFT_SHIFT}",
        )
        return multiplier, shift
