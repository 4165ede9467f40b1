"""Runs that nobody measured: as many models, boards and layers as a test asks for, the same each time."""

import random

from harness.report.entries import Limits
from harness.rows.measurement import Confusion, Document, Layer
from tests.rows.examples import make_row

LIMITS = {"nano33": Limits(982_528, 261_632), "disco": Limits(262_144, 65_536)}
LABELS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "unknown", "silence")


def synthetic(models: int, boards: tuple[str, ...] = ("nano33", "disco"), layers: int = 15) -> Document:
    """Return a document of `models` on each of `boards`, each row with layers and a confusion matrix."""
    chance = random.Random(1)
    rows, parts, confusions = [], [], {}
    for board in boards:
        for number in range(models):
            latency = chance.lognormvariate(3.7, 0.6)
            arena, weights = int(latency * 200), int(latency * 400)
            row = make_row(
                model=f"kws_dscnn_{number:02d}", model_sha256=f"{number:064x}", board=board, dataset="speech_commands",
                latency_ms=latency, latency_low_ms=0.95 * latency, latency_high_ms=1.09 * latency,
                instructions=int(latency * 38_000), cycles=int(latency * 60_000), cycles_method="blocks",
                accuracy=round(97 - 12 / (1 + latency / 12) + chance.gauss(0, 1), 4),
                flash_weights_bytes=weights, flash_total_bytes=weights + 9000,
                ram_arena_bytes=arena, ram_total_bytes=arena + 400, flags="-O2 -mcpu=cortex-m4 -mthumb",
                harness_version="0.1.0", git_commit="abc123" * 6, started="2026-11-24T10:00:00+00:00", seconds=12.3,
            )  # fmt: skip
            rows.append(row)
            confusions[row.row_id] = confused(chance)
            for index in range(layers):
                counts = {name: chance.randrange(10**6) for name in ("macs", "instructions", "cycles")}
                parts.append(Layer(row_id=row.row_id, index=index, name=f"conv{index}", op="CONV_2D", **counts))
    command = " ".join(["harness bench", *(f"--board {board}" for board in boards)])
    return Document(tuple(rows), tuple(parts), confusions=confusions, command=command)


def confused(chance: random.Random) -> Confusion:
    """Return a matrix of 12 keywords with some mistakes."""
    size = range(len(LABELS))
    counts = (tuple(75 if true == answer else chance.choice((0, 0, 1, 2)) for answer in size) for true in size)
    return Confusion(LABELS, tuple(counts))
