"""What the doctor found becomes steps, each of which can be shown, run and undone."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.device.doctor import RULES_FILE, Account, Check, Remedy

_APT_INSTALL = ("apt-get", "install", "-y", "--no-install-recommends")
_OpenOnes = Sequence[tuple[str, Remedy]]


@dataclass(frozen=True)
class Command:
    """A program's arguments, and what it is given on stdin where that is not the user's."""

    argv: tuple[str, ...]
    stdin: str = ""

    def __str__(self) -> str:
        """Return what can be pasted into a shell."""
        line = shlex.join(self.argv)
        return f"{line} <<'END'\n{self.stdin}END" if self.stdin else line


@dataclass(frozen=True)
class Step:
    """Commands that mend something, each to be run only if those before it succeeded.

    Attributes:
        mends: names of the checks.
        commands: in order.
        undo: takes all of it back.
        note: what is left to do then.
    """

    mends: tuple[str, ...]
    commands: tuple[Command, ...]
    undo: Command
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """What is to be done: steps for `harness setup`, words for a person."""

    steps: tuple[Step, ...]
    words: tuple[str, ...]


def make_plan(
    found: Iterable[Check], account: Account | None = None, which: Callable[[str], str | None] = shutil.which
) -> Plan:
    """Turn findings into steps and words.

    Args:
        found: what was looked at.
        account: who would run it, root needs no sudo; who runs this where left out.
        which: finds a program on PATH.
    """
    account = account or Account.current()
    open_ones = [(check.name, check.remedy) for check in found if not check.ok and check.remedy]
    words = [f"{name}: {remedy.words}" for name, remedy in open_ones if remedy.words]
    packages = tuple(dict.fromkeys(package for _, remedy in open_ones for package in remedy.apt))
    as_root = [*_membership(open_ones, account), *_udev_rules(open_ones)]
    if packages and which("apt-get"):
        as_root.insert(0, _debian_packages(open_ones, packages))
    elif packages:
        words.append(f"there is no apt-get here: install what Debian packages as {', '.join(packages)}")
    steps = list(_python_packages(open_ones))
    if account.is_root:
        steps += as_root
    elif which("sudo"):
        steps += map(_with_sudo, as_root)
    else:
        words += [f"there is no sudo here: as root, run: {command}" for step in as_root for command in step.commands]
    return Plan(tuple(steps), tuple(words))


def _debian_packages(found: _OpenOnes, packages: tuple[str, ...]) -> Step:
    names = tuple(name for name, remedy in found if remedy.apt)
    commands = Command(("apt-get", "update", "-q")), Command((*_APT_INSTALL, *packages))
    return Step(names, commands, Command(("apt-get", "remove", "--auto-remove", *packages)))


def _python_packages(found: _OpenOnes) -> Iterable[Step]:
    pip = (sys.executable, "-m", "pip")
    for name, remedy in found:
        if remedy.pip:
            install, uninstall = Command((*pip, "install", *remedy.pip)), Command((*pip, "uninstall", *remedy.pip))
            yield Step((name,), (install,), uninstall)


def _membership(found: _OpenOnes, account: Account) -> Iterable[Step]:
    for name, remedy in found:
        if remedy.group:
            join = Command(("usermod", "-aG", remedy.group, account.name))
            leave = Command(("gpasswd", "-d", account.name, remedy.group))
            yield Step((name,), (join,), leave, "log out and in again: a session keeps the groups it began with")


def _udev_rules(found: _OpenOnes) -> Iterable[Step]:
    for name, remedy in found:
        if remedy.rules:
            write, reload = Command(("tee", RULES_FILE), remedy.rules), Command(("udevadm", "control", "--reload"))
            yield Step((name,), (write, reload), Command(("rm", RULES_FILE)), "unplug the board and plug it in again")


def _with_sudo(step: Step) -> Step:
    def sudo(command: Command) -> Command:
        return Command(("sudo", *command.argv), command.stdin)

    return Step(step.mends, tuple(map(sudo, step.commands)), sudo(step.undo), step.note)
