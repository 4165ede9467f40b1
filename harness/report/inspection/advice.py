"""What a user may do with the findings, in a few sentences."""

import math

from harness.diagnostics.calibration import BINS, RANGE
from harness.diagnostics.findings import Beside, Findings
from harness.report import words
from harness.report.inspection.document import Inspection, Shown

_USEFUL = (0.1, 0.5)
"""Shares of the largest entropy between which soft targets say something and still name an answer: a rule of thumb."""
_EVEN = 1.1
"""A best temperature so near 1 needs no word."""
_LIKEST = 3


def advice(shown: Shown, inspection: Inspection) -> list[str]:
    """Return sentences: on calibration, temperature, alike classes, and the student where there is one."""
    found, classes = shown.findings, inspection.classes
    said = [_calibration(found), _temperature(found, len(classes)), _likest(found, classes)]
    return said + ([] if found.student is None else _student(found.student, classes, inspection.student or "student"))


def useful_temperatures(found: Findings, classes: int) -> list[float]:
    """Return the temperatures at which the entropy is between a tenth and a half of its largest."""
    most = math.log2(classes)
    return [
        each.temperature for each in found.softness if _USEFUL[0] <= each.entropy_bits / most <= _USEFUL[1]
    ]  # fmt: skip


def _calibration(found: Findings) -> str:
    now, then = found.as_it_is, found.scaled
    errors = (
        f"ECE {100 * now.error:.2f} % ({BINS} bins of equal width); the likelihood is best at T = "
        f"{then.temperature:.2f} (ECE {100 * then.error:.2f} %)"
    )
    if not 1.01 * RANGE[0] < then.temperature < 0.99 * RANGE[1]:
        return f"calibration: {errors}, the end of the search: here it makes too few mistakes, or too many, to tell"
    if then.temperature > _EVEN:
        return f"calibration: {errors}: surer than it is right, distil above that T"
    if then.temperature < 1 / _EVEN:
        return f"calibration: {errors}: less sure than it is right, its targets are soft already at T = 1"
    return f"calibration: {errors}: its probabilities can be taken as they are"


def _temperature(found: Findings, classes: int) -> str:
    most, low = math.log2(classes), found.softness[0]
    useful = useful_temperatures(found, classes)
    known = f"entropy {low.entropy_bits:.2f} of {most:.2f} bits at T = 1"
    if not useful:
        nearest = min(found.softness, key=lambda each: abs(each.entropy_bits / most - sum(_USEFUL) / 2))
        return (
            f"temperature: {known}; nowhere between a tenth and a half of the largest, try T = {nearest.temperature:g}"
        )
    span = f"{useful[0]:g}" if len(useful) == 1 else f"{useful[0]:g} to {useful[-1]:g}"
    return (
        f"temperature: {known}; between a tenth and a half of the largest at T = {span}: try distill.temperature there "
        "first (a rule of thumb; validation decides)"
    )


def _likest(found: Findings, classes: tuple[str, ...]) -> str:
    named = [
        f"{words.plain(classes[pair.true])} as {words.plain(classes[pair.other])} ({100 * pair.share:.1f} %)"
        for pair in found.likest[:_LIKEST]
    ]
    return f"alike at T = {found.similarity_temperature:g}: {', '.join(named) or 'no pair'}"


def _student(found: Beside, classes: tuple[str, ...], name: str) -> list[str]:
    count = found.agreement
    share = 100 * count.differ / max(count.items, 1)
    said = [
        f"{name} ({found.accuracy:.2f} %) differs on {count.differ:,} of {count.items:,} items ({share:.1f} %): the "
        f"teacher is right on {count.teacher_right:,}, the student on {count.student_right:,}, neither on "
        f"{count.neither:,}"
    ]
    if found.pairs:
        theirs, ours, items = found.pairs[0]
        said.append(
            f"most often the teacher says {words.plain(classes[theirs])} and the student {words.plain(classes[ours])} "
            f"({items:,} items): look at them in disagreements.csv"
        )
    if count.differ and count.student_right >= count.teacher_right:
        said.append("where they differ the teacher is no more often right than the student: expect little of it")
    return said
