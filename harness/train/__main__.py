"""Trains a student: `python -m harness.train recipes/kws_dscnn_s.toml --out DIR`; docs/training.md tells the rest."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import HarnessError


def main(
    recipe: Annotated[Path, typer.Argument(help="The recipe, in TOML.")],
    out: Annotated[Path, typer.Option(help="Folder for the .tflite, its card and the checkpoint.")] = Path("trained"),
) -> None:
    """Train a student from a recipe; the same command after a kill goes on where it was."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        from harness.train.run import train
    except ImportError as error:
        print(f"harness: error: {error}; training needs: pip install 'tinyml-harness[train]'", file=sys.stderr)
        raise SystemExit(3) from None
    try:
        train(recipe, out, lambda line: print(line, file=sys.stderr, flush=True))
    except HarnessError as error:
        print(f"harness: error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_status) from None


if __name__ == "__main__":
    typer.run(main)
