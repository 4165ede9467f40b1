"""What each way of training gains over hard labels alone, with its confidence interval, and what it costs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.rows.lines import Line, Sheet

NONE = "none"
"""The method that all others are held against: hard labels alone."""
LEVEL = 0.95
REPLICATES = 10_000
_CHUNK = 2_000
"""Replicates that are held at a time."""
_SETTING = ("task", "student", "epochs", "dataset", "n")
"""Runs that share these can be compared."""


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes:
        line: of `methods.csv`.
        right: (n,) whether each item of the test set was classified rightly.
        labels: (n,) the true classes: runs with the same were measured on the same items in the same order.
    """

    line: Line
    right: NDArray[np.bool_]
    labels: NDArray[np.int16]


@dataclass(frozen=True)
class Gain:
    """What a method is worth: a line of `gains.csv`.

    Attributes:
        task: kws or vision.
        student: its name.
        teacher: names, empty for none.
        method: its name.
        epochs: of each run.
        dataset: measured on.
        n: training items.
        seeds: of the runs that it was averaged over, separated by spaces; those that `none` has, too.
        samples: items of the test set.
        accuracy: mean over the seeds, percent.
        gain: over `none`, points; None where there is no run of `none` to hold it against, and for `none` itself.
        gain_low: lower end of the 95 % confidence interval of the gain.
        gain_high: upper end.
        train_seconds: mean over the seeds.
        cost: how many times as long as `none`.
    """

    task: str
    student: str
    teacher: str
    method: str
    epochs: int
    dataset: str
    n: int
    seeds: str
    samples: int
    accuracy: float
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    train_seconds: float
    cost: float | None

    @property
    def verdict(self) -> str:
        """Say in two words what the interval says."""
        if self.gain_low is None or self.gain_high is None:
            return ""
        return "helps" if self.gain_low > 0 else "hurts" if self.gain_high < 0 else "undecided"


GAINS = Sheet(
    tuple(Gain.__annotations__), ("task", "student", "teacher", "method", "epochs", "dataset", "n", "samples")
)
"""`results/distillation/gains.csv`: one line a method."""


def gains(runs: Iterable[Run]) -> list[Gain]:
    """Hold each method against the runs of `none` with the same student, epochs and data, seed by seed.

    Raises:
        UserError: two runs that belong together were measured on different items.
    """

    def setting(run: Run) -> tuple[str, ...]:
        return tuple(run.line[name] for name in _SETTING)

    found = []
    for _, group in groupby(sorted(runs, key=setting), setting):
        alike = list(group)
        plain = {run.line["seed"]: run for run in alike if run.line["method"] == NONE}
        methods = sorted({(run.line["method"] != NONE, run.line["method"], run.line["teacher"]) for run in alike})
        for _, method, teacher in methods:
            mine = [run for run in alike if (run.line["method"], run.line["teacher"]) == (method, teacher)]
            found.append(_gain(mine, plain))
    return found


def read_gains(lines: Iterable[Line]) -> list[Gain]:
    """Return what lines of `gains.csv` say.

    Raises:
        UserError: there is no number where one should be.
    """
    kinds = {"epochs": int, "n": int, "samples": int, "accuracy": float, "train_seconds": float}
    optional = ("gain", "gain_low", "gain_high", "cost")
    found = []
    for line in lines:
        try:
            values: dict[str, Any] = {name: kinds.get(name, str)(text) for name, text in line.items()}
            values |= {name: float(line[name]) if line[name] else None for name in optional}
        except ValueError as error:
            raise UserError(f"expected numbers in gains.csv: {error}") from error
        found.append(Gain(**values))
    return found


def lines_of(found: Iterable[Gain]) -> list[Line]:
    """Return the lines of `gains.csv`."""
    return [GAINS.line(asdict(each)) for each in found]


def interval(
    difference: NDArray[np.integer[Any]], level: float = LEVEL, replicates: int = REPLICATES, seed: int = 0
) -> tuple[float, float]:
    """Return the confidence interval of the mean of paired differences, by a bootstrap over seeds and items.

    With d[s, i] = right of the method - right of `none` (-1, 0 or 1) for seed s and item i, a replicate draws S seeds
    and, independently, I items, both with replacement, the same for the method and for `none`:

        m* = sum over s, i of (c_s / S) (k_i / I) d[s, i],   c ~ Multinomial(S, 1/S),   k ~ Multinomial(I, 1/I)

    and the interval lies between the (1 - level) / 2 and (1 + level) / 2 quantiles of the m* (the percentile interval:
    Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; pairs are drawn whole as in its chapter 8;
    drawing rows and columns of a table: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007).

    Items with the same d for every seed are exchangeable, so their numbers are drawn at once: with S seeds there are at
    most 3^S kinds of items. Of few seeds a bootstrap knows little: the variance that it sees between S of them is
    (S - 1) / S of the true one, and of a single one it sees none.

    Args:
        difference: (seeds, items).
        level: of confidence, 0 to 1.
        replicates: how many.
        seed: of the draws.

    Returns:
        Lower and upper end, in the unit of `difference`.
    """
    seeds, items = difference.shape
    kinds, counts = np.unique(difference, axis=1, return_counts=True)
    random = np.random.default_rng(seed)
    means = []
    for start in range(0, replicates, _CHUNK):
        size = min(_CHUNK, replicates - start)
        of_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), size) / seeds
        of_kinds = random.multinomial(items, counts / items, size) / items
        means.append(np.einsum("bs,sk,bk->b", of_seeds, kinds.astype(float), of_kinds, optimize=True))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _gain(mine: Sequence[Run], plain: dict[str, Run]) -> Gain:
    """Return the gain of a method's runs over those of `none` by seed."""
    first = mine[0].line
    paired = sorted((run for run in mine if run.line["seed"] in plain), key=lambda run: int(run.line["seed"]))
    measured = first["method"] != NONE and bool(paired)
    chosen = paired or sorted(mine, key=lambda run: int(run.line["seed"]))
    against = [plain[run.line["seed"]] for run in paired]
    mean, low, high = _points(chosen, against) if measured else (None, None, None)
    seconds = float(np.mean([float(run.line["train_seconds"]) for run in chosen]))
    plain_seconds = float(np.mean([float(run.line["train_seconds"]) for run in against])) if against else 0.0
    return Gain(
        task=first["task"],
        student=first["student"],
        teacher=first["teacher"],
        method=first["method"],
        epochs=int(first["epochs"]),
        dataset=first["dataset"],
        n=int(first["n"]),
        seeds=" ".join(run.line["seed"] for run in chosen),
        samples=len(chosen[0].labels),
        accuracy=round(100 * float(np.mean([run.right.mean() for run in chosen])), 2),
        gain=mean,
        gain_low=low,
        gain_high=high,
        train_seconds=round(seconds, 1),
        cost=round(seconds / plain_seconds, 2) if plain_seconds else None,
    )


def _points(runs: Sequence[Run], against: Sequence[Run]) -> tuple[float, float, float]:
    """Return the gain and the ends of its interval, points."""
    for run, other in zip(runs, against, strict=True):
        if not np.array_equal(run.labels, other.labels):
            raise UserError(
                f"expected {run.line['method']} and {NONE} of seed {run.line['seed']} to be measured on the same items "
                f"of {run.line['dataset']}, got {len(run.labels)} and {len(other.labels)} that differ: "
                "train both again, with another --out"
            )
    right = np.stack([run.right for run in runs]).astype(np.int8)
    difference = right - np.stack([other.right for other in against])
    low, high = interval(difference)
    return round(100 * float(difference.mean()), 2), round(100 * low, 2), round(100 * high, 2)
