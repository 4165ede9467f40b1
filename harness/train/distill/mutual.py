"""Learning from each other (Zhang et al., "Deep Mutual Learning", arXiv:1706.00384)."""

from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from harness.train import models
from harness.train.distill.method import Answers, Method, Moment, Settings, Shapes
from harness.train.distill.soft import divergence


@dataclass(frozen=True)
class MutualSettings(Settings):
    """Who learns beside the student.

    Attributes:
        peers: how many, 1 or more.
        peer: architecture and sizes, as in the section [student]; another such student where it is empty.
    """

    peers: int = 1
    peer: dict[str, Any] = field(default_factory=dict)

    def problem(self) -> str | None:
        """Return what is wrong with the values."""
        if self.peer and not isinstance(self.peer.get("architecture"), str):
            return "a name for peer.architecture"
        return "1 or more for peers" if self.peers < 1 else super().problem()


class Mutual(Method):
    """Peers are trained beside the student, each on the labels and on what the others say; they are not exported.

    Of the student it is the mean over the peers of KL(peer, student), times T^2; to it are added the peers' own losses,
    that of the labels, as the student has it, and KL(student, peer), which move the peers alone: nobody's gradient goes
    through what the others say (section 2.2 of the paper, with the peers in the place of its second network).
    """

    Settings = MutualSettings
    taught = False
    needs_labels = True

    def build(self, student: keras.Model, mine: Shapes, theirs: Shapes) -> None:
        """Make the peers, with weights of their own."""
        shape, classes = student.inputs[0].shape[1:], student.outputs[0].shape[-1]
        sizes = dict(self.settings.peer)
        architecture = sizes.pop("architecture", None)
        self._peers = [
            models.build(architecture, shape, classes, **sizes) if architecture else keras.models.clone_model(student)
            for _ in range(self.settings.peers)
        ]
        self.variables = [variable for peer in self._peers for variable in peer.trainable_variables]

    @property
    def state(self) -> list[Any]:
        """Return the peers' variables, the state of their normalisation and dropout included."""
        return [variable for peer in self._peers for variable in peer.variables]

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the sum of the student's term and the peers' losses."""
        assert moment.hard is not None  # refused before, by `needs_labels`
        temperature = moment.temperature
        said = [peer(moment.inputs, training=True) for peer in self._peers]
        of_student = [divergence(_fixed(each, temperature), student.logits, temperature) for each in said]
        of_peers = [
            divergence(_fixed(student.logits, temperature), each, temperature) + moment.hard(each) for each in said
        ]
        return tf.add_n(of_student) / len(said) + tf.add_n(of_peers)


def _fixed(logits: Any, temperature: Any) -> Any:
    """Return probabilities that no gradient goes through."""
    return tf.stop_gradient(tf.nn.softmax(logits / temperature))
