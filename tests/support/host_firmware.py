"""The firmware's command loop around a model, built for this machine: a board without any board or emulator."""

import os
import subprocess
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import resources
from harness.device.link import open_link
from harness.device.runner import Device, greet
from tests.support.host_build import FLAGS

HAL = Path(__file__).parents[1] / "firmware" / "host_hal.c"
SOURCES = ("cobs", "crc32", "frame_receive", "frame_reply", "measure", "commands")


def build(folder: Path, out: Path) -> Path:
    """Build the firmware with the model in `folder` (model.h, model.c), sanitised, and return the program.

    Raises:
        AssertionError: the C compiler complains; the message holds its words.
    """
    firmware, binary = resources.firmware(), out / "firmware"
    sources = [HAL, folder / "model.c", *(firmware / "src" / f"{name}.c" for name in SOURCES)]
    includes = (f"-I{folder}", f"-I{firmware / 'src'}", f"-I{firmware / 'hal'}")
    made = subprocess.run(["cc", *FLAGS, "-g", *includes, *sources, "-o", binary], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[:4000]
    return binary


@contextmanager
def run(binary: Path) -> Iterator[Device]:
    """Run the program behind a pseudo terminal and yield it as a device."""
    master, slave = os.openpty()
    tty.setraw(slave)
    port = os.ttyname(slave)
    with subprocess.Popen([binary], stdin=master, stdout=master) as process:
        os.close(master)
        try:
            with open_link(port) as link:
                yield Device(greet(link), port, None, link)
        finally:
            process.kill()
            os.close(slave)
