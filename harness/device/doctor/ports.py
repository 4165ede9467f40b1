"""Serial ports: present, permitted, and not in another program's hands."""

import grp
import os
import pwd
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.device.doctor.check import Check, Remedy

NAME = "serial ports"
GROUPS = ("dialout", "uucp")
"""Who owns serial ports: on Debian and Fedora, on Arch."""


@dataclass(frozen=True)
class Account:
    """Who runs this.

    Attributes:
        name: of the user.
        is_root: whether nothing is forbidden.
        groups: in which this session is.
        listed: groups that the system's list puts the user in; a session knows only those it began with.
        existing: groups there are.
    """

    name: str
    is_root: bool
    groups: frozenset[str]
    listed: frozenset[str]
    existing: frozenset[str]

    @classmethod
    def current(cls) -> "Account":
        """Return who runs this process."""
        number = os.geteuid()
        known = grp.getgrall()
        try:
            name = pwd.getpwuid(number).pw_name
        except KeyError:  # a container may run as a number without a name
            name = str(number)
        mine = {*os.getgroups(), os.getegid()}
        return cls(
            name,
            number == 0,
            frozenset(group.gr_name for group in known if group.gr_gid in mine),
            frozenset(group.gr_name for group in known if name in group.gr_mem),
            frozenset(group.gr_name for group in known),
        )


def serial_ports(present: Iterable[Any] | None = None, account: Account | None = None, root: Path = Path("/")) -> Check:
    """Whether the USB serial ports may be opened and nobody holds them; without any, whether one could be.

    Args:
        present: as pyserial's list_ports.comports() lists them; asked for where left out.
        account: who wants to open them; who runs this where left out.
        root: the folder with proc/.
    """
    if present is None:
        from serial.tools import list_ports

        present = list_ports.comports()
    account = account or Account.current()
    usb = [Path(port.device) for port in present if port.vid is not None]
    if not usb:
        return _without_ports(account)
    checked = [_port(device, account, root) for device in usb]
    bad = next((check for check in checked if not check.ok), None)
    return bad or Check(NAME, True, ", ".join(map(str, usb)))


def _port(device: Path, account: Account, root: Path) -> Check:
    if not device.exists():
        words = "unplug it and plug it in again; into a container it comes with --device"
        return Check(NAME, False, f"the system lists {device}, but there is no such file", Remedy(words=words))
    if not os.access(device, os.R_OK | os.W_OK):
        return Check(NAME, False, f"no permission for {device}", _permission(device, account))
    holder = next(_holders(device, root), None)
    if holder:
        return Check(NAME, False, f"{device} is held by {holder}", Remedy(words="close that program"))
    return Check(NAME, True, str(device))


def _permission(device: Path, account: Account) -> Remedy:
    try:
        group = device.group()
    except (KeyError, OSError):
        group = ""
    if group not in GROUPS:  # never root's, or another that opens more than ports
        return Remedy(words=f"ask who administers this computer for the right to read and write {device}")
    return _join(group, account)


def _without_ports(account: Account) -> Check:
    none = "no USB serial port attached"
    group = next((name for name in GROUPS if name in account.existing), None)
    if account.is_root or group is None or group in account.groups:
        return Check(NAME, True, none)
    found = f"{none}; {account.name} is not in group {group}, which may open one"
    return Check(NAME, False, found, _join(group, account))


def _join(group: str, account: Account) -> Remedy:
    if group in account.listed:
        return Remedy(words=f"log out and in again: this session began before {account.name} was in group {group}")
    return Remedy(group=group)


def _holders(device: Path, root: Path) -> Iterator[str]:
    """Yield the programs that have a device open, as far as this user may see."""
    for process in root.glob("proc/[0-9]*"):
        if process.name != str(os.getpid()) and any(device == target for target in _open_files(process)):
            yield f"{_command_of(process)} (process {process.name})"


def _open_files(process: Path) -> Iterator[Path]:
    try:
        for link in (process / "fd").iterdir():
            yield link.readlink()
    except OSError:
        return  # another user's, or ended meanwhile


def _command_of(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a program"
