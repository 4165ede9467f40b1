"""The methods by the names that recipes use; names joined by "+" are used together."""

from harness.errors import UserError
from harness.train.distill.attention import Attention
from harness.train.distill.correlation import Correlation
from harness.train.distill.decoupled import Decoupled
from harness.train.distill.ensemble import Ensemble
from harness.train.distill.gram import Gram
from harness.train.distill.hint import Hint
from harness.train.distill.method import Method
from harness.train.distill.mimic import Mimic
from harness.train.distill.mutual import Mutual
from harness.train.distill.own_teacher import OwnTeacher
from harness.train.distill.relations import Relations
from harness.train.distill.soft import SoftTargets
from harness.train.recipe import Distill
from harness.train.sections import section

METHODS: dict[str, type[Method]] = {
    "attention": Attention,
    "dist": Correlation,
    "dkd": Decoupled,
    "ensemble": Ensemble,
    "gram": Gram,
    "hint": Hint,
    "mimic": Mimic,
    "mutual": Mutual,
    "own_teacher": OwnTeacher,
    "rkd": Relations,
    "soft": SoftTargets,
}


def choose(distill: Distill) -> dict[str, Method]:
    """Return the methods of a recipe by name; none for "none".

    Raises:
        UserError: a name is unknown or stands there twice, a method's section is wrong, or the teachers are too many or
            too few for the methods.
    """
    for name in distill.methods:
        if name not in METHODS:
            raise UserError(f"expected a section of {', '.join(METHODS)} in [distill], got '{name}'")
    names = [] if distill.method == "none" else distill.method.split("+")
    for name in names:
        if name not in METHODS or names.count(name) > 1:
            raise UserError(
                f"expected distill.method to be none, or {', '.join(METHODS)} joined by '+', got '{distill.method}'"
            )
    methods = {name: _made(name, distill) for name in names}
    _check(methods, distill)
    return methods


def check_without_labels(methods: dict[str, Method], distill: Distill) -> None:
    """Refuse what cannot learn from items without labels.

    Raises:
        UserError: a method needs labels, or none of them teaches the logits.
    """
    able = ", ".join(name for name, kind in METHODS.items() if kind.response and not kind.needs_labels)
    for name, method in methods.items():
        if method.needs_labels:
            raise UserError(f"expected methods that take no labels, as the items have none, got '{name}'; take {able}")
    if not any(method.response for method in methods.values()):
        raise UserError(
            f"expected one of {able} in distill.method, as without labels nothing else teaches the logits, got "
            f"'{distill.method}'"
        )
    if distill.generations:
        raise UserError("expected distill.teachers without distill.generations, the first of which learns from labels")


def _made(name: str, distill: Distill) -> Method:
    """Return a method as its section has it."""
    kind, where = METHODS[name], f"[distill.{name}]"
    settings = section(kind.Settings, distill.methods.get(name, {}), where)
    problem = settings.problem()
    if problem:
        raise UserError(f"expected {problem} in {where}, got {distill.methods.get(name, {})}")
    return kind(settings)


def _check(methods: dict[str, Method], distill: Distill) -> None:
    """Refuse teachers that nobody hears, methods that lack one, and a first stage without features to learn.

    Raises:
        UserError: as said.
    """
    teachers, named = len(distill.teachers) or min(distill.generations, 1), f"the method '{distill.method}'"
    taught = any(method.taught for method in methods.values())
    if taught != bool(teachers):
        wanted = "one or more" if taught else "no"
        raise UserError(f"expected {wanted} distill.teachers (or generations) with {named}, got {teachers}")
    if distill.teachers and distill.generations:
        raise UserError(f"expected distill.teachers or distill.generations, got both for {named}")
    if teachers > 1 and any(method.teacher_layers for method in methods.values()):
        raise UserError(f"expected one teacher for {named}, which compares layers, got {teachers}")
    for name, method in methods.items():
        shares = getattr(method.settings, "shares", ())
        if shares and len(shares) != teachers:
            raise UserError(f"expected a share for each teacher in [distill.{name}], got {len(shares)} for {teachers}")
    if distill.features_first and all(method.response for method in methods.values()):
        raise UserError(f"expected distill.features_first with a method that compares layers, got {named}")
