"""Which reference interpreter judges a model."""

import importlib.metadata
from typing import Literal

Engine = Literal["tflm", "litert"]

_DISTRIBUTIONS: dict[Engine, str] = {"tflm": "tflite-micro", "litert": "ai-edge-litert"}


def engine_of(model: bytes) -> Engine:
    """Return the engine whose outputs are golden for `model`.

    Args:
        model: contents of a .tflite file that a reader has accepted already.

    Returns:
        "tflm" where any tensor of the graph is int8, int16 or int4, "litert" for a float model.

    Raises:
        ValueError: the bytes hold no readable .tflite model.
    """
    import tflite

    quantised = {tflite.TensorType.INT4, tflite.TensorType.INT8, tflite.TensorType.INT16}
    try:
        graph = tflite.Model.GetRootAsModel(model, 0).Subgraphs(0)
        types = {graph.Tensors(i).Type() for i in range(graph.TensorsLength())}
    except Exception as error:  # the flatbuffer accessors fail in as many ways as a file can be damaged
        raise ValueError(f"expected a .tflite model, got {len(model)} bytes that cannot be read as one") from error
    return "tflm" if types & quantised else "litert"


def engine_version(engine: Engine) -> str:
    """Return the installed version of `engine`, as its distribution names it."""
    return importlib.metadata.version(_DISTRIBUTIONS[engine])
