"""The doctor finds what is missing or misbehaves, and knows what mends it."""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.device import doctor
from harness.device.boards import find_board
from harness.device.doctor import Account, Check, Remedy, tools
from harness.device.doctor.data import DATA, data_folder
from harness.device.doctor.modem_manager import modem_manager, rules_for, usb_ids
from harness.device.doctor.ports import serial_ports
from tests.device.test_flash import BUILT_IN, OTHER, Port

NANO33 = find_board("nano33")
ANA = Account("ana", False, frozenset({"ana"}), frozenset(), frozenset({"ana", "root", "dialout"}))


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def tools_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make an empty folder all of PATH, and of the cache."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_every_check_is_fine_or_has_a_remedy() -> None:
    found = doctor.checks()
    assert len({check.name for check in found}) == len(found) == 8
    assert all(check.ok == (check.remedy is None) and check.found for check in found)


def test_an_empty_path_lacks_the_tools(tools_folder: Path) -> None:
    assert tools.compiler().remedy == Remedy(apt=("gcc-arm-none-eabi",))
    assert tools.newlib_nano().remedy == Remedy(apt=("libnewlib-arm-none-eabi",))
    assert tools.emulator().remedy == Remedy(apt=("qemu-system-arm",))
    assert all(check.needed and not check.ok for check in (tools.compiler(), tools.newlib_nano(), tools.emulator()))
    counter = tools.block_counter()
    assert not counter.ok and not counter.needed and counter.remedy == Remedy(apt=("qemu-system-arm",))


@pytest.mark.parametrize("script", ["exit 1", "exit 0", "echo nothing to see", "kill -9 $$", "echo 12.2 >&2; exit 3"])
@pytest.mark.parametrize(
    ("name", "check"), [("arm-none-eabi-gcc", tools.compiler), ("qemu-system-arm", tools.emulator)]
)
def test_a_program_that_tells_no_version_is_named(name: str, check: object, script: str, tools_folder: Path) -> None:
    program(tools_folder, name, script)
    assert callable(check)
    found: Check = check()
    assert not found.ok and found.needed
    assert found.found == f"{tools_folder / name} tells no version"
    assert found.remedy is not None and not found.remedy.apt, "another one installed behind it would not be run"


def test_a_program_for_another_machine_is_named(tools_folder: Path) -> None:
    (tools_folder / "arm-none-eabi-gcc").write_bytes(b"\x7fELF of another world")
    (tools_folder / "arm-none-eabi-gcc").chmod(0o755)
    assert tools.compiler().found.endswith("tells no version")


def test_versions_are_told(tools_folder: Path) -> None:
    program(tools_folder, "arm-none-eabi-gcc", "echo 13.2.1")
    program(tools_folder, "qemu-system-arm", "echo QEMU emulator version 9.1.0")
    assert tools.compiler() == Check("arm-none-eabi-gcc", True, "gcc 13.2.1", needed=True)
    assert tools.emulator() == Check("qemu-system-arm", True, "qemu 9.1.0", needed=True)


def test_a_compiler_without_its_small_library(tools_folder: Path) -> None:
    program(tools_folder, "arm-none-eabi-gcc", "echo libc_nano.a")
    assert tools.newlib_nano().remedy == Remedy(apt=("libnewlib-arm-none-eabi",))
    program(tools_folder, "arm-none-eabi-gcc", f"echo {tools_folder}/gone/libc_nano.a")
    assert not tools.newlib_nano().ok


def test_without_a_compiler_for_this_computer_there_is_no_block_counter(tools_folder: Path) -> None:
    program(tools_folder, "qemu-system-arm", "echo QEMU emulator version 9.1.0")
    assert tools.block_counter().remedy == Remedy(apt=("gcc", "libc6-dev"))


def test_platformio_that_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, "python", "echo 'ModuleNotFoundError: click' >&2; exit 1")
    monkeypatch.setattr(tools.sys, "executable", str(tmp_path / "python"))
    check = tools.platformio()
    assert not check.ok and check.needed and "does not start: ModuleNotFoundError: click" in check.found


def test_platformio_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise tools.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(tools.metadata, "version", version)
    assert tools.platformio().remedy == Remedy(pip=("platformio",))


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """Return an attached board whose port is there and may be opened."""
    (tmp_path / "ttyACM0").touch()
    return Port(str(tmp_path / "ttyACM0"), 0x2341, 0x805A)


def closed(monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    """Let nothing be opened, and everything belong to a group; root may open whatever the mode says."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(Path, "group", lambda _: group)


def test_ports_that_may_be_opened(port: Port, tmp_path: Path) -> None:
    check = serial_ports([BUILT_IN, port], ANA, tmp_path)
    assert check.ok and check.found == port.device, "who may open the port need not be in its group"


@pytest.mark.parametrize("group", ["dialout", "uucp"])
def test_a_port_without_permission(group: str, port: Port, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    closed(monkeypatch, group)
    check = serial_ports([port], ANA, tmp_path)
    assert check.found == f"no permission for {port.device}"
    assert check.remedy == Remedy(group=group)


@pytest.mark.parametrize("group", ["root", "disk", ""])
def test_no_group_is_joined_that_opens_more_than_ports(
    group: str, port: Port, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed(monkeypatch, group)
    remedy = serial_ports([port], ANA, tmp_path).remedy
    assert remedy is not None and remedy.words and not remedy.group


def test_who_was_just_added_is_told_to_log_in_again(
    port: Port, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed(monkeypatch, "dialout")
    remedy = serial_ports([port], replace(ANA, listed=frozenset({"dialout"})), tmp_path).remedy
    assert remedy is not None and "log out and in again" in remedy.words and not remedy.group


def test_a_port_without_a_file() -> None:
    check = serial_ports([OTHER], ANA, Path("/nowhere"))
    assert not check.ok and check.remedy is not None and "--device" in check.remedy.words


def test_a_port_in_another_programs_hands_is_said(port: Port, tmp_path: Path) -> None:
    opened = tmp_path / "proc" / "77" / "fd"
    opened.mkdir(parents=True)
    (opened / "3").symlink_to(port.device)
    (tmp_path / "proc" / "77" / "comm").write_text("minicom\n")
    (tmp_path / "proc" / "78").mkdir()  # ended while it was looked at
    assert serial_ports([port], ANA, tmp_path).found == f"{port.device} is held by minicom (process 77)"
    shutil.rmtree(tmp_path / "proc" / "77")
    assert serial_ports([port], ANA, tmp_path).ok


def test_without_a_board_the_group_is_what_counts() -> None:
    assert serial_ports([BUILT_IN], ANA).remedy == Remedy(group="dialout")
    for fine in (
        replace(ANA, groups=frozenset({"dialout"})),
        replace(ANA, name="root", is_root=True),
        replace(ANA, existing=frozenset({"ana"})),
    ):
        assert serial_ports([], fine).ok
    assert not Account.current().is_root or Account.current().name == "root"


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """Return a system whose ModemManager runs."""
    for number, name in (("1", "init"), ("77", "ModemManager")):
        (tmp_path / "proc" / number).mkdir(parents=True)
        (tmp_path / "proc" / number / "comm").write_text(f"{name}\n")
    return tmp_path


def write_rules(root: Path, folder: str, name: str, text: str) -> None:
    path = root / folder / "udev" / "rules.d" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_modem_manager_that_does_not_run_harms_nobody(running: Path) -> None:
    assert not modem_manager(running).ok
    shutil.rmtree(running / "proc" / "77")
    assert modem_manager(running).ok


def test_our_rules_keep_modem_manager_away(running: Path) -> None:
    remedy = modem_manager(running).remedy
    assert remedy is not None and "805a" in remedy.rules and "005a" in remedy.rules
    write_rules(running, "etc", Path(doctor.RULES_FILE).name, remedy.rules)
    assert modem_manager(running).ok


@pytest.mark.parametrize(
    ("rule", "kept_away"),
    [
        ('ATTRS{idVendor}=="2341", ENV{ID_MM_DEVICE_IGNORE}="1"', True),
        ('ATTRS{idVendor}=="2341", ATTRS{idProduct}=="[08]0[05]*", MODE:="0666", ENV{ID_MM_DEVICE_IGNORE}="1"', True),
        ('ATTRS{idVendor}=="1d50|2341", \\\n  ENV{ID_MM_DEVICE_IGNORE}="1"', True),
        ('ATTRS{idVendor}=="2341", ATTRS{idProduct}=="805a", ENV{ID_MM_DEVICE_IGNORE}="1"', False),  # no bootloader
        ('ATTRS{idVendor}=="10c4", ENV{ID_MM_DEVICE_IGNORE}="1"', False),
        ('# ATTRS{idVendor}=="2341", ENV{ID_MM_DEVICE_IGNORE}="1"', False),
        ('ATTRS{idVendor}=="2341", ENV{ID_MM_DEVICE_IGNORE}="0"', False),
        ('ATTRS{idVendor}=="2341", ENV{ID_MM_CANDIDATE}="1"', False),
        ('ATTRS{idVendor}!="2341", ENV{ID_MM_DEVICE_IGNORE}="1"', False),
    ],
)
def test_rules_of_others_count(rule: str, kept_away: bool, running: Path) -> None:
    write_rules(running, "usr/lib", "99-platformio-udev.rules", f"{rule}\n")
    assert modem_manager(running, [NANO33]).ok == kept_away


def test_an_empty_file_in_etc_hides_the_systems(running: Path) -> None:
    write_rules(running, "usr/lib", "77-mm.rules", rules_for(usb_ids([NANO33])))
    assert modem_manager(running, [NANO33]).ok
    write_rules(running, "etc", "77-mm.rules", "")
    assert not modem_manager(running, [NANO33]).ok


def test_rules_that_are_no_text_hide_nothing(running: Path) -> None:
    (running / "etc" / "udev" / "rules.d" / "50-folder.rules").mkdir(parents=True)
    (running / "etc" / "udev" / "rules.d" / "51-bytes.rules").write_bytes(b"\xff\xfe\x00")
    assert not modem_manager(running, [NANO33]).ok


USB = st.from_regex(r"[0-3]{4}:[0-3]{4}", fullmatch=True)


@given(st.lists(USB, max_size=3), USB)
def test_the_rules_cover_the_boards_they_are_made_for_and_no_other(covered: list[str], usb: str) -> None:
    board = replace(NANO33, usb_ids=(usb,), bootloader_usb_ids=())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "proc" / "1").mkdir(parents=True)
        (root / "proc" / "1" / "comm").write_text("ModemManager\n")
        write_rules(root, "etc", "70-ours.rules", rules_for(covered))
        assert modem_manager(root, [board]).ok == (usb in covered)


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(DATA, raising=False)
    assert "synthetic" in data_folder().found
    monkeypatch.setenv(DATA, str(tmp_path))
    assert data_folder().ok
    monkeypatch.setenv(DATA, str(tmp_path / "missing"))
    assert not data_folder().ok
