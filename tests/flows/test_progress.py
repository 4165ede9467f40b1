"""Whatever may take long shows how far it is."""

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from harness.flows import bench as bench_flow
from harness.flows.bench import bench, wait_for_oracle
from harness.flows.download import check
from harness.flows.evaluate import evaluate
from harness.flows.request import Request
from harness.report.progress import Speaker
from tests.flows.models import small_model


class Recorder(Speaker):
    """Notes every bar and the last count that it was told."""

    def __init__(self) -> None:
        super().__init__(Console(file=StringIO(), quiet=True))
        self.shown: dict[str, tuple[int, int]] = {}

    @contextmanager
    def steps_bar(self, what: str) -> Iterator[Callable[[int, int], None]]:
        self.shown[what] = (0, 0)
        yield lambda done, steps: self.shown.__setitem__(what, (done, steps))

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        self.shown[what] = (0, total)
        yield lambda count: self.shown.__setitem__(what, (self.shown[what][0] + count, total))

    @contextmanager
    def bytes_bar(self, what: str, total: int | None, done: int = 0) -> Iterator[Callable[[int], None]]:
        self.shown[what] = (done, total or 0)
        yield lambda count: self.shown.__setitem__(what, (self.shown[what][0] + count, total or 0))


def test_evaluating_shows_the_reading_and_the_running() -> None:
    speaker = Recorder()
    evaluate("kws_xxs", data="synthetic", split=None, task=None, speaker=speaker)
    assert speaker.shown == {"kws_xxs: reading samples": (48, 48), "kws_xxs on the host (tflm)": (48, 48)}


def test_checking_a_file_shows_its_bytes(tmp_path: Path) -> None:
    speaker, path = Recorder(), tmp_path / "big.tar.gz"
    path.write_bytes(bytes(1_000_000))
    check(path, hashlib.sha256(bytes(1_000_000)).hexdigest(), "http://authors/", speaker)
    assert speaker.shown == {"checking big.tar.gz": (1_000_000, 1_000_000)}


def test_waiting_for_the_oracle_shows_how_many_it_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_flow, "_LOOK_S", 0.01)
    speaker, answered = Recorder(), [3]
    job = SimpleNamespace(model=SimpleNamespace(name="kws"), feed=range(10))

    def answer() -> np.ndarray:
        answered.append(4)
        time.sleep(0.1)
        return np.zeros((10, 1), np.uint8)

    with ThreadPoolExecutor(1) as pool:
        golden = pool.submit(answer)
        wait_for_oracle(job, golden, answered, speaker)  # type: ignore[arg-type]
        assert golden.done()
    assert speaker.shown == {"kws: waiting for the oracle": (7, 10)}
    wait_for_oracle(job, golden, answered, Recorder())  # type: ignore[arg-type]  # nothing to wait for


@pytest.mark.slow
def test_a_bench_shows_each_of_its_steps(tmp_path: Path) -> None:
    path, speaker = small_model(tmp_path, "small"), Recorder()
    request = Request((str(path),), ("nano33",), "qemu", False, None, None, 6, "balanced", tmp_path / "run")
    bench(request, speaker).check()
    shown = {what: counts for what, counts in speaker.shown.items() if "oracle" not in what}
    assert shown == {
        "compiling": (1, 1),
        "small: reading samples": (0, 0),  # random ones are drawn, not read
        "small: building for nano33": (3, 3),
        "small: timing 5 inferences on nano33 (qemu)": (5, 5),
        "small on nano33 (qemu)": (6, 6),
    }
