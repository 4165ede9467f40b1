"""The parent's side: start workers, hand them models and inputs, and survive what a model does to them."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from harness.errors import EnvironmentFailure, UserError
from harness.oracle.engines import Engine

_CHUNK = 32  # inputs a request: few enough for a live progress bar, many enough that the pipe costs nothing
_START_SECONDS = 60.0


class OracleError(UserError):
    """The reference interpreter refuses the model, dies of it, or does not come back in time."""


class Oracle:
    """Runs models in reference interpreters inside child processes.

    Workers start at first use, live as long as the oracle and are replaced after a crash or a timeout. Use it as a
    context manager:

        with Oracle() as oracle:
            [scores] = oracle.run(model, [inputs])

    Args:
        workers: child processes that share a batch.
        seconds: time limit of one request (loading a model, or 32 inferences).
    """

    def __init__(self, *, workers: int = 1, seconds: float = 60.0) -> None:
        self._workers = [_Worker(seconds) for _ in range(workers)]

    def run(
        self,
        model: bytes,
        inputs: Sequence[np.ndarray],
        *,
        engine: Engine = "tflm",
        progress: Callable[[int], None] | None = None,
    ) -> list[np.ndarray]:
        """Run every input of a batch.

        Args:
            model: contents of a .tflite file.
            inputs: one array a model input, each (n, ...) with as many elements a row as the tensor has and of the
                tensor's own type (int8 or float32); n must be the same for all and at least 1.
            engine: "tflm" or "litert".
            progress: called with the number of samples done since the last call; from the workers' threads.

        Returns:
            One array a model output, each (n, *shape of the tensor).

        Raises:
            OracleError: the engine refuses the model or the inputs, crashes or exceeds the time limit.
            EnvironmentFailure: no worker can be started.
        """
        samples = {len(array) for array in inputs}
        if len(samples) != 1 or 0 in samples:
            raise OracleError(f"expected inputs of one common length of at least 1, got {sorted(samples)}")
        parts = [[array[k :: len(self._workers)] for array in inputs] for k in range(len(self._workers))]
        busy = [(worker, part) for worker, part in zip(self._workers, parts, strict=True) if len(part[0])]
        with ThreadPoolExecutor(len(busy)) as pool:
            tasks = [pool.submit(worker.run, engine, model, part, progress) for worker, part in busy]
            results = [task.result() for task in tasks]
        return [_interleave(output) for output in zip(*results, strict=True)]

    def tensors(self, model: bytes, inputs: Sequence[np.ndarray], *, engine: Engine = "tflm") -> dict[int, np.ndarray]:
        """Run one inference and return every tensor of the graph.

        Args:
            model: contents of a .tflite file.
            inputs: one array a model input, without a leading sample axis.
            engine: "tflm" or "litert".

        Returns:
            The value of every tensor, constants included, by its index in the file.

        Raises:
            OracleError: as for `run`.
        """
        worker = self._workers[0]
        worker.load(engine, model, preserve=True)
        worker.request("invoke", [np.asarray(array)[None] for array in inputs])
        tensors: dict[int, np.ndarray] = worker.request("tensors")
        return tensors

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _interleave(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Undo the round-robin split of a batch over the workers."""
    merged = np.empty((sum(len(part) for part in parts), *parts[0].shape[1:]), parts[0].dtype)
    for k, part in enumerate(parts):
        merged[k :: len(parts)] = part
    return merged


class _Worker:
    """One child process and the model it holds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._loaded: tuple[Engine, bytes, bool] | None = None

    def run(
        self, engine: Engine, model: bytes, inputs: Sequence[np.ndarray], progress: Callable[[int], None] | None
    ) -> list[np.ndarray]:
        self.load(engine, model, preserve=False)
        chunks = []
        for start in range(0, len(inputs[0]), _CHUNK):
            chunk = [np.ascontiguousarray(array[start : start + _CHUNK]) for array in inputs]
            chunks.append(self.request("invoke", chunk))
            if progress:
                progress(len(chunk[0]))
        return [np.concatenate(output) for output in zip(*chunks, strict=True)]

    def load(self, engine: Engine, model: bytes, *, preserve: bool) -> None:
        if self._process is not None and self._loaded == (engine, model, preserve):
            return
        self._loaded = None
        self.request("load", engine, model, preserve)
        self._loaded = (engine, model, preserve)

    def request(self, *message: Any) -> Any:
        """Send one request and wait for its reply; a worker that dies or hangs is ended and reported."""
        if self._process is None:
            self._start()
        self._log.seek(0)  # the child shares this offset, so what it prints from here on is about this request
        self._log.truncate()
        try:
            self._connection.send(message)
            if not self._connection.poll(self._seconds):
                self.stop()
                raise OracleError(f"expected the reference interpreter to answer, waited {self._seconds:g} s in vain")
            status, value = self._connection.recv()
        except (EOFError, OSError) as error:
            raise OracleError(self._obituary()) from error
        if status == "error":
            raise OracleError(f"the reference interpreter refuses this model or input: {self._last_words(value)}")
        return value

    def stop(self) -> None:
        """End the child process, whatever it is doing."""
        if self._process is None:
            return
        self._connection.close()
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._process = None
        self._loaded = None

    def _start(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self._connection, theirs = Pipe()
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(_import_path())}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness.oracle.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=environment,
            )
        except OSError as error:
            raise EnvironmentFailure(f"expected to start {sys.executable} as oracle, got: {error}") from error
        finally:
            theirs.close()

    def _obituary(self) -> str:
        """Say how the child ended, and clear it away."""
        assert self._process is not None
        try:
            status = self._process.wait(_START_SECONDS)
        except subprocess.TimeoutExpired:
            status = 0
        cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        text = f"the reference interpreter died of this model ({self._last_words(cause)})"
        self.stop()
        return text

    def _last_words(self, cause: str) -> str:
        """Add the last line that the interpreter printed itself: TFLM explains a refusal only there."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        printed = [line.strip() for line in lines if line.strip().isprintable() and line.strip()]
        return f"{cause}; {printed[-1][:200]}" if printed else cause


def _import_path() -> list[str]:
    """Return where the child finds this package: the checkout may not be installed."""
    return [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
