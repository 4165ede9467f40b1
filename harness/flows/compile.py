"""`harness compile`: a .tflite becomes a folder of C, whole or not at all."""

import os
import shutil
from pathlib import Path
from typing import Any

from harness.compiler import Objective
from harness.errors import UserError
from harness.flows.models import find_model
from harness.nearest import did_you_mean

CORES = ("m0plus", "m3", "m4f", "m7", "m33", "m55")


def compile_to(name: str, out: Path, *, prefix: str, core: str | None, optimise: Objective) -> dict[str, Any]:
    """Write the C folder of a model and return the content of its model.json.

    Args:
        name: a .tflite file or a student of the zoo.
        out: the folder to write; files in it that the compiler does not write stay.
        prefix: of every public C name.
        core: None for portable C11, else a core whose assembly may be used.
        optimise: balanced, latency, ram or flash.

    Raises:
        UserError: no such core, or the model cannot be read or compiled; nothing is written then.
    """
    from harness.compiler import compile_model

    if core is not None and core not in CORES:
        known = f"expected one of {', '.join(CORES)}, or none for portable C"
        raise UserError(f"unknown core {core!r}: {known}{did_you_mean(core, CORES)}")
    model = find_model(name)
    if out.exists() and not out.is_dir():
        raise UserError(f"expected a folder after -o, got the file {out}: name another")
    out = out.absolute()
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        compiled = compile_model(model.path, partial, prefix=prefix, core=core, optimise=optimise)
        shutil.copytree(partial, out, dirs_exist_ok=True) if out.exists() else partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return compiled.description
