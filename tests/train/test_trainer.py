"""The training loop on a toy problem: it learns, goes on after a kill as if nothing had been, and stops at NaN."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from harness.train.models import build  # noqa: E402
from harness.train.recipe import Schedule  # noqa: E402
from harness.train.trainer import Epoch, TrainingDiverged, TrainingSet, balanced_accuracy, fit  # noqa: E402

pytestmark = pytest.mark.slow
SCHEDULE = Schedule(epochs=3, batch=16, learning_rate=1e-2, ema=0.9, label_smoothing=0.0)


def toy(view: Callable[[np.ndarray, int], np.ndarray] = lambda inputs, epoch: inputs) -> TrainingSet:
    """Return three classes of noise: dark, even and bright; the dark one is rare."""
    random = np.random.default_rng(0)
    labels = random.choice(3, 240, p=[0.1, 0.45, 0.45])
    inputs = random.standard_normal((240, 12, 9, 1)).astype(np.float32)
    inputs += (labels - 1).astype(np.float32)[:, None, None, None]
    return TrainingSet(
        view=lambda epoch: view(inputs[:160], epoch),
        labels=labels[:160],
        validation_inputs=inputs[160:],
        validation_labels=labels[160:],
        calibration=inputs[:20],
    )


def model() -> "keras.Model":
    keras.utils.set_random_seed(1)
    return build("dscnn", (12, 9, 1), 3, channels=8, blocks=1, stem=(3, 3))


def run(
    path: Path, examples: TrainingSet, schedule: Schedule = SCHEDULE, stop_after: int | None = None
) -> tuple["keras.Model", list[Epoch]]:
    class Killed(Exception):
        pass

    epochs: list[Epoch] = []

    def report(epoch: Epoch) -> None:
        epochs.append(epoch)
        if stop_after is not None and len(epochs) == stop_after:
            raise Killed

    student = model()
    with contextlib.suppress(Killed):
        fit(student, examples, schedule, seed=0, checkpoint=path, report=report)
    return student, epochs


def test_the_loss_falls_and_the_classes_are_told_apart(tmp_path: Path) -> None:
    examples = toy()
    student, epochs = run(tmp_path / "c.npz", examples, replace(SCHEDULE, epochs=12))
    losses = [epoch.loss for epoch in epochs]
    assert losses[-1] < 0.5 * losses[0]
    assert balanced_accuracy(student, examples.validation_inputs, examples.validation_labels) > 90


def test_a_killed_run_ends_where_it_would_have_ended(tmp_path: Path) -> None:
    examples = toy(lambda inputs, epoch: inputs + np.float32(0.1 * epoch))
    whole, _ = run(tmp_path / "whole.npz", examples)
    _, before = run(tmp_path / "killed.npz", examples, stop_after=2)
    resumed, after = run(tmp_path / "killed.npz", examples)
    assert [epoch.number for epoch in before + after] == [0, 1, 2]
    for mine, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    poisoned = toy(lambda inputs, epoch: inputs if epoch == 0 else np.full_like(inputs, np.nan))
    with pytest.raises(TrainingDiverged, match=r"got nan in step 0 of epoch 1"):
        run(tmp_path / "c.npz", poisoned)
    assert (tmp_path / "c.npz").exists()
