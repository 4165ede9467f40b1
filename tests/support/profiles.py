"""Hypothesis profiles: `default` finds the same cases on every machine; HYPOTHESIS_PROFILE=deep looks for new ones."""

import os

from hypothesis import HealthCheck, Phase, settings

# Shrinking a group of models takes a build a step; a failing case prints what it is made of, which mostly suffices.
_COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}

settings.register_profile("default", derandomize=True, phases=[Phase.explicit, Phase.generate], **_COMMON)
settings.register_profile("deep", max_examples=400, phases=[Phase.explicit, Phase.generate], print_blob=True, **_COMMON)


def load() -> None:
    """Load the profile that HYPOTHESIS_PROFILE names."""
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def examples(default: int) -> settings:
    """Return the settings of a test: `default` examples, more of them in the deep profile."""
    load()
    deep = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
    return settings(max_examples=default * 20 if deep else default)
