"""The solver in a child process: OR-Tools ends a process that also holds TensorFlow with a segmentation fault.

A child that dies costs its answer, not the compilation: the greedy plan stands.
"""

import pickle
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

from harness.compiler.memory.problem import Problem
from harness.compiler.memory.solve import Answer, solve


@dataclass(frozen=True)
class Apart:
    """A child process that solves one problem after another, for as long as the context lasts."""

    _process: "subprocess.Popen[bytes]"

    @staticmethod
    def start() -> "Apart":
        """Start the child."""
        command = [sys.executable, "-m", "harness.compiler.memory.apart"]
        return Apart(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        )

    def __enter__(self) -> "Apart":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def solve(
        self,
        problem: Problem,
        *,
        bound_bytes: int,
        arena_bytes: int,
        order: Iterable[int],
        offsets: Iterable[int],
        seconds: float,
    ) -> Answer:
        """Do what solve.solve does; nothing is found where the child dies."""
        known = {"bound_bytes": bound_bytes, "arena_bytes": arena_bytes, "seconds": seconds}
        request = (problem, {**known, "order": tuple(order), "offsets": tuple(offsets)})
        try:
            assert self._process.stdin and self._process.stdout
            pickle.dump(request, self._process.stdin)
            self._process.stdin.flush()
            answer: Answer = pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            return Answer((), (), bound_bytes, seconds)
        return answer


def solve_apart(problem: Problem, **known: Any) -> Answer:
    """Solve one problem in a child of its own."""
    with Apart.start() as child:
        return child.solve(problem, **known)


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while True:
        try:
            problem, known = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(solve(problem, **known), answers)
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
