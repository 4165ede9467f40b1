"""The wire: what is encoded decodes to the same, and damage never passes for a frame."""

import struct
import zlib
from contextlib import suppress
from dataclasses import replace

import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from harness.device import protocol
from harness.device.protocol import (
    CrcError,
    Deframer,
    ErrorCode,
    Frame,
    FrameError,
    Hello,
    Measurement,
    MessageError,
    Tensor,
    VersionError,
    decode_frame,
    encode_frame,
)
from tests.device.fakes import HELLO

u16, u32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
i32 = st.integers(-(2**31), 2**31 - 1)
frames = st.builds(Frame, type=st.integers(0, 255), sequence=u16, payload=st.binary(max_size=700))
tensors = st.builds(
    Tensor,
    type=st.sampled_from(["int8", "float32"]),
    shape=st.lists(i32, max_size=5).map(tuple),
    scale=st.floats(width=32, allow_nan=False),
    zero_point=i32,
    bytes=u32,
)
tensor_lists = st.lists(tensors, max_size=3).map(tuple)
hellos = st.builds(
    Hello,
    counter=st.sampled_from(["instructions", "cycles"]),
    layers=u16,
    clock_hz=u32,
    counter_hz=u32,
    max_payload=u32,
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    inputs=tensor_lists,
    outputs=tensor_lists,
    version=st.just(1),
)
measurements = st.builds(
    Measurement,
    ticks=u32,
    layer_ticks=st.lists(u32, max_size=30).map(tuple),
    stack_bytes=u32,
    outputs=st.binary(max_size=50),
)


def decodable(stream: bytes, feed_size: int = 7) -> list[Frame]:
    """Return every frame that a receiver finds in a stream that comes in pieces."""
    deframer, found = Deframer(), []
    for at in range(0, len(stream), feed_size):
        for encoded in deframer.feed(stream[at : at + feed_size]):
            try:
                found.append(decode_frame(encoded))
            except FrameError:
                continue
    return found


def test_a_frame_is_what_the_contract_says() -> None:
    content = struct.pack("<BBH", 1, 2, 0x0304) + b"\0\x05"
    expected = b"\0" + cobs.encode(content + struct.pack("<I", zlib.crc32(content))) + b"\0"
    assert encode_frame(Frame(2, 0x0304, b"\0\x05")) == expected


@given(frames)
def test_frames_round_trip(frame: Frame) -> None:
    encoded = encode_frame(frame)
    assert encoded[0] == encoded[-1] == 0 and 0 not in encoded[1:-1]
    assert decode_frame(encoded[1:-1]) == frame


@given(st.lists(frames, max_size=5), st.integers(1, 300))
def test_a_stream_in_pieces_gives_its_frames_in_order(sent: list[Frame], size: int) -> None:
    assert decodable(b"".join(map(encode_frame, sent)), size) == sent


@given(st.lists(frames, max_size=3), st.binary(max_size=40).map(lambda b: b.replace(b"\0", b"")))
def test_text_between_frames_is_skipped(sent: list[Frame], text: bytes) -> None:
    assert decodable(text + text.join(map(encode_frame, sent)) + text) == sent


@given(frames, st.data())
def test_damage_is_noticed_and_the_next_frame_is_found(damaged: Frame, data: st.DataObject) -> None:
    encoded = bytearray(encode_frame(damaged))
    at = data.draw(st.integers(0, len(encoded) - 1), "position")
    kind = data.draw(st.sampled_from(["change", "drop", "insert", "cut"]), "damage")
    if kind == "change":
        encoded[at] ^= data.draw(st.integers(1, 255), "bits")
    elif kind == "drop":
        del encoded[at]
    elif kind == "insert":
        encoded.insert(at, data.draw(st.integers(0, 255), "byte"))
    else:
        del encoded[at:]
    following = Frame(9, 77, b"after the storm")
    found = decodable(bytes(encoded) + encode_frame(following) + encode_frame(following))
    # A damaged delimiter may leave the frame whole; nothing else may come out, and the line recovers by itself.
    assert set(found) <= {damaged, following}
    assert found[-1] == following


def test_broken_frames_say_what_is_wrong() -> None:
    whole = bytearray(cobs.decode(encode_frame(Frame(1, 2, b"abc"))[1:-1]))
    whole[5] ^= 1
    with pytest.raises(CrcError, match="CRC-32"):
        decode_frame(cobs.encode(bytes(whole)))
    with pytest.raises(FrameError, match="at least 8 bytes, got 3"):
        decode_frame(cobs.encode(b"abc"))
    with pytest.raises(FrameError, match="expected a COBS frame"):
        decode_frame(b"\x09abc")
    other = struct.pack("<BBH", 2, 1, 1)
    with pytest.raises(VersionError, match="version 2, expected 1"):
        decode_frame(cobs.encode(other + struct.pack("<I", zlib.crc32(other))))


def test_a_chattering_line_does_not_fill_the_memory() -> None:
    deframer = Deframer()
    for _ in range(40):
        assert deframer.feed(b"x" * 100_000) == []
    (stretch,) = deframer.feed(b"\0")
    assert len(stretch) <= protocol.MAX_ENCODED


@given(hellos)
def test_hello_round_trips(hello: Hello) -> None:
    assert protocol.decode_hello(protocol.encode_hello(hello)) == hello


@given(hellos, st.data())
def test_a_hello_of_another_length_is_refused(hello: Hello, data: st.DataObject) -> None:
    payload = protocol.encode_hello(hello)
    with pytest.raises(MessageError, match="HELLO"):
        protocol.decode_hello(payload + data.draw(st.binary(min_size=1, max_size=5)))
    with pytest.raises(MessageError, match="HELLO"):
        protocol.decode_hello(payload[: data.draw(st.integers(0, len(payload) - 1))])


def test_a_hello_of_another_version_is_named() -> None:
    with pytest.raises(VersionError, match="version 7"):
        protocol.decode_hello(protocol.encode_hello(replace(HELLO, version=7)))


@given(st.integers(0, 20).flatmap(lambda n: st.lists(st.binary(min_size=n, max_size=n), max_size=9)))
def test_batches_round_trip(samples: list[bytes]) -> None:
    size = len(samples[0]) if samples else 3
    assert protocol.decode_infer(protocol.encode_infer(samples), size) == samples


@pytest.mark.parametrize("payload", [b"", b"\1", b"\2\0abc", b"\1\0abcd"])
def test_a_batch_that_does_not_fit_its_count_is_refused(payload: bytes) -> None:
    with pytest.raises(MessageError, match="samples of 3 bytes"):
        protocol.decode_infer(payload, 3)


@given(measurements)
def test_measurements_round_trip(measurement: Measurement) -> None:
    payload = protocol.encode_measurement(measurement)
    layers, size = len(measurement.layer_ticks), len(measurement.outputs)
    assert protocol.decode_measurement(payload, layers, size) == measurement
    with pytest.raises(MessageError, match="MEASURE"):
        protocol.decode_measurement(payload + b"!", layers, size)


def test_a_measurement_with_other_layers_is_refused() -> None:
    payload = protocol.encode_measurement(Measurement(1, (2, 3), 4, b"abcd"))
    with pytest.raises(MessageError, match="1 layers, got 2"):
        protocol.decode_measurement(payload, 1, 8)


@given(st.data(), st.binary(min_size=1, max_size=60), st.integers(0, 40))
def test_pieces_of_a_layer_round_trip(data: st.DataObject, piece: bytes, offset: int) -> None:
    total = offset + len(piece) + data.draw(st.integers(0, 40), "left")
    assert protocol.decode_traced(protocol.encode_traced(total, piece), offset, total) == piece
    for wrong in (protocol.encode_traced(total, b""), protocol.encode_traced(total, bytes(total - offset + 1))):
        with pytest.raises(MessageError, match="TRACE"):
            protocol.decode_traced(wrong, offset, total)
    with pytest.raises(MessageError, match=f"output of {total} bytes, the device has one of {total + 1}"):
        protocol.decode_traced(protocol.encode_traced(total + 1, piece), offset, total)


@given(st.binary(max_size=20), st.integers(0, 9))
def test_any_traced_reply_is_a_piece_or_refused(payload: bytes, offset: int) -> None:
    with suppress(MessageError):
        assert 0 < len(protocol.decode_traced(payload, offset, 10)) <= 10 - offset


def test_errors_carry_code_and_text() -> None:
    error = protocol.decode_error(protocol.encode_error(ErrorCode.LENGTH, "too long"))
    assert (error.code, error.text, error.transient) == (ErrorCode.LENGTH, "too long", False)
    assert protocol.decode_error(protocol.encode_error(ErrorCode.CRC, "")).transient
    assert "\x1b" not in str(protocol.decode_error(b"\x06\x1b[31m"))
    assert protocol.decode_error(b"").code == 0


def test_the_batch_is_what_the_buffer_holds() -> None:
    assert HELLO.batch == 409
    assert replace(HELLO, max_payload=12).batch == 1
