"""What a command says while it works: words and a progress bar, all on stderr."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from harness.report import words

Advance = Callable[[int], None]


class Speaker:
    """Speaks to the person who waits; a bar only where a terminal can show one."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print one line of what is being done."""
        self._console.print(Text(words.plain(text)), soft_wrap=True)

    def shout(self, text: str) -> None:
        """Print one line that must not be overlooked."""
        self._console.print(Text(words.plain(text), style="bold yellow"), soft_wrap=True)

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[Advance]:
        """Show how many of `total` samples are done, and how many a second; yields a function that advances it."""
        started = time.monotonic()
        if self._console.is_interactive:
            columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), _Rate())
            with Progress(*columns, TimeRemainingColumn(), console=self._console, transient=True) as progress:
                task = progress.add_task(words.plain(what), total=total)
                yield lambda count: progress.advance(task, count)
        else:
            yield lambda count: None
        seconds = time.monotonic() - started
        self.say(f"{what}: {total} samples in {seconds:.1f} s, {total / max(seconds, 1e-9):,.0f} a second")

    @contextmanager
    def steps_bar(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Show how many steps are done and the time left; yields what takes the number done and that of all.

        Until it is told for the first time, the time it took so far is shown.
        """
        if not self._console.is_interactive:
            yield lambda done, steps: None
            return
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, _Left(), console=self._console, transient=True) as progress:
            task = progress.add_task(words.plain(what), total=None)
            yield lambda done, steps: progress.update(task, completed=done, total=steps)

    @contextmanager
    def bytes_bar(self, what: str, total: int | None, done: int = 0) -> Iterator[Advance]:
        """Show how many of `total` bytes (None: unknown) are done, `done` of them before; yields what advances it."""
        if not self._console.is_interactive:
            yield lambda count: None
            return
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=self._console, transient=True) as progress:
            task = progress.add_task(words.plain(what), total=total, completed=done)
            yield lambda count: progress.advance(task, count)


def silence() -> Speaker:
    """Return a speaker that says nothing."""
    return Speaker(Console(file=StringIO(), quiet=True))


@contextmanager
def told(speaker: Speaker) -> Iterator[None]:
    """Let a speaker say what the package logs: commands that are run, files that are written, what a cache had."""
    logger, handler = logging.getLogger("harness"), _Told(speaker)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Told(logging.Handler):
    def __init__(self, speaker: Speaker) -> None:
        super().__init__()
        self._speaker = speaker

    def emit(self, record: logging.LogRecord) -> None:
        """Say a line."""
        self._speaker.say(self.format(record))


class _Rate(ProgressColumn):
    """How many samples are done in a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


class _Left(TimeRemainingColumn):
    """The time left; where nobody knows it, the time so far."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(f"{timedelta(seconds=int(task.elapsed or 0))} so far", style="progress.elapsed")
        return super().render(task)
