"""The platform brings no packages: the compiler is the one on PATH."""

from platformio.public import PlatformBase


class HarnessbaremetalPlatform(PlatformBase):
    """Bare-metal Cortex-M with arm-none-eabi-gcc from PATH."""
