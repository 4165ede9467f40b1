"""The numbers about a teacher, against cases computed by hand, by plain loops, and properties that always hold."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.diagnostics import calibration, softness
from harness.diagnostics.disagreement import agreement, disagreements, kl_bits, pairs
from harness.diagnostics.similarity import similarity, strongest
from harness.diagnostics.softmax import softmax

CLASSES = 4
logits = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        arrays(np.float64, (n, CLASSES), elements=st.floats(-30, 30, width=32)),
        arrays(np.int64, n, elements=st.integers(0, CLASSES - 1)),
    )
)
Case = tuple[np.ndarray, np.ndarray]


def rows(*values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, np.float64)


@settings(max_examples=50, deadline=None)
@given(logits, st.floats(0.05, 50))
def test_probabilities_sum_to_one_whatever_is_added(case: Case, temperature: float) -> None:
    z, _ = case
    p = softmax(z, temperature)
    assert p.sum(axis=1) == pytest.approx(1)
    assert softmax(z + 700, temperature) == pytest.approx(p, abs=1e-9)
    assert softmax(np.log(softmax(z)), temperature) == pytest.approx(p, abs=1e-9)


def test_softmax_by_hand() -> None:
    assert softmax(rows((math.log(8), 0)), 3)[0] == pytest.approx([2 / 3, 1 / 3])


# Calibration


def test_reliability_and_its_error_by_hand() -> None:
    p = rows((0.9, 0.1), (0.8, 0.2), (0.4, 0.6), (0.5, 0.5), (0, 1))
    bins = calibration.reliability(p, np.array([0, 1, 1, 0, 0]), bins=2)
    low, high = bins
    assert (low.low, low.high, low.count, low.confidence, low.accuracy) == (0, 0.5, 1, 0.5, 1)  # 0.5 is not above it
    assert (high.count, high.confidence, high.accuracy) == (4, pytest.approx((0.9 + 0.8 + 0.6 + 1) / 4), 0.5)
    assert calibration.calibration_error(bins) == pytest.approx((1 * 0.5 + 4 * abs(0.5 - 0.825)) / 5)


@settings(max_examples=50, deadline=None)
@given(logits, st.integers(1, 30))
def test_the_error_is_the_definitions_and_within_0_and_1(case: Case, bins: int) -> None:
    z, labels = case
    p = softmax(z)
    assume(all(abs(each * bins - round(each * bins)) > 1e-9 or each == 1 for each in p.max(axis=1)))  # on a border
    inside: dict[int, list[tuple[float, bool]]] = {}
    for row, label in zip(p, labels, strict=True):
        inside.setdefault(math.ceil(min(row.max(), 1) * bins), []).append((row.max(), row.argmax() == label))
    gaps = [len(own) * abs(np.mean([sure - right for sure, right in own])) for own in inside.values()]
    found = calibration.calibration_error(calibration.reliability(p, labels, bins))
    assert 0 <= found <= 1
    assert found == pytest.approx(sum(gaps) / len(p))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9).flatmap(lambda tenth: st.tuples(st.just(tenth), st.integers(1, 20))))
def test_who_is_as_often_right_as_sure_has_no_error(case: tuple[int, int]) -> None:
    tenth, times = case
    sure = max(tenth, 10 - tenth) / 10
    p = np.tile([sure, 1 - sure], (10 * times, 1))
    labels = np.array(([0] * round(10 * sure) + [1] * round(10 * (1 - sure))) * times)
    if sure > 0.5:
        assert calibration.calibration_error(calibration.reliability(p, labels)) == pytest.approx(0, abs=1e-12)


def test_who_is_always_sure_and_wrong_has_the_whole_error() -> None:
    bins = calibration.reliability(np.tile([1.0, 0.0], (7, 1)), np.ones(7, np.int64))
    assert calibration.calibration_error(bins) == 1
    assert sum(each.count for each in bins) == bins[-1].count == 7
    assert bins[0].confidence is None
    assert calibration.calibration_error(()) == 0


@pytest.mark.parametrize("wrong", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_that_was_put_in_comes_out(wrong: float) -> None:
    random = np.random.default_rng(3)
    z = random.normal(0, 2, (20_000, CLASSES))
    labels = np.array([random.choice(CLASSES, p=p) for p in softmax(z)])
    found = calibration.best_temperature(z * wrong, labels)
    assert found == pytest.approx(wrong, rel=0.05)
    losses = [calibration.likelihood_loss(z * wrong, labels, found * step) for step in (0.98, 1, 1.02)]
    assert losses[1] == min(losses)


def test_the_loss_by_hand_and_the_ends_of_the_search() -> None:
    z = rows((math.log(3), 0), (0, 0))
    assert calibration.likelihood_loss(z, np.array([0, 1])) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    assert calibration.best_temperature(rows((2, 0)), np.array([0])) == pytest.approx(calibration.RANGE[0])
    assert calibration.best_temperature(rows((2, 0)), np.array([1])) == pytest.approx(calibration.RANGE[1])


# Softness


def test_softness_by_hand() -> None:
    z = rows((math.log(4), math.log(2), 0, 0))
    [found] = softness.softness(z, np.array([1]), [1.0])  # 1/2, 1/4, 1/8, 1/8
    assert found.entropy_bits == pytest.approx(0.5 + 0.5 + 3 / 8 + 3 / 8)
    assert (found.right, found.runner_up) == (pytest.approx(1 / 4), pytest.approx(1 / 2))
    [found] = softness.softness(z, np.array([0]), [1.0])
    assert (found.right, found.runner_up) == (pytest.approx(1 / 2), pytest.approx(1 / 4))
    assert list(softness.entropy_bits(rows((0, 1, 0), (0.5, 0.5, 0)))) == [0, 1]


@settings(max_examples=50, deadline=None)
@given(logits)
def test_entropy_grows_with_the_temperature_up_to_its_limit(case: Case) -> None:
    found = softness.softness(*case)
    entropies = [each.entropy_bits for each in found]
    assert [each.temperature for each in found] == [1, 2, 3, 4, 6, 8, 12, 20]
    assert all(after >= before - 1e-9 for before, after in pairwise(entropies))
    assert entropies[0] >= 0
    assert entropies[-1] <= math.log2(CLASSES) + 1e-9
    assert all(each.right + each.runner_up <= 1 + 1e-9 for each in found)


# Similarity


def test_similarity_by_hand() -> None:
    p = rows((0.7, 0.2, 0.1), (0.5, 0.4, 0.1), (0.1, 0.6, 0.3))
    found = similarity(p, np.array([0, 0, 1]))
    assert found[:2] == pytest.approx(rows((0.6, 0.3, 0.1), (0.1, 0.6, 0.3)))
    assert np.isnan(found[2]).all()
    first, second, *_ = strongest(found)
    assert [(first.true, first.other), (second.true, second.other)] == [(0, 1), (1, 2)]
    assert (first.share, second.share) == (pytest.approx(0.3), pytest.approx(0.3))
    assert len(strongest(found)) == 4  # neither the diagonal nor the class without items
    assert len(strongest(found, 1)) == 1


@settings(max_examples=50, deadline=None)
@given(logits, st.floats(0.5, 20))
def test_rows_of_the_similarity_sum_to_one(case: Case, temperature: float) -> None:
    z, labels = case
    found = similarity(softmax(z, temperature), labels)
    for true in range(CLASSES):
        if true in labels:
            assert found[true].sum() == pytest.approx(1)
            assert found[true] == pytest.approx(np.mean(softmax(z, temperature)[labels == true], axis=0))
        else:
            assert np.isnan(found[true]).all()


# Disagreement


def test_divergence_by_hand() -> None:
    found = kl_bits(rows((1, 0), (0.5, 0.5)), rows((0.25, 0.75), (0.5, 0.5)), 1e-9)
    assert found == pytest.approx([2, 0])
    assert kl_bits(rows((1, 0)), rows((0, 1)), 1 / 3)[0] == pytest.approx(2)  # 1/3 and 1, scaled: 1/4 and 3/4


@settings(max_examples=50, deadline=None)
@given(logits, logits, st.floats(1e-9, 1e-2))
def test_divergence_is_finite_never_negative_and_nothing_from_itself(one: Case, two: Case, floor: float) -> None:
    n = min(len(one[0]), len(two[0]))
    p, q = softmax(one[0][:n]), softmax(two[0][:n])
    found = kl_bits(p, q, floor)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert kl_bits(p, p, 1e-300) == pytest.approx(0, abs=1e-9)


def test_disagreements_come_with_who_says_what_the_farthest_first() -> None:
    teacher = rows((0.9, 0.1, 0), (0.6, 0.4, 0), (0, 1, 0), (0.2, 0.5, 0.3), (0.1, 0.1, 0.8))
    student = rows((0.4, 0.6, 0), (0.7, 0.3, 0), (1, 0, 0), (0.3, 0.2, 0.5), (0, 0.9, 0.1))
    labels = np.array([0, 0, 0, 0, 2])
    found = disagreements(teacher, student, labels, 1 / 512)
    assert [each.item for each in found] == [2, 4, 0, 3]
    first = found[0]
    assert (first.label, first.teacher, first.student) == (0, 1, 0)
    assert (first.teacher_probability, first.student_probability) == (1, 1)
    assert first.kl_bits == pytest.approx(math.log2(512 * (1 + 2 / 512)))
    count = agreement(found, 5)
    assert (count.items, count.differ) == (5, 4)
    assert (count.teacher_right, count.student_right, count.neither) == (2, 1, 1)
    assert pairs(found) == ((0, 1, 1), (1, 0, 1), (1, 2, 1), (2, 1, 1))


@settings(max_examples=50, deadline=None)
@given(logits, logits)
def test_every_item_of_another_answer_is_listed_once(one: Case, two: Case) -> None:
    n = min(len(one[0]), len(two[0]))
    p, q, labels = softmax(one[0][:n]), softmax(two[0][:n]), one[1][:n]
    found = disagreements(p, q, labels, 1e-3)
    assert {each.item for each in found} == {i for i in range(n) if p[i].argmax() != q[i].argmax()}
    assert [each.kl_bits for each in found] == sorted((each.kl_bits for each in found), reverse=True)
    count = agreement(found, n)
    assert count.differ == len(found) == sum(number for *_, number in pairs(found))
    assert count.teacher_right == sum((p.argmax(axis=1) == labels) & (q.argmax(axis=1) != labels))
