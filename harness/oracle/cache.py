"""Golden outputs kept on disk: the same model, inputs and engine never have to run twice."""

import hashlib
import logging
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness import resources
from harness.oracle.engines import Engine, engine_version
from harness.oracle.oracle import Oracle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cache:
    """A folder of .npz files, one for each (model, inputs, engine and its version).

    Args:
        folder: where they lie; made at the first `put`.
    """

    folder: Path

    @classmethod
    def default(cls) -> "Cache":
        """Return the cache in the user's cache folder."""
        return cls(resources.cache() / "golden")

    def path(self, model: bytes, inputs: Sequence[np.ndarray], engine: Engine) -> Path:
        """Return the file that holds, or would hold, these outputs."""
        digest = hashlib.sha256(f"{engine} {engine_version(engine)} ".encode())
        digest.update(hashlib.sha256(model).digest())
        for array in inputs:
            digest.update(f"{array.dtype} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).data)
        return self.folder / f"{digest.hexdigest()}.npz"

    def get(self, path: Path) -> list[np.ndarray] | None:
        """Return the outputs kept in `path`, or None where it is absent or unreadable."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                return [kept[f"output_{i}"] for i in range(len(kept.files))]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def put(self, path: Path, outputs: Sequence[np.ndarray]) -> None:
        """Keep `outputs` in `path`, whole or not at all; a full or read-only disk is no error, only slower."""
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
                temporary = Path(file.name)
                np.savez_compressed(file, **{f"output_{i}": array for i, array in enumerate(outputs)})  # type: ignore[arg-type]
            temporary.replace(path)
            log.info("wrote %s", path)
        except OSError:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


def cached_run(
    oracle: Oracle,
    model: bytes,
    inputs: Sequence[np.ndarray],
    *,
    engine: Engine = "tflm",
    cache: Cache | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[np.ndarray]:
    """Return golden outputs from the cache, or from the oracle and into the cache.

    Args:
        oracle: runs what is not kept; its workers do not start otherwise.
        model: contents of a .tflite file.
        inputs: one array (n, ...) a model input, as `Oracle.run` takes them.
        engine: "tflm" or "litert".
        cache: where to look; the user's cache folder by default.
        progress: called with the number of samples done since the last call.

    Returns:
        One array (n, ...) a model output.

    Raises:
        OracleError: as `Oracle.run`; a failure is never kept.
    """
    cache = cache or Cache.default()
    path = cache.path(model, inputs, engine)
    kept = cache.get(path)
    if kept is not None:
        log.info("from the cache: the oracle's outputs in %s", path)
        if progress:
            progress(len(inputs[0]))
        return kept
    outputs = oracle.run(model, inputs, engine=engine, progress=progress)
    cache.put(path, outputs)
    return outputs
