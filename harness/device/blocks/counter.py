"""The block counter of one run of one firmware: what to tell QEMU, and what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.device.blocks import BlocksUnavailable
from harness.device.blocks.inference import Inference, inferences
from harness.device.blocks.program import Program
from harness.device.blocks.regions import read_regions


@dataclass(frozen=True)
class Counter:
    """Counts the blocks of a firmware's measured calls.

    Attributes:
        plugin: the shared object that QEMU loads.
        program: the firmware.
        out: where the plugin writes.
    """

    plugin: Path
    program: Program
    out: Path

    def options(self) -> dict[str, object]:
        """Return what QEMU's -plugin is told.

        Raises:
            BlocksUnavailable: the firmware has no call through which it measures.
        """
        return {"file": self.plugin, "call": self.program.measuring_call, "out": self.out}

    def inferences(self, layers: int) -> list[Inference]:
        """Return what every MEASURE that was answered so far has spent.

        Args:
            layers: how many the model has.

        Raises:
            BlocksUnavailable: the counts are not there, or not of that many layers.
        """
        try:
            with self.out.open(encoding="ascii") as lines:
                return list(inferences(self.program, list(read_regions(lines)), layers))
        except OSError as error:
            raise BlocksUnavailable(f"expected block counts in {self.out}, got: {error.strerror}") from error


@contextmanager
def count_blocks(plugin: Path, firmware: Path) -> Iterator[Counter]:
    """Yield a counter for one run of a firmware; what it wrote is gone at the end of the context.

    Args:
        plugin: of `find_plugin`.
        firmware: the ELF.
    """
    with TemporaryDirectory(prefix="harness-blocks-") as folder:
        yield Counter(plugin, Program.read(firmware), Path(folder) / "counts")
