"""LiteRT behind the three calls that the worker makes, for float models. Runs only in the child process."""

from collections.abc import Sequence

import numpy as np

from harness.oracle.tflm import fit


class Interpreter:
    """One model in LiteRT with its reference-quality CPU kernels on one thread.

    Args:
        model: contents of a .tflite file.
        preserve: keep every intermediate tensor so that `tensors` can read it.

    Raises:
        ValueError, RuntimeError: LiteRT refuses the model.
    """

    def __init__(self, model: bytes, preserve: bool) -> None:
        from ai_edge_litert.interpreter import Interpreter as LiteRT

        self._interpreter = LiteRT(model_content=model, num_threads=1, experimental_preserve_all_tensors=preserve)
        self._interpreter.allocate_tensors()
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()

    def invoke(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run one inference: one array an input in, one array an output out."""
        if len(inputs) != len(self._inputs):
            raise ValueError(f"expected {len(self._inputs)} inputs, got {len(inputs)}")
        for value, detail in zip(inputs, self._inputs, strict=True):
            self._interpreter.set_tensor(detail["index"], fit(value, detail["shape"], detail["dtype"]))
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_tensor(detail["index"])) for detail in self._outputs]

    def tensors(self) -> dict[int, np.ndarray]:
        """Return every tensor of the graph that holds data after the last inference, by its index in the file."""
        held = {}
        for detail in self._interpreter.get_tensor_details():
            try:
                held[int(detail["index"])] = np.array(self._interpreter.get_tensor(detail["index"]))
            except ValueError:  # a tensor that the graph never fills
                continue
        return held
