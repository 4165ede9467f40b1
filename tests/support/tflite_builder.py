"""Builds .tflite files from a short description, through the object API of the schema that ships with LiteRT.

    b = ModelBuilder()
    x = b.input((1, 8, 8, 3), Q(0.1, -5))
    y = b.conv_2d(x, weights, [0.02], bias, Q(0.3, 4), stride=(2, 2), activation="RELU")
    content = b.build(y)

Each method adds one operator and returns the index of the tensor it writes, whose shape follows the definition of the
operator. Nothing is checked: a test may ask for nonsense.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_DTYPES = {"int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64", "float32": "FLOAT32"}
_ALIGNMENT = 16  # of buffers, as the schema's force_align demands


class Q(NamedTuple):
    """Affine quantisation of an activation: real = scale * (q - zero_point)."""

    scale: float = 0.05
    zero_point: int = 0


Pair = tuple[int, int]


class ModelBuilder:
    """A model under construction; tensors are known by their index."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [_buffer(b"")]
        self._codes: list[int] = []
        self._operators: list[Any] = []
        self._inputs: list[int] = []

    def tensor(
        self,
        shape: Sequence[int],
        q: Q | None = None,
        *,
        dtype: str = "int8",
        name: str | bytes | None = None,
        data: np.ndarray | None = None,
        scales: Sequence[float] | None = None,
        axis: int = 0,
    ) -> int:
        """Add a tensor: an activation with `q`, or a constant with `data` and perhaps `scales` along `axis`."""
        t = schema.TensorT()
        t.shape, t.type = list(shape), getattr(schema.TensorType, _DTYPES[dtype])
        t.name = f"tensor_{len(self._tensors)}" if name is None else name
        t.buffer = 0
        if data is not None:
            self._buffers.append(_buffer(np.ascontiguousarray(data).tobytes()))
            t.buffer = len(self._buffers) - 1
        if q is not None or scales is not None:
            p = t.quantization = schema.QuantizationParametersT()
            p.scale = [q.scale] if q is not None else list(scales or [])
            p.zeroPoint = [q.zero_point] if q is not None else [0] * len(p.scale)
            p.quantizedDimension = axis
        self._tensors.append(t)
        return len(self._tensors) - 1

    def input(self, shape: Sequence[int], q: Q | None = None, *, name: str | bytes | None = None) -> int:
        """Add a graph input: int8 with `q`, float32 without."""
        index = self.tensor(shape, q, dtype="int8" if q else "float32", name=name)
        self._inputs.append(index)
        return index

    def constant(self, values: np.ndarray, scales: Sequence[float] | None = None, axis: int = 0) -> int:
        """Add a constant."""
        return self.tensor(values.shape, dtype=values.dtype.name, data=values, scales=scales, axis=axis)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return tuple(self._tensors[tensor].shape)

    def q(self, tensor: int) -> Q:
        """Return the quantisation of an activation."""
        p = self._tensors[tensor].quantization
        return Q(p.scale[0], p.zeroPoint[0])

    def operator(self, op: str, inputs: Sequence[int], output: int, options: Any = None) -> int:
        """Add any operator; -1 stands for an input that is left out."""
        code = getattr(schema.BuiltinOperator, op)
        if code not in self._codes:
            self._codes.append(code)
        o = schema.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = self._codes.index(code), list(inputs), [output]
        if options is not None:
            o.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            o.builtinOptions = options
        self._operators.append(o)
        return output

    def conv_2d(
        self,
        x: int,
        weights: np.ndarray,
        scales: Sequence[float],
        bias: np.ndarray | None,
        q: Q,
        *,
        stride: Pair = (1, 1),
        padding: str = "SAME",
        dilation: Pair = (1, 1),
        activation: str = "NONE",
    ) -> int:
        """Add CONV_2D: int8 weights out_c x h x w x in_c, one scale or one an output channel, int32 bias or None."""
        options = schema.Conv2DOptionsT()
        _window_options(options, stride, padding, activation)
        options.dilationHFactor, options.dilationWFactor = dilation
        out_c, h, w, _ = weights.shape
        shape = self._slide(x, (h, w), stride, padding, dilation, out_c)
        inputs = [x, self.constant(weights, scales, axis=0), *self._bias(bias, x, scales)]
        return self.operator("CONV_2D", inputs, self.tensor(shape, q), options)

    def depthwise_conv_2d(
        self,
        x: int,
        weights: np.ndarray,
        scales: Sequence[float],
        bias: np.ndarray | None,
        q: Q,
        *,
        stride: Pair = (1, 1),
        padding: str = "SAME",
        dilation: Pair = (1, 1),
        activation: str = "NONE",
    ) -> int:
        """Add DEPTHWISE_CONV_2D: int8 weights 1 x h x w x out_c, out_c a multiple of the input's channels."""
        options = schema.DepthwiseConv2DOptionsT()
        _window_options(options, stride, padding, activation)
        options.dilationHFactor, options.dilationWFactor = dilation
        _, h, w, out_c = weights.shape
        options.depthMultiplier = out_c // self.shape(x)[3]
        shape = self._slide(x, (h, w), stride, padding, dilation, out_c)
        inputs = [x, self.constant(weights, scales, axis=3), *self._bias(bias, x, scales)]
        return self.operator("DEPTHWISE_CONV_2D", inputs, self.tensor(shape, q), options)

    def fully_connected(
        self,
        x: int,
        weights: np.ndarray,
        scales: Sequence[float],
        bias: np.ndarray | None,
        q: Q,
        *,
        activation: str = "NONE",
    ) -> int:
        """Add FULLY_CONNECTED: int8 weights channels x depth; the input's elements are rows x depth."""
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = getattr(schema.ActivationFunctionType, activation)
        channels, depth = weights.shape
        shape = (int(np.prod(self.shape(x))) // depth, channels)
        inputs = [x, self.constant(weights, scales, axis=0), *self._bias(bias, x, scales)]
        return self.operator("FULLY_CONNECTED", inputs, self.tensor(shape, q), options)

    def pool_2d(
        self, x: int, op: str, window: Pair, *, stride: Pair = (1, 1), padding: str = "SAME", activation: str = "NONE"
    ) -> int:
        """Add AVERAGE_POOL_2D or MAX_POOL_2D."""
        options = schema.Pool2DOptionsT()
        _window_options(options, stride, padding, activation)
        options.filterHeight, options.filterWidth = window
        shape = self._slide(x, window, stride, padding, (1, 1), self.shape(x)[3])
        return self.operator(op, [x], self.tensor(shape, self.q(x)), options)

    def mean(self, x: int, axes: Sequence[int], q: Q, *, keep_dims: bool = False) -> int:
        """Add MEAN over `axes`, which may be negative."""
        options = schema.ReducerOptionsT()
        options.keepDims = keep_dims
        shape = self.shape(x)
        summed = {axis % len(shape) for axis in axes}
        kept = [1 if i in summed else size for i, size in enumerate(shape) if keep_dims or i not in summed]
        inputs = [x, self.constant(np.array(axes, dtype=np.int32))]
        return self.operator("MEAN", inputs, self.tensor(kept, q), options)

    def add(self, a: int, b: int, q: Q, *, activation: str = "NONE") -> int:
        """Add ADD, broadcasting."""
        options = schema.AddOptionsT()
        options.fusedActivationFunction = getattr(schema.ActivationFunctionType, activation)
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        return self.operator("ADD", [a, b], self.tensor(shape, q), options)

    def softmax(self, x: int, *, beta: float = 1.0) -> int:
        """Add SOFTMAX over the last axis."""
        options = schema.SoftmaxOptionsT()
        options.beta = beta
        return self.operator("SOFTMAX", [x], self.tensor(self.shape(x), Q(1 / 256, -128)), options)

    def reshape(self, x: int, shape: Sequence[int]) -> int:
        """Add RESHAPE."""
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        inputs = [x, self.constant(np.array(shape, dtype=np.int32))]
        return self.operator("RESHAPE", inputs, self.tensor(shape, self.q(x)), options)

    def pad(self, x: int, paddings: Sequence[Pair]) -> int:
        """Add PAD."""
        shape = [before + size + after for size, (before, after) in zip(self.shape(x), paddings, strict=True)]
        inputs = [x, self.constant(np.array(paddings, dtype=np.int32))]
        return self.operator("PAD", inputs, self.tensor(shape, self.q(x)), schema.PadOptionsT())

    def relu(self, x: int, q: Q, op: str = "RELU") -> int:
        """Add RELU or RELU6."""
        return self.operator(op, [x], self.tensor(self.shape(x), q))

    def logistic(self, x: int) -> int:
        """Add LOGISTIC."""
        return self.operator("LOGISTIC", [x], self.tensor(self.shape(x), Q(1 / 256, -128)))

    def quantize(self, x: int, q: Q) -> int:
        """Add QUANTIZE."""
        return self.operator("QUANTIZE", [x], self.tensor(self.shape(x), q), schema.QuantizeOptionsT())

    def dequantize(self, x: int) -> int:
        """Add DEQUANTIZE."""
        output = self.tensor(self.shape(x), dtype="float32")
        return self.operator("DEQUANTIZE", [x], output, schema.DequantizeOptionsT())

    def build(self, *outputs: int) -> bytes:
        """Return the file."""
        model = schema.ModelT()
        model.version, model.description, model.buffers = 3, "made by a test", self._buffers
        model.operatorCodes = [_operator_code(code) for code in self._codes]
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.name = self._tensors, self._operators, "main"
        graph.inputs, graph.outputs = self._inputs, list(outputs)
        model.subgraphs = [graph]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _bias(self, bias: np.ndarray | None, x: int, scales: Sequence[float]) -> list[int]:
        """Add a bias on the scale of the accumulator, as TFLM checks for per-tensor weights."""
        if bias is None:
            return []
        return [self.constant(bias.astype(np.int32), [float(np.float32(self.q(x).scale * s)) for s in scales])]

    def _slide(
        self, x: int, window: Pair, stride: Pair, padding: str, dilation: Pair, channels: int
    ) -> tuple[int, int, int, int]:
        batches, *sizes, _ = self.shape(x)
        h, w = (slide(*axis, padding) for axis in zip(sizes, window, stride, dilation, strict=True))
        return batches, h, w, channels


def slide(size: int, window: int, stride: int, dilation: int, padding: str) -> int:
    """Return the number of positions of a window along an axis."""
    extent = (window - 1) * dilation + 1
    return -(-size // stride) if padding == "SAME" else (size - extent) // stride + 1


def _window_options(options: Any, stride: Pair, padding: str, activation: str) -> None:
    options.strideH, options.strideW = stride
    options.padding = getattr(schema.Padding, padding)
    options.fusedActivationFunction = getattr(schema.ActivationFunctionType, activation)


def _operator_code(code: int) -> Any:
    c = schema.OperatorCodeT()
    c.builtinCode, c.deprecatedBuiltinCode, c.version = code, min(code, 127), 1
    return c


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A buffer that lies where the schema wants it; the generated code forgets the alignment."""

    def Pack(self, builder: Any) -> Any:
        content = bytes(self.data)
        if content:
            builder.StartVector(1, len(content), _ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.Head() : builder.Head() + len(content)] = content
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if content:
            schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def _buffer(content: bytes) -> Any:
    buffer = _AlignedBuffer()
    buffer.data = content
    return buffer
