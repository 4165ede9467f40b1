"""Many seeded mutations of one model: each compiles or is refused, and survivors compute what the oracle computes."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.oracle import Oracle, OracleError
from tests.fuzz.mutate import mutate, structure
from tests.support.exactness import compile_all, mismatches
from tests.support.host_build import build
from tests.support.strategies import Case

SECONDS_LIMIT = 1.0  # of processor time: other work on the machine must not fail a mutation
HANG_SECONDS = 20.0  # of wall time
MODELS_A_BUILD = 5
INPUTS = 3


@dataclass
class Result:
    """What came of one model's mutations; a failure is (seed, what happened)."""

    model: str
    compiled: int = 0
    refused: int = 0
    slowest: float = 0.0
    peak_bytes: int = 0
    exact: int = 0
    oracle_refused: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)


def run(model: Path, seeds: range, survivors: int, progress: Callable[[int], None] = lambda done: None) -> Result:
    """Damage `model` once for each seed, compile, and compare `survivors` of those that compile with the oracle."""
    result = Result(model.stem)
    alive = []
    for seed, answer in compile_damaged(model, seeds):
        result.slowest = max(result.slowest, answer["seconds"])
        result.peak_bytes = max(result.peak_bytes, answer["peak_bytes"])
        if answer["outcome"] == "compiled":
            result.compiled += 1
            alive.append(seed)
        elif answer["outcome"] == "refused":
            result.refused += 1
        if answer["outcome"] == "failed":
            result.failures.append((seed, answer["text"]))
        elif answer["seconds"] > SECONDS_LIMIT:
            result.failures.append((seed, f"took {answer['seconds']:.2f} s"))
        progress(1)
    order = np.random.default_rng(seeds.start).permutation(alive).tolist()
    compare_survivors(model, order, survivors, result)
    return result


def compile_damaged(model: Path, seeds: range) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give each seed and what the worker said; a worker that dies or hangs is replaced and counts as a failure."""
    with tempfile.TemporaryDirectory() as folder:
        worker = _start(model, folder)
        try:
            for seed in seeds:
                answer = _ask(worker, seed)
                if answer is None:
                    worker.kill()
                    status = worker.wait()
                    worker = _start(model, folder)
                    answer = {
                        "outcome": "failed",
                        "text": f"crash or hang, status {status}",
                        "seconds": 0,
                        "peak_bytes": 0,
                    }
                yield seed, answer
        finally:
            worker.kill()
            worker.wait()


def _start(model: Path, folder: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.fuzz.worker", str(model.resolve()), folder]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=root)


def _ask(worker: subprocess.Popen[bytes], seed: int) -> dict[str, Any] | None:
    assert worker.stdin and worker.stdout
    try:
        worker.stdin.write(f"{seed}\n".encode())
        worker.stdin.flush()
    except BrokenPipeError:
        return None
    with selectors.DefaultSelector() as selector:
        selector.register(worker.stdout, selectors.EVENT_READ)
        line = worker.stdout.readline() if selector.select(HANG_SECONDS) else b""
    answer: dict[str, Any] | None = json.loads(line) if line else None
    return answer


def compare_survivors(model: Path, seeds: Sequence[int], wanted: int, result: Result) -> None:
    """Build survivors for this machine until `wanted` of them were compared; pass over those the oracle refuses."""
    content = model.read_bytes()
    positions = structure(content)
    left = iter(seeds)
    compared = 0
    with Oracle(seconds=20.0) as oracle:
        while compared < wanted:
            group = _judged(left, content, positions, oracle, min(MODELS_A_BUILD, wanted - compared), result)
            if not group:
                return
            compared += len(group)
            _compare(group, oracle, result)


def _judged(
    seeds: Iterator[int], content: bytes, positions: np.ndarray, oracle: Oracle, count: int, result: Result
) -> list[tuple[int, Case]]:
    """Take the next survivors that the oracle can run."""
    group: list[tuple[int, Case]] = []
    for seed in seeds:
        case = _case(mutate(content, positions, seed), seed)
        try:
            oracle.run(case.model, case.inputs)
            group.append((seed, case))
        except OracleError:
            result.oracle_refused += 1
        if len(group) == count:
            break
    return group


def _case(model: bytes, seed: int) -> Case:
    """Make inputs for a damaged model: all lowest, all highest, random."""
    with tempfile.TemporaryDirectory() as folder:
        [description] = compile_all([model], Path(folder)).values()
    rng = np.random.default_rng(seed)
    inputs = []
    for tensor in description["inputs"]:
        if tensor["type"] == "float32":
            batch = rng.normal(0, 1, (INPUTS, *tensor["shape"])).astype(np.float32)
        else:
            batch = rng.integers(-128, 128, (INPUTS, *tensor["shape"]), dtype=np.int8)
            batch[0], batch[1] = -128, 127
        inputs.append(batch)
    return Case(model, tuple(inputs), f"seed {seed}")


def _compare(group: Sequence[tuple[int, Case]], oracle: Oracle, result: Result) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = build(Path(folder), compile_all([case.model for _, case in group], Path(folder)))
        except AssertionError as error:
            result.failures += [
                (seed, f"does not build (or a neighbour in its build does not): {error}") for seed, _ in group
            ]
            return
        for index, (seed, case) in enumerate(group):
            try:
                problem = mismatches(program, f"m{index}", case, oracle)
            except (AssertionError, OracleError, subprocess.TimeoutExpired) as error:
                problem = str(error)
            if problem:
                result.failures.append((seed, problem))
            else:
                result.exact += 1
