"""The question that most tests here ask: the C computes what the oracle computes, in every byte."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.compiler import compile_model
from harness.oracle import Oracle
from tests.support.host_build import HostProgram, build
from tests.support.strategies import Case


def compile_all(models: Sequence[bytes], folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Compile models into one folder, with the prefixes m0, m1 ...; return their model.json."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptions = {}
    for index, model in enumerate(models):
        source = folder / f"m{index}.tflite"
        source.write_bytes(model)
        descriptions[f"m{index}"] = compile_model(source, folder, prefix=f"m{index}").description
    return descriptions


def mismatches(program: HostProgram, prefix: str, case: Case, oracle: Oracle) -> str | None:
    """Return None where every byte of every output is equal, else what differs."""
    golden = oracle.run(case.model, case.inputs)
    got = program.run(prefix, case.inputs)
    assert len(golden) == len(got), f"{len(got)} outputs, the oracle has {len(golden)}: {case.label}"
    for index, (expected, value) in enumerate(zip(golden, got, strict=True)):
        assert expected.shape == value.shape and expected.dtype == value.dtype, (
            expected.shape,
            value.shape,
            case.label,
        )
        wrong = np.flatnonzero(expected.ravel().view(np.uint8) != value.ravel().view(np.uint8))
        if wrong.size:
            at = wrong[0] // expected.itemsize
            return (
                f"output {index}: {wrong.size} of {expected.nbytes} bytes differ, first at element {at}: "
                f"expected {expected.ravel()[at]}, got {value.ravel()[at]}; {case.label}"
            )
    return None


def check(cases: Sequence[Case], folder: Path, oracle: Oracle) -> None:
    """Assert that all cases are exact; they share one build."""
    program = build(folder, compile_all([case.model for case in cases], folder))
    found = [text for i, case in enumerate(cases) if (text := mismatches(program, f"m{i}", case, oracle))]
    assert not found, "\n".join(found)
