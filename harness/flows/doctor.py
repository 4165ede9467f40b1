"""`harness doctor`: what is installed, what is missing, and what mends it."""

from dataclasses import dataclass

from harness.device.doctor import checks

# Without these nothing can be measured; the others are advice.
_NEEDED = ("arm-none-eabi-gcc", "newlib-nano", "qemu-system-arm", "platformio")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and whether measuring on an emulated board needs it."""

    name: str
    ok: bool
    needed: bool
    found: str
    remedy: str


def examine() -> list[Finding]:
    """Look at everything; nothing is changed."""
    return [Finding(one.name, one.ok, one.name in _NEEDED, one.found, one.remedy) for one in checks()]
