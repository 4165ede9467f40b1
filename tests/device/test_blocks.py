"""The block counter: what it counts is known beforehand, and where it cannot count it says why."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.device.blocks import BlocksUnavailable, plugin
from harness.device.blocks.counter import count_blocks
from harness.device.blocks.inference import Meter, Spent, inferences
from harness.device.blocks.program import Function, Program, Section
from harness.device.blocks.regions import Block, Region, read_regions
from harness.device.boards import find_board
from harness.device.build import Build, build
from harness.device.emulators import qemu
from harness.device.runner import open_device
from tests.device import loops as made

BOARD = find_board("nano33")
ROUNDS = (1, 2, 3, 10, 999, 65_537, 1_000_003)

# movs r0, #3; 1: subs r0, #1; bne 1b; bx lr
LOOP = bytes.fromhex("0320 0138 fdd1 7047")
# ldr r1, [r0]; ldr r2, [r0, #4]; adds r2, r1; bx lr; add.w r0, r0, #1 (not on a word); b there
LOADS = bytes.fromhex("0168 4268 5218 7047 0020 00f10100 fce7")


def program(code: bytes, *functions: Function) -> Program:
    return Program(functions or (Function("f", 0, len(code)),), (Section(0, code),))


def spent(code: bytes, region: Region) -> Spent:
    return sum(Meter(program(code)).spent(region).values(), Spent(0, 0))


def test_a_loop_by_hand() -> None:
    first, again, end = Block(0, 3), Block(2, 2), Block(6, 1)
    steps = {(first, again): 1, (again, again): 1, (again, end): 1}
    found = spent(LOOP, Region(0, {first: 1, again: 2, end: 1}, steps))
    assert found == Spent(3 + 2 * 2 + 1, cycles=3 + 2 * 2 + 1 + 2 * 1)


def test_a_jump_to_a_long_instruction_off_a_word_is_late() -> None:
    loop = Block(10, 2)
    assert spent(LOADS, Region(10, {loop: 3}, {(loop, loop): 2})) == Spent(6, cycles=3 * 2 + 2 * (1 + 1))


def test_a_block_that_is_split_costs_the_same() -> None:
    whole, left, right = Block(0, 4), Block(0, 1), Block(2, 3)
    expected = Spent(4, cycles=2 + 1 + 1 + 1)
    assert spent(LOADS, Region(0, {whole: 1}, {})) == expected
    assert spent(LOADS, Region(0, {left: 1, right: 1}, {(left, right): 1})) == expected


def test_cycles_go_to_the_function_that_the_block_is_in() -> None:
    functions = Function("a", 0, 2), Function("b", 2, 6)
    found = Meter(program(LOOP, *functions)).spent(Region(0, {Block(0, 3): 1, Block(6, 1): 1}, {}))
    assert found == {functions[0]: Spent(3, 3), functions[1]: Spent(1, 1)}


def test_counts_are_read() -> None:
    lines = ["region 8", "block 8 3 5", "step 8 3 4", "step 20 1 1", "block 20 1 1", "end", "region 9", "end"]
    first, second = read_regions(lines)
    loop, end = Block(8, 3), Block(20, 1)
    assert first == Region(8, {loop: 5, end: 1}, {(loop, loop): 4, (loop, end): 1})
    assert second == Region(9, {}, {})


@pytest.mark.parametrize(
    "lines",
    [["block 8 3 5"], ["region 8", "step 8 3 4"], ["region 8", "block 8 3"], ["region 8", "region 9"], ["?"], [""],
     ["region"], ["region 8 9"], ["end"], ["region 8", "block x 3 5"], ["region 8", "block 8 3 5"]],
)  # fmt: skip
def test_damaged_counts_are_refused(lines: list[str]) -> None:
    with pytest.raises(BlocksUnavailable):
        list(read_regions(lines))


def test_measured_calls_have_an_order() -> None:
    code = bytes.fromhex("7047") * 4
    functions = Function("nothing", 0, 2), Function("model_invoke", 2, 2), Function("layer_0", 4, 2)
    empty, whole, layer = (Region(pc, {Block(pc, 1): 1}, {}) for pc in (0, 2, 4))
    firmware = program(code, *functions)
    [found] = inferences(firmware, [empty, whole, empty, layer], 1)
    assert (found.whole, found.layers) == (Spent(0, 0), (Spent(0, 0),))
    for wrong in ([whole, empty, layer, empty], [empty, layer, empty, whole], [empty, whole, empty]):
        with pytest.raises(BlocksUnavailable, match="to be measured"):
            list(inferences(firmware, wrong, 1))


def test_what_is_no_code_is_refused() -> None:
    firmware = program(LOOP, Function("f", 2, 6))
    with pytest.raises(BlocksUnavailable, match=r"5 Thumb instructions at 0x0, found 4"):
        firmware.instructions(0, 5)
    with pytest.raises(BlocksUnavailable, match=r"0x1000, found 0"):
        firmware.instructions(0x1000, 1)
    with pytest.raises(BlocksUnavailable, match=r"address 0x0 to be in a function"):
        firmware.function_at(0)
    with pytest.raises(BlocksUnavailable, match=r"one indirect call in the firmware's ticks_around, found 0"):
        _ = firmware.measuring_call


def test_the_plugin_compiles_without_a_warning(tmp_path: Path) -> None:
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", *plugin.FLAGS]
    subprocess.run(["cc", *strict, "-o", str(tmp_path / "plugin.so"), str(plugin.SOURCE)], check=True)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def without_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave only QEMU on the path."""
    found = shutil.which(qemu.COMMAND)
    assert found
    folder.mkdir()
    (folder / qemu.COMMAND).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))


def test_the_plugin_is_compiled_once(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = plugin.find_plugin()
    assert [first] == list(cache.rglob("*.so"))
    without_compiler(tmp_path / "bin", monkeypatch)
    assert plugin.find_plugin() == first


def test_no_compiler(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_compiler(tmp_path / "bin", monkeypatch)
    with pytest.raises(BlocksUnavailable, match=r"expected a C compiler .* harness setup, or apt install gcc"):
        plugin.find_plugin()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("#include <stdio.h>", "#include <no_such_header.h>", r"cannot compile .*error.*no_such_header"),
        ("int qemu_plugin_install(", "int another_name(", r"does not take the plugin: .*qemu_plugin_install"),
    ],
)
def test_another_source(
    old: str, new: str, message: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler that fails; what is no plugin."""
    text = plugin.SOURCE.read_text()
    assert old in text
    (tmp_path / "plugin.c").write_text(text.replace(old, new))
    monkeypatch.setattr(plugin, "SOURCE", tmp_path / "plugin.c")
    with pytest.raises(BlocksUnavailable, match=message):
        plugin.find_plugin()


def test_a_version_that_qemu_does_not_know(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "API_VERSIONS", (77, 78))
    with pytest.raises(BlocksUnavailable, match=r"qemu \S+ does not take the plugin: .*API version 77"):
        plugin.find_plugin()


def test_a_newer_qemu_gets_the_version_it_takes(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / qemu.COMMAND
    refusal = "plugin requires API version 1, but this QEMU supports only a minimum version of 2"
    fake.write_text(f'#!/bin/sh\ncase "$*" in *blocks-v2-*) ;; *) echo "{refusal}" >&2; exit 1;; esac\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert plugin.find_plugin().name.startswith("blocks-v2-")


def test_no_emulator(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin.find_plugin()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BlocksUnavailable, match="qemu-system-arm to start"):
        plugin.find_plugin()


def test_a_comma_in_a_path_is_doubled() -> None:
    assert qemu.option({"file": "/a,b/c.so", "call": 12}) == "file=/a,,b/c.so,call=12"


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("loops")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        return build(made.write_loops(folder / "c", ROUNDS), BOARD, "qemu")


@pytest.mark.slow
@pytest.mark.parametrize("clock", [True, False])
def test_loops_of_known_length(loops: Build, clock: bool) -> None:
    """Exact with the instruction clock, which splits blocks now and then, and without it."""
    with (
        count_blocks(plugin.find_plugin(), loops.firmware_elf) as counter,
        open_device(BOARD, loops, "qemu", sha256=made.SHA256, clock=clock, counter=counter) as device,
    ):
        for _ in range(2):
            device.measure(b"abcd")
        counted = device.counted()
    assert counted is not None and len(counted) == 2
    for one in counted:
        assert one.layers == tuple(Spent(made.layer_instructions(n), made.layer_cycles(n)) for n in ROUNDS)
        assert one.whole == Spent(made.invoke_instructions(ROUNDS), made.invoke_cycles(ROUNDS))
        assert sum(one.functions.values(), Spent(0, 0)) == one.whole
        assert {function.name for function in one.functions} == {"model_invoke", *(f"layer_{i}" for i in range(7))}
    assert not counter.out.exists()


@pytest.mark.slow
def test_counts_that_were_cut_off(loops: Build, tmp_path: Path) -> None:
    with count_blocks(plugin.find_plugin(), loops.firmware_elf) as counter:
        with pytest.raises(BlocksUnavailable, match="No such file"):
            counter.inferences(len(ROUNDS))
        counter.out.write_text("region 8\nblock 8 3 5\n")
        with pytest.raises(BlocksUnavailable, match="end in its middle"):
            counter.inferences(len(ROUNDS))
        os.truncate(counter.out, 0)
        assert counter.inferences(len(ROUNDS)) == []
