"""The link against boards that misbehave: it recovers what can be recovered, and else says what came."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from harness.device.link import SilentDevice, open_link
from harness.device.protocol import REPLY, DeviceError, Frame, Type, VersionError, encode_error, encode_frame
from harness.errors import EnvironmentFailure
from tests.device.fakes import Behaviour, HangUp, fake_board, good, hello_reply

QUICK = 0.5  # long enough for a busy computer to answer, short enough to wait for four times


def ask(behave: Behaviour, **options: float) -> tuple[bytes, int]:
    """Return the reply's payload and how many requests reached the board."""
    with fake_board(behave) as board, open_link(board.port) as link:
        payload = link.request(Type.HELLO, b"hi", timeout=options.get("timeout", QUICK))
        return payload, len(board.received)


def reply(request: Frame, payload: bytes = b"yes") -> bytes:
    return encode_frame(Frame(request.type | REPLY, request.sequence, payload))


def after(failures: int, bad: Behaviour) -> Behaviour:
    """Behave badly that often, then well."""
    left = [failures]

    def behave(request: Frame) -> Iterator[bytes]:
        left[0] -= 1
        yield from bad(request) if left[0] >= 0 else [reply(request)]

    return behave


def silent(request: Frame) -> Iterator[bytes]:
    yield from ()


def wrong_crc(request: Frame) -> Iterator[bytes]:
    broken = bytearray(reply(request))
    broken[-2] = broken[-2] % 255 + 1
    yield bytes(broken)


def half(request: Frame) -> Iterator[bytes]:
    yield reply(request)[:6]


def garbage(request: Frame) -> Iterator[bytes]:
    yield b"\xff\x00\x13\x37ello\x00"


def request_broke(request: Frame) -> Iterator[bytes]:
    yield encode_frame(Frame(Type.ERROR, 0, encode_error(2, "the CRC-32 does not match")))


def test_a_good_board_is_asked_once() -> None:
    assert ask(lambda request: [reply(request)]) == (b"yes", 1)


@pytest.mark.parametrize("bad", [silent, wrong_crc, half, garbage, request_broke])
def test_a_bad_line_is_tried_three_times_more(bad: Behaviour) -> None:
    assert ask(after(3, bad)) == (b"yes", 4)


@pytest.mark.parametrize("bad", [silent, wrong_crc, half, garbage, request_broke])
def test_a_line_that_stays_bad_is_given_up(bad: Behaviour) -> None:
    with pytest.raises(SilentDevice, match=r"expected a reply to HELLO from /dev/.* 4 times; last bytes received"):
        ask(after(99, bad))


def test_the_last_bytes_are_shown() -> None:
    with pytest.raises(SilentDevice, match=r"6e 69 63 \(.*panic\)"):
        ask(lambda request: [b"panic"])


def test_an_echo_is_no_answer() -> None:
    with pytest.raises(SilentDevice):
        ask(lambda request: [encode_frame(request)])


def test_text_before_the_reply_is_skipped() -> None:
    assert ask(lambda request: [b"m-init-done\r\nm-ready\r\n", reply(request)]) == (b"yes", 1)


def test_a_slow_board_is_waited_for() -> None:
    def slowly(request: Frame) -> Iterator[bytes]:
        for byte in reply(request):
            yield bytes([byte])

    assert ask(slowly, timeout=5) == (b"yes", 1)


def test_late_replies_to_earlier_requests_are_dropped() -> None:
    def late(request: Frame) -> Iterator[bytes]:
        earlier = Frame(request.type, request.sequence - 1)
        yield reply(earlier, b"old") + reply(request, b"new") + reply(request, b"twice")

    with fake_board(late) as board, open_link(board.port) as link:
        assert [link.request(Type.HELLO, timeout=1) for _ in range(3)] == [b"new"] * 3


def test_a_refusal_is_not_tried_again() -> None:
    def refuse(request: Frame) -> Iterator[bytes]:
        yield encode_frame(Frame(Type.ERROR, request.sequence, encode_error(5, "expected one input")))

    with fake_board(refuse) as board, open_link(board.port) as link:
        with pytest.raises(DeviceError, match="expected one input"):
            link.request(Type.MEASURE, timeout=QUICK)
        assert len(board.received) == 1


def test_another_version_ends_it_with_a_remedy() -> None:
    import struct
    import zlib

    from cobs import cobs

    def newer(request: Frame) -> Iterator[bytes]:
        content = struct.pack("<BBH", 2, Type.HELLO | REPLY, request.sequence)
        yield b"\0" + cobs.encode(content + struct.pack("<I", zlib.crc32(content))) + b"\0"

    with pytest.raises(VersionError, match="--flash"):
        ask(newer)


def test_a_pulled_cable_is_noticed_at_once() -> None:
    def pull(request: Frame) -> Iterator[bytes]:
        yield reply(request)[:5]
        raise HangUp

    begun = time.monotonic()
    with pytest.raises(EnvironmentFailure, match=r"connection to /dev/.* was lost"):
        ask(pull, timeout=30)
    assert time.monotonic() - begun < 3


def test_a_port_that_is_not_there() -> None:
    with pytest.raises(EnvironmentFailure, match=r"cannot open the port /dev/ttyNONE"), open_link("/dev/ttyNONE"):
        pass


def test_sequence_numbers_never_are_zero() -> None:
    with fake_board(lambda request: [reply(request)]) as board, open_link(board.port) as link:
        link._sequence = 0xFFFE
        for _ in range(3):
            link.request(Type.HELLO, timeout=1)
        assert [frame.sequence for frame in board.received] == [0xFFFF, 1, 2]


def test_sockets_take_the_same_path() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(hello_reply(Frame(Type.HELLO, 1)))
            connection.recv(4096)

    thread = threading.Thread(target=serve)
    thread.start()
    with open_link(f"socket://127.0.0.1:{server.getsockname()[1]}") as link:
        assert link.request(Type.HELLO, timeout=2)
    thread.join()
    server.close()


def test_the_good_fake_is_good() -> None:
    assert ask(good)[1] == 1
