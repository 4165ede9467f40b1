"""ModemManager sends modem commands to every new port, and keeps it busy for seconds, unless a udev rule forbids it."""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from harness.device.boards import Board, load_boards
from harness.device.doctor.check import Check, Remedy

NAME = "ModemManager"
FOLDERS = tuple(f"{place}/udev/rules.d" for place in ("etc", "run", "usr/local/lib", "usr/lib", "lib"))
"""In udev's order: a file hides those of its name in later folders."""

_IGNORED = re.compile(r'ENV\{ID_MM_DEVICE_IGNORE\}\s*:?=\s*"1"')
_MATCH = r'ATTRS?\{%s\}\s*==\s*"([^"]*)"'


def modem_manager(root: Path = Path("/"), boards: Iterable[Board] | None = None) -> Check:
    """Whether ModemManager runs and would take the boards for modems.

    Args:
        root: the folder with proc/ and udev's rules.
        boards: what it is to keep away from; all there are where left out.
    """
    if not any(_command_of(process) == NAME for process in root.glob("proc/[0-9]*")):
        return Check(NAME, True, "not running")
    ids = usb_ids(load_boards().values() if boards is None else boards)
    rules = list(_ignored(root))
    probed = [usb for usb in ids if not any(_matches(rule, usb) for rule in rules)]
    if probed:
        return Check(NAME, False, f"running; it probes {', '.join(probed)}", Remedy(rules=rules_for(ids)))
    return Check(NAME, True, "running; udev rules keep it away from the boards")


def usb_ids(boards: Iterable[Board]) -> list[str]:
    """Return the USB ids ("2341:805a") of boards, those of their bootloaders included."""
    return sorted({usb for board in boards for usb in board.usb_ids + board.bootloader_usb_ids})


def rules_for(ids: Iterable[str]) -> str:
    """Return udev rules that keep ModemManager away from devices with these USB ids."""
    lines = (
        f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", '
        'ENV{ID_MM_DEVICE_IGNORE}="1", ENV{ID_MM_PORT_IGNORE}="1"\n'
        for vendor, product in (usb.split(":") for usb in ids)
    )
    return f"# Written by harness setup: ModemManager keeps away from these boards.\n{''.join(lines)}"


def _ignored(root: Path) -> Iterator[tuple[str, str]]:
    """Yield vendor and product, as udev's patterns, of every rule that forbids ModemManager a device."""
    files: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in root.glob(f"{folder}/*.rules"):
            files.setdefault(path.name, path)
    for path in files.values():
        for line in _read(path).replace("\\\n", "").splitlines():
            vendor = re.search(_MATCH % "idVendor", line)
            product = re.search(_MATCH % "idProduct", line)
            if vendor and _IGNORED.search(line) and not line.lstrip().startswith("#"):
                yield vendor[1], product[1] if product else "*"


def _matches(rule: tuple[str, str], usb: str) -> bool:
    return all(
        any(fnmatchcase(value, pattern) for pattern in patterns.split("|"))
        for value, patterns in zip(usb.split(":"), rule, strict=True)
    )


def _command_of(process: Path) -> str:
    return _read(process / "comm").strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # ended meanwhile, or not for this user
