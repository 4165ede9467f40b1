"""The name that somebody who misspelt it most likely meant."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the name of `known` that is most like `name`, None where none is."""
    folded = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown `name`: `; did you mean 'x'?`, empty where nothing is near."""
    found = nearest(name, known)
    return f"; did you mean {found!r}?" if found else ""
