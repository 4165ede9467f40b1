"""Emulated devices: what they count is exact, and whatever happens, no emulator is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.device.boards import find_board
from harness.device.build import Build, build
from harness.device.emulators import qemu
from harness.device.emulators.renode import refuse
from harness.device.link import open_link
from harness.device.protocol import Type, encode_infer
from harness.device.runner import greet, open_device
from harness.errors import EnvironmentFailure, UserError
from tests.device.fakes import HELLO, fake_board, good
from tests.device.loops import SHA256, invoke_instructions, layer_instructions, write_loops

BOARD = find_board("nano33")
ROUNDS = (*range(1, 25), 31, 32, 33, 100, 999, 1000, 12_345, 65_535, 65_536, 65_537, 1_000_003, 20_000_000)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build_loops(tmp_path_factory.mktemp("loops"), ROUNDS)


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build_loops(tmp_path_factory.mktemp("endless"), [2**32 - 1] * 8)


def build_loops(folder: Path, rounds: tuple[int, ...] | list[int]) -> Build:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        return build(write_loops(folder / "c", rounds), BOARD, "qemu")


def emulators() -> set[int]:
    """Return the process ids of the emulators that this process started and that still run."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = status.read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if name.startswith("qemu-system") and state != "Z" and int(parent) == os.getpid():
            found.add(int(status.parent.name))
    return found


def gone(process: int, seconds: float = 5) -> bool:
    """Whether a process has ended, or does within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("shift", [7, BOARD.emulator.icount_shift])
def test_loops_of_known_length_are_counted_exactly(loops: Build, shift: int) -> None:
    board = replace(BOARD, emulator=replace(BOARD.emulator, icount_shift=shift))
    with open_device(board, loops, "qemu", sha256=SHA256, clock=True) as device:
        assert (device.hello.counter, device.hello.counter_hz) == ("instructions", board.emulator.counter_hz)
        measured = device.measure(b"abcd")
    per_instruction = board.emulator.ticks_per_instruction
    assert [round(ticks / per_instruction) for ticks in measured.layer_ticks] == [layer_instructions(n) for n in ROUNDS]
    assert round(measured.ticks / per_instruction) == invoke_instructions(ROUNDS)
    assert measured.stack_bytes == 8
    assert measured.outputs == b"abcd"


def test_two_runs_count_the_same(loops: Build) -> None:
    found = set()
    for _ in range(2):
        with open_device(BOARD, loops, "qemu", sha256=SHA256, clock=True) as device:
            measured = [device.measure(b"abcd") for _ in range(2)]
        found |= {round(one.ticks / BOARD.emulator.ticks_per_instruction) for one in measured}
    assert found == {invoke_instructions(ROUNDS)}


def test_batches_come_back_in_order(loops: Build) -> None:
    inputs = np.random.default_rng(1).integers(0, 256, (20, 4), np.uint8)
    inputs[:3] = 0
    with open_device(BOARD, loops, "qemu", sha256=SHA256, clock=False) as device:
        small = replace(device, hello=replace(device.hello, max_payload=2 + 8 * 4))
        batches = list(small.infer(inputs))
        assert [len(batch) for batch in batches] == [8, 8, 4]
        np.testing.assert_array_equal(np.concatenate(batches), inputs)
        assert device.emulator is not None and device.emulator.startswith("qemu ")
        with pytest.raises(UserError, match="samples of 4 bytes"):
            next(device.infer(inputs[:, :3]))
        with pytest.raises(UserError, match="sample of 4 bytes, got 3"):
            device.measure(b"abc")
    assert not emulators()


def test_the_firmware_recovers_from_damaged_requests(loops: Build) -> None:
    with qemu.emulate(loops.firmware_elf, BOARD.emulator.machine) as emulated, open_link(emulated.port) as link:
        greet(link)
        port, whole = link._port, link._port.write
        for damage in (lambda b: b[:-1], lambda b: b[1:], lambda b: b[:5] + b"\x55" + b[6:], lambda b: b"\0m-x" + b):
            damages = iter([damage])
            port.write = lambda data, damages=damages: whole(next(damages, bytes)(data))
            sample = encode_infer([b"wxyz"])
            assert link.request(Type.INFER, sample, timeout=1) == sample


def test_another_model_is_refused(loops: Build) -> None:
    with (
        pytest.raises(EnvironmentFailure, match=r"expected the device .* to run the model 000000000000"),
        open_device(BOARD, loops, "qemu", sha256="0" * 64, clock=False),
    ):
        pass
    assert not emulators()


def test_an_emulator_killed_in_the_middle_is_noticed_at_once(endless: Build) -> None:
    with (
        qemu.emulate(endless.firmware_elf, BOARD.emulator.machine) as emulated,
        open_link(emulated.port, emulated.check_alive) as link,
    ):
        greet(link)
        timer = threading.Timer(0.5, emulated.process.send_signal, [signal.SIGKILL])
        timer.start()
        begun = time.monotonic()
        with pytest.raises(EnvironmentFailure, match=r"ended by itself: killed by SIGKILL"):
            link.request(Type.MEASURE, b"abcd", timeout=30)
        assert time.monotonic() - begun < 4
    assert not emulators()


@pytest.mark.parametrize("moment", ["started", "port", "request"])
def test_an_emulator_killed_at_any_moment_is_named(loops: Build, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    start = qemu._start

    def killed(process: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
        process.kill()
        process.wait()
        return process

    if moment == "started":
        monkeypatch.setattr(qemu, "_start", lambda *arguments: killed(start(*arguments)))
    with (
        pytest.raises(EnvironmentFailure, match=r"ended by itself: killed by SIGKILL"),
        qemu.emulate(loops.firmware_elf, BOARD.emulator.machine) as emulated,
    ):
        if moment == "port":
            killed(emulated.process)
        with open_link(emulated.port, emulated.check_alive) as link:
            if moment == "request":
                killed(emulated.process)
            greet(link)
    assert not emulators()


def test_an_emulator_that_hangs_is_given_up_and_ended(endless: Build) -> None:
    with (
        qemu.emulate(endless.firmware_elf, BOARD.emulator.machine) as emulated,
        open_link(emulated.port, emulated.check_alive) as link,
        pytest.raises(EnvironmentFailure, match=r"expected a reply to MEASURE .* last bytes received: nothing"),
    ):
        link.request(Type.HELLO, timeout=2, attempts=10)
        link.request(Type.MEASURE, b"abcd", timeout=0.2)
    assert not emulators()


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_no_emulator_outlives_an_exception(loops: Build, failure: type[BaseException]) -> None:
    with pytest.raises(failure), open_device(BOARD, loops, "qemu", sha256=SHA256, clock=False):
        assert len(emulators()) == 1
        raise failure
    assert not emulators()


def test_no_emulator_outlives_a_killed_harness(endless: Build) -> None:
    program = f"""
import pathlib, time
from harness.device.emulators import qemu
with qemu.emulate(pathlib.Path({str(endless.firmware_elf)!r}), "mps2-an386") as emulated:
    print(emulated.process.pid, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout
        process = int(harness.stdout.readline())
        assert Path(f"/proc/{process}/comm").read_text().startswith("qemu-system")
        harness.kill()
    assert gone(process)


def test_no_emulator_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFailure, match="apt install qemu-system-arm"), qemu.emulate(tmp_path / "f", "any"):
        pass
    with pytest.raises(EnvironmentFailure, match="apt install qemu-system-arm"):
        qemu.qemu_version()


def test_what_the_emulator_says_at_its_end_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(EnvironmentFailure, match=r"exit status 1 \(.*Could not load.*\)"),
        qemu.emulate(tmp_path / "missing.elf", "mps2-an386") as emulated,
        open_link(emulated.port, emulated.check_alive) as link,
    ):
        greet(link)


def test_no_file_descriptor_leaks(loops: Build) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    for _ in range(3):
        with open_device(BOARD, loops, "qemu", sha256=SHA256, clock=False):
            pass
    assert count() == before


def test_a_board_with_the_right_model_is_used_as_it_is(loops: Build) -> None:
    with (
        fake_board(good) as board,
        open_device(BOARD, loops, "hardware", sha256=HELLO.sha256, clock=True, port=board.port) as device,
    ):
        assert (device.hello, device.emulator, device.port) == (HELLO, None, board.port)


def test_renode_says_what_to_do() -> None:
    assert "--on qemu" in str(refuse())
