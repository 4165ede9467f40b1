"""Real PlatformIO builds of a hand-written model, and what is said when a build cannot work."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from harness.device import build as build_module
from harness.device import platformio
from harness.device.boards import find_board, load_boards
from harness.device.build import build
from harness.device.sizes import footprint, measure_sizes
from harness.errors import EnvironmentFailure, UserError

MODEL_H = (Path(__file__).parents[1] / "firmware" / "model.h").read_text()
MODEL_C = """
#include "model.h"
static const int8_t weights[1000] __attribute__((section(".rodata.weights"), aligned(4))) = {1, 2, 3};
static int8_t arena[512];
static int counter = 7;
void model_init(void) {}
void model_invoke(void) { for (int i = 0; i < 300; i++) arena[i] = (int8_t)(arena[i] * weights[i] + counter++); }
void (*const model_layers[MODEL_LAYERS])(void) = {model_invoke, model_invoke};
const model_layer_output model_layer_outputs[MODEL_LAYERS] = {{arena, 5}, {arena, 5}};
const model_tensor *model_tensors(int *inputs, int *outputs) {
    static const int32_t shape[] = {300};
    static const model_tensor tensors[] = {
        {"in", shape, 1, MODEL_INT8, 300, 1.0f, 0, arena}, {"out", shape, 1, MODEL_INT8, 5, 1.0f, 0, arena}};
    *inputs = *outputs = 1;
    return tensors;
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "c"
    target.mkdir()
    (target / "model.h").write_text(MODEL_H)
    (target / "model.c").write_text(MODEL_C)
    return target


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_boards_are_known_by_name_and_by_a_near_one() -> None:
    board = find_board("nano33")
    assert (board.mcu, board.core, board.clock_hz) == ("nRF52840", "m4f", 64_000_000)
    assert (board.flash_bytes, board.ram_bytes) == (0xEFE00, 0x3FE00)
    with pytest.raises(UserError, match=r"nano33.*did you mean 'nano33'"):
        find_board("nano3")


@pytest.mark.parametrize("name", load_boards())
def test_a_board_is_a_platformio_manifest_that_agrees_with_itself(name: str) -> None:
    from harness import resources

    manifest = json.loads((resources.boards() / f"{name}.json").read_text())
    board = load_boards()[name]
    assert manifest["upload"]["maximum_size"] == board.flash_bytes
    assert manifest["upload"]["maximum_ram_size"] == board.ram_bytes
    assert int(manifest["build"]["f_cpu"].rstrip("L")) == board.clock_hz


def test_sizes_are_what_the_model_adds(folder: Path, cache: Path) -> None:
    result = build(folder, find_board("nano33"), "qemu")
    sizes = measure_sizes(result.firmware_elf, result.size_elf, result.empty_elf, arena_bytes=512)
    assert sizes.flash_weights_bytes == 1000
    assert 0 < sizes.flash_code_bytes < 200
    assert sizes.flash_total_bytes == sizes.flash_code_bytes + 1000
    assert 4 <= sizes.ram_static_bytes <= 8  # `counter`, and alignment
    assert sizes.firmware_overhead_flash_bytes > 1000
    assert sizes.firmware_overhead_ram_bytes > 4096  # the frame buffer
    assert result.toolchain.startswith("gcc ")
    assert "-mcpu=cortex-m4" in result.flags
    assert footprint(result.empty_elf).weights == 0


def test_tables_of_layers_are_in_the_firmware_alone(folder: Path, cache: Path) -> None:
    result = build(folder, find_board("nano33"), "qemu")
    tables = {"model_layers", "model_layer_outputs"}
    assert symbols(result.firmware_elf) >= tables
    assert not symbols(result.size_elf) & tables


def symbols(elf: Path) -> set[str]:
    with elf.open("rb") as file:
        return {symbol.name for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols()}


def test_the_same_input_is_built_once(folder: Path, cache: Path) -> None:
    board = find_board("nano33")
    first = build(folder, board, "qemu")
    stamp = first.firmware_elf.stat().st_mtime_ns
    assert build(folder, board, "qemu") == first
    assert first.firmware_elf.stat().st_mtime_ns == stamp
    (folder / "model.c").write_text(MODEL_C + "\n")
    assert build(folder, board, "qemu").project != first.project


def test_two_processes_may_build_at_once(folder: Path, cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from harness.device.boards import find_board;"
        "from harness.device.build import build; print(build(Path(sys.argv[1]), find_board('nano33'), 'qemu').size_elf)"
    )
    other = folder.parent / "other"
    shutil.copytree(folder, other)
    (other / "model.c").write_text(MODEL_C + "// other\n")
    command = [sys.executable, "-c", code]
    running = [subprocess.Popen([*command, str(f)], stdout=subprocess.PIPE, text=True) for f in (folder, folder, other)]
    elves = [process.communicate(timeout=120)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert elves[0] == elves[1] != elves[2]
    assert all(Path(elf).is_file() for elf in elves)


def test_a_missing_compiler_is_named_with_its_remedy(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentFailure, match=r"arm-none-eabi-gcc.*harness setup, or apt install"):
        build(folder, find_board("nano33"), "qemu")


def test_code_that_does_not_compile_is_told_in_one_line(folder: Path, cache: Path) -> None:
    (folder / "model.c").write_text(MODEL_C + "\nint x = y;\n")
    with pytest.raises(EnvironmentFailure, match=r"does not build.*'y' undeclared.*\.log") as caught:
        build(folder, find_board("nano33"), "qemu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("memory", "field"), [("flash", "flash_bytes"), ("ram", "ram_bytes")])
def test_what_does_not_fit_says_where(folder: Path, cache: Path, memory: str, field: str) -> None:
    small = replace(find_board("nano33"), **{field: 1024})
    with pytest.raises(EnvironmentFailure, match=rf"does not fit: {memory} overflows by \d+ bytes"):
        build(folder, small, "qemu")


def test_a_full_disk_is_named() -> None:
    said = build_module._explain("fatal: cannot write: No space left on device\n", Path("some/qemu.log"))
    assert "disk is full" in said


def test_the_scons_shim_follows_platformio_and_spares_a_real_package(cache: Path) -> None:
    platformio.ensure_scons()
    package = platformio.core_folder() / "packages" / "tool-scons"
    version = json.loads((package / "package.json").read_text())["version"]
    (package / "package.json").write_text('{"name": "tool-scons", "version": "0.0.1"}')
    platformio.ensure_scons()
    assert json.loads((package / "package.json").read_text())["version"] == version
    (package / "scons.py").write_text("# the real one\n")
    platformio.ensure_scons()
    assert (package / "scons.py").read_text() == "# the real one\n"
