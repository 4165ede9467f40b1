"""A board file of the user's own: what it must say, and what is said of a bad one."""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import resources
from harness.device.boards import find_board, find_boards, load_boards, read_board
from harness.errors import UserError
from tests.command import assert_failed, harness

SHIPPED = resources.boards() / "nano33.json"
MANIFEST = json.loads(SHIPPED.read_text())


def write(path: Path, manifest: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(manifest))
    return path


def smaller(flash: int = 200_000, ram: int = 50_000, clock: int = 100_000_000) -> dict[str, Any]:
    manifest = copy.deepcopy(MANIFEST)
    manifest["build"]["f_cpu"] = f"{clock}L"
    manifest["upload"] = {"maximum_size": flash, "maximum_ram_size": ram}
    manifest["harness"] |= {"flash_bytes": flash, "ram_bytes": ram, "clock_hz": clock}
    for optional in ("usb_ids", "bootloader_usb_ids", "hardware"):
        del manifest["harness"][optional]
    return manifest


def test_a_file_is_a_board_called_like_it(tmp_path: Path) -> None:
    file = write(tmp_path / "my_board.json", smaller())
    board = find_board(str(file))
    assert (board.name, board.file, board.clock_hz) == ("my_board", file, 100_000_000)
    assert (board.flash_bytes, board.ram_bytes) == (200_000, 50_000)
    assert (board.usb_ids, board.bootloader_usb_ids, board.hardware) == ((), (), None)
    shipped = find_board("nano33")
    own = {"name": board.name, "file": file, "usb_ids": (), "bootloader_usb_ids": (), "hardware": None}
    assert replace(shipped, **own, flash_bytes=200_000, ram_bytes=50_000, clock_hz=100_000_000) == board


def test_the_shipped_file_is_the_shipped_board() -> None:
    assert find_board(str(SHIPPED)) == find_board("nano33") == load_boards()["nano33"]
    assert find_boards(["nano33", str(SHIPPED), "nano33"]) == (find_board("nano33"),)


def test_rows_of_two_boards_can_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a name of its own .* nano33 is one of the harness's"):
        find_board(str(write(tmp_path / "nano33.json", smaller())))
    files = [write(tmp_path / folder / "mine.json", smaller()) for folder in ("a", "b")]
    with pytest.raises(UserError, match=r"different names, got .*/a/mine.json and .*/b/mine.json"):
        find_boards(map(str, files))


def damage(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    manifest = smaller()
    change(manifest)
    return manifest


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ([], "one JSON object, got list"),
        ({}, 'the section "harness"'),
        (damage(lambda m: m.pop("build")), 'the section "build"'),
        (damage(lambda m: m.update(upload=3)), 'the section "upload" .* got 3'),
        (damage(lambda m: m["harness"].pop("mcu")), 'expected mcu in "harness"'),
        (damage(lambda m: m["harness"].pop("emulator")), "expected emulator in"),
        (damage(lambda m: m["harness"]["emulator"].pop("machine")), 'expected machine in "emulator" of "harness"'),
        (damage(lambda m: m["harness"].update(clock=1)), "unknown 'clock' .* did you mean 'clock_hz'"),
        (damage(lambda m: m["harness"].update(ram_bytes="64K")), "a whole number for 'ram_bytes' .* got '64K'"),
        (damage(lambda m: m["harness"].update(ram_bytes=True)), "a whole number for 'ram_bytes'"),
        (damage(lambda m: m["harness"].update(mcu=4)), "a text for 'mcu' .* got 4"),
        (damage(lambda m: m["harness"].update(usb_ids="0483:5740")), "a list of texts for 'usb_ids'"),
        (damage(lambda m: m["harness"].update(emulator="qemu")), "a table for 'emulator'"),
        (damage(lambda m: m["harness"].update(core="m5")), "one of m4f for core .* got 'm5'"),
        (damage(lambda m: m["harness"].update(clock_hz=0)), "1 or more for clock_hz"),
        (damage(lambda m: m["harness"]["emulator"].update(kind="renode")), "qemu for emulator.kind"),
        (damage(lambda m: m["harness"]["emulator"].update(hal="stm32")), "a C file in .*hal for emulator.hal"),
        (damage(lambda m: m["build"].update(f_cpu="1L")), "harness.clock_hz, 100000000, for build.f_cpu .* got '1'"),
        (damage(lambda m: m["upload"].update(maximum_size=1)), "harness.flash_bytes, 200000, .* got 1"),
        (damage(lambda m: m["upload"].pop("maximum_ram_size")), "harness.ram_bytes, 50000, .* got None"),
    ],
)
def test_a_bad_file_says_what_was_expected_and_what_came(tmp_path: Path, manifest: Any, expected: str) -> None:
    file = write(tmp_path / "mine.json", manifest)
    with pytest.raises(UserError, match=expected) as caught:
        find_board(str(file))
    assert str(file) in str(caught.value)


def test_no_file_and_no_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a board file at .*none.json, got: No such file"):
        find_board(str(tmp_path / "none.json"))
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UserError, match=r"a board file at .*bad.json, got: Expecting property name"):
        find_board(str(tmp_path / "bad.json"))
    with pytest.raises(UserError, match="letters, digits"):
        read_board(write(tmp_path / "my board.json", smaller()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLACES = [(key,) for key in MANIFEST] + [
    ("harness", *path) for path in [*((key,) for key in MANIFEST["harness"]), ("emulator", "hal"), ("emulator", "kind")]
]


@given(st.sampled_from(PLACES), JSON)
def test_whatever_stands_there_is_a_board_or_the_users_mistake(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str, ...], value: Any
) -> None:
    manifest = copy.deepcopy(MANIFEST)
    *parents, last = place
    table = manifest
    for parent in parents:
        table = table[parent]
    table[last] = value
    file = write(tmp_path_factory.getbasetemp() / "any" / "mine.json", manifest)
    try:
        board = read_board(file)
    except UserError as error:
        assert str(file) in str(error)
    else:
        assert isinstance(board.ram_bytes, int)
        hash(board)  # nothing in it is a list or a table


@pytest.mark.slow
def test_a_model_is_measured_on_a_board_of_the_users_own(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.json", smaller(ram=50_000))
    run = tmp_path / "run"
    arguments = ["bench", "kws_xxs", "--board", file.name, "--board", "nano33", "--on", "qemu", "--data", "synthetic"]
    result = harness(*arguments, "--samples", "2", "--out", run, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    mine, nano33 = json.loads((run / "rows.json").read_text())["rows"]
    assert (mine["board"], mine["clock_hz"], mine["status"]) == ("mine", 100_000_000, "ok")
    assert mine["bit_exact_samples"] == 2
    for column in ("instructions", "cycles", "flash_total_bytes", "ram_total_bytes"):
        assert mine[column] == nano33[column], column
    assert mine["latency_ms"] == pytest.approx(nano33["latency_ms"] * 64 / 100)
    page = (run / "report.html").read_text()
    share = round(100 * mine["ram_total_bytes"] / 50_000, 1)
    assert re.search(rf"{share} ?%", page), f"{share} % of its RAM, the board's own limit"


@pytest.mark.slow
def test_a_bad_board_file_stops_every_command_before_anything_is_built(tmp_path: Path) -> None:
    write(tmp_path / "mine.json", damage(lambda m: m["harness"].update(core="m5")))
    for command in (["bench", "--out", "run"], ["plan"], ["profile"], ["diff"]):
        result = harness(command[0], "kws_xxs", *command[1:], "--board", "mine.json", cwd=tmp_path)
        assert_failed(result, 2, "expected one of m4f for core of mine.json, got 'm5'")
        assert "building" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def test_a_board_without_a_section_hardware_is_only_emulated(tmp_path: Path) -> None:
    write(tmp_path / "mine.json", smaller())
    result = harness("bench", "kws_xxs", "--board", "mine.json", "--on", "hardware", cwd=tmp_path)
    assert_failed(result, 2, 'a section "hardware", mine has none', "--on qemu")
