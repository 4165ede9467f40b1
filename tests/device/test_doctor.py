"""The doctor finds what is missing and names the remedy."""

from pathlib import Path

import pytest

from harness.device import doctor
from tests.device.test_flash import BUILT_IN, NANO, Port


def test_every_check_is_fine_or_has_a_remedy() -> None:
    found = doctor.checks()
    assert len({check.name for check in found}) == len(found) == 8
    assert all(check.ok == (not check.remedy) and check.found for check in found)


def test_an_empty_path_lacks_the_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for check in (doctor.compiler(), doctor.newlib_nano(), doctor.emulator()):
        assert not check.ok and check.remedy.startswith("apt install "), check


def test_a_compiler_without_its_small_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "arm-none-eabi-gcc"
    compiler.write_text("#!/bin/sh\necho libc_nano.a\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert doctor.newlib_nano().remedy.endswith("libnewlib-arm-none-eabi")


def test_a_port_without_permission(tmp_path: Path) -> None:
    assert doctor.ports([BUILT_IN]).ok
    open_port = tmp_path / "ttyACM0"
    open_port.touch()
    assert doctor.ports([Port(str(open_port), 0x2341, 0x805A)]).found == str(open_port)
    check = doctor.ports([NANO])
    assert not check.ok and "dialout" in check.remedy


def test_modem_manager_is_seen(tmp_path: Path) -> None:
    for number, name in (("1", "init"), ("77", "ModemManager")):
        (tmp_path / number).mkdir()
        (tmp_path / number / "comm").write_text(f"{name}\n")
        assert doctor.modem_manager(tmp_path).ok == (number == "1")


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(doctor.DATA, raising=False)
    assert "synthetic" in doctor.data().found
    monkeypatch.setenv(doctor.DATA, str(tmp_path))
    assert doctor.data().ok
    monkeypatch.setenv(doctor.DATA, str(tmp_path / "missing"))
    assert not doctor.data().ok
