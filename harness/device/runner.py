"""A device that answers, emulated or real: runs inferences on it and measures them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from harness.device import protocol
from harness.device.boards import Board
from harness.device.build import Build
from harness.device.emulators.qemu import qemu_version, run_qemu
from harness.device.link import Link, open_link
from harness.device.protocol import Hello, Measurement, Type
from harness.errors import EnvironmentFailure

HELLO_SECONDS = 5.0
"""A board that has just been reset needs a moment; an emulator a tenth of a second."""
INFERENCE_SECONDS = 60.0
"""For one request; the slowest thinkable model on a slow board, or a busy computer."""


@dataclass(frozen=True)
class Device:
    """A connection to firmware with one model.

    Attributes:
        link: to it.
        hello: what it said of itself.
        emulator: its name and version, None for a real board.
    """

    link: Link
    hello: Hello
    emulator: str | None

    def measure(self, sample: bytes) -> Measurement:
        """Time one inference, whole and layer by layer.

        Args:
            sample: the bytes of all inputs, one after another.

        Raises:
            EnvironmentFailure: the device does not answer, or not as it should.
        """
        reply = self.link.request(Type.MEASURE, sample, timeout=INFERENCE_SECONDS)
        return protocol.decode_measurement(reply, self.hello.layers, self.hello.output_bytes)

    def infer(self, samples: Sequence[bytes], advance: Callable[[int], None] = lambda count: None) -> list[bytes]:
        """Run every sample, as many in one frame as the device takes.

        Args:
            samples: each the bytes of all inputs.
            advance: called with the number of samples done since the last call.

        Returns:
            For each sample the bytes of all outputs.

        Raises:
            EnvironmentFailure: the device does not answer, or not as it should.
        """
        outputs: list[bytes] = []
        for start in range(0, len(samples), self.hello.batch):
            batch = samples[start : start + self.hello.batch]
            reply = self.link.request(Type.INFER, protocol.encode_infer(batch), timeout=INFERENCE_SECONDS)
            answers = protocol.decode_infer(reply, self.hello.output_bytes)
            if len(answers) != len(batch):
                raise EnvironmentFailure(f"expected {len(batch)} answers of the device, got {len(answers)}; run again")
            outputs += answers
            advance(len(batch))
        return outputs


@contextmanager
def open_device(
    board: Board, build: Build, where: Literal["qemu", "hardware"], *, clock: bool, sha256: str, port: str | None = None
) -> Iterator[Device]:
    """Open the device that runs a build.

    Args:
        board: what it is.
        build: its firmware; started where the device is emulated, expected to be flashed where it is real.
        where: "qemu" or "hardware".
        clock: see `run_qemu`; a real board always has its clock.
        sha256: of the model that is expected on it.
        port: of a real board.

    Raises:
        EnvironmentFailure: it does not answer, or runs another model.
    """
    if where == "hardware":
        with open_link(port or "") as link:
            yield _greet(link, sha256, emulator=None)
        return
    version = qemu_version()
    with (
        run_qemu(build.firmware_elf, board, clock=clock) as emulator,
        open_link(emulator.port, emulator.check_alive) as link,
    ):
        yield _greet(link, sha256, emulator=version)


def _greet(link: Link, sha256: str, *, emulator: str | None) -> Device:
    hello = protocol.decode_hello(link.request(Type.HELLO, timeout=HELLO_SECONDS))
    if hello.sha256 != sha256:
        raise EnvironmentFailure(
            f"the device runs another model (SHA-256 {hello.sha256[:12]}..., expected {sha256[:12]}...); "
            "flash it with --flash"
        )
    return Device(link, hello, emulator)
