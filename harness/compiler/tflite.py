"""Reads a .tflite file into a `Graph`, with the schema bindings of the `tflite` package.

A flatbuffer is a web of offsets, and a damaged one can point anywhere. Python cannot read outside the file, so damage
shows as an exception of the bindings, as a vector longer than the file, or as nonsense in the values; all three end in
one `UserError`. What the values mean (shapes that fit, scales in range) is checked by `validate`.
"""

import hashlib
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tflite as schema

from harness.compiler.graph import ITEM_BYTES, Graph, Operator, Quantization, Tensor
from harness.errors import UserError

IDENTIFIER = b"TFL3"
MAX_OPERATORS = 4096
MAX_TENSORS = 16384
MAX_RANK = 8
# What the bindings raise on damaged bytes; anything else is a defect of this reader and should be seen.
DAMAGE = (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError, AssertionError, KeyError)

_TYPE_NAMES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
_OP_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
_ACTIVATIONS = {value: name for name, value in vars(schema.ActivationFunctionType).items() if isinstance(value, int)}
_PADDINGS = {schema.Padding.SAME: "SAME", schema.Padding.VALID: "VALID"}


class _Damaged(ValueError):
    """The bytes contradict the format; the message says how."""


def read_model(path: Path) -> Graph:
    """Read a .tflite file.

    Args:
        path: a file that anybody's converter wrote.

    Returns:
        The graph, its operators in execution order.

    Raises:
        UserError: the file is missing, is no .tflite, or is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the model {path}: {error.strerror}; expected a .tflite file") from error
    return parse_model(content, path.stem)


def parse_model(content: bytes, stem: str) -> Graph:
    """Parse the bytes of a .tflite file; see `read_model`."""
    if len(content) < 8 or content[4:8] != IDENTIFIER:
        raise UserError(
            f"{stem}: not a .tflite file: expected the identifier TFL3 at byte 4, got {content[4:8]!r}; "
            "convert the model with TensorFlow Lite first"
        )
    try:
        return _parse(content, stem)
    except DAMAGE as error:
        reason = str(error) if isinstance(error, _Damaged) else "an offset or a size in it points nowhere"
        raise UserError(f"{stem}: damaged .tflite file: {reason}; convert or download the model again") from error


def _parse(content: bytes, stem: str) -> Graph:
    model = schema.Model.GetRootAsModel(content, 0)
    if model.SubgraphsLength() != 1:
        raise UserError(
            f"{stem}: expected one subgraph, got {model.SubgraphsLength()}; control flow (IF, WHILE, CALL) is not "
            "supported: convert a model without it"
        )
    subgraph = model.Subgraphs(0)
    _limit("tensors", subgraph.TensorsLength(), MAX_TENSORS)
    _limit("operators", subgraph.OperatorsLength(), MAX_OPERATORS)
    budget = _Budget(len(content))
    tensors = tuple(_tensor(model, subgraph.Tensors(i), i, budget) for i in range(subgraph.TensorsLength()))
    operators = tuple(_operator(model, subgraph.Operators(i), i) for i in range(subgraph.OperatorsLength()))
    return Graph(
        stem=stem,
        sha256=hashlib.sha256(content).hexdigest(),
        tensors=tensors,
        operators=operators,
        inputs=tuple(_indices(subgraph.InputsAsNumpy(), "graph inputs", len(content))),
        outputs=tuple(_indices(subgraph.OutputsAsNumpy(), "graph outputs", len(content))),
    )


def _limit(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise _Damaged(f"it claims {count} {what}, more than the {limit} this compiler accepts")


class _Budget:
    """Bytes of constants that may still be taken: overlapping vectors cannot make a small file large."""

    def __init__(self, file_bytes: int) -> None:
        self.left = 4 * file_bytes

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _Damaged("its vectors together are larger than the file")


def _indices(values: Any, what: str, limit: int) -> list[int]:
    if isinstance(values, int):  # the bindings give 0 for a vector that is not there
        return []
    if len(values) > limit:
        raise _Damaged(f"the list of {what} is longer than the file")
    return [int(value) for value in values]


def _tensor(model: Any, tensor: Any, index: int, budget: _Budget) -> Tensor:
    shape = _indices(tensor.ShapeAsNumpy(), "dimensions", MAX_RANK)
    dtype = _TYPE_NAMES.get(tensor.Type())
    if dtype is None:
        raise _Damaged(f"tensor {index} has the unknown type {tensor.Type()}")
    name = tensor.Name() or b""
    budget.take(len(name))
    return Tensor(
        index=index,
        name=name.decode("utf-8", errors="replace"),
        shape=tuple(shape),
        dtype=dtype,
        quantization=_quantization(tensor.Quantization(), budget),
        data=_data(model, tensor, index, tuple(shape), dtype, budget),
    )


def _quantization(parameters: Any, budget: _Budget) -> Quantization | None:
    if parameters is None or parameters.ScaleLength() == 0:
        return None
    scales = np.asarray(parameters.ScaleAsNumpy(), dtype=np.float32)
    budget.take(scales.nbytes)
    if parameters.ZeroPointLength() == 0:
        zero_points = np.zeros(scales.size, dtype=np.int64)
    else:
        zero_points = np.asarray(parameters.ZeroPointAsNumpy(), dtype=np.int64)
        budget.take(zero_points.nbytes)
    if zero_points.size == 1:
        zero_points = np.repeat(zero_points, scales.size)
    if zero_points.size != scales.size:
        raise _Damaged(f"a tensor has {scales.size} scales but {zero_points.size} zero points")
    return Quantization(scales, zero_points, int(parameters.QuantizedDimension()))


def _data(
    model: Any, tensor: Any, index: int, shape: tuple[int, ...], dtype: str, budget: _Budget
) -> np.ndarray[Any, np.dtype[Any]] | None:
    if tensor.Buffer() >= model.BuffersLength():
        raise _Damaged(f"tensor {index} names buffer {tensor.Buffer()} of {model.BuffersLength()}")
    buffer = model.Buffers(tensor.Buffer())
    if tensor.Buffer() == 0 or buffer.DataLength() == 0:
        return None
    if tensor.Sparsity() is not None:
        raise UserError(f"tensor {index} is stored sparse, which is not supported; convert without sparse tensors")
    raw = buffer.DataAsNumpy()
    budget.take(raw.nbytes)
    if dtype not in ITEM_BYTES:
        return None
    if min(shape, default=1) < 0 or raw.nbytes != np.prod(shape, dtype=object) * ITEM_BYTES[dtype]:
        raise _Damaged(f"tensor {index} of shape {list(shape)} and type {dtype} has {raw.nbytes} bytes of data")
    return np.frombuffer(raw.tobytes(), dtype=np.dtype(dtype).newbyteorder("<")).reshape(shape)


def _operator(model: Any, operator: Any, index: int) -> Operator:
    if operator.OpcodeIndex() >= model.OperatorCodesLength():
        raise _Damaged(f"operator {index} names operator code {operator.OpcodeIndex()}")
    code = model.OperatorCodes(operator.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    op = _OP_NAMES.get(number)
    if op is None:
        raise _Damaged(f"operator {index} has the unknown code {number}")
    inputs = _indices(operator.InputsAsNumpy(), "operator inputs", MAX_OPERATORS)
    outputs = _indices(operator.OutputsAsNumpy(), "operator outputs", MAX_OPERATORS)
    return Operator(
        index=index,
        op=op,
        inputs=tuple(None if value == -1 else value for value in inputs),
        outputs=tuple(outputs),
        options=_options(operator, op, index),
    )


def _options(operator: Any, op: str, index: int) -> Mapping[str, Any]:
    if op not in _OPTIONS:
        return {}
    cls, read = _OPTIONS[op]
    expected = getattr(schema.BuiltinOptions, cls.__name__)
    if operator.BuiltinOptionsType() != expected:
        raise _Damaged(f"operator {index} ({op}) lacks its options")
    table = cls()
    union = operator.BuiltinOptions()
    table.Init(union.Bytes, union.Pos)
    return read(table)


def _activation(value: int) -> str:
    if value not in _ACTIVATIONS:
        raise _Damaged(f"unknown fused activation {value}")
    return str(_ACTIVATIONS[value])


def _window(table: Any) -> dict[str, Any]:
    if table.Padding() not in _PADDINGS:
        raise _Damaged(f"unknown padding {table.Padding()}")
    return {
        "padding": _PADDINGS[table.Padding()],
        "stride": (table.StrideH(), table.StrideW()),
        "activation": _activation(table.FusedActivationFunction()),
    }


def _convolution(table: Any) -> dict[str, Any]:
    return {**_window(table), "dilation": (table.DilationHFactor(), table.DilationWFactor())}


def _depthwise(table: Any) -> dict[str, Any]:
    return {**_convolution(table), "depth_multiplier": table.DepthMultiplier()}


def _pool(table: Any) -> dict[str, Any]:
    return {**_window(table), "filter": (table.FilterHeight(), table.FilterWidth())}


def _fully_connected(table: Any) -> dict[str, Any]:
    return {
        "activation": _activation(table.FusedActivationFunction()),
        "weights_format": table.WeightsFormat(),
        "keep_num_dims": bool(table.KeepNumDims()),
    }


_OPTIONS: dict[str, tuple[Any, Callable[[Any], dict[str, Any]]]] = {
    "CONV_2D": (schema.Conv2DOptions, _convolution),
    "DEPTHWISE_CONV_2D": (schema.DepthwiseConv2DOptions, _depthwise),
    "FULLY_CONNECTED": (schema.FullyConnectedOptions, _fully_connected),
    "AVERAGE_POOL_2D": (schema.Pool2DOptions, _pool),
    "MAX_POOL_2D": (schema.Pool2DOptions, _pool),
    "ADD": (schema.AddOptions, lambda table: {"activation": _activation(table.FusedActivationFunction())}),
    "MEAN": (schema.ReducerOptions, lambda table: {"keep_dims": bool(table.KeepDims())}),
    "SOFTMAX": (schema.SoftmaxOptions, lambda table: {"beta": float(table.Beta())}),
}
