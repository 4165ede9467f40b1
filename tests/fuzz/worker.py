"""The child process that compiles damaged models: `python -m tests.fuzz.worker MODEL FOLDER`.

It reads one seed a line and answers with one line of JSON. FOLDER is its sandbox: a file opened for writing or a
directory made anywhere else ends the compilation, and is reported.
"""

import json
import os
import resource
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from harness.compiler import compile_model
from harness.errors import UserError
from tests.fuzz.mutate import mutate, structure

MEMORY_LIMIT_BYTES = 1 << 30
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_WATCHED = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1, "os.remove": 0, "os.rmdir": 0}


class Escape(BaseException):
    """Something was written outside the sandbox; no `except Exception` of the compiler may hide it."""


def main(model: Path, folder: Path) -> None:
    content = model.read_bytes()
    positions = structure(content)
    damaged, out = folder / "model.tflite", folder / "out"
    guard = Guard(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    for line in sys.stdin:
        damaged.write_bytes(mutate(content, positions, int(line)))
        print(json.dumps(attempt(damaged, out, guard)), flush=True)
        shutil.rmtree(out, ignore_errors=True)


def attempt(damaged: Path, out: Path, guard: "Guard") -> dict[str, Any]:
    """Compile one file; say how it ended and what it cost."""
    start = time.process_time()
    try:
        with guard:
            compile_model(damaged, out)
        outcome, text = "compiled", ""
    except UserError as error:
        outcome, text = ("refused", str(error)) if is_one_line(str(error)) else ("failed", f"not one line: {error!r}")
    except Exception:
        outcome, text = "failed", traceback.format_exc(limit=-6)
    except Escape as error:
        outcome, text = "failed", f"wrote outside its folder: {error}"
    if outcome != "compiled" and out.exists():
        outcome, text = "failed", f"half a folder was left behind, with: {text}"
    return {"outcome": outcome, "text": text, "seconds": time.process_time() - start, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """Return the most memory this process ever held; getrusage would count what its parent held before the fork."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def is_one_line(text: str) -> bool:
    """Tell whether a message can be printed as one line, whatever names it quotes."""
    return "\n" not in text and "\r" not in text and len(text) < 1000


class Guard:
    """Lets the interpreter itself watch for writes outside `folder`, while it is switched on."""

    def __init__(self, folder: Path) -> None:
        self._inside = str(folder.resolve()) + os.sep
        self._on = False
        sys.addaudithook(self._watch)

    def __enter__(self) -> None:
        self._on = True

    def __exit__(self, *error: object) -> None:
        self._on = False

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event == "open":
            path, _, flags = arguments
            suspect = isinstance(path, str | bytes) and isinstance(flags, int) and flags & _WRITES
        elif event in _WATCHED:
            path, suspect = arguments[_WATCHED[event]], True
        else:
            return
        if suspect and not os.path.realpath(os.fsdecode(path)).startswith(self._inside):
            raise Escape(f"{event} {path!r}")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(Path(sys.argv[1]), Path(sys.argv[2]))
