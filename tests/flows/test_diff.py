"""`harness diff`: a bug planted in one kernel is found at its layer, with the values that the bug makes."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from harness import cli, resources
from harness.compiler import Objective, compile_model
from harness.device import runner
from harness.device.boards import find_board
from harness.device.build import Build
from harness.errors import Difference
from harness.flows import diff as diff_flow
from harness.flows.bench import plan
from harness.flows.diff import Comparison, Report, Traced, compare, compare_sample, diff, expected, first, summarise
from harness.flows.request import Request
from harness.oracle import Oracle
from harness.report import terminal
from harness.report.progress import Speaker
from tests.command import assert_failed, harness
from tests.device.fakes import HELLO, fake_board, good
from tests.flows.models import small_model
from tests.support import host_firmware
from tests.support.data import mlperf_model
from tests.support.tflite_builder import ModelBuilder, Q

ON_QEMU = ("--board", "nano33", "--on", "qemu")
SAMPLES = 3
POOL = 1  # the layer with the planted bug
PLANTED = ("max_pool_2d.h", "x < columns.end;", "x < columns.end - 1;")
"""The last column of each window of two is left out."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution, a pool, a fully connected layer and a softmax; the reshape between is no layer."""
    random = np.random.default_rng(5)
    b = ModelBuilder()
    x = b.input((1, 8, 8, 3), Q(0.05, -7))
    kernel = random.integers(-127, 128, (4, 3, 3, 3), dtype=np.int8)
    y = b.conv_2d(x, kernel, [0.01], random.integers(-900, 900, 4), Q(0.3, 3), activation="RELU")
    y = b.reshape(b.pool_2d(y, "MAX_POOL_2D", (2, 2), stride=(2, 2)), (1, 64))
    y = b.fully_connected(y, random.integers(-127, 128, (5, 64), dtype=np.int8), [0.01], None, Q(0.1, -4))
    path = tmp_path_factory.mktemp("models") / "pooled.tflite"
    path.write_bytes(b.build(b.softmax(y)))
    return path


def request(model: Path, samples: int = SAMPLES, optimise: Objective = "balanced") -> Request:
    return Request((str(model),), ("nano33",), "qemu", False, None, "random", samples, optimise, None)


def speaker() -> Speaker:
    return Speaker(Console(quiet=True))


def plant(kernels: Path) -> None:
    header, right, wrong = PLANTED
    text = (kernels / header).read_text()
    assert right in text, "the header changed: plant the bug elsewhere"
    (kernels / header).write_text(text.replace(right, wrong))


def wrong_pools(model: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return what the planted bug makes of the oracle's convolution for each sample, and the oracle's own pool."""
    found = []
    with Oracle() as oracle:
        [job] = plan(request(model), model.parent / "c", speaker())
        layers = job.compiled.description["layers"]
        for sample in job.feed.inputs[0]:
            tensors = oracle.tensors(model.read_bytes(), [sample])
            left = tensors[layers[POOL - 1]["tensor"]][:, :, ::2]
            found.append((np.maximum(left[:, ::2], left[:, 1::2]), tensors[layers[POOL]["tensor"]]))
    return found


def assert_found(report: Report, model: Path) -> None:
    """Check the report against arithmetic done here."""
    pools = wrong_pools(model)
    gaps = [np.abs(wrong.astype(int) - right) for wrong, right in pools]
    assert [layer.op for layer in report.layers] == ["CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED", "SOFTMAX"]
    assert [layer.elements for layer in report.layers] == [SAMPLES * n for n in (256, 64, 5, 5)]
    assert (report.layers[0].differing, report.layers[0].max_difference) == (0, 0)
    assert report.layers[POOL].differing == sum(int((gap > 0).sum()) for gap in gaps)
    assert report.layers[POOL].max_difference == max(gap.max() for gap in gaps)
    assert report.layers[POOL + 1].differing > 0
    sample = next(i for i, gap in enumerate(gaps) if gap.any())
    (wrong, right), gap = pools[sample], gaps[sample]
    at = tuple(int(i) for i in np.argwhere(gap)[0])
    assert report.first is not None
    assert (report.first.index, report.first.op, report.first.kernel) == (POOL, "MAX_POOL_2D", "max_pool_2d")
    assert (report.first.sample, report.first.at) == (sample, at)
    assert (report.first.device, report.first.oracle) == (wrong[at], right[at])
    assert (report.first.elements, report.first.differing) == (64, (gap > 0).sum())
    assert report.first.max_difference == gap.max()


@pytest.mark.parametrize("broken", [False, True])
def test_on_the_host(model: Path, broken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole flow, with the firmware built for this machine in the place of a board."""

    def portable(*arguments: Any) -> list[Any]:
        return [replace(job, compiled=compile_model(model, tmp_path / "portable")) for job in plan(*arguments)]

    def build(folder: Path, *_: Any) -> Path:
        if broken:
            plant(folder / "kernels")
        return host_firmware.build(folder, tmp_path)

    monkeypatch.setattr(diff_flow, "plan", portable)
    monkeypatch.setattr(diff_flow, "build", build)
    monkeypatch.setattr(diff_flow, "open_device", lambda board, built, where, **_: host_firmware.run(built))
    report = diff(request(model), speaker())
    if broken:
        assert_found(report, model)
        return
    assert (report.first, report.samples, report.dataset) == (None, SAMPLES, "random")
    assert [(layer.differing, layer.max_difference) for layer in report.layers] == [(0, 0)] * 4
    report.check()


@pytest.mark.slow
def test_on_the_emulated_board(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(resources.firmware(), tmp_path / "firmware")
    plant(tmp_path / "firmware" / "lib" / "kernels")
    monkeypatch.setattr(resources, "firmware", lambda: tmp_path / "firmware")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    # The bug is in the portable kernel, which only this objective prefers.
    assert_found(diff(request(model, optimise="flash"), speaker()), model)

    options = [*ON_QEMU, "--data", "random", "--samples", str(SAMPLES), "--optimise", "flash"]
    assert cli.run(["diff", str(model), *options]) == 1
    captured = capsys.readouterr()
    assert "3 of 4 layers differ from the oracle on 3 samples of random" in captured.out
    [line] = [line for line in captured.err.splitlines() if "error" in line]
    assert line.startswith("harness: error: expected layer 1 (MAX_POOL_2D, ")
    assert line.endswith("look at the kernel max_pool_2d")


def test_agreement_on_the_emulated_board(tmp_path: Path) -> None:
    model = small_model(tmp_path)
    result = harness("diff", model, *ON_QEMU, "--samples", "2", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    layers = [(layer.pop("name") != "", layer) for layer in document.pop("layers")]
    assert document == {
        "schema": 1, "model": "small", "board": "nano33", "where": "qemu", "dataset": "random", "samples": 2,
        "first": None,
    }  # fmt: skip
    assert layers == [
        (True, {"index": i, "op": op, "elements": 10, "differing": 0, "max_difference": 0})
        for i, op in enumerate(("FULLY_CONNECTED", "SOFTMAX"))
    ]


@pytest.mark.slow
def test_keywords_agree_on_the_emulated_board() -> None:
    result = harness("diff", mlperf_model("kws_ref_model"), *ON_QEMU)
    assert result.returncode == 0, result.stderr
    layers = len(json.loads(harness("diff", mlperf_model("kws_ref_model"), *ON_QEMU, "--json").stdout)["layers"])
    assert result.stdout == (
        f"kws_ref_model on nano33 (qemu): all {layers} layers agree with the oracle on 4 samples of kws01\n"
    )


def test_the_users_mistakes_come_before_the_build(tmp_path: Path) -> None:
    assert_failed(harness("diff", small_model(tmp_path), *ON_QEMU, "--data", "cifar10"), 2, "cifar10", "--task")


def traced(shape: Sequence[int], dtype: str = "int8", channels: tuple[int, ...] | None = None) -> Traced:
    return Traced(2, "a name", "ADD", "add", 7, np.dtype(dtype), tuple(shape), channels)


def test_channels_that_moved_are_found_and_padding_is_not_looked_at() -> None:
    golden = np.arange(24, dtype=np.int8).reshape(1, 2, 3, 4)
    layer = traced((1, 2, 3, 4), channels=(3, 0, 2, -1))
    wanted = expected(golden, layer.channels)
    assert wanted[..., :3].tolist() == golden[..., [3, 0, 2]].tolist()
    assert wanted.mask[..., 3].all() and not wanted.mask[..., :3].any()

    device = np.full((1, 2, 3, 4), 99, np.int8)
    device[..., :3] = golden[..., [3, 0, 2]]
    assert compare(device.tobytes(), golden, layer) == Comparison(elements=18)
    device[0, 1, 2, 0] += 5  # channel 3 of the file
    device[0, 1, 2, 2] -= 9
    found = compare(device.tobytes(), golden, layer)
    assert found == Comparison(18, 2, max_difference=9, at=(0, 1, 2, 3), device=28, oracle=23)


def test_fewer_channels_than_the_file_has() -> None:
    golden = np.arange(10, dtype=np.int8).reshape(2, 5)
    assert compare(bytes([1, 4, 6, 9]), golden, traced((2, 2), channels=(1, 4))) == Comparison(elements=4)


def test_differences_are_larger_than_the_type() -> None:
    found = compare(bytes([0x80, 5]), np.array([[127, 5]], np.int8), traced((1, 2)))
    assert found == Comparison(2, 1, max_difference=255, at=(0, 0), device=-128, oracle=127)


@pytest.mark.parametrize(("value", "shown", "most"), [(-0.0, 0.0, 0), (np.nan, None, None), (1.5, 1.5, 1.5)])
def test_floats_are_compared_by_their_bytes(value: float, shown: float | None, most: float | None) -> None:
    device = np.array([0.0, value], np.float32)
    found = compare(device.tobytes(), np.zeros(2, np.float32), traced((2,), "float32"))
    assert found == Comparison(2, 1, max_difference=most, at=(1,), device=shown, oracle=0.0)
    assert compare(device.tobytes(), device, traced((2,), "float32")) == Comparison(2)


def test_a_scalar_is_a_tensor_too() -> None:
    found = compare(b"\1", np.array(3, np.int8), traced(()))
    assert (found.at, found.device, found.oracle) == ((), 1, 3)


def test_the_first_layer_counts_before_the_first_sample() -> None:
    layers = [replace(traced((4,)), index=i) for i in range(3)]
    same, little, much = Comparison(4), Comparison(4, 1, 2, (3,), 1, 3), Comparison(4, 4, None, (0,), None, 3)
    found = [[same, same, much], [same, little, same]]
    assert [(layer.elements, layer.differing, layer.max_difference) for layer in summarise(layers, found)] == [
        (8, 0, 0),
        (8, 1, 2),
        (8, 4, None),
    ]
    earliest = first(layers, found)
    assert earliest is not None
    assert (earliest.index, earliest.sample, earliest.at, earliest.device) == (1, 1, (3,), 1)
    assert first(layers, [[same, same, same]]) is None


def test_the_verdict_is_one_line_that_says_where_to_look() -> None:
    layers = [replace(traced((1, 2, 2, 3)), name="evil\x1b[31m\nname")]
    found = [[Comparison(12, 2, 7, (0, 1, 0, 2), -3, 4)]]
    report = Report("m", "nano33", "qemu", "random", 1, summarise(layers, found), first(layers, found))
    with pytest.raises(Difference) as caught:
        report.check()
    assert caught.value.exit_status == 1
    assert str(caught.value) == (
        "expected layer 2 (ADD, evil [31m name) to write 4 at (n 0, h 1, w 0, c 2) as the oracle does, got -3 in "
        "sample 0; 2 of its 12 elements differ, by 7 at most, and every layer before it agrees: look at the kernel add"
    )


def test_only_layers_that_differ_are_shown() -> None:
    layers = [replace(traced((1, 4)), index=i, name=f"layer {i} \x1b[31m[bold]") for i in range(3)]
    found = [[Comparison(4), Comparison(4, 2, None, (0, 1), None, 4), Comparison(4, 1, 7, (0, 0), 3, 10)]]
    report = Report("m", "nano33", "qemu", "random", 1, summarise(layers, found), first(layers, found))
    console = Console(width=terminal.WIDTH)
    with console.capture() as capture:
        console.print(terminal.layers(report))
    shown = capture.get()
    assert "\x1b" not in shown
    assert [line.split() for line in shown.splitlines() if "ADD" in line] == [
        ["1", "ADD", "layer", "1", "[31m[bold]", "4", "2", "-"],
        ["2", "ADD", "layer", "2", "[31m[bold]", "4", "1", "7"],
    ]
    assert "m on nano33 (qemu): 2 of 3 layers differ from the oracle on 1 samples of random" in shown


def test_each_layer_is_asked_for_by_its_own_size() -> None:
    class Stub:
        def trace(self, layer: int, sample: bytes, total: int) -> bytes:
            asked.append((layer, sample, total))
            return bytes(total)

    asked: list[tuple[int, bytes, int]] = []
    layers = [replace(traced((2, 3)), index=0, tensor=5), replace(traced((4,), "float32"), index=1, tensor=6)]
    golden: Mapping[int, Any] = {5: np.zeros((2, 3), np.int8), 6: np.zeros(4, np.float32)}
    assert compare_sample(Stub(), b"abc", golden, layers) == [Comparison(6), Comparison(4)]  # type: ignore[arg-type]
    assert asked == [(0, b"abc", 6), (1, b"abc", 16)]


def test_a_board_that_runs_the_model_is_flashed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may run other kernels: the firmware says which model it holds, not which code."""
    flashed: list[str] = []

    def flash(build: Build, board: Any, port: str, *, force: bool) -> str:
        flashed.append(port)
        return port

    monkeypatch.setattr(runner.flash, "flash", flash)
    options: dict[str, Any] = {"sha256": HELLO.sha256, "clock": False}
    with fake_board(good) as fake:
        for fresh in (False, True):
            with runner.open_device(
                find_board("nano33"), None, "hardware", port=fake.port, fresh=fresh, **options  # type: ignore[arg-type]
            ) as device:  # fmt: skip
                assert device.hello == HELLO
            assert flashed == [fake.port] * fresh
