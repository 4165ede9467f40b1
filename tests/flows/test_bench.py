"""The whole way, as a user walks it: every test here builds and emulates for real."""

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
from rich.console import Console

from harness.compiler import Compiled
from harness.device.boards import Board, find_board
from harness.device.build import Build, Where
from harness.errors import EnvironmentFailure, UserError
from harness.flows import bench as bench_flow
from harness.flows.bench import fits
from harness.flows.models import Model
from harness.flows.request import Request
from harness.report.progress import Speaker
from harness.rows.measurement import Document
from harness.rows.store import read_document
from tests.command import ROOT, assert_failed, harness
from tests.flows.models import small_model
from tests.report.parsed import parse
from tests.support.data import MLPERF, mlperf_model

ON_QEMU = ("--board", "nano33", "--on", "qemu")
COMMAND = [sys.executable, "-c", "from harness.cli import main; main()"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("models"))


def rows(document: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(document)["rows"]
    return found


def test_a_run_from_model_to_folder(model: Path, tmp_path: Path) -> None:
    result = harness("bench", model, *ON_QEMU, "--samples", "7", "--out", tmp_path / "run", "--json")
    assert result.returncode == 0, result.stderr
    document = Document.from_json(result.stdout)
    assert document == read_document(tmp_path / "run")
    [row] = document.rows
    assert (row.status, row.error, row.model, row.board, row.where) == ("ok", None, "small", "nano33", "qemu")
    assert (row.dataset, row.samples, row.bit_exact_samples, row.accuracy) == ("random", 7, 7, None)
    assert row.macs == 160
    assert row.instructions is not None
    assert 160 < row.instructions < 100_000
    assert (row.cycles_source, row.latency_source, row.energy_uj) == ("estimated", "estimated", None)
    assert row.latency_low_ms < row.latency_ms < row.latency_high_ms  # type: ignore[operator]
    assert row.flash_total_bytes == row.flash_weights_bytes + row.flash_code_bytes  # type: ignore[operator]
    assert row.ram_total_bytes == row.ram_arena_bytes + row.ram_static_bytes + row.ram_stack_bytes  # type: ignore[operator]
    assert row.started is not None
    assert row.seconds is not None
    assert [(layer.row_id, layer.index, layer.op) for layer in document.layers] == [
        (row.row_id, 0, "FULLY_CONNECTED"),
        (row.row_id, 1, "SOFTMAX"),
    ]
    assert sum(layer.instructions or 0 for layer in document.layers) == pytest.approx(row.instructions, rel=0.2)
    names = sorted(str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*") if path.is_file())
    elves = [f"elf/{row.row_id}/{name}.elf" for name in ("empty", "firmware", "size")]
    assert names == [*elves, "report.html", "report.md", "rows.json", "table.csv"]
    assert document.confusions == {}  # random inputs have no labels
    assert document.command is not None
    assert document.command.startswith("harness bench ")
    page = parse((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert f"{row.instructions:,}" in page.one("table", id="rows").text
    assert "EMULATED" in result.stderr


@pytest.mark.slow
def test_labelled_data_give_a_confusion_matrix_and_plots_are_written(tmp_path: Path) -> None:
    options = ("--data", "synthetic", "--samples", "12", "--plots", "--out", tmp_path / "run", "--json")
    result = harness("bench", "kws_s", *ON_QEMU, *options, timeout=550)
    assert result.returncode == 0, result.stderr
    document = Document.from_json(result.stdout)
    [row] = document.rows
    matrix = document.confusions[row.row_id].matrix
    assert sum(map(sum, matrix)) == 12
    assert sum(matrix[i][i] for i in range(12)) == round(12 * (row.accuracy or 0) / 100)
    plots = {path.name.split("_")[0] for path in (tmp_path / "run" / "plots").glob("*.png")}
    assert plots == {"accuracy", "confusion", "flash", "layers", "ram"}


@pytest.mark.parametrize(("fault", "raised"), [(KeyboardInterrupt, None), (ZeroDivisionError, ZeroDivisionError)])
def test_a_page_that_cannot_be_drawn_costs_no_row(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException], raised: type | None
) -> None:
    def faulty(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(bench_flow, "draw", faulty)
    request = Request((str(model),), ("nano33",), "qemu", False, None, None, 2, "balanced", tmp_path / "run")
    with pytest.raises(raised) if raised else nullcontext():
        assert bench_flow.bench(request, Speaker(Console(quiet=True))).interrupted
    assert [row.status for row in read_document(tmp_path / "run").rows] == ["ok"]
    assert sorted(path.name for path in (tmp_path / "run").glob("*.*")) == ["report.md", "rows.json", "table.csv"]


@pytest.mark.slow
def test_two_runs_count_the_same_instructions(model: Path, tmp_path: Path) -> None:
    runs = [harness("bench", model, *ON_QEMU, "--samples", "2", "--out", tmp_path / name, "--json") for name in "ab"]
    first, second = (rows(run.stdout)[0] for run in runs)
    assert first["instructions"] == second["instructions"]
    assert first["row_id"] == second["row_id"]


def test_the_default_folder_is_below_the_current_one(model: Path, tmp_path: Path) -> None:
    result = harness("bench", model, *ON_QEMU, "--samples", "1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    [run] = (tmp_path / "results" / "runs").iterdir()
    assert read_document(run).rows[0].git_commit is None
    assert "small" in result.stdout
    assert "estimated, not measured on a board" in result.stdout


def write_text(folder: Path) -> Path:
    path = folder / "text.tflite"
    path.write_text("this is no model, though its name says so\n")
    return path


def write_truncated(folder: Path) -> Path:
    path = small_model(folder, "truncated")
    path.write_bytes(path.read_bytes()[:-300])
    return path


def write_twin(folder: Path) -> Path:
    (folder / "other").mkdir()
    return small_model(folder / "other", "small", seed=1)


@pytest.mark.parametrize(
    ("write", "options", "parts"),
    [
        (write_text, (), ["text", "TFL3"]),
        (write_truncated, (), ["truncated", "damaged"]),
        (write_twin, (), ["small.tflite", "rename"]),
        (lambda folder: folder / "missing.tflite", (), ["missing.tflite"]),
        (None, ("--board", "nano34"), ["nano34", "nano33"]),
        (None, ("--data", "nothing"), ["nothing"]),
        (None, ("--task", "chess"), ["chess", "kws"]),
    ],
)
def test_one_bad_input_and_nothing_is_built(
    model: Path, tmp_path: Path, write: object, options: tuple[str, ...], parts: list[str]
) -> None:
    bad = [write(tmp_path)] if callable(write) else []
    result = harness("bench", model, *bad, *ON_QEMU, *options, "--out", tmp_path / "run", "--json")
    assert_failed(result, 2, *parts)
    assert result.stdout == ""
    assert "building" not in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_is_refused_before_building(model: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("{}")
    result = harness("bench", model, *ON_QEMU, "--out", tmp_path)
    assert_failed(result, 2, "rows.json")
    assert "building" not in result.stderr
    assert (tmp_path / "rows.json").read_text() == "{}"


def test_a_model_too_big_for_the_board_says_by_how_many_bytes(model: Path, tmp_path: Path) -> None:
    board = dataclasses.replace(find_board("nano33"), flash_bytes=1000, ram_bytes=1000)
    compiled = Compiled(tmp_path, {"flash_weights_bytes": 1234, "ram_arena_bytes": 900})
    with pytest.raises(UserError, match=r"small is too big for nano33.*1234 bytes, 234 bytes more than the 1000"):
        fits(Model(model, b""), compiled, board, named=True)
    assert not fits(Model(model, b""), compiled, board, named=False)


def path_with(folder: Path, *programs: str) -> dict[str, str]:
    """Return an environment whose PATH has only these programs."""
    folder.mkdir()
    for program in programs:
        where = next(Path(part, program) for part in os.environ["PATH"].split(":") if Path(part, program).exists())
        (folder / program).symlink_to(where)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(("there", "missing"), [((), "arm-none-eabi-gcc"), (("arm-none-eabi-gcc",), "qemu-system-arm")])
def test_a_missing_program_is_named_with_its_package(
    model: Path, tmp_path: Path, there: tuple[str, ...], missing: str
) -> None:
    environment = path_with(tmp_path / "bin", *there)
    result = harness("bench", model, *ON_QEMU, "--out", tmp_path / "run", "--json", environment=environment)
    assert_failed(result, 3, missing, "apt install")
    assert result.stdout == ""
    assert not (tmp_path / "run").exists()
    doctor = harness("doctor", environment=environment)
    assert_failed(doctor, 3, missing)
    assert missing in doctor.stdout


def test_renode_says_what_works_instead(model: Path, tmp_path: Path) -> None:
    result = harness("bench", model, "--board", "nano33", "--on", "renode", "--out", tmp_path / "run")
    assert_failed(result, 3, "enode", "qemu")


def test_hardware_that_is_not_attached(model: Path, tmp_path: Path) -> None:
    result = harness("bench", model, "--board", "nano33", "--on", "hardware", "--out", tmp_path / "run")
    assert_failed(result, 2, "attached")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_one_line_and_no_half_file(model: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    assert harness("bench", model, *ON_QEMU, "--samples", "1", "--out", tmp_path / "warm").returncode == 0
    command = [*COMMAND, "bench", str(model), *ON_QEMU, "--samples", "1", "--out", str(tmp_path / "run")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert_failed(result, 3, "disk is full")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["warm"]


def test_a_full_stdout_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*COMMAND, "boards"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    result.stdout = ""
    assert_failed(result, 3, "disk is full")


@contextmanager
def long_run(folder: Path, *names: str) -> Iterator[subprocess.Popen[str]]:
    """Run two models into `folder / "run"`; the one called "big" takes seconds for its samples."""
    models = [small_model(folder, name, inputs=4096 if name == "big" else 32) for name in names]
    arguments = [*map(str, models), *ON_QEMU, "--samples", "3000", "--out", str(folder / "run")]
    with subprocess.Popen(
        [*COMMAND, "bench", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def await_samples(process: subprocess.Popen[str], name: str) -> int:
    """Wait until the samples of a model run, and return the process id of the emulator (the one without a clock)."""
    assert process.stderr is not None
    assert any(f"{name}: timing" in line for line in process.stderr)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = Path(f"/proc/{process.pid}/task").glob("*/children")
        for pid in [int(pid) for file in children for pid in file.read_text().split()]:
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"-kernel" in command and b"-icount" not in command:
                    return pid
        time.sleep(0.02)
    raise AssertionError(f"no emulator runs the samples of {name}")


def gone(pid: int) -> bool:
    """Tell whether a process ends within seconds: one caught while it started ends by itself, its console closed."""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not Path(f"/proc/{pid}").exists()


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess([], process.returncode, stdout, stderr)


@pytest.mark.slow
def test_ctrl_c_keeps_the_finished_rows_and_ends_the_emulator(tmp_path: Path) -> None:
    with long_run(tmp_path, "small", "big") as process:
        emulator = await_samples(process, "big")
        process.send_signal(signal.SIGINT)
        assert_failed(ended(process), 130, "1 finished row", "run")
    first, second = read_document(tmp_path / "run").rows
    assert (first.status, first.samples, first.bit_exact_samples) == ("ok", 3000, 3000)
    assert (second.status, second.error, second.accuracy) == ("partial", "interrupted", None)
    assert second.instructions is not None
    assert gone(emulator)


@pytest.mark.slow
def test_a_killed_emulator_fails_its_row_and_the_others_go_on(tmp_path: Path) -> None:
    with long_run(tmp_path, "big", "small") as process:
        os.kill(await_samples(process, "big"), signal.SIGKILL)
        result = ended(process)
    assert_failed(result, 3, "1 of 2 rows", "SIGKILL")
    first, second = read_document(tmp_path / "run").rows
    assert first.status == "failed"
    assert "SIGKILL" in (first.error or "")
    assert (second.status, second.bit_exact_samples) == ("ok", 3000)
    assert "failed" in result.stdout


def test_a_fault_of_the_harness_fails_its_row_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = tuple(str(small_model(tmp_path, name, seed=seed)) for seed, name in enumerate(("broken", "fine")))
    build = bench_flow.build

    def faulty(folder: Path, board: Board, where: Where, *rest: object) -> Build:
        if folder.name == "broken":
            raise ZeroDivisionError("nobody\nforesaw this")
        return build(folder, board, where, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(bench_flow, "build", faulty)
    request = Request(paths, ("nano33",), "qemu", False, None, None, 2, "balanced", tmp_path / "run")
    run = bench_flow.bench(request, Speaker(Console(quiet=True)))
    broken, fine = read_document(tmp_path / "run").rows
    assert (broken.status, broken.error) == ("failed", "unexpected ZeroDivisionError: nobody foresaw this")
    assert (fine.status, fine.bit_exact_samples) == ("ok", 2)
    with pytest.raises(EnvironmentFailure, match="1 of 2 rows failed: broken on nano33: unexpected") as raised:
        run.check()
    assert isinstance(raised.value.__cause__, ExceptionGroup)  # what HARNESS_DEBUG shows


@pytest.mark.slow
def test_the_mlperf_models_are_bit_exact(tmp_path: Path) -> None:
    paths = [mlperf_model(name) for name in MLPERF]
    result = harness("bench", *paths, *ON_QEMU, "--samples", "16", "--out", tmp_path / "run", "--json")
    assert result.returncode == 0, result.stderr
    found = rows(result.stdout)
    assert [row["model"] for row in found] == list(MLPERF)
    assert [row["bit_exact_samples"] for row in found] == [16] * 4
    kws = found[MLPERF.index("kws_ref_model")]
    assert kws["macs"] == 2_656_768
    assert kws["instructions"] <= 12_000_000  # type: ignore[operator]
    assert kws["ram_arena_bytes"] <= 20_000  # type: ignore[operator]
    assert kws["flash_code_bytes"] <= 16_000  # type: ignore[operator]
    assert kws["flash_weights_bytes"] <= 30_000  # type: ignore[operator]


@pytest.mark.slow
def test_kws01_has_901_right_in_90_seconds(tmp_path: Path) -> None:
    arguments = ("--data", "kws01", "--samples", "1000", "--out", tmp_path / "run", "--json")
    started = time.monotonic()
    [row] = rows(harness("bench", mlperf_model("kws_ref_model"), *ON_QEMU, *arguments).stdout)
    assert time.monotonic() - started < 90
    assert (row["accuracy"], row["samples"], row["bit_exact_samples"]) == (90.1, 1000, 1000)


@pytest.mark.slow
def test_cifar10_has_894_right(tmp_path: Path) -> None:
    arguments = ("--data", "cifar10", "--samples", "1017", "--out", tmp_path / "run", "--json")
    [row] = rows(harness("bench", mlperf_model("pretrainedResnet_quant"), *ON_QEMU, *arguments, timeout=500).stdout)
    assert row["accuracy"] == pytest.approx(100 * 894 / 1017, abs=1e-3)
    assert (row["samples"], row["bit_exact_samples"]) == (1017, 1017)
