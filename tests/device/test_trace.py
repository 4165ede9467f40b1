"""What a layer wrote, fetched in pieces: from a board that answers well, and from boards that answer anything."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.device.link import open_link
from harness.device.protocol import ErrorCode, Frame, Type, encode_error, encode_frame, encode_traced
from harness.device.runner import Device
from harness.errors import EnvironmentFailure, UserError
from tests.device.fakes import HELLO, Behaviour, fake_board

SAMPLE = bytes(range(HELLO.input_bytes))
OUTPUT = bytes(range(100))


def trace(behave: Behaviour, total: int = len(OUTPUT)) -> tuple[bytes, list[Frame]]:
    """Return what layer 3 wrote, and the requests that reached the board."""
    with fake_board(behave) as board, open_link(board.port) as link:
        return Device(HELLO, board.port, None, link).trace(3, SAMPLE, total), board.received


def reply(request: Frame, payload: bytes) -> bytes:
    return encode_frame(Frame(Type.TRACE | 0x80, request.sequence, payload))


def in_pieces(request: Frame) -> Iterator[bytes]:
    """A board with room for 40 bytes of a layer in a reply."""
    offset = int.from_bytes(request.payload[2:6], "little")
    yield reply(request, encode_traced(len(OUTPUT), OUTPUT[offset : offset + 40]))


def test_a_long_output_comes_in_pieces() -> None:
    found, requests = trace(in_pieces)
    assert found == OUTPUT
    assert [request.type for request in requests] == [Type.TRACE] * 3
    assert [request.payload for request in requests] == [
        b"\3\0" + offset.to_bytes(4, "little") + SAMPLE for offset in (0, 40, 80)
    ]


def test_a_layer_of_another_size_is_named() -> None:
    with pytest.raises(EnvironmentFailure, match="output of 101 bytes, the device has one of 100"):
        trace(in_pieces, total=101)


def test_a_refusal_is_told() -> None:
    def refuse(request: Frame) -> Iterator[bytes]:
        payload = encode_error(ErrorCode.RANGE, "expected a layer of the model")
        yield encode_frame(Frame(Type.ERROR, request.sequence, payload))

    with pytest.raises(EnvironmentFailure, match=r"expected a layer of the model \(code 7\)"):
        trace(refuse)


def test_a_sample_of_another_length_is_not_sent() -> None:
    with (
        fake_board(in_pieces) as board,
        open_link(board.port) as link,
        pytest.raises(UserError, match="sample of 10 bytes, got 11"),
    ):
        Device(HELLO, board.port, None, link).trace(0, SAMPLE + b"x", 4)
    assert not board.received


totals = st.one_of(st.just(len(OUTPUT)), st.integers(0, 2**32 - 1))
payloads = st.one_of(st.binary(max_size=120), st.builds(encode_traced, totals, st.binary(max_size=120)))


@given(replies=st.lists(payloads, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_replies_end_in_the_bytes_or_in_a_failure(replies: list[bytes]) -> None:
    """Pieces of any size, of layers of any size: never a wrong length, never a wait without an end."""
    left = iter(replies)

    def anything(request: Frame) -> Iterator[bytes]:
        yield reply(request, next(left, b""))

    try:
        found, _ = trace(anything)
    except EnvironmentFailure as failure:
        assert str(failure).startswith("expected a ")
    else:
        assert found == b"".join(piece[4:] for piece in replies)[: len(OUTPUT)]
