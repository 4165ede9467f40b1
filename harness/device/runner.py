"""Runs a build on a board or on its emulated twin: one `Device`, whichever it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.device import flash, protocol
from harness.device.blocks.counter import Counter
from harness.device.blocks.inference import Inference
from harness.device.boards import Board
from harness.device.build import Build
from harness.device.emulators import qemu, renode
from harness.device.link import Link, open_link
from harness.device.protocol import Hello, Measurement, Type
from harness.errors import EnvironmentFailure, UserError

HELLO_SECONDS = 2.0
INFER_SECONDS = 30.0
"""Far more than any model that fits a microcontroller takes, for a batch, on a loaded machine."""


@dataclass(frozen=True)
class Device:
    """A device that answered and runs the right model.

    Attributes:
        hello: what it says about itself.
        port: where it is attached.
        emulator: which emulator it is, e.g. "qemu 7.2.22"; None for hardware.
        counter: what counts its blocks; None where nothing does.
    """

    hello: Hello
    port: str
    emulator: str | None
    _link: Link
    counter: Counter | None = None

    def infer(self, inputs: NDArray[np.uint8 | np.int8]) -> Iterator[NDArray[np.uint8]]:
        """Run samples, as many at once as the device's buffer holds.

        Args:
            inputs: (n, input_bytes), each row all inputs of one sample.

        Yields:
            (k, output_bytes) for the next k samples, in order; k is hello.batch but for the last.

        Raises:
            UserError: the rows have another length than the model's inputs.
            EnvironmentFailure: the device does not answer, or not what was asked.
        """
        if inputs.ndim != 2 or inputs.shape[1] * inputs.itemsize != self.hello.input_bytes:
            raise UserError(
                f"expected samples of {self.hello.input_bytes} bytes, got an array of shape {inputs.shape}; "
                "give each sample as one row of bytes"
            )
        for start in range(0, len(inputs), self.hello.batch):
            yield self._infer_batch([row.tobytes() for row in inputs[start : start + self.hello.batch]])

    def measure(self, sample: bytes) -> Measurement:
        """Run one sample under the device's counter.

        Args:
            sample: input_bytes bytes.

        Raises:
            UserError: another length.
            EnvironmentFailure: the device does not answer, or not what was asked.
        """
        if len(sample) != self.hello.input_bytes:
            raise UserError(f"expected a sample of {self.hello.input_bytes} bytes, got {len(sample)}")
        payload = self._link.request(Type.MEASURE, sample, timeout=INFER_SECONDS)
        return protocol.decode_measurement(payload, self.hello.layers, self.hello.output_bytes)

    def trace(self, layer: int, sample: bytes, total: int) -> bytes:
        """Return what a layer writes for a sample, read right after the layer ran.

        Args:
            layer: its index; the layers before it run too.
            sample: input_bytes bytes.
            total: bytes of the layer's output.

        Raises:
            UserError: a sample of another length.
            EnvironmentFailure: the device does not answer, or not what was asked.
        """
        if len(sample) != self.hello.input_bytes:
            raise UserError(f"expected a sample of {self.hello.input_bytes} bytes, got {len(sample)}")
        found = b""
        while len(found) < total:
            request = protocol.encode_trace(layer, len(found), sample)
            reply = self._link.request(Type.TRACE, request, timeout=INFER_SECONDS)
            found += protocol.decode_traced(reply, len(found), total)
        return found

    def counted(self) -> list[Inference] | None:
        """Return what each `measure` so far has spent, by its executed blocks; None where nothing counts them.

        Raises:
            BlocksUnavailable: the counts cannot be read.
        """
        return self.counter.inferences(self.hello.layers) if self.counter else None

    def _infer_batch(self, samples: list[bytes]) -> NDArray[np.uint8]:
        payload = self._link.request(Type.INFER, protocol.encode_infer(samples), timeout=INFER_SECONDS)
        outputs = protocol.decode_infer(payload, self.hello.output_bytes)
        if len(outputs) != len(samples):
            raise EnvironmentFailure(f"expected {len(samples)} outputs from {self.port}, got {len(outputs)}")
        return np.frombuffer(b"".join(outputs), np.uint8).reshape(len(outputs), self.hello.output_bytes)


@contextmanager
def open_device(
    board: Board,
    build: Build,
    where: str,
    *,
    sha256: str,
    clock: bool,
    counter: Counter | None = None,
    port: str | None = None,
    force: bool = False,
    fresh: bool = False,
) -> Iterator[Device]:
    """Run a build and yield the device, ready for samples; all that was started ends with the context.

    Args:
        board: what the build is for.
        build: its ELFs and project.
        where: "qemu" or "hardware"; "renode" is refused with a reason.
        sha256: of the model in the build, 64 hexadecimal digits.
        clock: whether an emulator counts instructions exactly, at a quarter of the speed; a board always counts.
        counter: counts the blocks that an emulator executes; a board cannot.
        port: the board's port, where it is not to be looked for.
        force: flash a board even if it does not answer our handshake (`--flash`).
        fresh: flash a board even if it runs this model already: it may be other code for the same model.

    Raises:
        UserError: no board attached, or several; or it may hold somebody's sketch.
        EnvironmentFailure: emulator or board is missing, silent, died or runs another model.
    """
    if where == "renode":
        raise renode.refuse()
    if where == "hardware":
        with _on_hardware(board, build, sha256, port, force, fresh) as device:
            yield device
        return
    shift = board.emulator.icount_shift if clock else None
    plugin = counter.options() if counter else None
    with (
        qemu.emulate(build.firmware_elf, board.emulator.machine, shift, plugin) as emulated,
        open_link(emulated.port, emulated.check_alive) as link,
    ):
        hello = greet(link)
        _check_model(hello, sha256, emulated.port)
        yield Device(hello, emulated.port, qemu.qemu_version(), link, counter)


def greet(link: Link) -> Hello:
    """Ask a device who it is; the first answer after a reset may take a few tries.

    Raises:
        EnvironmentFailure: it does not answer as the protocol says.
    """
    return protocol.decode_hello(link.request(Type.HELLO, timeout=HELLO_SECONDS, attempts=10))


@contextmanager
def _on_hardware(
    board: Board, build: Build, sha256: str, port: str | None, force: bool, fresh: bool
) -> Iterator[Device]:
    port = port or flash.find_port(board, bootloader=force)
    if fresh or flash.running_model(port) != sha256:
        port = flash.flash(build, board, port, force=force)
    with open_link(port) as link:
        hello = greet(link)
        _check_model(hello, sha256, port)
        yield Device(hello, port, None, link)


def _check_model(hello: Hello, sha256: str, port: str) -> None:
    if hello.sha256 != sha256:
        raise EnvironmentFailure(
            f"expected the device on {port} to run the model {sha256[:12]}..., it runs {hello.sha256[:12]}...; "
            "flash it anew with --flash"
        )
