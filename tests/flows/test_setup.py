"""`harness setup` shows, asks, runs and reports; apt-get, sudo and usermod are fakes that fail as the real ones do."""

import io
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.device.doctor import RULES_FILE, Check, Remedy
from harness.errors import EnvironmentFailure, UserError
from harness.flows.mending import Command, Plan, Step, make_plan
from harness.flows.setup import check, setup
from harness.report.progress import Speaker
from tests.command import ROOT, assert_failed, harness
from tests.device.test_doctor import ANA, program

COMPILER = Check("compiler", False, "not on PATH", Remedy(apt=("gcc-arm-none-eabi",)), needed=True)
COUNTER = Check("counter", False, "no compiler", Remedy(apt=("gcc", "gcc-arm-none-eabi")))
PLATFORMIO = Check("platformio", False, "not installed", Remedy(pip=("platformio",)), needed=True)
PORTS = Check("ports", False, "no permission", Remedy(group="dialout"))
MODEM = Check("modem", False, "running", Remedy(rules="# rules\n"))
BUSY = Check("ports", False, "held", Remedy(words="close that program"))
FINE = Check("emulator", True, "qemu 9.1.0", needed=True)
ROOT_ACCOUNT = replace(ANA, name="root", is_root=True)


def has(*names: str) -> Callable[[str], str | None]:
    return lambda name: f"/bin/{name}" if name in names else None


def lines(plan: Plan) -> list[str]:
    return [str(command) for step in plan.steps for command in step.commands]


def test_what_is_fine_needs_no_step() -> None:
    assert make_plan([FINE], ANA, has()) == Plan((), ())


def test_packages_are_installed_at_once_and_root_needs_no_sudo() -> None:
    plan = make_plan([COMPILER, FINE, COUNTER], ROOT_ACCOUNT, has("apt-get", "sudo"))
    assert lines(plan) == [
        "apt-get update -q",
        "apt-get install -y --no-install-recommends gcc-arm-none-eabi gcc",
    ]
    assert plan.steps[0].mends == ("compiler", "counter")
    assert str(plan.steps[0].undo) == "apt-get remove --auto-remove gcc-arm-none-eabi gcc"


def test_a_user_needs_sudo_for_the_system_and_not_for_pip() -> None:
    plan = make_plan([COMPILER, PLATFORMIO, PORTS, MODEM], ANA, has("apt-get", "sudo"))
    assert lines(plan) == [
        f"{sys.executable} -m pip install platformio",
        "sudo apt-get update -q",
        "sudo apt-get install -y --no-install-recommends gcc-arm-none-eabi",
        "sudo usermod -aG dialout ana",
        f"sudo tee {RULES_FILE} <<'END'\n# rules\nEND",
        "sudo udevadm control --reload",
    ]
    undone = [str(step.undo) for step in plan.steps[1:]]
    assert undone == [
        "sudo apt-get remove --auto-remove gcc-arm-none-eabi",
        "sudo gpasswd -d ana dialout",
        f"sudo rm {RULES_FILE}",
    ]


def test_without_sudo_the_commands_are_left_to_root() -> None:
    plan = make_plan([COMPILER, PORTS, PLATFORMIO], ANA, has("apt-get"))
    assert lines(plan) == [f"{sys.executable} -m pip install platformio"]
    assert "there is no sudo here: as root, run: usermod -aG dialout ana" in plan.words


def test_without_apt_the_packages_are_named() -> None:
    plan = make_plan([COMPILER, PORTS], ROOT_ACCOUNT, has("sudo"))
    assert plan.words == ("there is no apt-get here: install what Debian packages as gcc-arm-none-eabi",)
    assert lines(plan) == ["usermod -aG dialout root"]


def test_what_only_a_person_can_do_is_said() -> None:
    assert make_plan([BUSY], ANA, has("apt-get", "sudo")) == Plan((), ("ports: close that program",))


@dataclass
class Heard:
    """A speaker that writes down what is said."""

    file: io.StringIO

    @property
    def speaker(self) -> Speaker:
        return Speaker(Console(file=self.file))

    @property
    def text(self) -> str:
        return self.file.getvalue()


@pytest.fixture
def heard() -> Heard:
    return Heard(io.StringIO())


def step(*commands: str, note: str = "", stdin: str = "") -> Step:
    argvs = tuple(Command(("sh", "-c", command), stdin) for command in commands)
    return Step(("it",), argvs, Command(("undo", "it")), note)


def test_each_command_is_shown_before_it_runs_with_what_undoes_it(heard: Heard, tmp_path: Path) -> None:
    said: list[str] = []

    def confirm(question: str) -> bool:
        said.append(heard.text)
        return True

    made = step(f"echo a > {tmp_path}/a", f"echo b > {tmp_path}/b", note="log in again")
    assert setup(Plan((made,), ()), confirm, heard.speaker) == []
    assert f"echo b > {tmp_path}/b" in said[0] and "to undo it: undo it" in said[0]
    assert (tmp_path / "b").read_text() == "b\n"
    assert heard.text.endswith("for you to do: log in again\n")


def test_a_no_is_a_no(heard: Heard, tmp_path: Path) -> None:
    plan = Plan((step(f"touch {tmp_path}/first"), step(f"touch {tmp_path}/second")), ())
    answers = iter([False, True])
    assert setup(plan, lambda _: next(answers), heard.speaker) == []
    assert [path.name for path in tmp_path.iterdir()] == ["second"]


def test_nobody_to_ask_means_nothing_done(heard: Heard, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected --yes"):
        setup(Plan((step(f"touch {tmp_path}/a"), step("true")), ()), None, heard.speaker)
    assert not list(tmp_path.iterdir())
    assert heard.text.count("to undo it") == 2


def test_a_failure_ends_its_step_and_not_the_others(heard: Heard, tmp_path: Path) -> None:
    missing = Step(("it",), (Command((str(tmp_path / "missing"),)),), Command(("undo",)))
    plan = Plan((step("exit 7", f"touch {tmp_path}/never", note="never"), missing, step(f"touch {tmp_path}/done")), ())
    failures = setup(plan, lambda _: True, heard.speaker)
    assert [failure.split()[-1] for failure in failures] == ["7", "directory)"]
    assert [path.name for path in tmp_path.iterdir()] == ["done"]
    assert "never\n" not in heard.text.splitlines()[-1]
    with pytest.raises(EnvironmentFailure, match=r"exit status 7; .*missing does not start"):
        check(failures)


def test_a_command_gets_what_is_written_for_it(heard: Heard, tmp_path: Path) -> None:
    made = step(f"cat > {tmp_path}/rules", stdin="# ours\n")
    assert setup(Plan((made,), ()), lambda _: True, heard.speaker) == []
    assert (tmp_path / "rules").read_text() == "# ours\n"
    assert "# ours" in heard.text, "what is written is shown"


def test_nothing_to_do_is_said(heard: Heard) -> None:
    assert setup(Plan((), ()), None, heard.speaker) == []
    assert heard.text == "nothing is missing\n"


# The whole command, on a PATH of fakes. `apt-get` and what it would run as root stand behind `sudo` for a user.

INSTALL = """
echo "$@" >> {log}
[ "$1" = install ] || exit 0
for program in arm-none-eabi-gcc qemu-system-arm; do ln -sf {there}/$program {here}/$program; done
"""
GCC = 'case "$1" in --print*) echo {there}/libc_nano.a;; *) echo 13.2.1;; esac'


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a folder to be all of PATH; the fake apt-get there installs a fake compiler and a fake emulator."""
    here, there = tmp_path / "bin", tmp_path / "package"
    here.mkdir(), there.mkdir()
    (there / "libc_nano.a").touch()
    program(there, "arm-none-eabi-gcc", GCC.format(there=there))
    program(there, "qemu-system-arm", "echo QEMU emulator version 9.1.0")
    program(here, "apt-get", INSTALL.format(log=tmp_path / "apt.log", here=here, there=there))
    program(here, "sudo", 'exec "$@"')
    for name in ("usermod", "tee", "udevadm"):  # where this computer has a ModemManager, or a user without ports
        program(here, name, "exit 0")
    for name in ("sh", "ln"):
        (here / name).symlink_to(f"/bin/{name}")
    return here


def run(bare: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return harness(*arguments, environment=environment(bare))


def environment(bare: Path) -> dict[str, str]:
    return {"PATH": str(bare), "HARNESS_CACHE": str(bare.parent / "cache"), "HARNESS_DATA": ""}


def test_setup_installs_and_the_doctor_looks_again(bare: Path) -> None:
    assert_failed(run(bare, "doctor"), 3, "missing or broken: arm-none-eabi-gcc", "harness setup")
    result = run(bare, "setup", "--yes")
    assert result.returncode == 0, result.stderr
    assert "gcc 13.2.1" in result.stdout and "missing" not in result.stdout
    assert (bare.parent / "apt.log").read_text().splitlines()[0] == "update -q"
    assert "libnewlib-arm-none-eabi qemu-system-arm" in (bare.parent / "apt.log").read_text()
    assert run(bare, "doctor").returncode == 0


def test_setup_asks_nobody_where_there_is_no_terminal(bare: Path) -> None:
    result = run(bare, "setup")
    assert_failed(result, 2, "--yes", "nothing was done")
    assert result.stdout == ""
    assert "apt-get install -y" in result.stderr
    assert not (bare.parent / "apt.log").exists()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'E: Could not get lock' >&2; exit 100", "exit status 100"),
        ("kill -9 $$", "exit status -9"),
        ("echo 'ana is not in the sudoers file' >&2; exit 1", "ask who may become root"),
    ],
)
def test_what_apt_says_is_passed_on_and_the_failure_named(script: str, words: str, bare: Path) -> None:
    program(bare, "apt-get", script)
    program(bare, "sudo", script)
    result = run(bare, "setup", "--yes")
    assert_failed(result, 3, "apt-get update -q", words)
    assert "missing" in result.stdout, "the doctor looked again"


def test_an_interrupted_command_is_named(bare: Path) -> None:
    program(bare, "apt-get", '[ "$1" = update ] || { kill -INT $PPID; /bin/sleep 5; }')
    result = run(bare, "setup", "--yes")
    assert_failed(result, 130, "interrupted at:", "apt-get install", "what ran before it stays done")
    assert result.stdout == ""


def test_an_apt_that_installs_nothing_is_seen_through(bare: Path) -> None:
    program(bare, "apt-get", "exit 0")
    assert_failed(run(bare, "setup", "--yes"), 3, "missing or broken: arm-none-eabi-gcc, newlib-nano, qemu-system-arm")


def test_without_apt_it_says_what_to_install(bare: Path) -> None:
    (bare / "apt-get").unlink()
    result = run(bare, "setup", "--yes")
    assert_failed(result, 3, "arm-none-eabi-gcc")
    assert "there is no apt-get here: install what Debian packages as gcc-arm-none-eabi" in result.stdout


@pytest.mark.parametrize(("answer", "status", "installs"), [("y\n", 0, True), ("n\n", 3, False), ("\n", 3, False)])
def test_setup_asks_on_a_terminal(answer: str, status: int, installs: bool, bare: Path) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-c", "from harness.cli import main; main()", "setup"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment(bare)}
    with subprocess.Popen(
        command, stdin=slave, stdout=subprocess.PIPE, stderr=slave, env=variables, close_fds=True
    ) as process:
        os.close(slave)
        try:
            assert "Run this? [y/N]" in read_until(master, "[y/N]")
            os.write(master, 4 * answer.encode())  # there may be more questions, as above
            read_until(master, None)
            process.communicate(timeout=60)
        finally:
            process.kill()
            os.close(master)
    assert process.returncode == status
    assert (bare.parent / "apt.log").exists() == installs


def read_until(terminal: int, end: str | None) -> str:
    """Read until `end`, None for the end of all; a minute at most."""
    text, deadline = "", time.monotonic() + 60
    while (end is None or end not in text) and time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            try:
                text += os.read(terminal, 4096).decode()
            except OSError:  # the other side is closed
                break
    return text
