import pytest

from harness.device.blocks import BlocksUnavailable
from harness.device.blocks.inference import Inference, Spent
from harness.device.blocks.program import Function
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


def counted(instructions: int, cycles: int) -> Inference:
    quarter, rest = (Spent(part * instructions // 4, part * cycles // 4) for part in (1, 3))
    whole = Spent(instructions, cycles)
    return Inference(whole, (quarter, rest), {Function("model_invoke", 0, 8): whole})


def clocked(*instructions: int) -> list[Measurement]:
    def ticks(count: int) -> int:
        return round(count * BOARD.emulator.ticks_per_instruction)

    return [Measurement(ticks(n), (ticks(n // 4), ticks(3 * n // 4)), 64, b"") for n in instructions]


def test_blocks_give_the_median_inference_whole() -> None:
    inferences = [counted(4000, 5200), counted(4008, 5600), counted(4004, 5400), counted(4400, 9999)]
    found = summarise(clocked(4000, 4008, 4004, 4400), hello("instructions"), BOARD, "qemu", inferences)
    columns = found.columns
    assert (columns["instructions"], columns["cycles"], columns["cycles_method"]) == (4004, 5400, "blocks")
    assert columns["latency_ms"] == pytest.approx(1000 * 5400 * BOARD.hardware_ratio[1] / 64_000_000, rel=1e-3)
    assert found.layers == ({"instructions": 1001, "cycles": 1350}, {"instructions": 3003, "cycles": 4050})
    assert found.functions == inferences[2].functions
    assert columns["ram_stack_bytes"] == 64


@pytest.mark.parametrize("inferences", [[counted(4004, 5200)], [counted(4000, 5200)] * 2, []])
def test_blocks_that_contradict_the_clock_are_refused(inferences: list[Inference]) -> None:
    with pytest.raises(BlocksUnavailable, match="as the clock counted"):
        summarise(clocked(4000), hello("instructions"), BOARD, "qemu", inferences)


def test_a_board_gives_cycles_and_no_instructions() -> None:
    found = summarise(measured(6400, 6400, 7040), hello("cycles"), BOARD, "hardware")
    columns = found.columns
    assert columns["instructions"] is None
    assert columns["cycles"] == 6400
    assert (columns["latency_low_ms"], columns["latency_ms"], columns["latency_high_ms"]) == (0.1, 0.1, 0.11)
    assert (columns["cycles_source"], columns["cycles_method"]) == ("measured", "counter")
    assert found.layers[0] == {"instructions": None, "cycles": 1600}
