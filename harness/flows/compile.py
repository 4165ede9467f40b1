"""`harness compile`: a .tflite becomes a folder of C, whole or not at all."""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.flows import choices
from harness.flows.models import find_model

log = logging.getLogger(__name__)


def compile_to(name: str, out: Path, *, prefix: str, core: str | None, optimise: str) -> dict[str, Any]:
    """Write the C folder of a model and return the content of its model.json.

    Args:
        name: a .tflite file or a student of the zoo.
        out: the folder to write; files in it that the compiler does not write stay.
        prefix: of every public C name.
        core: None for portable C11, else a core whose assembly may be used.
        optimise: balanced, latency, ram or flash.

    Raises:
        UserError: no such core or objective, or the model cannot be read or compiled; nothing is written then.
    """
    from harness.compiler import compile_model

    if core is not None:
        choices.core(core)
    objective = choices.objective(optimise)
    model = find_model(name)
    if out.exists() and not out.is_dir():
        raise UserError(f"expected a folder after -o, got the file {out}: name another")
    out = out.absolute()
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        compiled = compile_model(model.path, partial, prefix=prefix, core=core, optimise=objective)
        shutil.copytree(partial, out, dirs_exist_ok=True) if out.exists() else partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    log.info("wrote %s", out)
    return compiled.description
