"""A user's own data: a folder with one folder a class, read by its names alone."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.tasks.dataset import Dataset
from harness.tasks.split import PARTS, SPEAKER_END, check_split, part_of


@dataclass(frozen=True)
class Folder:
    """The files of one split of a folder.

    Attributes:
        name: of the folder, with the split where that is not "all", as it stands in the rows.
        files: sorted by class and name.
        labels: the class of every file: its folder's name in lower case, without underscores at both ends.
        classes: of the whole folder, sorted, whatever the split has of them.
        notes: what a user should know, one line each.
    """

    name: str
    files: tuple[Path, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def read(path: Path, split: str, suffixes: Collection[str], what: str, left_out: Collection[str] = ()) -> Folder:
    """Return the files of a split, by the rule of `split.part_of`.

    Args:
        path: the folder with the folders.
        split: train, validation, test or all.
        suffixes: of the files that are taken, in lower case with the dot.
        what: they are called in messages.
        left_out: names of folders that are no class.

    Raises:
        UserError: no such split, no such file at all, or none in this split.
    """
    check_split(split)
    folders = [folder for folder in _visible(path) if folder.is_dir()] if path.is_dir() else []
    every = {folder: [file for file in _visible(folder) if file.is_file()] for folder in folders}
    taken = {
        folder: [file for file in files if file.suffix.lower() in suffixes]
        for folder, files in every.items()
        if folder.name not in left_out
    }
    files = [file for folder in taken for file in taken[folder]]
    if not files:
        raise UserError(f"expected folders of {what}, one a class, in {path}, found none{_loose(path, suffixes)}")
    chosen = [file for file in files if split in ("all", part_of(file.name))]
    if not chosen:
        counts = Counter(part_of(file.name) for file in files)
        there = ", ".join(f"{part} {counts[part]}" for part in PARTS)
        raise UserError(f"expected {what} in the split {split} of {path}, found none ({there}): take --split all")
    notes = _notes(path, split, every, taken, len(chosen), what)
    return Folder(
        name=path.resolve().name + ("" if split == "all" else f" ({split})"),
        files=tuple(chosen),
        labels=tuple(label_of(file.parent) for file in chosen),
        classes=tuple(sorted({label_of(folder) for folder, files in taken.items() if files})),
        notes=tuple(notes),
    )


def below(path: Path, suffixes: Collection[str], what: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return all such files in a folder and the folders below it, sorted, whatever these are called; and a note.

    Args:
        path: the folder.
        suffixes: of the files that are taken, in lower case with the dot.
        what: they are called in messages.

    Raises:
        UserError: there is no such file.
    """
    every = [file for file in sorted(path.rglob("*")) if file.is_file() and not _hidden(file.relative_to(path))]
    taken = tuple(file for file in every if file.suffix.lower() in suffixes)
    if not taken:
        raise UserError(f"expected {what} in {path} or in folders below it, found none")
    ignored = len(every) - len(taken)
    return taken, (f"{path}: {ignored} other files than {what} are ignored",) if ignored else ()


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def label_of(folder: Path) -> str:
    """Return the class that a folder holds: `_Unknown_` is unknown."""
    return folder.name.strip("_").lower()


def check_trainable(dataset: Dataset) -> None:
    """Refuse data that a model cannot be trained with.

    Raises:
        UserError: it has a single class, or a class without an item in this split; names the class.
    """
    if len(dataset.classes) < 2:
        raise UserError(
            f"expected at least two classes to train with in {dataset.name}, got {', '.join(dataset.classes) or 'none'}"
        )
    missing = sorted(set(dataset.classes) - set(dataset.labels))
    if missing:
        raise UserError(f"expected items of every class in {dataset.name}, got none of {missing[0]!r}: add some")


def files_in(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files in a folder with one of the suffixes, in lower case with the dot; none where it is no folder."""
    if not folder.is_dir():
        return []
    return [file for file in _visible(folder) if file.is_file() and file.suffix.lower() in suffixes]


def _visible(path: Path) -> list[Path]:
    """Return what lies in a folder, sorted; `.DS_Store` and its like hold no data."""
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))


def _loose(path: Path, suffixes: Collection[str]) -> str:
    """Say how many files lie beside the folders they should be in, "" where none does."""
    count = sum(entry.suffix.lower() in suffixes for entry in _visible(path)) if path.is_dir() else 0
    return f", but {count} such files outside any: put each into a folder named after its class" if count else ""


def _notes(
    path: Path, split: str, every: dict[Path, list[Path]], taken: dict[Path, list[Path]], chosen: int, what: str
) -> list[str]:
    """Say what was taken and what was not."""
    notes = [f"{path}: folder {folder.name} is no class and is left out" for folder in every if folder not in taken]
    empty = [folder.name for folder in taken if not taken[folder]]
    if empty:
        notes.append(f"{path}: no {what} in {some(empty)}")
    ignored = sum(len(every[folder]) - len(files) for folder, files in taken.items())
    if ignored:
        notes.append(f"{path}: {ignored} other files than {what} are ignored")
    if split != "all":
        names = [file.name for files in taken.values() for file in files]
        spoken = sum(SPEAKER_END in name for name in names)
        how = {0: "by the hash of the file name", len(names): "by speaker"}
        rule = how.get(spoken, f"by speaker where the name has {SPEAKER_END} ({spoken}), else by its hash")
        notes.append(f"{path}: {chosen} of {len(names)} files are in the split {split}, {rule}")
    return notes


def some(names: Iterable[str], most: int = 8) -> str:
    """Write the first few of many names."""
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
