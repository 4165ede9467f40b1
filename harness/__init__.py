"""Measures models on microcontroller boards: how fast, how big, how accurate, and how they become smaller.

What a program may use is listed in `__all__`. It is loaded when it is first asked for, so that `import harness` costs
nothing.
"""

TYPE_CHECKING = False  # type checkers take it for true; the module typing alone would double what the import costs
if TYPE_CHECKING:
    from harness.api import CFolder, Evaluation, bench, compile_model, evaluate, load_rows
    from harness.errors import EnvironmentFailure, HarnessError, UserError
    from harness.flows.run import Run
    from harness.rows.measurement import Confusion, Layer, Row

__version__ = "0.1.0"

__all__ = [
    "CFolder",
    "Confusion",
    "EnvironmentFailure",
    "Evaluation",
    "HarnessError",
    "Layer",
    "Row",
    "Run",
    "UserError",
    "bench",
    "compile_model",
    "evaluate",
    "load_rows",
]

if not TYPE_CHECKING:  # a checker would take every name for one that is there

    def __getattr__(name):
        """Load a public name from where it is defined (PEP 562)."""
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        homes = {
            "harness.errors": ("EnvironmentFailure", "HarnessError", "UserError"),
            "harness.flows.run": ("Run",),
            "harness.rows.measurement": ("Confusion", "Layer", "Row"),
        }
        home = next((module for module, names in homes.items() if name in names), "harness.api")
        return getattr(import_module(home), name)

    def __dir__():
        """List the public names before they are loaded, too."""
        return [*globals(), *__all__]
