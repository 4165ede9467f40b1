"""Each method against a few lines of numpy, and its gradient against finite differences."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from harness.errors import UserError  # noqa: E402
from harness.train.distill.method import Answers, Method, Moment  # noqa: E402
from harness.train.distill.methods import METHODS  # noqa: E402
from harness.train.objective import HardLabels  # noqa: E402
from harness.train.sections import section  # noqa: E402
from tests.train.test_soft import softmax  # noqa: E402

BATCH, CLASSES, T = 6, 4, 3.0
COUNTS = [30, 10, 5, 1]
"""Training items of each class."""
STEP = 1e-3
"""Forth and back, along a direction of length 1."""
MAPS = {"a": (6, 4, 5), "b": (3, 2, 3), "-2": (5,)}
"""Of the student."""
WIDER = {"a": (6, 4, 5), "b": (3, 2, 7), "-2": (9,)}
"""Of the teacher."""
LAYERS = {"student": ["a", "b"], "teacher": ["a", "b"]}


class Batch:
    """What a teacher (or three) and a student say of a batch, at random."""

    def __init__(self, seed: int = 0, teachers: int = 1) -> None:
        random = np.random.default_rng(seed)
        self.targets = random.dirichlet(np.ones(CLASSES), BATCH)
        self.taught = random.normal(0, 3, (BATCH, teachers, CLASSES))
        self.said = random.normal(0, 2, (BATCH, CLASSES))
        self.mine = {name: random.normal(1, 2, (BATCH, *shape)) for name, shape in MAPS.items()}
        self.theirs = {name: random.normal(-1, 3, (BATCH, *shape)) for name, shape in WIDER.items()}

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Return what moves when the student learns."""
        return {"logits": self.said, **self.mine}


def made(name: str, **told: Any) -> Method:
    """Return a method over layers of these shapes."""
    keras.utils.set_random_seed(3)
    method = METHODS[name](section(METHODS[name].Settings, told, name))
    inputs = keras.Input((2,))
    method.build(keras.Model(inputs, keras.layers.Dense(CLASSES)(inputs)), MAPS, WIDER)
    return method


def term(method: Method, batch: Batch, student: dict[str, Any] | None = None) -> Any:
    """Return the method's term; `student` holds tensors in the place of the batch's own arrays."""

    def tensor(array: Any) -> tf.Tensor:
        return tf.cast(array, tf.float32)

    arrays = {name: tensor(array) for name, array in (student or batch.arrays).items()}
    logits = arrays.pop("logits")
    teacher = Answers(tensor(batch.taught), {name: tensor(array) for name, array in batch.theirs.items()})
    labels = HardLabels(None, np.repeat(np.arange(CLASSES), COUNTS), CLASSES, smoothing=0.1)
    targets = tensor(batch.targets)
    moment = Moment(tf.ones((BATCH, 2)), targets, T, lambda logits: labels.loss(logits, targets))
    return method.compute_loss(teacher, Answers(logits, arrays), moment=moment)


def weights(method: Method) -> Iterator[np.ndarray]:
    return (variable.numpy().astype(np.float64) for variable in method.variables)


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    return float(T**2 * np.mean(np.sum(p * np.log(p / q), axis=1)))


def learned(logits: np.ndarray, batch: Batch) -> float:
    """Return the loss of the labels: smoothed, and over logits that hold how often each class occurs."""
    smooth = 0.9 * batch.targets + 0.1 / CLASSES
    return float(-np.mean(np.sum(smooth * np.log(softmax(logits + np.log(COUNTS))), axis=1)))


def even(x: np.ndarray) -> np.ndarray:
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-5)


def mean_square(x: np.ndarray) -> float:
    return float(np.mean(x**2))


def soft(method: Method, batch: Batch) -> float:
    return divergence(softmax(batch.taught / T).mean(axis=1), softmax(batch.said / T))


def dkd(method: Method, batch: Batch) -> float:
    p, q = softmax(batch.taught[:, 0] / T), softmax(batch.said / T)
    right = batch.targets.argmax(axis=1)
    rows = np.arange(BATCH)
    two = [np.stack([each[rows, right], 1 - each[rows, right]], axis=1) for each in (p, q)]
    wrong = [
        np.array([np.delete(row, i) / (1 - row[i]) for row, i in zip(each, right, strict=True)]) for each in (p, q)
    ]
    return 1.5 * divergence(*two) + 4 * divergence(*wrong)


def dist(method: Method, batch: Batch) -> float:
    p, q = softmax(batch.taught[:, 0] / T), softmax(batch.said / T)
    inter = np.mean([np.corrcoef(p[i], q[i])[0, 1] for i in range(BATCH)])
    intra = np.mean([np.corrcoef(p[:, j], q[:, j])[0, 1] for j in range(CLASSES)])
    return float(T**2 * (3 * (1 - inter) + 0.5 * (1 - intra)))


def of_probabilities(method: Method, batch: Batch) -> float:
    return divergence(np.average(softmax(batch.taught / T), axis=1, weights=[1, 2, 5]), softmax(batch.said / T))


def of_logits(method: Method, batch: Batch) -> float:
    return divergence(softmax(np.average(batch.taught, axis=1, weights=[1, 2, 5]) / T), softmax(batch.said / T))


def hint(method: Method, batch: Batch) -> float:
    kernels = [*weights(method)]
    errors = [
        batch.mine[layer] @ kernel[0, 0] + bias - even(batch.theirs[layer])
        for layer, kernel, bias in zip("ab", kernels[::2], kernels[1::2], strict=True)
    ]
    return float(np.mean([mean_square(error) for error in errors]))


def attention(method: Method, batch: Batch) -> float:
    def looks(maps: np.ndarray) -> np.ndarray:
        flat = (maps**2).sum(axis=3).reshape(BATCH, -1)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    apart = [((looks(batch.mine[layer]) - looks(batch.theirs[layer])) ** 2).sum(axis=1) for layer in "ab"]
    return float(np.mean(apart))


def gram(method: Method, batch: Batch) -> float:
    [kernel] = weights(method)  # layer a has the teacher's channels already
    layers = [[batch.mine["a"], batch.mine["b"] @ kernel[0, 0]], [batch.theirs["a"], batch.theirs["b"]]]

    def flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        smaller = tf.image.resize(even(first), second.shape[1:3], antialias=True).numpy()
        return np.einsum("bhwi,bhwj->bij", smaller, even(second)) / np.prod(second.shape[1:3])

    mine, theirs = ([flow(*pair) for pair in pairwise(each)] for each in layers)
    return mean_square(mine[0] - theirs[0])


def mimic(method: Method, batch: Batch) -> float:
    kernel, bias = weights(method)
    return mean_square(batch.mine["-2"] @ kernel + bias - even(batch.theirs["-2"]))


def huber(x: np.ndarray) -> float:
    return float(np.mean(np.where(np.abs(x) <= 1, 0.5 * x**2, np.abs(x) - 0.5)))


def rkd(method: Method, batch: Batch) -> float:
    def distances(x: np.ndarray) -> np.ndarray:
        apart = np.linalg.norm(x[:, None] - x[None], axis=2)
        return apart / apart[apart > 0].mean()

    def angles(x: np.ndarray) -> np.ndarray:
        found = np.zeros((BATCH, BATCH, BATCH))
        for i, j, k in np.ndindex(found.shape):
            one, other = x[j] - x[i], x[k] - x[i]
            if i not in (j, k):
                found[i, j, k] = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        return found

    mine, theirs = batch.mine["-2"], batch.theirs["-2"]
    return 3 * huber(distances(mine) - distances(theirs)) + 0.5 * huber(angles(mine) - angles(theirs))


def own_teacher(method: Method, batch: Batch) -> float:
    kernels, deepest = [*weights(method)], softmax(batch.said / T)
    losses = []
    for layer, kernel, bias in zip("ab", kernels[::2], kernels[1::2], strict=True):
        logits = batch.mine[layer].mean(axis=(1, 2)) @ kernel + bias
        hard = learned(logits, batch)
        losses.append(0.25 * hard + 0.75 * divergence(deepest, softmax(logits / T)))
    return float(np.mean(losses))


def mutual(method: Method, batch: Batch) -> float:
    kernels, q = [*weights(method)], softmax(batch.said / T)
    total = 0.0
    for kernel, bias in zip(kernels[::2], kernels[1::2], strict=True):
        logits = np.ones((BATCH, 2)) @ kernel + bias
        hard = learned(logits, batch)
        p = softmax(logits / T)
        total += divergence(p, q) / 2 + divergence(q, p) + hard
    return total


class Case:
    """A method as a recipe tells it, its value in numpy, and what of the student its gradient goes to."""

    def __init__(
        self, name: str, value: Callable[[Method, Batch], float], moves: str, teachers: int = 1, **told: Any
    ) -> None:
        self.name, self.value, self.moves, self.teachers, self.told = name, value, moves.split(), teachers, told

    def __repr__(self) -> str:
        return self.value.__name__


CASES = [
    Case("soft", soft, "logits", teachers=3),
    Case("dkd", dkd, "logits", target=1.5, others=4),
    Case("dist", dist, "logits", inter=3, intra=0.5),
    Case("ensemble", of_probabilities, "logits", teachers=3, shares=[1, 2, 5]),
    Case("ensemble", of_logits, "logits", teachers=3, shares=[1, 2, 5], average="logits"),
    Case("hint", hint, "a b", **LAYERS),
    Case("attention", attention, "a b", **LAYERS),
    Case("gram", gram, "a b", **LAYERS),
    Case("mimic", mimic, "-2"),
    Case("rkd", rkd, "-2", distance=3, angle=0.5),
    Case("own_teacher", own_teacher, "a b", exits=["a", "b"], labels=0.25),
    Case("mutual", mutual, "logits", peers=2),
]
each_method = pytest.mark.parametrize("case", CASES, ids=repr)


def test_every_method_is_checked_here() -> None:
    assert {case.name for case in CASES} == set(METHODS)


@each_method
@pytest.mark.parametrize("seed", range(3))
def test_the_term_is_what_its_formula_says(case: Case, seed: int) -> None:
    batch, method = Batch(seed, case.teachers), made(case.name, **case.told)
    assert float(term(method, batch)) == pytest.approx(case.value(method, batch), rel=2e-4)


@each_method
def test_the_gradient_is_the_slope_of_the_formula(case: Case) -> None:
    """Along random directions: the formula in double precision, a little forth and a little back.

    What a formula holds fast (a student's word that teaches its exits and its peers) is held fast here as well.
    """
    batch, method = Batch(7, case.teachers), made(case.name, **case.told)
    arrays = {name: tf.Variable(tf.cast(array, tf.float32)) for name, array in batch.arrays.items()}
    with tf.GradientTape() as tape:
        loss = term(method, batch, arrays)
    slopes = dict(zip(arrays, tape.gradient(loss, [*arrays.values()]), strict=True))
    assert {name for name, slope in slopes.items() if slope is not None} == set(case.moves)
    random = np.random.default_rng(0)
    if case.name == "mutual":
        return  # its formula has peers' parts that move with the student's word and are held fast: below
    for name in case.moves:
        direction = random.normal(size=batch.arrays[name].shape)
        direction /= np.linalg.norm(direction)
        expected = (shifted(case, method, batch, name, direction) - shifted(case, method, batch, name, -direction)) / (
            2 * STEP
        )
        got = float(np.sum(slopes[name].numpy() * direction))
        assert got == pytest.approx(expected, rel=5e-3, abs=1e-3 * float(tf.norm(slopes[name])))


def shifted(case: Case, method: Method, batch: Batch, name: str, direction: np.ndarray) -> float:
    """Return the formula's value a little way along a direction."""
    array = batch.arrays[name]
    array += STEP * direction
    value = case.value(method, batch)
    array -= STEP * direction
    return value


def test_of_peers_the_student_hears_and_no_peers_loss_moves_it() -> None:
    batch, method = Batch(7), made("mutual", peers=2)
    logits = tf.Variable(tf.cast(batch.said, tf.float32))
    with tf.GradientTape() as tape:
        loss = term(method, batch, {"logits": logits, **batch.mine})
    q = softmax(batch.said / T)
    peers = [np.ones((BATCH, 2)) @ kernel + bias for kernel, bias in zip(*[weights(method)] * 2, strict=True)]
    expected = sum(T * (q - softmax(peer / T)) / BATCH / 2 for peer in peers)
    np.testing.assert_allclose(tape.gradient(loss, logits).numpy(), expected, rtol=1e-3, atol=1e-5)


@each_method
def test_what_a_method_trains_has_a_slope(case: Case) -> None:
    batch, method = Batch(1, case.teachers), made(case.name, **case.told)
    with tf.GradientTape() as tape:
        loss = term(method, batch)
    slopes = tape.gradient(loss, method.variables)
    assert all(slope is not None and np.abs(slope.numpy()).max() > 0 for slope in slopes)
    assert bool(slopes) == (case.name in ("hint", "gram", "mimic", "own_teacher", "mutual"))


@pytest.mark.parametrize("name", ["hint", "gram", "mimic"])
def test_a_term_does_not_hang_on_how_large_the_teachers_features_are(name: str) -> None:
    batch, method = Batch(), made(name, **LAYERS)
    before = float(term(method, batch))
    batch.theirs = {layer: 50 * array - 7 for layer, array in batch.theirs.items()}
    assert float(term(method, batch)) == pytest.approx(before, rel=1e-3)


@pytest.mark.parametrize("name", ["hint", "attention", "gram", "mimic", "rkd"])
@pytest.mark.parametrize("shape", [(6, 5, 3), (12, 10, 3), (3, 3, 16), (13, 1, 1), (1, 1, 8)])
def test_maps_of_any_sizes_can_be_compared(name: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    shapes = {"a": (6, 5, 8), "b": (3, 3, 4)}, {"a": shape, "b": (2, 2, 4)}
    method = METHODS[name](section(METHODS[name].Settings, LAYERS, name))
    method.build(keras.Model(inputs := keras.Input((2,)), keras.layers.Dense(CLASSES)(inputs)), *shapes)
    mine, theirs = (
        {layer: tf.Variable(random.normal(1, 1, (BATCH, *size)).astype(np.float32)) for layer, size in each.items()}
        for each in shapes
    )
    with tf.GradientTape() as tape:
        loss = method.compute_loss(Answers(None, theirs), Answers(None, mine), moment=Moment(None, None, T))
    slopes = tape.gradient(loss, [*mine.values()])
    assert np.isfinite(loss) and all(np.isfinite(slope).all() for slope in slopes)


def test_who_lies_on_another_item_does_not_break_the_distances() -> None:
    batch, method = Batch(), made("rkd")
    batch.mine["-2"][1] = batch.mine["-2"][0]
    vectors = tf.Variable(batch.mine["-2"].astype(np.float32))
    with tf.GradientTape() as tape:
        loss = term(method, batch, {**batch.arrays, "-2": vectors})
    assert np.isfinite(loss) and np.isfinite(tape.gradient(loss, vectors).numpy()).all()


def test_one_pair_of_layers_has_no_flow() -> None:
    with pytest.raises(UserError, match=r"expected two layers or more for distill.gram.student and teacher, got one"):
        made("gram", student=["a"], teacher=["a"])


def test_a_peer_may_be_another_network() -> None:
    method = METHODS["mutual"](section(METHODS["mutual"].Settings, {"peers": 2, "peer": PEER}, "mutual"))
    inputs = keras.Input((8, 8, 1))
    student = keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.layers.Flatten()(inputs)))
    method.build(student, {}, {})
    one, other = method._peers  # type: ignore[attr-defined]
    assert one.name == other.name == "resnet" and one.outputs[0].shape[-1] == CLASSES
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])
    assert len(method.state) == len(one.variables) + len(other.variables) > len(method.variables)


PEER = {"architecture": "resnet", "stem": 4, "stages": [[4, 1]]}
