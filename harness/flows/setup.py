"""`harness setup`: shows each step that mends what `harness doctor` found, asks, and takes it."""

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence

from harness.errors import EnvironmentFailure, Interrupted, UserError
from harness.flows.mending import Command, Plan, Step
from harness.report.progress import Speaker

Confirm = Callable[[str], bool]


def setup(plan: Plan, confirm: Confirm | None, speaker: Speaker) -> list[str]:
    """Carry out a plan.

    Args:
        plan: what is to be done.
        confirm: asks whether a step may be taken; None where nobody can be asked.
        speaker: says what is done.

    Returns:
        A line for each step that failed.

    Raises:
        UserError: there is something to do and nobody to ask; nothing was done.
        Interrupted: the user stopped it; says at which command.
    """
    if not (plan.steps or plan.words):
        speaker.say("nothing is missing")
    failures: list[str] = []
    for step in plan.steps:
        _show(step, speaker)
        if confirm and confirm("Run this?"):
            failures += _take(step, speaker)
    if plan.steps and confirm is None:
        raise UserError("expected --yes, or a terminal to ask on; nothing was done")
    return failures


def check(failures: Sequence[str]) -> None:
    """Refuse to call it done where a step failed.

    Raises:
        EnvironmentFailure: one did.
    """
    if failures:
        advice = "see what it printed, then run harness setup again, or ask who may become root to run it"
        raise EnvironmentFailure(f"{'; '.join(failures)}: {advice}")


def _show(step: Step, speaker: Speaker) -> None:
    speaker.say(f"for {', '.join(step.mends)}:")
    for line in "\n".join(map(str, step.commands)).splitlines():
        speaker.say(line)  # not indented: a shell looks for END at the start of a line
    speaker.say(f"(to undo it: {step.undo})")


def _take(step: Step, speaker: Speaker) -> list[str]:
    """Run a step; return what failed, one line or none."""
    for command in step.commands:
        speaker.say(f"$ {shlex.join(command.argv)}")
        problem = _run(command)
        if problem:
            return [f"{shlex.join(command.argv)} {problem}"]
    if step.note:
        speaker.say(f"for you to do: {step.note}")
    return []


def _run(command: Command) -> str | None:
    """Run a command, its words to stderr; return how it failed."""
    try:
        result = subprocess.run(command.argv, input=command.stdin or None, stdout=sys.stderr, text=True, check=False)
    except OSError as error:
        return f"does not start ({error.strerror})"
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted at: {shlex.join(command.argv)}; what ran before it stays done") from None
    return f"ended with exit status {result.returncode}" if result.returncode else None
