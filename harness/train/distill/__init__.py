"""A student learns from its teachers: `distill(recipe)`.

A further method is one file here and one line in methods.py.
"""

from harness.train import backend

backend.start()  # before anything below imports it in its own way

from harness.train.distill.run import distill  # noqa: E402

__all__ = ["distill"]
