"""The loss of distillation: alpha * (response terms) + (1 - alpha) * (hard labels) + (hints)."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from harness.errors import UserError
from harness.train.distill.method import Answers, Method
from harness.train.examples import Floats, View
from harness.train.objective import HardLabels, Terms
from harness.train.recipe import Distill, Span


class Distilled:
    """An `Objective`: a student's loss with its teachers."""

    def __init__(
        self,
        student: keras.Model,
        hard: HardLabels,
        methods: dict[str, Method],
        settings: Distill,
        epochs: int,
        said: Callable[[int], Floats],
        guide: tuple[keras.Model, Callable[[int], View]] | None = None,
    ) -> None:
        """Bind a student to what teaches it.

        Args:
            student: from inputs to logits.
            hard: the loss of the labels.
            methods: by name.
            settings: temperature, alpha and the hint's stage.
            epochs: of the whole run.
            said: from an epoch to the teachers' logits (n, teachers, classes).
            guide: the teacher that runs beside the student, and its views; for methods that compare layers.

        Raises:
            UserError: a model has no layer of a name that a method compares.
        """
        self._hard, self._methods, self._settings, self._epochs = hard, methods, settings, epochs
        self._said = said
        self._student, mine = _with_layers(student, [n for m in methods.values() for n in m.student_layers])
        theirs: dict[str, tuple[int, ...]] = {}
        self._guide, self._guide_view = None, None
        if guide is not None:
            self._guide, theirs = _with_layers(guide[0], [n for m in methods.values() for n in m.teacher_layers])
            self._guide_view = guide[1]
        for method in methods.values():
            method.build(mine, theirs)

    @property
    def variables(self) -> Sequence[Any]:
        """Return what the methods train beside the student."""
        return [variable for method in self._methods.values() for variable in method.variables]

    def columns(self, epoch: int) -> tuple[Floats, ...]:
        """Return the teachers' logits, and the inputs of a teacher that runs beside the student."""
        said = self._said(epoch)
        return (said,) if self._guide_view is None else (said, self._guide_view(epoch).inputs)

    def terms(self, inputs: tf.Tensor, targets: tf.Tensor, columns: tuple[tf.Tensor, ...], done: Any) -> Terms:
        """Return `hard` and one term for each method, weighted."""
        logits, features = self._student(inputs, training=True)
        student = Answers(logits, features)
        guided = self._guide(columns[1], training=False)[1] if self._guide is not None else {}
        teacher = Answers(columns[0], guided)
        temperature, alpha = _at(self._settings.temperature, done), _at(self._settings.alpha, done)
        hints_alone = done < self._settings.hint_epochs / self._epochs
        answer = tf.where(hints_alone, 0.0, 1.0)
        terms: Terms = {}
        for name, method in self._methods.items():
            term = method.compute_loss(teacher, student, temperature=temperature)
            terms[name] = answer * alpha * term if method.response else term
        share = 1 - alpha if any(method.response for method in self._methods.values()) else 1.0
        terms["hard"] = answer * share * self._hard.loss(student.logits, targets)
        return terms


def _at(span: Span, done: Any) -> Any:
    """Return a setting's value after the share `done` of the run."""
    return span[0] + (span[1] - span[0]) * done


def _with_layers(model: keras.Model, names: Sequence[str]) -> tuple[keras.Model, dict[str, tuple[int, ...]]]:
    """Return the model with the outputs of named layers beside its logits, and their shapes without the batch."""
    known = {layer.name: layer for layer in model.layers}
    for name in names:
        if name not in known:
            raise UserError(f"expected a layer of {model.name} of {', '.join(known)}, got '{name}'")
    outputs = {name: known[name].output for name in names}
    shapes = {name: tuple(output.shape[1:]) for name, output in outputs.items()}
    return keras.Model(model.inputs, (model.outputs[0], outputs)), shapes
