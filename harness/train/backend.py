"""TensorFlow under Keras, imported quietly and with its fast kernels."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def start() -> None:
    """Import TensorFlow, if nobody has, with oneDNN's kernels on every CPU.

    TensorFlow itself turns them on only where a CPU has AVX-512 VNNI or better. With AVX2 alone a step of the student
    kws_s takes 115 ms with them and 217 ms without, of cifar_teacher 326 and 472 ms (one core). Their sums are rounded
    in another order; `TF_ENABLE_ONEDNN_OPTS=0` in the environment turns them off.

    Raises:
        ImportError: it is not installed.
    """
    if "tensorflow" in sys.modules:
        return  # as its importer wants it; what is set now would only reach the processes that this one starts
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with _without_notices():
        import tensorflow  # noqa: F401


@contextmanager
def _without_notices() -> Iterator[None]:
    """Within the block, nothing that is written to descriptor 2 is seen: no log level stops the notice of oneDNN."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
