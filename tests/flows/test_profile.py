"""`harness profile`: its parts add up, it agrees with `bench`, and without blocks it says what it does not know."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.device.blocks import BlocksUnavailable
from harness.flows import bench as bench_flow
from harness.flows import inferences, timing
from harness.flows.profile import FunctionShare, LayerShare, Profile, profile
from harness.flows.request import Request
from harness.report import terminal
from harness.report.progress import Speaker
from tests.command import ROOT, assert_failed, harness
from tests.flows.models import small_model

ON_QEMU = ("--board", "nano33", "--on", "qemu")
KEYS = {
    "schema", "model", "board", "where", "optimise", "method", "clock_hz", "instructions", "cycles", "cycles_source",
    "latency_ms", "latency_low_ms", "latency_high_ms", "latency_source", "layers", "functions", "reason",
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("models"))


@pytest.fixture
def no_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise BlocksUnavailable("qemu 9.0 does not take the plugin: version 1")

    monkeypatch.setattr(inferences, "find_plugin", refuse)


def request(*models: Path, out: Path | None = None) -> Request:
    return Request(tuple(map(str, models)), ("nano33",), "qemu", False, None, "random", 5, "balanced", out)


def heard() -> tuple[Speaker, io.StringIO]:
    text = io.StringIO()
    return Speaker(Console(file=text, width=500)), text


def shown(report: Profile) -> str:
    console = Console(file=io.StringIO(), width=terminal.WIDTH)
    console.print(terminal.profile(report))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_document_agrees_with_bench(model: Path, tmp_path: Path) -> None:
    found = harness("profile", model, *ON_QEMU, "--json")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    assert set(document) == KEYS
    assert (document["schema"], document["model"], document["board"]) == (1, "small", "nano33")
    assert (document["method"], document["reason"], document["cycles_source"]) == ("blocks", None, "estimated")
    benched = json.loads(harness("bench", model, *ON_QEMU, "--out", tmp_path / "run", "--json").stdout)
    [row] = benched["rows"]
    assert row["cycles_method"] == "blocks"
    same = ("instructions", "cycles", "latency_ms", "latency_low_ms", "latency_high_ms")
    assert [document[name] for name in same] == [row[name] for name in same]
    layers = [{key: layer[key] for key in layer if key != "row_id"} for layer in benched["layers"]]
    assert document["layers"] == layers
    for name in ("instructions", "cycles"):
        assert sum(function[name] for function in document["functions"]) == document[name]
        assert sum(layer[name] for layer in document["layers"]) == pytest.approx(document[name], rel=0.05)
    assert all(set(one) == {"name", "instructions", "cycles", "code_bytes"} for one in document["functions"])
    assert "model_invoke" in {function["name"] for function in document["functions"]}
    assert min(function["code_bytes"] for function in document["functions"]) > 0


def test_the_table_has_a_bar_a_line_and_fits(model: Path) -> None:
    found = harness("profile", model, *ON_QEMU)
    assert found.returncode == 0, found.stderr
    assert max(map(len, found.stdout.splitlines())) <= terminal.WIDTH
    for part in ("FULLY_CONNECTED", "SOFTMAX", "model_invoke", "estimated, not measured on a board", "█" * 10):
        assert part in found.stdout


def test_without_blocks_functions_are_unknown(model: Path, no_blocks: None) -> None:
    speaker, text = heard()
    report = profile(request(model), speaker)
    assert (report.method, report.functions) == ("timer", None)
    assert report.reason == "qemu 9.0 does not take the plugin: version 1"
    assert report.cycles == pytest.approx(1.316 * (report.instructions or 0), rel=1e-3)
    assert text.getvalue().count("blocks are not counted: qemu 9.0") == 1
    assert "functions are unknown: qemu 9.0" in shown(report)


def test_bench_says_once_that_blocks_are_not_counted(
    model: Path, tmp_path: Path, no_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker, text = heard()
    other = small_model(tmp_path, "other", seed=1)
    run = bench_flow.bench(request(model, other, out=tmp_path / "run"), speaker)
    assert [(row.status, row.cycles_method) for row in run.document.rows] == [("ok", "cpi")] * 2
    assert text.getvalue().count("blocks are not counted") == 1


def test_blocks_that_contradict_the_clock_are_not_used(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disagree(*_: object) -> None:
        raise BlocksUnavailable("expected 10 instructions, as the clock counted, got 11 by blocks")

    monkeypatch.setattr(timing, "check_agreement", disagree)
    speaker, text = heard()
    report = profile(request(model), speaker)
    assert (report.method, report.functions) == ("timer", None)
    assert text.getvalue().count("got 11 by blocks") == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("missing.tflite", *ON_QEMU), ("missing.tflite",)),
        (("README.md", *ON_QEMU), ("README", "TFL3")),
        (("kws_s", "--board", "nano3"), ("nano3", "nano33")),
        (("kws_s",), ("--board",)),
        (("kws_s", *ON_QEMU, "--optimise", "fun"), ("fun", "balanced")),
        (("kws_s", "--board", "nano33", "--on", "hardware"), ("attached",)),
    ],
)
def test_the_users_mistake(arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    result = harness("profile", *arguments, "--json", cwd=ROOT)
    assert_failed(result, 2, *parts)
    assert result.stdout == ""


def test_no_emulator(model: Path, tmp_path: Path) -> None:
    result = harness("profile", model, *ON_QEMU, "--json", environment={"PATH": str(tmp_path)})
    assert_failed(result, 3, "arm-none-eabi-gcc")
    assert result.stdout == ""


def made_up(**changes: object) -> Profile:
    figures: dict[str, Any] = {
        "model": "a\x1b[31m|b", "board": "nano33", "where": "qemu", "optimise": "balanced", "method": "blocks",
        "clock_hz": 64_000_000, "instructions": 3_000_000_000, "cycles": 4_000_000_000, "cycles_source": "estimated",
        "latency_ms": 80_625.0, "latency_low_ms": 76_250.0, "latency_high_ms": 88_125.0, "latency_source": "estimated",
        "layers": tuple(
            LayerShare(i, "name/" * 40 + "\x1b[2J", "A_CUSTOM_OPERATOR_OF_SOMEBODY", 999_999_999, 1_500_000_000, cycles)
            for i, cycles in enumerate((3_000_000_000, 1_000_000_000, 0))
        ),
        "functions": (FunctionShare("function_" * 20, 3_000_000_000, 4_000_000_000, 1_000_000),), "reason": None,
    }  # fmt: skip
    return Profile(**(figures | changes))


def test_long_names_and_large_figures_fit() -> None:
    text = shown(made_up())
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= terminal.WIDTH
    assert "~4,000,000,000 cycles, ~80625.0 ms (76250.0-88125.0)" in text
    bars = [line.count("█") for line in text.splitlines() if "A_CUSTOM" in line]
    assert bars == [16, 5, 0]


def test_a_board_measures_layers_alone() -> None:
    layers = (LayerShare(0, "pool", "MAX_POOL_2D", 0, None, 6400),)
    text = shown(
        made_up(
            where="hardware", method="timer", instructions=None, cycles=6400, cycles_source="measured", latency_ms=0.1,
            latency_low_ms=0.1, latency_high_ms=0.11, latency_source="measured", layers=layers, functions=None,
            reason="a board has a counter of cycles and none of blocks",
        )
    )  # fmt: skip
    assert "functions are unknown: a board has a counter of cycles and none of blocks" in text
    assert "~" not in text
    assert "100.0 %" in text


def test_an_empty_model_is_no_division_by_zero() -> None:
    assert "0 cycles" in shown(made_up(cycles=0, layers=(), functions=()))
