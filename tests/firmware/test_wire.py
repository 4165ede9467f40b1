"""The firmware's half of the wire, compiled for the host with sanitizers, against the host's half."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.device import protocol
from harness.device.protocol import Deframer, ErrorCode, Frame, Type
from tests.support.host_firmware import build

INPUT_BYTES, WIDE_BYTES, OUTPUT_BYTES, MAX_PAYLOAD = 300, 10_000, 5, 4096
SAMPLE = bytes(range(200)) + bytes(100)
WIDE = bytes((SAMPLE[i % INPUT_BYTES] + i // INPUT_BYTES) % 256 for i in range(WIDE_BYTES))
ANSWER = bytes(b + 1 for b in SAMPLE[:OUTPUT_BYTES])


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(Path(__file__).parent, tmp_path_factory.mktemp("wire"))


def talk(firmware: Path, sent: bytes) -> list[Frame]:
    """Send bytes, then close the line; return the frames that came back."""
    process = subprocess.run([firmware], input=sent, capture_output=True, timeout=20)
    assert process.returncode == 0, process.stderr.decode()
    return [protocol.decode_frame(stretch) for stretch in Deframer().feed(process.stdout)]


def request(kind: int, payload: bytes = b"", sequence: int = 1) -> bytes:
    return protocol.encode_frame(Frame(kind, sequence, payload))


def error_code(frame: Frame) -> int:
    assert frame.type == Type.ERROR
    return protocol.decode_error(frame.payload).code


def test_hello_says_what_the_model_is(firmware: Path) -> None:
    (reply,) = talk(firmware, request(Type.HELLO, sequence=513))
    hello = protocol.decode_hello(reply.payload)
    assert (reply.type, reply.sequence) == (Type.HELLO | protocol.REPLY, 513)
    assert hello.sha256 == "00112233445566778899aabbccddeeff" * 2
    assert (hello.inputs[0].shape, hello.inputs[0].scale, hello.inputs[0].zero_point) == ((1, INPUT_BYTES), 0.5, -3)
    assert (hello.outputs[0].shape, hello.outputs[0].scale, hello.outputs[0].zero_point) == ((OUTPUT_BYTES,), 0.25, 7)
    assert (hello.clock_hz, hello.counter_hz, hello.layers, hello.max_payload) == (64_000_000, 1000, 2, MAX_PAYLOAD)
    assert hello.counter == "cycles"


def test_infer_answers_each_sample_of_a_batch(firmware: Path) -> None:
    (reply,) = talk(firmware, request(Type.INFER, protocol.encode_infer([SAMPLE, bytes(INPUT_BYTES), SAMPLE])))
    assert protocol.decode_infer(reply.payload, OUTPUT_BYTES) == [ANSWER, b"\1" * OUTPUT_BYTES, ANSWER]


def test_the_largest_frame_that_hello_promises_is_accepted(firmware: Path) -> None:
    batch = (MAX_PAYLOAD - 2) // INPUT_BYTES
    (reply,) = talk(firmware, request(Type.INFER, protocol.encode_infer([SAMPLE] * batch)))
    assert protocol.decode_infer(reply.payload, OUTPUT_BYTES) == [ANSWER] * batch


def test_measure_counts_without_the_cost_of_counting(firmware: Path) -> None:
    (reply,) = talk(firmware, request(Type.MEASURE, SAMPLE))
    measured = protocol.decode_measurement(reply.payload, layers=2, output_bytes=OUTPUT_BYTES)
    assert (measured.ticks, measured.layer_ticks, measured.stack_bytes) == (10, (4, 6), 96)
    assert measured.outputs == ANSWER


def test_trace_sends_what_a_layer_wrote_in_pieces(firmware: Path) -> None:
    """The second layer destroys what the first wrote, so it must not have run."""
    room = MAX_PAYLOAD - 4
    starts = range(0, WIDE_BYTES, room)
    asked = b"".join(request(Type.TRACE, protocol.encode_trace(0, at, SAMPLE), at + 1) for at in starts)
    replies = talk(firmware, asked)
    assert [(reply.type, reply.sequence) for reply in replies] == [(0x84, at + 1) for at in starts]
    pieces = [protocol.decode_traced(reply.payload, at, WIDE_BYTES) for reply, at in zip(replies, starts, strict=True)]
    assert [len(piece) for piece in pieces] == [room, room, WIDE_BYTES - 2 * room]
    assert b"".join(pieces) == WIDE


def test_trace_runs_the_layers_before(firmware: Path) -> None:
    last = request(Type.TRACE, protocol.encode_trace(1, 0, SAMPLE))
    one_byte = request(Type.TRACE, protocol.encode_trace(0, WIDE_BYTES - 1, SAMPLE))
    payloads = [reply.payload for reply in talk(firmware, last + one_byte + last)]
    assert payloads == [protocol.encode_traced(OUTPUT_BYTES, ANSWER), protocol.encode_traced(WIDE_BYTES, WIDE[-1:]),
                        protocol.encode_traced(OUTPUT_BYTES, ANSWER)]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        (0x42, b"", ErrorCode.TYPE),
        (Type.INFER, b"", ErrorCode.LENGTH),
        (Type.INFER, b"\2\0" + SAMPLE, ErrorCode.LENGTH),
        (Type.INFER, b"\1\0" + SAMPLE[:-1], ErrorCode.LENGTH),
        (Type.MEASURE, SAMPLE + b"x", ErrorCode.LENGTH),
        (Type.INFER, bytes(5000), ErrorCode.LENGTH),
        (Type.TRACE, b"", ErrorCode.LENGTH),
        (Type.TRACE, protocol.encode_trace(0, 0, SAMPLE[:-1]), ErrorCode.LENGTH),
        (Type.TRACE, protocol.encode_trace(0, 0, SAMPLE + b"x"), ErrorCode.LENGTH),
        (Type.TRACE, protocol.encode_trace(2, 0, SAMPLE), ErrorCode.RANGE),
        (Type.TRACE, protocol.encode_trace(0xFFFF, 0, SAMPLE), ErrorCode.RANGE),
        (Type.TRACE, protocol.encode_trace(0, WIDE_BYTES, SAMPLE), ErrorCode.RANGE),
        (Type.TRACE, protocol.encode_trace(1, 0xFFFFFFFF, SAMPLE), ErrorCode.RANGE),
    ],
)
def test_a_wrong_request_is_refused_and_the_next_one_answered(
    firmware: Path, kind: int, payload: bytes, code: ErrorCode
) -> None:
    first, second = talk(firmware, request(kind, payload, 7) + request(Type.HELLO, sequence=8))
    assert error_code(first) == code
    assert (second.type, second.sequence) == (Type.HELLO | protocol.REPLY, 8)


def test_another_version_is_refused(firmware: Path) -> None:
    content = bytes([2, Type.HELLO, 1, 0])
    encoded = protocol.cobs.encode(content + protocol.zlib.crc32(content).to_bytes(4, "little"))
    (reply,) = talk(firmware, b"\0" + encoded + b"\0")
    assert error_code(reply) == ErrorCode.VERSION


@given(at=st.integers(1, 40), flip=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_is_noticed_and_a_repeated_request_answered(firmware: Path, at: int, flip: int) -> None:
    good = request(Type.MEASURE, SAMPLE, 3)
    bad = good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :]
    replies = talk(firmware, bad + good + good)
    assert replies[-1].type == Type.MEASURE | protocol.REPLY
    assert all(frame.payload == replies[-1].payload for frame in replies if frame.type != Type.ERROR)
    assert any(frame.type == Type.ERROR for frame in replies)


@given(noise=st.binary(max_size=600))
@settings(max_examples=60, deadline=None)
def test_noise_never_stops_the_device(firmware: Path, noise: bytes) -> None:
    # The first request may complete the noise's last, broken frame; the second cannot.
    replies = talk(firmware, noise + request(Type.HELLO, sequence=20) + request(Type.HELLO, sequence=21))
    assert (replies[-1].type, replies[-1].sequence) == (Type.HELLO | protocol.REPLY, 21)


@given(garbage=st.binary(max_size=100).map(lambda data: data.replace(b"\0", b"\1")))
@settings(max_examples=30, deadline=None)
def test_bytes_between_frames_are_not_answered(firmware: Path, garbage: bytes) -> None:
    replies = talk(firmware, garbage + request(Type.HELLO, sequence=1) + garbage + request(Type.HELLO, sequence=2))
    assert [frame.sequence for frame in replies] == [1, 2]
