"""The methods by the names that recipes use; names joined by "+" are used together."""

from harness.errors import UserError
from harness.train.distill.hint import Hint
from harness.train.distill.method import Method
from harness.train.distill.soft import SoftTargets
from harness.train.recipe import Distill

METHODS: dict[str, type[Method]] = {"soft": SoftTargets, "hint": Hint}


def choose(settings: Distill) -> dict[str, Method]:
    """Return the methods of a recipe by name; none for "none".

    Raises:
        UserError: a name is unknown or stands there twice, or a method lacks a setting.
    """
    if settings.method == "none":
        return {}
    names = settings.method.split("+")
    for name in names:
        if name not in METHODS or names.count(name) > 1:
            raise UserError(
                f"expected distill.method to be none, or {', '.join(sorted(METHODS))} joined by '+', "
                f"got '{settings.method}'"
            )
    methods = {name: METHODS[name](settings) for name in names}
    if settings.hint_epochs and "hint" not in methods:
        raise UserError(f"expected distill.hint_epochs with the method 'hint' alone, got '{settings.method}'")
    return methods
