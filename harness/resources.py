"""Where the files that are not Python live: in the checkout, or in the copy inside the wheel."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    """Return the folder `name` inside the installed wheel, or that of the checkout.

    The wheel's comes first: what lies beside an installed package is other packages, and one may be called like ours.
    """
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


def firmware() -> Path:
    """Return the folder with the firmware sources, the kernels and the PlatformIO platform."""
    return _folder("firmware")


def boards() -> Path:
    """Return the folder with one JSON file a board."""
    return _folder("boards")


def recipes() -> Path:
    """Return the folder with one TOML file a training run."""
    return _folder("recipes")


def in_checkout(name: str) -> Path | None:
    """Return a file or folder of the checkout, None where the harness was installed from a wheel."""
    path = _PACKAGE.parent / name
    return path if path.exists() and (_PACKAGE.parent / "recipes").is_dir() else None


def zoo() -> Path:
    """Return the folder with the trained students and their model cards."""
    return _PACKAGE / "zoo"


def cache() -> Path:
    """Return where builds, tools and golden outputs are kept: HARNESS_CACHE, or the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("HARNESS_CACHE") or platformdirs.user_cache_dir("tinyml-harness"))
