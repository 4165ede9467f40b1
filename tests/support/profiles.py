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


def deep() -> bool:
    """Tell whether the deep profile is asked for."""
    return os.environ.get("HYPOTHESIS_PROFILE") == "deep"


def seconds_limit(default: int) -> int:
    """Return the time limit of a test for `pytest.mark.timeout`; 0, none, in the deep profile."""
    return 0 if deep() else default


def examples(default: int) -> settings:
    """Return the settings of a test: `default` examples, more of them in the deep profile."""
    load()
    return settings(max_examples=default * 20 if deep() else default)
