"""A real model on the emulated board: the outputs are the oracle's, the counts repeat."""

from pathlib import Path

import numpy as np
import pytest

from harness.compiler import compile_model
from harness.device.boards import find_board
from harness.device.build import build
from harness.device.runner import open_device
from harness.oracle import Oracle
from tests.support.data import mlperf_model

SAMPLES = 20


@pytest.mark.slow
def test_keywords_on_the_emulated_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = mlperf_model("kws_ref_model")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    compiled = compile_model(model, tmp_path / "c")
    board, sha256 = find_board("nano33"), compiled.description["model"]["sha256"]
    built = build(compiled.folder, board, "qemu")
    inputs = np.random.default_rng(7).integers(-128, 128, (SAMPLES, 49, 10, 1), np.int8)
    rows = inputs.reshape(SAMPLES, -1)

    with open_device(board, built, "qemu", sha256=sha256, clock=False) as device:
        outputs = np.concatenate(list(device.infer(rows)))
    with open_device(board, built, "qemu", sha256=sha256, clock=True) as device:
        measured = [device.measure(row.tobytes()) for row in rows[:2]]
        again = device.measure(rows[0].tobytes())

    def count(ticks: int) -> int:
        return round(ticks / board.emulator.ticks_per_instruction)

    with Oracle() as oracle:
        (golden,) = oracle.run(model.read_bytes(), [inputs])
    np.testing.assert_array_equal(outputs, golden.reshape(SAMPLES, -1).view(np.uint8))
    assert [one.outputs for one in measured] == [row.tobytes() for row in outputs[:2]]
    # Ticks may differ by one between runs, with the phase of the counter; instructions may not.
    assert count(again.ticks) == count(measured[0].ticks)
    assert [count(ticks) for ticks in again.layer_ticks] == [count(ticks) for ticks in measured[0].layer_ticks]
    assert len(again.layer_ticks) == len(compiled.description["layers"])
    # Layers are timed one by one: no more than a call and a return each is missing from their sum.
    assert 0 <= count(again.ticks) - sum(map(count, again.layer_ticks)) < 4 * len(again.layer_ticks)
    assert 0 < again.stack_bytes < 2048
