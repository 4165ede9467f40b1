"""The bootstrap against what theory says of it, and what is made of runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.rows import gains as module
from harness.rows.gains import GAINS, Run, gains, interval, lines_of, read_gains
from harness.rows.lines import METHODS

ITEMS = 400
LABELS = np.arange(ITEMS, dtype=np.int16) % 12
Z = 1.959964
"""Of a normal distribution, 95 % lies within so many standard deviations."""


def run(method: str, seed: int, right: np.ndarray, labels: np.ndarray = LABELS, **changes: object) -> Run:
    line = {"task": "kws", "student": "s", "teacher": "t" * (method != "none"), "method": method, "seed": seed,
            "epochs": 3, "dataset": "d", "n": 50, "accuracy": 100 * right.mean(), "train_seconds": 10}  # fmt: skip
    return Run(METHODS.line(line | changes), right, labels[: len(right)])


def deviation(d: np.ndarray) -> float:
    """Return the standard deviation of m* exactly, from E[w w'] and E[v v'] of the two multinomial draws."""
    seeds, items = d.shape

    def second(count: int) -> np.ndarray:
        return np.full((count, count), 1 / count**2) + (np.eye(count) - 1 / count) / count**2

    return float(np.sqrt(max(np.trace(second(seeds) @ d @ second(items) @ d.T) - d.mean() ** 2, 0)))


SLACK = 0.0125
"""Five standard deviations of a share of 0.025 of 4,000 draws."""


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 5), st.floats(0.02, 0.6), st.floats(-1, 1), st.floats(0, 0.3), st.integers(0, 2**32 - 1))
def test_the_width_is_what_theory_says(seeds: int, changed: float, sign: float, between: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    shift = random.normal(0, between, (seeds, 1))
    up = random.random((seeds, ITEMS)) < np.clip((1 + sign) / 2 + shift, 0, 1)
    d = np.where(random.random((seeds, ITEMS)) < changed, np.where(up, 1, -1), 0)
    means = bootstrap_by_hand(d, 4_000, seed)
    assert means.std() == pytest.approx(deviation(d), rel=0.06, abs=1e-12)
    low, high = interval(d, replicates=20_000)
    # What lies beyond either end is a fortieth of the draws one by one. The ends themselves may lie anywhere in a gap:
    # three seeds that differ give a distribution of several hills.
    for below, end_included in ((means < low, means <= low), (means > high, means >= high)):
        assert below.mean() - SLACK <= 0.025 <= end_included.mean() + SLACK
    assert low - 1e-9 <= d.mean() <= high + 1e-9


def bootstrap_by_hand(d: np.ndarray, replicates: int, seed: int) -> np.ndarray:
    """Draw seeds and items one by one, as the docstring's words have it."""
    random = np.random.default_rng(seed)
    seeds, items = d.shape
    return np.array([
        d[random.integers(0, seeds, seeds)][:, random.integers(0, items, items)].mean() for _ in range(replicates)
    ])  # fmt: skip


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_of_one_seed_it_is_the_normal_approximation(share: float) -> None:
    random = np.random.default_rng(1)
    d = random.choice([-1, 0, 1], (1, 4_890), p=[0.02, 1 - 0.02 - share, share])
    half = Z * d.std() / np.sqrt(d.size)
    low, high = interval(d, replicates=40_000)
    assert (low, high) == pytest.approx((d.mean() - half, d.mean() + half), abs=0.04 * half)


def test_seeds_that_differ_widen_it() -> None:
    calm = np.zeros((4, ITEMS), int)
    calm[:, :40] = 1
    rough = np.zeros((4, ITEMS), int)
    rough[:2, :80] = 1  # the same mean, all of it from two seeds
    (low, high), (lower, higher) = interval(calm), interval(rough)
    assert higher - lower > 1.5 * (high - low)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    hits = 0
    for _ in range(200):
        gain, chance = 0.05, 0.3
        d = random.choice([-1, 0, 1], (1, 300), p=[chance / 2, 1 - chance - gain, chance / 2 + gain])
        low, high = interval(d, replicates=1_000)
        hits += low <= gain <= high
    assert 178 <= hits <= 199


def test_it_is_the_same_each_time_and_wider_at_a_higher_level() -> None:
    d = np.random.default_rng(3).integers(-1, 2, (3, ITEMS))
    assert interval(d) == interval(d) != interval(d, seed=1)
    low, high = interval(d, level=0.99)
    assert low < interval(d)[0] < interval(d)[1] < high


@given(st.integers(0, 2**32 - 1))
def test_who_says_the_same_gains_nothing(seed: int) -> None:
    right = np.random.default_rng(seed).random((2, ITEMS)) < 0.9
    runs = [run(method, s, right[s]) for method in ("none", "soft") for s in (0, 1)]
    none, soft = gains(runs)
    assert (soft.gain, soft.gain_low, soft.gain_high, soft.verdict) == (0, 0, 0, "undecided")
    assert (none.gain, none.cost, none.verdict) == (None, 1.0, "")


def test_runs_are_paired_by_seed() -> None:
    random = np.random.default_rng(4)
    base = random.random((3, ITEMS)) < 0.8
    better = base | (random.random((3, ITEMS)) < 0.5)
    runs = [run("none", s, base[s], train_seconds=10 * (s + 1)) for s in (0, 1)]
    runs += [run("soft", s, better[s], train_seconds=30) for s in (2, 1, 0)]
    runs += [run("dkd", 0, ~base[0])]
    none, dkd, soft = gains(runs)
    assert [each.method for each in (none, dkd, soft)] == ["none", "dkd", "soft"]
    assert (none.seeds, dkd.seeds, soft.seeds) == ("0 1", "0", "0 1")  # there is no third run of none
    assert soft.gain == pytest.approx(100 * (better[:2].mean() - base[:2].mean()), abs=0.01)
    assert soft.accuracy == pytest.approx(100 * better[:2].mean(), abs=0.01)
    assert (soft.verdict, dkd.verdict) == ("helps", "hurts")
    assert (soft.train_seconds, soft.cost, dkd.cost) == (30, 2.0, 1.0)


def test_only_alike_is_compared() -> None:
    right = np.ones(ITEMS, bool)
    for changes in ({"n": 49}, {"epochs": 4}, {"student": "other"}, {"dataset": "other"}, {"seed": "7"}):
        other = run("soft", 0, right)
        found = gains([run("none", 0, right), Run(other.line | {name: str(each) for name, each in changes.items()},
                                                  right, LABELS)])  # fmt: skip
        [soft] = [each for each in found if each.method == "soft"]
        assert (soft.gain, soft.cost, soft.verdict) == (None, None, ""), changes


def test_other_items_are_refused() -> None:
    right = np.ones(ITEMS, bool)
    for other in (run("soft", 0, right[:-1]), run("soft", 0, right, LABELS[::-1])):
        with pytest.raises(UserError, match="soft and none of seed 0 to be measured on the same items"):
            gains([run("none", 0, right), other])


def test_a_table_is_read_as_it_was_written() -> None:
    random = np.random.default_rng(5)
    found = gains([run(m, s, random.random(ITEMS) < 0.9) for m in ("none", "soft") for s in (0, 1)] +
                  [run("rkd", 9, random.random(ITEMS) < 0.9)])  # fmt: skip
    assert read_gains(lines_of(found)) == found
    assert GAINS.columns[:4] == ("task", "student", "teacher", "method")
    with pytest.raises(UserError, match=r"numbers in gains\.csv"):
        read_gains([lines_of(found)[0] | {"accuracy": "good"}])


def test_the_chunks_of_replicates_make_no_difference_but_of_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    d = np.random.default_rng(6).integers(-1, 2, (3, ITEMS))
    whole = interval(d)
    monkeypatch.setattr(module, "_CHUNK", 777)
    assert interval(d) == pytest.approx(whole, abs=0.1 * (whole[1] - whole[0]))
