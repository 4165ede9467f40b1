"""From Keras to .tflite: float, or quantised to int8 (weights per channel, activations and border per tensor).

The conversion runs in a process of its own: the converter keeps memory, prints, and can end the process.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from harness.errors import EnvironmentFailure

SCRATCH = ".converting-"
"""How the folder begins that is beside the target while it is made."""


def convert(model: keras.Model, target: Path, calibration: NDArray[np.float32] | None = None) -> None:
    """Write `model` as a .tflite of batch 1, with a softmax at its end.

    Args:
        model: from inputs (batch, *shape) to logits.
        target: the file to write.
        calibration: (n, *shape) inputs that set the ranges of the activations of an int8 model; None for a float one.

    Raises:
        EnvironmentFailure: the converter failed; says how.
    """
    # Beside the target: what a model learned from may not leave the folder of its run.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=SCRATCH) as scratch:
        source, inputs = Path(scratch, "model.keras"), Path(scratch, "calibration.npy")
        model.save(source)
        if calibration is not None:
            np.save(inputs, calibration)
        command = [sys.executable, "-m", __name__, str(source), str(inputs), str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not target.exists():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EnvironmentFailure(f"expected the converter to write {target}, it ended with {done.returncode}: {last}")


def _convert(source: str, inputs: str, target: str) -> None:
    """Convert; this is what the child process does."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    trained = keras.saving.load_model(source, compile=False)
    model = keras.Model(trained.inputs, keras.layers.Softmax()(trained.outputs[0]))
    # A free batch dimension would leave SHAPE, STRIDED_SLICE and PACK in the graph; variables would be copied.
    shape = tf.TensorSpec((1, *trained.inputs[0].shape[1:]), tf.float32, name="input")
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(shape)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(function)])
    if Path(inputs).is_file():
        calibration = np.load(inputs)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([each[None]] for each in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    Path(target).write_bytes(converter.convert())


if __name__ == "__main__":
    _convert(*sys.argv[1:])
