"""What an exported model is worth: accuracy on the official test set, MACs, and the card that says so."""

import hashlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from harness.oracle import Oracle, engine_of
from harness.tasks import TASKS, Card, ModelInput, load, metrics
from harness.train.macs import macs_of


@dataclass(frozen=True)
class Measured:
    """What a model is worth on its test set.

    Attributes:
        card: complete.
        predicted: (n,) the class that it says of each item, in the order of the test set's fixed shuffle.
        labels: (n,) the true ones.
    """

    card: Card
    predicted: metrics.Integers
    labels: metrics.Integers


def describe(model: bytes, published: Path, card: Card, data: str, samples: int) -> Measured:
    """Measure a .tflite file on the split `test` of its data and complete its card.

    An int8 file runs in TensorFlow Lite Micro's arithmetic, a float one in LiteRT's.

    Args:
        model: the .tflite.
        published: the file that the card lies beside; its hash stands in the card.
        card: what is known before; its accuracy, data set, samples, MACs, hash and quantisation are replaced.
        data: name of a data set, or a folder.
        samples: the first so many of the test set's fixed shuffle; 0 for all.

    Returns:
        The card, and what it says of each item.
    """
    border, macs = _inspect(model)
    card = replace(
        card,
        frontend=replace(card.frontend, scale=border.scale or 1.0, zero_point=border.zero_point or 0),
        macs=macs,
        sha256=hashlib.sha256(published.read_bytes()).hexdigest(),
    )
    test = load(TASKS[card.task], data, card, border, samples or sys.maxsize, split="test")
    with Oracle(workers=2) as oracle:
        outputs = oracle.run(model, [test.inputs], engine=engine_of(model))
    assert test.labels is not None
    predicted = metrics.predictions(outputs[0])
    accuracy = round(metrics.top1(predicted, test.labels), 2)
    card = replace(card, dataset=test.dataset, samples=len(test.labels), accuracy=accuracy)
    return Measured(card, predicted, test.labels)


def _inspect(content: bytes) -> tuple[ModelInput, int]:
    """Return the input of a model, and its multiply-accumulates."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # Nothing is run, and without a delegate nothing is said.
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    scale, zero_point = detail["quantization"]
    shapes = {tensor["index"]: tensor["shape"] for tensor in interpreter.get_tensor_details()}
    macs = sum(macs_of(op["op_name"], [shapes[i] for i in op["inputs"] if i in shapes], shapes[op["outputs"][0]])
               for op in interpreter._get_ops_details())  # fmt: skip
    return ModelInput(tuple(detail["shape"]), detail["dtype"].__name__, float(scale), int(zero_point)), int(macs)
