"""What is looked at, and what mends it."""

from dataclasses import dataclass

RULES_FILE = "/etc/udev/rules.d/70-tinyml-harness.rules"


@dataclass(frozen=True)
class Remedy:
    """What mends something: all that `harness setup` can do, and words about what it cannot.

    Attributes:
        apt: Debian packages to install.
        pip: Python packages to install.
        group: a group that the user has to be a member of, empty for none.
        rules: of udev, to be written to RULES_FILE, empty for none.
        words: what is left to a person.
    """

    apt: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    group: str = ""
    rules: str = ""
    words: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        ok: whether it is as it should be.
        found: what is there.
        remedy: what mends it; None where it is fine.
        needed: whether nothing can be measured without it, not even on an emulated board.
    """

    name: str
    ok: bool
    found: str
    remedy: Remedy | None = None
    needed: bool = False
