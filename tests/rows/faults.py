"""Stop a process at any of its steps on the file system: kill it there, or let the step fail."""

import errno
import os
import signal
import sys
from collections.abc import Callable

STEPS = frozenset(
    {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir", "shutil.copyfile",
     "shutil.rmtree", "fcntl.flock"}
)  # fmt: skip
RAISED, FINISHED, NOT_REACHED = 17, 18, 19


def die() -> None:
    """End like a process that was killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    """Say that the disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def run_until(step: int, fault: Callable[[], None], work: Callable[[], object]) -> int:
    """Do `work` in a child process, with `fault` at its step number `step` (from 0).

    Returns:
        `RAISED` where work raised OSError, `FINISHED` where it did not, `NOT_REACHED` where it did not and has no such
        step, or -signal.
    """
    child = os.fork()
    if child == 0:
        _become(step, fault, work)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become(step: int, fault: Callable[[], None], work: Callable[[], object]) -> None:
    """Never return: a forked test process must not go on as pytest."""
    status = 1
    try:
        hook = _Hook(step, fault)
        sys.addaudithook(hook)  # cannot be taken off again: hence the child
        work()
        status = FINISHED if hook.left < 0 else NOT_REACHED
    except OSError:
        status = RAISED
    finally:
        os._exit(status)


class _Hook:
    """Count steps, and let one of them go wrong."""

    def __init__(self, step: int, fault: Callable[[], None]) -> None:
        self.left, self._fault = step, fault

    def __call__(self, event: str, _: object) -> None:
        if event in STEPS:
            self.left -= 1
            if self.left == -1:
                self._fault()
