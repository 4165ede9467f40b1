"""The loss of distillation: alpha * (response terms) + (1 - alpha) * (hard labels) + (the other terms).

Of items without labels alpha is 1, and there is no hard term.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from harness.errors import UserError
from harness.nearest import did_you_mean
from harness.train.distill.method import Answers, Method, Moment, Shapes
from harness.train.examples import Floats
from harness.train.objective import HardLabels, Terms
from harness.train.recipe import Distill
from harness.train.sections import Span


class Distilled:
    """An `Objective`: a student's loss with its teachers."""

    def __init__(
        self,
        student: keras.Model,
        hard: HardLabels | None,
        methods: dict[str, Method],
        settings: Distill,
        epochs: int,
        said: Callable[[int], Answers],
        theirs: Shapes | None = None,
    ) -> None:
        """Bind a student to what teaches it.

        Args:
            student: from inputs to logits.
            hard: the loss of the labels, None where there are none.
            methods: by name.
            settings: temperature, alpha and the first stage.
            epochs: of the whole run.
            said: from an epoch to what the teachers say of its view: logits (n, teachers, classes), and the outputs of
                the layers that methods compare.
            theirs: the shapes of those layers' outputs.

        Raises:
            UserError: the student has no layer that a method compares, or the layers do not go together.
        """
        self._hard, self._methods, self._settings, self._epochs = hard, methods, settings, epochs
        self._said = said
        self._student, mine = with_layers(student, [n for m in methods.values() for n in m.student_layers])
        self._theirs = list(theirs or {})
        for method in methods.values():
            method.build(student, mine, theirs or {})

    @property
    def variables(self) -> Sequence[Any]:
        """Return what the methods train beside the student."""
        return [variable for method in self._methods.values() for variable in method.variables]

    @property
    def state(self) -> Sequence[Any]:
        """Return what a checkpoint must hold of the methods."""
        return [variable for method in self._methods.values() for variable in method.state]

    def columns(self, epoch: int) -> tuple[Floats, ...]:
        """Return the teachers' logits, and the outputs of their layers."""
        said = self._said(epoch)
        return said.logits, *(said.features[name] for name in self._theirs)

    def terms(self, inputs: tf.Tensor, targets: tf.Tensor, columns: tuple[tf.Tensor, ...], done: Any) -> Terms:
        """Return one term for each method, and `hard` where there are labels, weighted."""
        student = Answers(*self._student(inputs, training=True))
        heard = [tf.cast(column, tf.float32) for column in columns]
        teacher = Answers(heard[0], dict(zip(self._theirs, heard[1:], strict=True)))
        hard = self._hard
        learned = None if hard is None else lambda logits: hard.loss(logits, targets)
        moment = Moment(inputs, targets, _at(self._settings.temperature, done), learned)
        alpha = _at(self._settings.alpha, done)
        answer = tf.where(done < self._settings.features_first / self._epochs, 0.0, 1.0)
        terms: Terms = {}
        for name, method in self._methods.items():
            term = method.settings.weight * method.compute_loss(teacher, student, moment=moment)
            terms[name] = answer * alpha * term if method.response else term
        if learned is not None:
            share = 1 - alpha if any(method.response for method in self._methods.values()) else 1.0
            terms["hard"] = answer * share * learned(student.logits)
        return terms


def _at(span: Span, done: Any) -> Any:
    """Return a setting's value after the share `done` of the run."""
    return span[0] + (span[1] - span[0]) * done


def with_layers(model: keras.Model, names: Sequence[str]) -> tuple[keras.Model, Shapes]:
    """Return the model with the outputs of layers beside its logits, and their shapes without the batch.

    The tokens of a Transformer and the steps of a recurrent network (places, channels) are maps of one column, (places,
    1, channels): so every method that compares maps takes them, and time is resized as it is for convolutions.

    Args:
        model: from inputs to logits.
        names: of layers, or their numbers in the model's order, -1 for the last.

    Raises:
        UserError: there is no such layer.
    """
    outputs = {name: _as_maps(_layer(model, name).output) for name in names}
    shapes = {name: tuple(output.shape[1:]) for name, output in outputs.items()}
    return keras.Model(model.inputs[0], (model.outputs[0], outputs)), shapes


def _as_maps(output: keras.KerasTensor) -> keras.KerasTensor:
    """Return (batch, places, channels) with a column between, other outputs as they are."""
    if len(output.shape) != 3:
        return output
    places, channels = output.shape[1:]
    return keras.layers.Reshape((places, 1, channels))(output)


def _layer(model: keras.Model, name: str) -> keras.Layer:
    """Return a layer by name or number."""
    known = {layer.name: layer for layer in model.layers}
    if name in known:
        return known[name]
    try:
        return model.layers[int(name)]
    except (ValueError, IndexError):
        raise UserError(
            f"expected a layer of {model.name} of {', '.join(known)}, or its number from 0 to {len(known) - 1}, "
            f"got '{name}'{did_you_mean(name, known)}"
        ) from None
