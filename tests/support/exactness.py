"""The question that most tests here ask: the C computes what the oracle computes, in every byte."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.compiler import compile_model
from harness.oracle import Oracle
from tests.support.host_build import HostProgram, build
from tests.support.strategies import Case


def compile_all(models: Sequence[bytes], folder: Path, **target: Any) -> Mapping[str, Mapping[str, Any]]:
    """Compile models into one folder, with the prefixes m0, m1 ...; return their model.json.

    Args:
        models: contents of .tflite files.
        folder: made if it is not there.
        target: `core` and `optimise` of compile_model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptions = {}
    for index, model in enumerate(models):
        source = folder / f"m{index}.tflite"
        source.write_bytes(model)
        descriptions[f"m{index}"] = compile_model(source, folder, prefix=f"m{index}", **target).description
    return descriptions


def mismatches(program: HostProgram, prefix: str, case: Case, oracle: Oracle) -> str | None:
    """Return None where every byte of every output is equal, else what differs."""
    return difference(oracle.run(case.model, case.inputs), program.run(prefix, case.inputs), case)


def difference(golden: Sequence[np.ndarray], got: Sequence[np.ndarray], case: Case) -> str | None:
    """Return None where two lists of outputs are equal in every byte, else what differs, with the first place."""
    assert len(golden) == len(got), f"{len(got)} outputs, the oracle has {len(golden)}: {case.label}"
    for index, (expected, value) in enumerate(zip(golden, got, strict=True)):
        assert expected.shape == value.shape and expected.dtype == value.dtype, (
            expected.shape,
            value.shape,
            case.label,
        )
        wrong = np.flatnonzero(expected.ravel().view(np.uint8) != value.ravel().view(np.uint8))
        if wrong.size:
            at = np.unravel_index(wrong[0] // expected.itemsize, expected.shape)
            place = f"sample {at[0]} element {[*map(int, at[1:])]}"
            return (
                f"output {index}: {wrong.size} of {expected.nbytes} bytes differ, first in {place}: "
                f"expected {expected[at]}, got {value[at]}; {case.label}"
            )
    return None


def check(cases: Sequence[Case], folder: Path, oracle: Oracle) -> None:
    """Assert that all cases are exact; they share one build."""
    program = build(folder, compile_all([case.model for case in cases], folder))
    found = [text for i, case in enumerate(cases) if (text := mismatches(program, f"m{i}", case, oracle))]
    assert not found, "\n".join(found)
