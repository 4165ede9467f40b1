import pytest

from harness.device.boards import find_board
from harness.device.protocol import Hello, Measurement
from harness.flows.timing import summarise

BOARD = find_board("nano33")


def hello(counter: str) -> Hello:
    return Hello(
        counter=counter,  # type: ignore[arg-type]
        layers=2,
        clock_hz=64_000_000,
        counter_hz=64_000_000,
        max_payload=1024,
        sha256="a" * 64,
        inputs=(),
        outputs=(),
    )


def measured(*ticks: int) -> list[Measurement]:
    return [Measurement(one, (one // 4, 3 * one // 4), stack_bytes=one, outputs=b"") for one in ticks]


def test_an_emulator_gives_exact_instructions_and_estimates_with_a_band() -> None:
    per_instruction = BOARD.emulator.ticks_per_instruction
    ticks = [round(count * per_instruction) for count in (1000, 1200, 4000)]
    found = summarise(measured(*ticks), hello("instructions"), BOARD, "qemu")
    columns = found.columns
    assert columns["instructions"] == 1200
    assert columns["cycles"] == round(1200 * BOARD.cpi)
    low, middle, high = BOARD.hardware_ratio
    expected = 1000 * 1200 * BOARD.cpi / 64_000_000
    assert columns["latency_ms"] == pytest.approx(expected * middle, rel=1e-3)
    assert columns["latency_low_ms"] == pytest.approx(expected * low, rel=1e-3)
    assert columns["latency_high_ms"] == pytest.approx(expected * high, rel=1e-3)
    assert (columns["cycles_source"], columns["cycles_method"]) == ("estimated", "cpi")
    assert columns["ram_stack_bytes"] == ticks[2]
    assert [layer["instructions"] for layer in found.layers] == [300, 900]


def test_a_board_gives_cycles_and_no_instructions() -> None:
    found = summarise(measured(6400, 6400, 7040), hello("cycles"), BOARD, "hardware")
    columns = found.columns
    assert columns["instructions"] is None
    assert columns["cycles"] == 6400
    assert (columns["latency_low_ms"], columns["latency_ms"], columns["latency_high_ms"]) == (0.1, 0.1, 0.11)
    assert (columns["cycles_source"], columns["cycles_method"]) == ("measured", "counter")
    assert found.layers[0] == {"instructions": None, "cycles": 1600}
