"""Writes a program as a folder of C: model.c, model.h, model.json, the kernel headers it needs, and a README.

Nothing from inside a .tflite becomes an identifier or a file name; names appear only in string literals and JSON,
escaped.
"""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness import resources
from harness.compiler.graph import Graph
from harness.compiler.layer import Constant, Layer, ShapeValue
from harness.compiler.program import Program, operands
from harness.errors import UserError

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_INCLUDE = re.compile(r'#include "([a-z0-9_]+\.h)"')
_LINE = 116


@dataclass(frozen=True)
class Instance:
    """One C function for all layers that call the same kernel: with the same shape, or, shared, with any.

    Attributes:
        name: of the function.
        kernel: that it calls.
        shape: the only one, which the C compiler then folds into the code; None where the caller passes it.
        parameters: C type and name of each.
    """

    name: str
    kernel: str
    shape: Mapping[str, ShapeValue] | None
    parameters: tuple[tuple[str, str], ...]  # C type and name


@dataclass(frozen=True)
class Call:
    """One layer: the instance it calls and the C expressions it passes."""

    layer: Layer
    instance: str
    arguments: tuple[str, ...]


def emit(program: Program, out: Path, *, prefix: str, core: str | None, optimise: str) -> dict[str, Any]:
    """Write the C folder.

    Args:
        program: what to write.
        out: the folder; made if it is not there, its files of the same names replaced.
        prefix: of every public C name; a C identifier in lower case.
        core: what the folder is for, None for portable C11.
        optimise: the objective that the program was planned for.

    Returns:
        The content of model.json.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,31}", prefix):
        raise UserError(f"expected a prefix of lower-case letters, digits and underscores, got {prefix!r}")
    names = _constant_names(program)
    shared = optimise == "flash"
    instances = _instances(program, shared=shared)
    calls = [_call(program, layer, instances, names, shared=shared) for layer in program.layers]
    routines = list({routine.name: routine for layer in program.layers for routine in layer.routines}.values())
    description = describe(program, prefix=prefix, core=core, optimise=optimise)
    kernels = sorted({layer.kernel for layer in program.layers})
    context: dict[str, Any] = {
        "prefix": prefix,
        "shared": shared,
        "program": program,
        "constants": _distinct(program, names),
        "instances": list(instances.values()),
        "calls": calls,
        "kernels": kernels,
        "routines": routines,
        "inputs": [program.graph.tensors[i] for i in program.graph.inputs],
        "outputs": [program.graph.tensors[i] for i in program.graph.outputs],
        "description": description,
    }
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    environment.filters |= {"c_string": c_string, "c_value": c_value, "c_array": c_array, "c_comment": c_comment}
    symbols = {routine.name: f"{prefix}_{routine.name}" for routine in routines}
    environment.filters["c_symbol"] = partial(c_symbol, symbols=symbols)
    out.mkdir(parents=True, exist_ok=True)
    files = [("model.c", f"{prefix}.c"), ("model.h", f"{prefix}.h"), ("README.md", "README.md")]
    files += [("kernels.S", f"{prefix}_kernels.S")] if routines else []
    for template, target in files:
        (out / target).write_text(environment.get_template(f"{template}.jinja").render(context), encoding="utf-8")
    (out / f"{prefix}.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    _copy_headers(kernels, out / "kernels")
    return description


def describe(program: Program, *, prefix: str, core: str | None, optimise: str) -> dict[str, Any]:
    """Return the content of model.json: what was planned."""
    graph, memory = program.graph, program.memory
    names = {tensor.index: tensor.name for tensor in graph.tensors}
    return {
        "schema": 1,
        "prefix": prefix,
        "model": {"file": graph.stem, "sha256": graph.sha256},
        "core": core,
        "optimise": optimise,
        "flash_weights_bytes": program.flash_weights_bytes,
        "ram_arena_bytes": memory.arena_bytes,
        "macs": program.macs,
        "macs_executed": program.macs_executed,
        "inputs": [_border(program, index) for index in graph.inputs],
        "outputs": [_border(program, index) for index in graph.outputs],
        "tensors": [
            {
                "index": tensor, "name": names[tensor], "shape": list(graph.tensors[tensor].shape),
                "type": graph.tensors[tensor].dtype, "bytes": graph.tensors[tensor].bytes, "offset": place.offset,
                "first_layer": place.buffer.first, "last_layer": place.buffer.last,
            }
            for place in memory.placements for tensor in place.buffer.tensors
        ],
        "layers": [
            {
                "index": layer.index, "name": layer.name, "op": layer.op, "kernel": layer.kernel,
                "macs": layer.macs, "macs_executed": layer.macs_executed,
                "tensor": layer.outputs[0], "channels": _channels(graph, layer),
                "weights_bytes": sum(c.bytes for c in layer.constants), "scratch_bytes": layer.scratch_bytes or 0,
                "inputs": [names[t] for t in layer.inputs], "outputs": [names[t] for t in layer.outputs],
            }
            for layer in program.layers
        ],
    }  # fmt: skip


def _channels(graph: Graph, layer: Layer) -> list[int] | None:
    """Return which channel of the file's tensor each channel is that a layer writes, None where all are the file's."""
    channels = graph.tensors[layer.outputs[0]].channels
    return None if channels is None else list(channels)


def _border(program: Program, index: int) -> dict[str, Any]:
    tensor = program.graph.tensors[index]
    q = tensor.quantization if tensor.dtype == "int8" else None
    return {
        "name": tensor.name, "shape": list(tensor.shape), "type": tensor.dtype,
        "scale": q.scale if q else None, "zero_point": q.zero_point if q else None,
        "offset": program.memory.tensor_offset(index), "bytes": tensor.bytes,
    }  # fmt: skip


def _constant_names(program: Program) -> dict[bytes, str]:
    names: dict[bytes, str] = {}
    for constant in program.constants():
        names.setdefault(_key(constant), f"weights_{len(names)}")
    return names


def _key(constant: Constant) -> bytes:
    return constant.ctype.encode() + constant.values.tobytes()


def _distinct(program: Program, names: Mapping[bytes, str]) -> list[tuple[str, Constant]]:
    return list({names[_key(constant)]: constant for constant in program.constants()}.items())


def _instance_key(layer: Layer, arguments: int, *, shared: bool) -> tuple[Any, ...]:
    return (layer.kernel, arguments, None if shared else json.dumps(layer.shape))


def _instances(program: Program, *, shared: bool) -> dict[tuple[Any, ...], Instance]:
    instances: dict[tuple[Any, ...], Instance] = {}
    for layer in program.layers:
        parameters = [("const int8_t *", f"in{i}") for i in range(len(layer.inputs))]
        parameters += [(f"const {c.ctype} *", c.role) for c in layer.constants]
        parameters += [("int8_t *", "scratch")] if layer.scratch_bytes is not None else []
        parameters += [("int8_t *", f"out{i}") for i in range(len(layer.outputs))]
        key = _instance_key(layer, len(parameters), shared=shared)
        name = f"{layer.kernel}_{len(instances)}"
        instances.setdefault(key, Instance(name, layer.kernel, None if shared else layer.shape, tuple(parameters)))
    return instances


def _call(
    program: Program,
    layer: Layer,
    instances: Mapping[tuple[Any, ...], Instance],
    names: Mapping[bytes, str],
    *,
    shared: bool,
) -> Call:  # fmt: skip
    graph, memory = program.graph, program.memory
    constant_operands = iter(operands(graph, layer))
    arguments = [
        f"ARENA({memory.tensor_offset(index)})"
        if graph.tensors[index].data is None
        else names[_key(next(constant_operands))]
        for index in layer.inputs
    ]
    arguments += [names[_key(constant)] for constant in layer.constants]
    if layer.scratch_bytes is not None:
        arguments.append(f"ARENA({memory.scratch_offset(layer.index)})" if layer.scratch_bytes else "0")
    arguments += [f"ARENA({memory.tensor_offset(index)})" for index in layer.outputs]
    return Call(layer, instances[_instance_key(layer, len(arguments), shared=shared)].name, tuple(arguments))


def _copy_headers(kernels: Iterable[str], target: Path) -> None:
    """Copy the kernels' headers and whatever they include."""
    source = resources.firmware() / "lib" / "kernels"
    target.mkdir(exist_ok=True)
    wanted = [f"{kernel}.h" for kernel in kernels]
    copied: set[str] = set()
    while wanted:
        header = wanted.pop()
        if header not in copied:
            copied.add(header)
            shutil.copyfile(source / header, target / header)
            wanted += _INCLUDE.findall((source / header).read_text(encoding="utf-8"))


def c_string(text: str) -> str:
    """Return a C string literal; everything but plain ASCII as octal escapes, so that no trigraph or quote survives."""
    safe = re.compile(rb"[A-Za-z0-9 _./:;,()\[\]+=-]")
    return '"' + "".join(chr(b) if safe.match(bytes([b])) else f"\\{b:03o}" for b in text.encode("utf-8")) + '"'


def c_comment(text: str) -> str:
    """Return text that cannot end a comment or change a line."""
    return re.sub(r"[^A-Za-z0-9 _.:;,()\[\]+=-]", "_", text)[:60]


def c_value(value: ShapeValue) -> str:
    """Return a C initialiser for a field of a shape structure."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f".{field} = {item}" for field, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "{" + ", ".join(map(str, value)) + "}"
    return float(value).hex() + "f" if isinstance(value, float) else str(value)


def c_symbol(value: ShapeValue, symbols: Mapping[str, str]) -> str:
    """Return a C initialiser like `c_value`, in which names of routines become those of symbols."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f".{field} = {c_symbol(item, symbols)}" for field, item in value.items()) + "}"
    return symbols.get(value, value) if isinstance(value, str) else c_value(value)


def c_array(values: np.ndarray[Any, Any]) -> str:
    """Return the elements, comma-separated, in lines of at most 116 characters."""
    items = ["(-2147483647 - 1)" if item == -(2**31) else str(item) for item in values.ravel().tolist()]
    width = max(map(len, items)) + 2
    per_line = max(1, _LINE // width)
    return "\n".join("    " + ", ".join(items[i : i + per_line]) + "," for i in range(0, len(items), per_line))
