"""What a run leaves to look at: a CSV with one line an epoch, and the same for TensorBoard."""

import csv
from pathlib import Path

from harness.train.trainer import Epoch


class Logs:
    """`log.csv` and `tensorboard/` in a run's folder; a run that goes on after a kill goes on in them."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of the run."""
        self._csv, self._board = folder / "log.csv", folder / "tensorboard"

    def epoch(self, epoch: Epoch) -> None:
        """Add an epoch, and forget what a killed run wrote of it or of later ones."""
        columns = {"epoch": epoch.number, "loss": epoch.loss, **epoch.terms}
        columns |= {"validation": epoch.validation, "seconds": epoch.seconds}
        lines = [line for line in self.lines() if int(line["epoch"]) < epoch.number]
        lines.append({name: f"{value:.6g}" for name, value in columns.items()})
        unfinished = self._csv.with_suffix(".unfinished")
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            writer.writerows(lines)
        unfinished.replace(self._csv)
        self._write_board(epoch.number, {name: float(value) for name, value in columns.items() if name != "epoch"})

    def lines(self) -> list[dict[str, str]]:
        """Return the epochs so far, by column."""
        if not self._csv.exists():
            return []
        with self._csv.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def seconds(self) -> float:
        """Return how long the epochs took, those before a kill included."""
        return sum(float(line["seconds"]) for line in self.lines())

    def _write_board(self, number: int, values: dict[str, float]) -> None:
        """Write a file of its own for an epoch, and remove those that a killed run wrote of it or of later ones.

        Its name has the number: tensorboardX names files by the second, and overwrites.
        """
        from tensorboardX import SummaryWriter

        for file in self._board.glob("*.epoch*"):
            if int(file.suffix.removeprefix(".epoch")) >= number:
                file.unlink()
        with SummaryWriter(str(self._board), filename_suffix=f".epoch{number:05}") as writer:
            for name, value in values.items():
                writer.add_scalar(name, value, number)
