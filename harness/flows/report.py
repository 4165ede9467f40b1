"""`harness report`: one page about one or several runs, and its plots; every run gets a page of its own, too."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.device.boards import Board, load_boards
from harness.errors import UserError
from harness.report.entries import Entry, Limits, Source, entries_of
from harness.report.progress import Speaker
from harness.rows.store import ROWS, read_document

PAGE = "report.html"
PLOTS = "plots"

log = logging.getLogger(__name__)


def report(runs: Sequence[Path], out: Path, *, plots: bool, speaker: Speaker) -> None:
    """Write one page about several runs.

    Args:
        runs: run folders or rows.json files.
        out: the page; one that is there is replaced.
        plots: write the plots to the folder `plots` beside it, too.
        speaker: shows how far the drawing is.

    Raises:
        UserError: a run cannot be read, or `out` cannot be a page.
        OSError: it cannot be written; then no page is there, or the old one.
    """
    check_page(out)
    documents = [read_document(run) for run in runs]
    sources = [Source(name, document) for name, document in zip(name_runs(runs), documents, strict=True)]
    for path, content in draw(sources, out.name, plots=plots, speaker=speaker).items():
        _write(out.parent / path, content)


def draw(
    sources: Sequence[Source], name: str, *, plots: bool, speaker: Speaker, boards: Sequence[Board] = ()
) -> dict[str, str | bytes]:
    """Return the files of a page: path beside it -> content.

    Args:
        sources: the runs it is about.
        name: of the page.
        plots: the plots as files of their own, too.
        speaker: shows how far the drawing is.
        boards: those that the harness does not know by name; their limits are drawn, too.
    """
    from harness.report import html

    known = [*load_boards().values(), *boards]
    limits = {board.name: Limits(board.flash_bytes, board.ram_bytes) for board in known}
    drawn: dict[str, str | bytes] = {name: html.page(sources, limits)}
    return drawn | _plot_files(entries_of(sources, limits), speaker) if plots else drawn


def check_page(out: Path) -> None:
    """Refuse a file that no page can be written to.

    Raises:
        UserError: it does not end in .html (it may be somebody's rows.json), or its folder does not exist.
    """
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise UserError(f"expected -o FILE.html, got {str(out)!r}")
    if not out.parent.is_dir():
        raise UserError(f"expected -o with a file in a folder that exists, got {out}: make {out.parent} first")
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to {out.parent}: name another file with -o")


def name_runs(runs: Sequence[Path]) -> list[str]:
    """Return a name for each run: its folder's where that tells them apart, else its path, else with a number."""
    folders = [run.parent if run.name == ROWS else run for run in runs]
    for names in ([folder.absolute().name or str(folder) for folder in folders], [*map(str, runs)]):
        if len({*names}) == len(names):
            return names
    seen: Counter[str] = Counter()
    for index, name in enumerate(names):
        seen[name] += 1
        names[index] = f"{name} ({seen[name]})" if seen[name] > 1 else name
    return names


def _plot_files(entries: Sequence[Entry], speaker: Speaker) -> dict[str, str | bytes]:
    """Draw every plot for papers: path -> content, PNG and SVG of each."""
    from harness.report.figures import files, of_rows, overview

    plots = [*overview(entries), *of_rows(entries)]
    drawn: dict[str, str | bytes] = {}
    with speaker.steps_bar("drawing plots") as advance:
        for name, content in files(plots):
            drawn[f"{PLOTS}/{name}"] = content
            advance(len(drawn), 2 * len(plots))
    return drawn


def _write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
        partial.replace(path)
        log.info("wrote %s", path)
    finally:
        partial.unlink(missing_ok=True)
