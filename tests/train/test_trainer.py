"""The training loop on a toy problem: it learns, goes on after a kill as if nothing had been, and stops at NaN."""

import csv
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402
from tensorflow.python.summary.summary_iterator import summary_iterator  # noqa: E402

from harness.train import trainer  # noqa: E402
from harness.train.logs import Logs  # noqa: E402
from harness.train.trainer import Epoch, TrainingDiverged, balanced_accuracy  # noqa: E402
from tests.command import ROOT  # noqa: E402
from tests.train import killable, toys  # noqa: E402

SAID = np.random.default_rng(5).normal(0, 2, (toys.COUNT, 1, 3)).astype(np.float32)


class Constant:
    """An objective of made-up terms: functions of how much of the run is done."""

    variables: tuple[Any, ...] = ()
    state: tuple[Any, ...] = ()

    def __init__(self, model: "keras.Model", **terms: Callable[[Any], Any]) -> None:
        self._model, self._terms = model, terms

    def columns(self, epoch: int) -> tuple[Any, ...]:
        return ()

    def terms(self, inputs: Any, targets: Any, columns: Any, done: Any) -> dict[str, Any]:
        nothing = 0 * tf.reduce_sum(self._model(inputs, training=True))
        return {name: term(done) + nothing for name, term in self._terms.items()}


def assert_same(mine: "keras.Model", theirs: "keras.Model") -> None:
    """Every variable, the state of dropout's generator included."""
    for one, other in zip(mine.variables, theirs.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other), err_msg=one.path)


def stop_at(number: int, report: Callable[[Epoch], None] = lambda epoch: None) -> Callable[[Epoch], None]:
    """Return a report that dies after it has reported an epoch, before that epoch's checkpoint."""

    def reported(epoch: Epoch) -> None:
        report(epoch)
        if epoch.number == number:
            raise toys.Killed

    return reported


def logged(folder: Path) -> list[int]:
    """Return the epochs in log.csv, and check that every line is whole and TensorBoard's files say the same."""
    with (folder / "log.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    assert all(len(line) == len(header) and np.isfinite(np.array(line, float)).all() for line in lines)
    losses = {
        event.step: value.simple_value
        for path in sorted((folder / "tensorboard").iterdir())
        for event in summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "loss"
    }
    shown = {int(line[0]): float(line[header.index("loss")]) for line in lines}
    assert losses == pytest.approx(shown, rel=1e-4)
    return [int(line[0]) for line in lines]


@pytest.mark.slow
def test_the_loss_falls_and_the_classes_are_told_apart(tmp_path: Path) -> None:
    examples, student = toys.toy(), toys.network()
    epochs = toys.trained(student, tmp_path / "c.npz", schedule=replace(toys.SCHEDULE, epochs=20))
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert (
        balanced_accuracy(student, examples.validation_inputs, examples.validation_labels) == epochs[-1].validation > 80
    )


@pytest.mark.slow
def test_a_killed_run_ends_where_it_would_have_ended(tmp_path: Path) -> None:
    """With dropout, a regressor and a peer, killed after an epoch was reported and before its checkpoint."""
    examples = toys.toy(lambda inputs, epoch: inputs + np.float32(0.1 * epoch))

    def run(folder: Path, report: Callable[[Epoch], None]) -> tuple["keras.Model", list[np.ndarray]]:
        model = toys.network(dropout=0.5)
        objective, _ = toys.distilled(
            model, examples, SAID, toys.network(seed=2), method="soft+hint+mutual", methods=toys.HINT
        )
        toys.trained(model, folder / "c.npz", objective, examples, report=report)
        return model, [variable.numpy() for variable in objective.state]

    whole, regressor = run(tmp_path / "whole", lambda epoch: None)
    log = Logs(tmp_path)
    run(tmp_path, stop_at(1, log.epoch))
    assert logged(tmp_path) == [0, 1]
    resumed, again = run(tmp_path, log.epoch)
    assert logged(tmp_path) == [0, 1, 2]
    assert_same(resumed, whole)
    for mine, theirs in zip(again, regressor, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.slow
def test_a_process_killed_at_any_moment_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.train.killable", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "log.csv").exists():
            assert process.poll() is None
            time.sleep(0.01)
        moment = random.uniform(0, 1.5)
        time.sleep(moment)
        process.kill()
    killed = f"killed {moment:.3f} s after the first epoch"
    before = logged(tmp_path)
    assert before == list(range(len(before))), killed
    (tmp_path / "whole").mkdir()
    resumed, whole = killable.run(tmp_path), killable.run(tmp_path / "whole")
    assert logged(tmp_path) == list(range(killable.SCHEDULE.epochs)), killed
    assert_same(resumed, whole)


def test_half_a_checkpoint_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(path: Path, *arrays: Any) -> None:
        savez(path, *arrays)
        path.write_bytes(path.read_bytes()[:100])
        raise toys.Killed

    savez, short = np.savez, replace(toys.SCHEDULE, epochs=1, batch=toys.COUNT)
    first, again, model = toys.tiny(), toys.tiny(), toys.tiny()
    toys.trained(first, tmp_path / "c.npz", schedule=short)
    kept = (tmp_path / "c.npz").read_bytes()
    monkeypatch.setattr(np, "savez", half)
    epochs = toys.trained(model, tmp_path / "c.npz", schedule=replace(short, epochs=2))
    assert [epoch.number for epoch in epochs] == [1]
    assert (tmp_path / "c.npz").read_bytes() == kept
    assert toys.trained(again, tmp_path / "c.npz", schedule=short) == []  # a run that is done gives its weights back
    assert_same(again, first)


def test_a_term_that_is_not_finite_stops_the_run_and_is_named(tmp_path: Path) -> None:
    model = toys.tiny()
    calm = Constant(model, calm=lambda done: 1.0, wild=lambda done: tf.where(done < 0.57, 1.0, np.nan))
    with pytest.raises(TrainingDiverged, match=r"got nan for the term 'wild' in step 7 of epoch 1; lower schedule"):
        toys.trained(model, tmp_path / "c.npz", calm)
    with np.load(tmp_path / "c.npz") as saved:
        assert saved["arr_0"] == 1


def test_the_share_that_is_done_grows_from_0_at_the_first_step_to_1_at_the_last(tmp_path: Path) -> None:
    model = toys.tiny()
    schedule = replace(toys.SCHEDULE, epochs=5, batch=toys.COUNT)
    epochs = toys.trained(model, tmp_path / "c.npz", Constant(model, done=lambda done: done), schedule=schedule)
    assert [epoch.terms["done"] for epoch in epochs] == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def running_average(model: "keras.Model") -> tuple[list[np.ndarray], Callable[[int, int], None]]:
    """Return the running average of a model's weights, and what to call after each step to keep it."""
    average, steps = [weight.astype(np.float64) for weight in model.get_weights()], count()

    def advance(number: int, of: int) -> None:
        done = next(steps)
        keep = min(toys.SCHEDULE.ema, (2 + done) / (11 + done))
        for mean, weight in zip(average, model.get_weights(), strict=True):
            mean += (1 - keep) * (weight - mean)

    return average, advance


def assert_close(weights: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for weight, mean in zip(weights, expected, strict=True):
        np.testing.assert_allclose(weight, mean, rtol=1e-3, atol=1e-5)


def test_what_is_left_are_the_averaged_weights(tmp_path: Path) -> None:
    model = toys.network()
    average, advance = running_average(model)
    toys.trained(model, tmp_path / "c.npz", advance=advance)
    assert_close(model.get_weights(), average)


@pytest.mark.parametrize("trained_before", [False, True])
def test_what_cycles_leave_is_the_mean_of_their_ends(
    tmp_path: Path, trained_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of what was there before them, if it was trained; each epoch is judged by what it would leave."""
    model, judged, now = toys.network(), [], []
    monkeypatch.setattr(trainer, "balanced_accuracy", lambda model, *_: judged.append(model.get_weights()) or 50.0)
    ends = [model.get_weights()] if trained_before else []
    average, advance = running_average(model)

    def report(epoch: Epoch) -> None:
        now[:] = [mean.copy() for mean in average]
        assert_close(judged[-1], [np.mean(each, axis=0) for each in zip(*ends, now, strict=True)])
        if epoch.number in (1, 3):
            ends.append(list(now))

    schedule = replace(toys.SCHEDULE, epochs=4, cycles=2)
    toys.trained(
        model, tmp_path / "c.npz", schedule=schedule, trained_before=trained_before, report=report, advance=advance
    )
    assert len(judged) == 4
    assert_close(model.get_weights(), [np.mean(each, axis=0) for each in zip(*ends, strict=True)])


def test_a_run_of_cycles_killed_within_the_second_ends_where_it_would_have_ended(tmp_path: Path) -> None:
    schedule = replace(toys.SCHEDULE, epochs=4, cycles=2)
    whole, resumed = toys.tiny(), toys.tiny()
    toys.trained(whole, tmp_path / "whole.npz", schedule=schedule, trained_before=True)
    toys.trained(toys.tiny(), tmp_path / "c.npz", schedule=schedule, trained_before=True, report=stop_at(3))
    toys.trained(resumed, tmp_path / "c.npz", schedule=schedule, trained_before=True)
    assert_same(resumed, whole)


def test_in_each_cycle_the_rate_runs_its_course(tmp_path: Path) -> None:
    """Up to its highest and down towards zero: the last step of a cycle moves the weights least."""
    schedule = replace(toys.SCHEDULE, epochs=4, cycles=2, warmup=0.0, weight_decay=0.0)
    model, steps = toys.tiny(), []
    before = [np.concatenate([weight.ravel() for weight in model.get_weights()])]

    def advance(number: int, of: int) -> None:
        now = np.concatenate([weight.ravel() for weight in model.get_weights()])
        steps.append(float(np.abs(now - before[0]).max()))
        before[0] = now

    toys.trained(model, tmp_path / "c.npz", schedule=schedule, advance=advance)
    half = len(steps) // 2
    for course in (steps[:half], steps[half:]):
        assert course[-1] < 0.05 * max(course[: half // 2])


@pytest.mark.parametrize("kind", ["items", "views"])
def test_statistics_taken_anew_are_of_the_weights_that_are_left(tmp_path: Path, kind: str) -> None:
    """Over items as they are, whatever the views look like, or over the last view; a killed run ends with the same."""
    examples = toys.toy(lambda inputs, epoch: 3 * inputs + epoch)
    over = {"items": examples.as_they_are(toys.COUNT), "views": examples.view(toys.SCHEDULE.epochs - 1).inputs}[kind]
    schedule = replace(toys.SCHEDULE, statistics=kind)
    whole, resumed, other = toys.network(dropout=0.3), toys.network(dropout=0.3), toys.network(dropout=0.3)
    toys.trained(whole, tmp_path / "whole.npz", examples=examples, schedule=schedule)
    maps = keras.Model(whole.input, whole.layers[1].output)(over).numpy()
    normalising = whole.layers[2]
    np.testing.assert_allclose(normalising.moving_mean, maps.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(normalising.moving_variance, maps.var(axis=(0, 1, 2)), rtol=1e-4)
    toys.trained(toys.network(dropout=0.3), tmp_path / "c.npz", examples=examples, schedule=schedule, report=stop_at(1))
    toys.trained(resumed, tmp_path / "c.npz", examples=examples, schedule=schedule)
    assert_same(resumed, whole)
    toys.trained(other, tmp_path / "other.npz", examples=examples)
    assert_close(whole.trainable_variables, other.trainable_variables)  # what was learned is the same


@pytest.mark.parametrize("kind", ["items", "views"])
def test_an_epoch_is_judged_with_the_statistics_that_it_would_leave(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[list[np.ndarray]] = []
    monkeypatch.setattr(trainer, "balanced_accuracy", lambda model, *_: judged.append(model.get_weights()) or 50.0)
    schedule = replace(toys.SCHEDULE, epochs=2, statistics=kind)
    model = toys.network()
    toys.trained(model, tmp_path / "c.npz", schedule=schedule)
    assert_close(model.get_weights(), judged[-1])


def test_every_step_is_counted_and_the_time_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, steps = count(step=8), []
    every = toys.SCHEDULE.epochs * toys.STEPS
    monkeypatch.setattr(trainer.time, "monotonic", lambda: next(clock))
    model = toys.tiny()
    objective = Constant(model, one=lambda done: 1.0, two=lambda done: 2.0)
    epochs = toys.trained(model, tmp_path / "c.npz", objective, advance=lambda *so: steps.append(so))
    assert steps == [(number, every) for number in range(1, every + 1)]
    assert [epoch.seconds for epoch in epochs] == [8, 8, 8]
    assert [epoch.left for epoch in epochs] == [16, 8, 0]
    assert [epoch.loss for epoch in epochs] == pytest.approx([3, 3, 3])
