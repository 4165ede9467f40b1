"""TensorFlow Lite Micro behind the three calls that the worker makes. Runs only in the child process."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Untouched pages cost nothing, so the first arena is ample for anything a microcontroller could hold; TFLM does not
# say how much was missing, so a refusal is tried once more in an arena as large as the memory limit allows.
_ARENAS = (1 << 26, 1 << 30)


class Interpreter:
    """One model in TFLM.

    Args:
        model: contents of a .tflite file.
        preserve: keep every intermediate tensor so that `tensors` can read it (a larger arena).

    Raises:
        RuntimeError: TFLM refuses the model.
    """

    def __init__(self, model: bytes, preserve: bool) -> None:
        from tflite_micro.python.tflite_micro import runtime

        config = runtime.InterpreterConfig(int(preserve))
        for arena in _ARENAS:
            try:
                self._interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena, intrepreter_config=config)
                break
            except RuntimeError:
                if arena == _ARENAS[-1]:
                    raise
        self._inputs = _details(self._interpreter.get_input_details)
        self._outputs = _details(self._interpreter.get_output_details)
        self._tensors = _tensor_count(model)

    def invoke(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run one inference: one array an input in, one array an output out."""
        if len(inputs) != len(self._inputs):
            raise ValueError(f"expected {len(self._inputs)} inputs, got {len(inputs)}")
        for index, (value, detail) in enumerate(zip(inputs, self._inputs, strict=True)):
            self._interpreter.set_input(fit(value, detail["shape"], detail["dtype"]), index)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_output(index)) for index in range(len(self._outputs))]

    def tensors(self) -> dict[int, np.ndarray]:
        """Return every tensor of the graph after the last inference, by its index in the file."""
        return {i: np.array(self._interpreter.GetTensor(i, 0)["tensor_data"]) for i in range(self._tensors)}


def fit(value: np.ndarray, shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Return `value` in the tensor's own shape; the type must be right already, the elements are never converted."""
    if value.dtype != np.dtype(dtype) or value.size != np.prod(shape):
        expected = [int(size) for size in shape]
        raise ValueError(f"expected {np.dtype(dtype)} {expected}, got {value.dtype} {list(value.shape)}")
    return np.ascontiguousarray(value).reshape(shape)


def _details(get: Any) -> list[dict[str, Any]]:
    """Collect the details of all inputs or outputs; TFLM's Python API has no count, it raises past the last."""
    found: list[dict[str, Any]] = []
    while True:
        try:
            found.append(get(len(found)))
        except IndexError:
            return found


def _tensor_count(model: bytes) -> int:
    """Return the number of tensors of the first graph: TFLM's `GetTensor` reads past the end unchecked."""
    import tflite

    return int(tflite.Model.GetRootAsModel(model, 0).Subgraphs(0).TensorsLength())
