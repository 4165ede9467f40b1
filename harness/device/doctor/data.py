"""The folder with real data."""

import os
from pathlib import Path

from harness.device.doctor.check import Check, Remedy

DATA = "HARNESS_DATA"


def data_folder() -> Check:
    """Whether the folder with real data is named and there; without it small synthetic sets are used."""
    named = os.environ.get(DATA)
    if not named:
        return Check(DATA, True, "not set: synthetic data will be used")
    if not Path(named).is_dir():
        return Check(DATA, False, f"{named} is no folder", Remedy(words=f"export {DATA}=DIR"))
    return Check(DATA, True, named)
