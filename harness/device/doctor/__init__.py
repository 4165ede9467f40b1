"""What measuring needs from this computer: what is there, what is missing, and what mends it."""

from harness.device.doctor.check import RULES_FILE, Check, Remedy
from harness.device.doctor.data import data_folder
from harness.device.doctor.modem_manager import modem_manager
from harness.device.doctor.ports import Account, serial_ports
from harness.device.doctor.tools import block_counter, compiler, emulator, newlib_nano, platformio

__all__ = ["RULES_FILE", "Account", "Check", "Remedy", "checks"]


def checks() -> list[Check]:
    """Look at everything; never raises for what is missing, changes nothing."""
    return [
        compiler(), newlib_nano(), emulator(), block_counter(), platformio(), serial_ports(), modem_manager(),
        data_folder(),
    ]  # fmt: skip
