"""`harness evaluate`: the accuracy of a model on this computer, in the arithmetic that its bytes are judged by."""

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.flows.feed import prepare
from harness.flows.models import find_model
from harness.flows.provenance import provenance
from harness.flows.teacher import as_tflite
from harness.report.progress import Speaker
from harness.rows.measurement import Document, Row, row_id
from harness.tasks import ModelInput
from harness.tasks.split import check_split

if TYPE_CHECKING:
    from harness.compiler.graph import Graph

EVERYTHING = 1_000_000_000


def evaluate(
    name: str, *, data: str | None, split: str | None, task: str | None, speaker: Speaker, samples: int = EVERYTHING
) -> Document:
    """Run a model over the samples of a data set.

    Args:
        name: a .tflite file, a student of the zoo, or a teacher: its stem in the zoo, or a .keras file.
        data: a data set's name or a folder, None for the task's own.
        split: which part of it: train, validation, test or all; None for "test" of a data set and "all" of a folder.
        task: None to find it out.
        speaker: says what is done.
        samples: the first so many of the fixed shuffle, 1 or more.

    Returns:
        One row with `where` "host", and the confusion matrix.

    Raises:
        UserError: the model or the data cannot be read, the data has no labels, or no samples are asked for.
    """
    from harness.oracle import Oracle, cached_run, engine_of

    started, clock = provenance(), time.monotonic()
    if split is not None:
        check_split(split)
    if samples < 1:
        raise UserError(f"expected 1 or more for --samples, got {samples}")
    model = find_model(name)
    runs = as_tflite(model, speaker)
    content = runs.read_bytes()
    inputs, outputs, macs = _read_border(runs)
    with speaker.steps_bar(f"{model.name}: reading samples") as advance:
        feed = prepare(
            model,
            inputs,
            outputs,
            task=task,
            data=data,
            samples=samples,
            split=split,
            labelled=True,
            advance=advance,
        )
    for note in feed.samples.notes:
        speaker.say(note)
    engine = engine_of(content)
    with Oracle(workers=2) as oracle, speaker.bar(f"{model.name} on the host ({engine})", len(feed)) as advance:
        answers = cached_run(oracle, content, feed.inputs, engine=engine, progress=advance)
    row = Row(
        row_id=row_id(model.sha256, "", "host", "", ""),
        status="ok",
        model=model.name,
        model_sha256=model.sha256,
        macs=macs,
        where="host",
        engine=engine,
        accuracy=feed.accuracy(answers[0]),
        seconds=round(time.monotonic() - clock, 3),
        **feed.columns(),
        **started,
    )
    return Document((row,), confusion=feed.confusion(answers[0]))


def _read_border(path: Path) -> tuple[list[ModelInput], int, int | None]:
    """Return a model's inputs, the elements of its first output, and its MACs where they can be counted."""
    from harness.compiler.tflite import read_model

    graph = read_model(path)
    tensors = [graph.tensors[index] for index in graph.inputs]
    known = [(t, t.quantization) for t in tensors]
    inputs = [ModelInput(t.shape, t.dtype, q.scale if q else None, q.zero_point if q else None) for t, q in known]
    if not graph.outputs or not inputs:
        raise UserError(f"{path.stem}: expected a model with an input and an output")
    return inputs, graph.tensors[graph.outputs[0]].elements, _macs(path, graph)


def _macs(path: Path, graph: "Graph") -> int | None:
    """Return what a board would multiply; of a float model, or one that boards cannot run yet, what its file says."""
    from harness.compiler import read_program

    try:
        return read_program(path).macs
    except UserError:
        return _macs_of_file(graph)


def _macs_of_file(graph: "Graph") -> int | None:
    """Return the multiply-accumulates of the operators; None where one is damaged, which the interpreter will tell."""
    import numpy as np

    from harness.train.macs import macs_of

    shapes = [np.array(tensor.shape, np.int32) for tensor in graph.tensors]
    with suppress(IndexError, ValueError):
        return sum(
            macs_of(each.op, [shapes[i] for i in each.inputs if i is not None], shapes[each.outputs[0]])
            for each in graph.operators
        )
    return None
