"""A student learns from its teachers: `distill(recipe)`.

A further method is one file here and one line in methods.py.
"""

from harness.train.distill.run import distill

__all__ = ["distill"]
