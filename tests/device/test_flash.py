"""Finding a board and flashing it, up to the call of PlatformIO, against boards that misbehave."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.device import flash, platformio
from harness.device.boards import find_board
from harness.device.build import Build
from harness.device.protocol import REPLY, Frame, Type, encode_frame, encode_hello
from harness.errors import EnvironmentFailure, UserError
from tests.device.fakes import HELLO, Behaviour, HangUp, fake_board, good, hello_reply

BOARD = find_board("nano33")
BUILD = Build(Path("/project"), Path("f"), Path("s"), Path("e"), "gcc 12.2.1", "-O2")


@dataclass(frozen=True)
class Port:
    device: str
    vid: int | None
    pid: int | None


NANO = Port("/dev/ttyACM0", 0x2341, 0x805A)
BOOTLOADER = Port("/dev/ttyACM1", 0x2341, 0x005A)
OTHER = Port("/dev/ttyUSB0", 0x10C4, 0xEA60)
BUILT_IN = Port("/dev/ttyS0", None, None)


def old_version(request: Frame) -> Iterator[bytes]:
    payload = encode_hello(replace(HELLO, version=9))
    yield encode_frame(Frame(Type.HELLO | REPLY, request.sequence, payload))


def no_hello(request: Frame) -> Iterator[bytes]:
    yield encode_frame(Frame(Type.HELLO | REPLY, request.sequence, b"short"))


def corrupt(request: Frame) -> Iterator[bytes]:
    reply = bytearray(hello_reply(request))
    reply[9] = reply[9] % 255 + 1
    yield bytes(reply)


STRANGERS: dict[str, Behaviour] = {
    "silent": lambda request: [],
    "garbage": lambda request: [b"\xff\xfe\x00hello world\r\n"],
    "echo": lambda request: [encode_frame(request)],
    "half frames": lambda request: [hello_reply(request)[:20]],
    "wrong crc": corrupt,
    "no hello": no_hello,
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash, "HANDSHAKE_SECONDS", 0.15)


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Put a recorder in PlatformIO's place."""
    calls: list[tuple[str, ...]] = []

    def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        calls.append((str(project), *arguments))
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(platformio, "run", run)
    return calls


def test_the_board_is_found_among_others() -> None:
    assert flash.find_port(BOARD, ports=[BUILT_IN, OTHER, NANO]) == "/dev/ttyACM0"


def test_two_boards_are_one_too_many() -> None:
    second = replace(NANO, device="/dev/ttyACM7")
    with pytest.raises(UserError, match=r"found /dev/ttyACM0, /dev/ttyACM7; unplug all but one"):
        flash.find_port(BOARD, ports=[second, NANO])


def test_no_board_lists_what_is_there() -> None:
    with pytest.raises(UserError, match=r"2341:805a.*/dev/ttyUSB0 \(10c4:ea60\).*--on qemu"):
        flash.find_port(BOARD, ports=[BUILT_IN, OTHER])


def test_a_bootloader_counts_only_where_flashing_is_wanted() -> None:
    assert flash.find_port(BOARD, bootloader=True, ports=[BOOTLOADER]) == "/dev/ttyACM1"
    with pytest.raises(UserError):
        flash.find_port(BOARD, ports=[BOOTLOADER])


def test_our_firmware_is_recognised() -> None:
    with fake_board(good) as board:
        assert flash.answers_handshake(board.port)
        assert flash.running_model(board.port) == HELLO.sha256


def test_an_old_version_is_ours_but_runs_no_model_of_this_one() -> None:
    with fake_board(old_version) as board:
        assert flash.answers_handshake(board.port)
        assert flash.running_model(board.port) is None


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_never_flashed_unasked(name: str, uploads: list[tuple[str, ...]]) -> None:
    with fake_board(STRANGERS[name]) as board:
        assert not flash.answers_handshake(board.port)
        with pytest.raises(UserError, match=r"somebody's sketch.*--flash"):
            flash.flash(BUILD, BOARD, board.port)
    assert uploads == []


def test_a_board_that_vanishes_is_not_flashed(uploads: list[tuple[str, ...]]) -> None:
    def vanish(request: Frame) -> Iterator[bytes]:
        yield hello_reply(request)[:10]
        raise HangUp

    with fake_board(vanish) as board, pytest.raises(EnvironmentFailure, match="was lost"):
        flash.flash(BUILD, BOARD, board.port)
    assert uploads == []


def test_our_board_is_flashed_and_found_on_its_new_port(uploads: list[tuple[str, ...]]) -> None:
    appearances = iter([[], [BOOTLOADER], [], [OTHER, replace(NANO, device="/dev/ttyACM5")]])
    with fake_board(good) as board:
        port = flash.flash(BUILD, BOARD, board.port, list_ports=lambda: next(appearances))
        assert uploads == [("/project", "-e", "hardware", "-t", "upload", "--upload-port", board.port)]
    assert port == "/dev/ttyACM5"


def test_force_does_not_even_ask(uploads: list[tuple[str, ...]]) -> None:
    assert flash.flash(BUILD, BOARD, "/dev/ttyNONE", force=True, list_ports=lambda: [NANO]) == NANO.device
    assert len(uploads) == 1


def test_a_board_that_stays_away_is_reported() -> None:
    with pytest.raises(EnvironmentFailure, match="did not come back"):
        flash.await_port(BOARD, list_ports=lambda: [OTHER], timeout=0.1, step=0.02)


@pytest.mark.parametrize(
    ("output", "meaning"),
    [
        ("OSError: [Errno 13] Permission denied: '/dev/ttyACM0'", "dialout"),
        ("Device or resource busy", "ModemManager"),
        ("HTTPClientError: ", "registry cannot be reached"),
        ("No device found on /dev/ttyACM0", "press reset twice"),
        ("something\n\nquite new\n", "quite new"),
        ("", "no message"),
    ],
)
def test_a_failed_upload_is_explained(output: str, meaning: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformio, "run", lambda *_: subprocess.CompletedProcess([], 1, output, ""))
    with pytest.raises(EnvironmentFailure, match=meaning) as caught:
        flash.flash(BUILD, BOARD, "/dev/ttyACM0", force=True)
    assert "\n" not in str(caught.value)
