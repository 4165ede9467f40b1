"""Seam 1 to seam 2: a .tflite file becomes a folder of C that needs nothing but a C11 compiler."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.compiler.choose import Objective, Target
from harness.compiler.emit import emit
from harness.compiler.program import Program, read_program

__all__ = ["Compiled", "Objective", "Program", "Target", "compile_model", "compile_program", "read_program"]


@dataclass(frozen=True)
class Compiled:
    """A C folder and the content of its model.json."""

    folder: Path
    description: dict[str, Any]


def compile_model(
    model: Path,
    out: Path,
    *,
    prefix: str = "model",
    core: str | None = None,
    optimise: Objective = "balanced",
    flash_bytes: int | None = None,
    ram_bytes: int | None = None,
) -> Compiled:
    """Compile a .tflite file to C.

    Args:
        model: the .tflite file.
        out: the folder to write.
        prefix: of the C names, e.g. `model` for `model_invoke`.
        core: None for portable C11; a core's name may add assembly for it.
        optimise: balanced, latency, ram or flash.
        flash_bytes: what there is, which `latency` has to fit; None for no limit.
        ram_bytes: likewise.

    Returns:
        The folder and what was planned.

    Raises:
        UserError: the model cannot be read or has something unsupported; nothing is written then.

    Example:
        >>> compile_model(Path("kws.tflite"), Path("kws_c")).description["ram_arena_bytes"]  # doctest: +SKIP
        16640
    """
    target = Target(core, optimise, flash_bytes, ram_bytes)
    return compile_program(read_program(model, target), out, prefix=prefix, core=core, optimise=optimise)


def compile_program(
    program: Program, out: Path, *, prefix: str = "model", core: str | None = None, optimise: str = "balanced"
) -> Compiled:
    """Write a program that was planned before; see `compile_model`."""
    return Compiled(out, emit(program, out, prefix=prefix, core=core, optimise=optimise))
