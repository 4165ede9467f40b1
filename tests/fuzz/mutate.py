"""Seeded damage to a .tflite file."""

import struct

import numpy as np
import tflite

# What an offset, a size or a field might be overwritten with: the ends of the ranges and small wrong numbers.
WORDS = (0, 1, 2, 3, 4, 7, 8, 16, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)
LARGE_BUFFER = 64  # bytes; shorter buffers hold axes, shapes and paddings, which count as structure


def structure(content: bytes) -> np.ndarray:
    """Return the positions of all bytes that are not weights."""
    keep = np.ones(len(content), bool)
    model = tflite.Model.GetRootAsModel(content, 0)
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength() >= LARGE_BUFFER:
            start = buffer._tab.Vector(buffer._tab.Offset(4))
            keep[start : start + buffer.DataLength()] = False
    return np.flatnonzero(keep)


def mutate(content: bytes, positions: np.ndarray, seed: int) -> bytes:
    """Return `content` with one to three damages.

    Args:
        content: a good file.
        positions: its bytes that matter, from `structure`; three damages in four strike there, the rest anywhere.
        seed: the same seed damages the same file in the same way.
    """
    rng = np.random.default_rng(seed)
    damages = (_flip_bits, _set_byte, _set_word, _nudge_word, _cut, _repeat, _truncate)
    weights = (0.22, 0.18, 0.2, 0.2, 0.08, 0.08, 0.04)
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.choice(positions)) if rng.random() < 0.75 else int(rng.integers(len(content)))
        damage = damages[rng.choice(len(damages), p=weights)]
        damage(data, min(at, max(0, len(data) - 1)), rng)
    return bytes(data)


def _flip_bits(data: bytearray, at: int, rng: np.random.Generator) -> None:
    if data:
        data[at] ^= 1 << int(rng.integers(8))


def _set_byte(data: bytearray, at: int, rng: np.random.Generator) -> None:
    if data:
        data[at] = int(rng.integers(256))


def _set_word(data: bytearray, at: int, rng: np.random.Generator) -> None:
    if len(data) >= 4:
        struct.pack_into("<I", data, min(at & ~3, len(data) - 4), int(rng.choice(WORDS)))


def _nudge_word(data: bytearray, at: int, rng: np.random.Generator) -> None:
    if len(data) >= 4:
        at = min(at & ~3, len(data) - 4)
        (word,) = struct.unpack_from("<I", data, at)
        struct.pack_into("<I", data, at, (word + int(rng.integers(-16, 17))) % 2**32)


def _cut(data: bytearray, at: int, rng: np.random.Generator) -> None:
    del data[at : at + int(rng.choice([1, 4, 16, 256]))]


def _repeat(data: bytearray, at: int, rng: np.random.Generator) -> None:
    piece = data[at : at + int(rng.choice([1, 4, 16, 256]))]
    data[at:at] = piece * int(rng.integers(1, 4))


def _truncate(data: bytearray, at: int, rng: np.random.Generator) -> None:
    del data[at:]
