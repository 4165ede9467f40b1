"""The ways a command fails, each with the exit status that `contracts` promises.

A message is one line: what was expected, what came, what to do about it.
"""


class HarnessError(Exception):
    """A failure that is explained to the user in one line; never shown as a traceback."""

    exit_status = 3


class UserError(HarnessError):
    """The user's mistake: a bad file, board, option or data folder."""

    exit_status = 2


class EnvironmentFailure(HarnessError):
    """The machine or the device failed: compiler or emulator missing or killed, disk full, board silent."""

    exit_status = 3


class RuleBroken(HarnessError):
    """A `--fail-on` rule of `harness compare` broke."""

    exit_status = 1


class Difference(HarnessError):
    """`harness diff` found a layer that does not compute what the oracle computes."""

    exit_status = 1


class Interrupted(HarnessError):
    """The user stopped the command (Ctrl-C) when something was finished already; says what is kept and where."""

    exit_status = 130
