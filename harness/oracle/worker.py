"""The child process: `python -m harness.oracle.worker FD` answers requests over one connection until it closes.

Requests are tuples, replies are `("ok", value)` or `("error", text)`:
    ("load", engine, model bytes, preserve) -> None
    ("invoke", [array (n, ...) an input])   -> [array (n, ...) an output]
    ("tensors",)                            -> {tensor index: array}
"""

import os
import resource
import sys
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from harness.oracle import litert, tflm

MEMORY_LIMIT_BYTES = 2 << 30

_ENGINES = {"tflm": tflm.Interpreter, "litert": litert.Interpreter}


def main(connection: Connection) -> None:
    """Serve one parent; a request that fails is answered, a request that kills the process is the parent's to see."""
    interpreter: Any = None
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            if request[0] == "load":
                interpreter = None  # frees the last model before the next is read
                interpreter = _ENGINES[request[1]](*request[2:])
                value: Any = None
            elif request[0] == "invoke":
                value = _invoke_batch(interpreter, request[1])
            else:
                value = interpreter.tensors()
            reply = ("ok", value)
        except Exception as error:  # whatever it is, the parent says it to the user
            reply = ("error", f"{error}" or type(error).__name__)
        connection.send(reply)


def _invoke_batch(interpreter: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    results = [interpreter.invoke(sample) for sample in zip(*inputs, strict=True)]
    return [np.stack(output) for output in zip(*results, strict=True)]


def _limit() -> None:
    """Bound the memory of this process and leave no core dumps of broken models behind."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limit()
    os.dup2(2, 1)  # what an interpreter prints goes with its errors
    main(Connection(int(sys.argv[1])))
