"""The wire between host and board, version 1: frames and the messages inside them. Nothing here does any I/O.

A frame is 0x00, COBS(u8 version, u8 type, u16 sequence, payload, u32 CRC-32), 0x00, little-endian throughout. No byte
between the zeros is zero (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999), so a receiver that lost its
place finds it again at the next zero. The CRC-32 is zlib's, over version, type, sequence and payload.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from cobs import cobs

from harness.errors import EnvironmentFailure

VERSION = 1
REPLY = 0x80
MAX_ENCODED = 1 << 20
"""A longer run of bytes without a zero is no frame of ours; bounds what a chattering port can make the host keep."""

TensorType = Literal["int8", "float32"]
CounterKind = Literal["instructions", "cycles"]

_HEADER = struct.Struct("<BBH")
_CRC = struct.Struct("<I")
_HELLO = struct.Struct("<BBHIII32sBB")
_TENSOR_TAIL = struct.Struct("<fiI")
_COUNT = struct.Struct("<H")
_MEASUREMENT = struct.Struct("<IIH")
_TRACE = struct.Struct("<HI")
_TOTAL = struct.Struct("<I")
_TYPES: tuple[TensorType, ...] = ("int8", "float32")
_KINDS: tuple[CounterKind, ...] = ("instructions", "cycles")


class Type(IntEnum):
    """A request's type; its reply has the type with REPLY set, or ERROR."""

    HELLO = 0x01
    INFER = 0x02
    MEASURE = 0x03
    TRACE = 0x04
    ERROR = 0xFF


class ErrorCode(IntEnum):
    """What a device did not like."""

    FRAMING = 1
    CRC = 2
    VERSION = 3
    TYPE = 4
    LENGTH = 5
    FAULT = 6
    RANGE = 7


class FrameError(EnvironmentFailure):
    """Bytes between two zeros that are no frame: broken COBS, or too few bytes."""


class CrcError(FrameError):
    """A frame whose CRC-32 does not match: some of its bytes changed on the way."""


class VersionError(FrameError):
    """A whole frame of another protocol version."""


class MessageError(EnvironmentFailure):
    """A whole frame whose payload does not have the layout of its type."""


class DeviceError(EnvironmentFailure):
    """The device answered with ERROR.

    Attributes:
        code: why; an ErrorCode, or another number from newer firmware.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"the device refused the request: {text} (code {code})")
        self.code = code
        self.text = text

    @property
    def transient(self) -> bool:
        """Whether the request broke on the way, so that sending it again may help."""
        return self.code in (ErrorCode.FRAMING, ErrorCode.CRC)


@dataclass(frozen=True)
class Frame:
    """One frame: its type (0..255), sequence number (0..65535) and payload."""

    type: int
    sequence: int
    payload: bytes = b""


@dataclass(frozen=True)
class Tensor:
    """An input or output of the model on the device.

    Attributes:
        type: of its elements.
        shape: its dimensions, outermost first.
        scale: real value of one quantisation step; 0 for float32.
        zero_point: the integer that stands for 0.0.
        bytes: its size.
    """

    type: TensorType
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    bytes: int


@dataclass(frozen=True)
class Hello:
    """What a device says about itself.

    Attributes:
        counter: what its ticks are derived from: emulated "instructions" or the core's "cycles".
        layers: how many layers a MEASURE reply times.
        clock_hz: the core's clock.
        counter_hz: ticks per second of device time.
        max_payload: the largest payload it accepts, bytes.
        sha256: of the .tflite it runs, 64 hexadecimal digits.
        inputs: the model's inputs, in order.
        outputs: the model's outputs, in order.
        version: of the protocol.
    """

    counter: CounterKind
    layers: int
    clock_hz: int
    counter_hz: int
    max_payload: int
    sha256: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    version: int = VERSION

    @property
    def input_bytes(self) -> int:
        """Return the bytes of one sample: all inputs, one after another."""
        return sum(tensor.bytes for tensor in self.inputs)

    @property
    def output_bytes(self) -> int:
        """Return the bytes of one answer: all outputs, one after another."""
        return sum(tensor.bytes for tensor in self.outputs)

    @property
    def batch(self) -> int:
        """Return how many samples fit into one INFER request (at least one, or the firmware is wrong)."""
        return max(1, min(0xFFFF, (self.max_payload - _COUNT.size) // max(1, self.input_bytes)))


@dataclass(frozen=True)
class Measurement:
    """One measured inference, in ticks of the device's counter.

    Attributes:
        ticks: of the whole inference; an empty function counts 0.
        layer_ticks: of each layer, timed on its own.
        stack_bytes: deepest use below the stack pointer at entry to the model.
        outputs: the output bytes, all outputs one after another.
    """

    ticks: int
    layer_ticks: tuple[int, ...]
    stack_bytes: int
    outputs: bytes


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes to send, both zeros included."""
    content = _HEADER.pack(VERSION, frame.type, frame.sequence) + frame.payload
    encoded: bytes = cobs.encode(content + _CRC.pack(zlib.crc32(content)))
    return b"\0" + encoded + b"\0"


def decode_frame(encoded: bytes) -> Frame:
    """Decode what stood between two zeros.

    Args:
        encoded: the bytes, without the zeros.

    Raises:
        FrameError: no COBS, or shorter than a frame can be.
        CrcError: the CRC-32 does not match.
        VersionError: another version of the protocol.
    """
    try:
        decoded = cobs.decode(encoded)
    except cobs.DecodeError as error:
        raise FrameError(f"expected a COBS frame, got {len(encoded)} bytes that are none ({error})") from error
    if len(decoded) < _HEADER.size + _CRC.size:
        raise FrameError(f"expected a frame of at least {_HEADER.size + _CRC.size} bytes, got {len(decoded)}")
    content, crc = decoded[: -_CRC.size], decoded[-_CRC.size :]
    if _CRC.unpack(crc)[0] != zlib.crc32(content):
        raise CrcError(f"the CRC-32 of a frame of {len(decoded)} bytes does not match")
    version, kind, sequence = _HEADER.unpack_from(content)
    if version != VERSION:
        raise VersionError(f"the device speaks protocol version {version}, expected {VERSION}; flash it with --flash")
    return Frame(kind, sequence, content[_HEADER.size :])


class Deframer:
    """Cuts a stream of bytes at its zeros.

    What comes out is everything that stood before a zero: frames, and whatever else was said in between, which
    decode_frame tells apart. An empty stretch (the end of one frame beside the start of the next) is left out.
    """

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream; return the stretches that they complete."""
        *complete, rest = bytes(self._pending + data).split(b"\0") if b"\0" in data else [self._pending + data]
        self._pending = bytearray(rest[-MAX_ENCODED:])
        return [bytes(stretch) for stretch in complete if stretch]


def encode_error(code: int, text: str) -> bytes:
    """Return the payload of an ERROR reply."""
    return bytes([code]) + text.encode("ascii", "replace")


def decode_error(payload: bytes) -> DeviceError:
    """Return an ERROR reply as the exception to raise."""
    if not payload:
        return DeviceError(0, "no reason given")
    text = payload[1:].decode("ascii", "replace")
    return DeviceError(payload[0], "".join(c if c.isprintable() else "?" for c in text) or "no reason given")


def encode_hello(hello: Hello) -> bytes:
    """Return the payload of a HELLO reply."""
    head = _HELLO.pack(
        hello.version,
        _KINDS.index(hello.counter),
        hello.layers,
        hello.clock_hz,
        hello.counter_hz,
        hello.max_payload,
        bytes.fromhex(hello.sha256),
        len(hello.inputs),
        len(hello.outputs),
    )
    return head + b"".join(_encode_tensor(tensor) for tensor in hello.inputs + hello.outputs)


def decode_hello(payload: bytes) -> Hello:
    """Decode a HELLO reply.

    Raises:
        VersionError: the device speaks another version.
        MessageError: not the layout of a HELLO reply.
    """
    try:
        version, kind, layers, clock_hz, counter_hz, max_payload, sha256, inputs, outputs = _HELLO.unpack_from(payload)
        if version != VERSION:
            raise VersionError(f"the device speaks protocol version {version}, expected {VERSION}; flash it anew")
        tensors, offset = [], _HELLO.size
        for _ in range(inputs + outputs):
            tensor, offset = _decode_tensor(payload, offset)
            tensors.append(tensor)
        counter = _KINDS[kind]
    except (struct.error, IndexError) as error:
        raise MessageError(f"expected a HELLO reply, got {len(payload)} bytes of another layout ({error})") from error
    if offset != len(payload):
        raise MessageError(f"expected a HELLO reply of {offset} bytes, got {len(payload)}")
    first, rest = tuple(tensors[:inputs]), tuple(tensors[inputs:])
    return Hello(counter, layers, clock_hz, counter_hz, max_payload, sha256.hex(), first, rest)


def encode_infer(samples: Sequence[bytes]) -> bytes:
    """Return the payload of an INFER request (samples of inputs), or of its reply (samples of outputs)."""
    return _COUNT.pack(len(samples)) + b"".join(samples)


def decode_infer(payload: bytes, sample_bytes: int) -> list[bytes]:
    """Decode an INFER request or reply.

    Args:
        payload: u16 count, then that many samples.
        sample_bytes: the length of one.

    Raises:
        MessageError: the length does not fit the count.
    """
    count = _COUNT.unpack_from(payload)[0] if len(payload) >= _COUNT.size else 0
    expected = _COUNT.size + count * sample_bytes
    if len(payload) != expected:
        raise MessageError(f"expected {count} samples of {sample_bytes} bytes ({expected} in all), got {len(payload)}")
    starts = (_COUNT.size + i * sample_bytes for i in range(count))
    return [payload[start : start + sample_bytes] for start in starts]


def encode_measurement(measurement: Measurement) -> bytes:
    """Return the payload of a MEASURE reply."""
    layers = measurement.layer_ticks
    head = _MEASUREMENT.pack(measurement.ticks, measurement.stack_bytes, len(layers))
    return head + struct.pack(f"<{len(layers)}I", *layers) + measurement.outputs


def decode_measurement(payload: bytes, layers: int, output_bytes: int) -> Measurement:
    """Decode a MEASURE reply.

    Args:
        payload: the reply's.
        layers: how many the device announced in its HELLO.
        output_bytes: of one sample.

    Raises:
        MessageError: not the layout of a MEASURE reply, or another number of layers.
    """
    expected = _MEASUREMENT.size + 4 * layers + output_bytes
    if len(payload) != expected:
        raise MessageError(f"expected a MEASURE reply of {expected} bytes, got {len(payload)}")
    ticks, stack_bytes, count = _MEASUREMENT.unpack_from(payload)
    if count != layers:
        raise MessageError(f"expected the ticks of {layers} layers, got {count}")
    layer_ticks = struct.unpack_from(f"<{layers}I", payload, _MEASUREMENT.size)
    return Measurement(ticks, layer_ticks, stack_bytes, payload[expected - output_bytes :])


def encode_trace(layer: int, offset: int, sample: bytes) -> bytes:
    """Return the payload of a TRACE request: what `layer` writes for a sample, from byte `offset` of its output on."""
    return _TRACE.pack(layer, offset) + sample


def encode_traced(total: int, piece: bytes) -> bytes:
    """Return the payload of a TRACE reply: the bytes of the layer's whole output, and a piece of it."""
    return _TOTAL.pack(total) + piece


def decode_traced(payload: bytes, offset: int, total: int) -> bytes:
    """Decode a TRACE reply.

    Args:
        payload: the reply's.
        offset: that was asked for.
        total: bytes of the layer's whole output.

    Returns:
        The output's bytes from `offset` on, at least one.

    Raises:
        MessageError: an output of another size, no bytes, or more than there are.
    """
    piece = payload[_TOTAL.size :]
    if not 0 < len(piece) <= total - offset:
        raise MessageError(f"expected a TRACE reply of 1 to {total - offset} bytes of a layer, got {len(piece)}")
    announced = _TOTAL.unpack_from(payload)[0]
    if announced != total:
        raise MessageError(f"expected a layer's output of {total} bytes, the device has one of {announced}")
    return piece


def describe_bytes(data: Iterable[int], limit: int = 24) -> str:
    """Return the last bytes for a human: as text where they are printable, in hexadecimal too."""
    last = bytes(data)[-limit:]
    if not last:
        return "nothing"
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in last)
    return f"{last.hex(' ')} ({text})"


def _encode_tensor(tensor: Tensor) -> bytes:
    head = struct.pack("<BB", _TYPES.index(tensor.type), len(tensor.shape))
    tail = _TENSOR_TAIL.pack(tensor.scale, tensor.zero_point, tensor.bytes)
    return head + struct.pack(f"<{len(tensor.shape)}i", *tensor.shape) + tail


def _decode_tensor(payload: bytes, offset: int) -> tuple[Tensor, int]:
    kind, rank = struct.unpack_from("<BB", payload, offset)
    shape = struct.unpack_from(f"<{rank}i", payload, offset + 2)
    tail = offset + 2 + 4 * rank
    scale, zero_point, size = _TENSOR_TAIL.unpack_from(payload, tail)
    return Tensor(_TYPES[kind], shape, scale, zero_point, size), tail + _TENSOR_TAIL.size
