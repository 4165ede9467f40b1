"""Boards on a pseudo terminal that behave as they are told, well or badly."""

import os
import select
import threading
import time
import tty
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.device.protocol import (
    REPLY,
    Deframer,
    Frame,
    FrameError,
    Hello,
    Tensor,
    Type,
    decode_frame,
    encode_frame,
    encode_hello,
)

HELLO = Hello(
    counter="cycles",
    layers=2,
    clock_hz=64_000_000,
    counter_hz=64_000_000,
    max_payload=4096,
    sha256="ab" * 32,
    inputs=(Tensor("int8", (1, 10), 0.5, -3, 10),),
    outputs=(Tensor("int8", (1, 4), 0.00390625, -128, 4),),
)

Behaviour = Callable[[Frame], Iterable[bytes]]
"""What a board sends for a frame: pieces, a moment apart."""

PAUSE_SECONDS = 0.02


class HangUp(Exception):
    """Raised by a behaviour: the cable is pulled."""


@dataclass
class FakeBoard:
    """A running fake: where it is, and which frames reached it."""

    port: str
    received: list[Frame]


def hello_reply(request: Frame, hello: Hello = HELLO) -> bytes:
    """Return what a good board sends for HELLO."""
    return encode_frame(Frame(Type.HELLO | REPLY, request.sequence, encode_hello(hello)))


def good(request: Frame) -> Iterator[bytes]:
    yield hello_reply(request)


@contextmanager
def fake_board(behave: Behaviour) -> Iterator[FakeBoard]:
    """Run a board on a pty for as long as the context lasts."""
    master, slave = os.openpty()
    tty.setraw(slave)
    board = FakeBoard(os.ttyname(slave), [])
    stop = threading.Event()
    thread = threading.Thread(target=_serve, args=(master, behave, board, stop))
    thread.start()
    try:
        yield board
    finally:
        stop.set()
        thread.join()
        os.close(slave)


def _serve(master: int, behave: Behaviour, board: FakeBoard, stop: threading.Event) -> None:
    deframer = Deframer()
    try:
        while not stop.is_set():
            if not select.select([master], [], [], 0.02)[0]:
                continue
            for encoded in deframer.feed(os.read(master, 4096)):
                try:
                    request = decode_frame(encoded)
                except FrameError:
                    continue
                board.received.append(request)
                for piece in behave(request):
                    os.write(master, piece)
                    time.sleep(PAUSE_SECONDS)
    except HangUp:
        pass
    finally:
        os.close(master)
