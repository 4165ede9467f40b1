"""Cells on two real Dask workers on this computer, with runs that take a moment (stand_in.py)."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import EnvironmentFailure, UserError
from harness.flows import cluster
from harness.flows.cells import SAID, Cell, make_cell
from tests.command import ROOT
from tests.flows.stand_in import PROGRAM, STARTS
from tests.flows.test_study import Place, until

distributed = pytest.importorskip("distributed")


DEADLY = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
"""In the place of a run: it kills its worker."""


class Instead(distributed.WorkerPlugin):  # type: ignore[misc]
    """Run another program in the place of `harness`, in workers that are started anew, too."""

    def __init__(self, program: str) -> None:
        self.program = program

    def setup(self, worker: Any) -> None:
        from harness.flows import cells

        cells._PROGRAM = self.program


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as made:
        with distributed.Client(made, set_as_default=False) as client:
            client.register_plugin(Instead(PROGRAM), name="program")
        yield made.scheduler_address


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    made = Place(tmp_path)
    yield made
    (made.runs / "hold").unlink(missing_ok=True)


def made(place: Place, *names: str, seeds: tuple[int, ...] = (0,)) -> list[Cell]:
    return [make_cell(place.folder / "recipes" / f"{name}.toml", place.runs, seed) for name in names for seed in seeds]


def outcomes(address: str, cells: list[Cell]) -> dict[str, Any]:
    with cluster.connected(address) as client:
        return {cell.name: failure for cell, failure in cluster.on_cluster(client, cells)}


@pytest.mark.slow
def test_two_cells_at_a_time_and_who_fails_is_told(address: str, place: Place) -> None:
    place.wish("hold")
    place.wish("fail-mutual", "2")
    cells = made(place, "none", "mutual", "own_teacher", seeds=(0, 1))
    found: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: found.update(outcomes(address, cells)))
    thread.start()
    until(lambda: sum(place.starts(cell.folder.name) for cell in cells) == 2)  # both workers wait
    (place.runs / "hold").unlink()
    thread.join(120)
    assert set(found) == {cell.name for cell in cells}
    reasons = {name: failure.reason for name, failure in found.items() if failure}
    assert reasons == {f"mutual with seed {seed}": "expected luck for mutual" for seed in (0, 1)}
    assert [cell.finished for cell in cells] == [True, True, False, False, True, True]


@pytest.mark.slow
def test_a_worker_that_dies_loses_no_cell(address: str, place: Place) -> None:
    place.wish("hold")
    [cell] = made(place, "none")
    found: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: found.update(outcomes(address, [cell])))
    thread.start()
    until(lambda: place.starts("none-seed0"))
    child = int((cell.folder / STARTS).read_text())
    worker = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(worker, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    until(lambda: place.starts("none-seed0") == 2)
    (place.runs / "hold").unlink()
    thread.join(120)
    assert found == {cell.name: None}
    assert cell.finished


@pytest.mark.slow
def test_cells_that_kill_every_worker_are_reported(address: str, place: Place) -> None:
    [cell] = made(place, "none")
    with cluster.connected(address) as client:
        client.register_plugin(Instead(DEADLY), name="program")
        [(same, failure)] = cluster.on_cluster(client, [cell])
    assert same is cell and failure is not None
    assert "KilledWorker" in failure.reason


def test_a_cluster_without_workers_is_told(place: Place) -> None:
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as made,
        pytest.raises(EnvironmentFailure, match="has no worker: start one with dask worker tcp://"),
        cluster.connected(made.scheduler_address),
    ):
        pass


def test_no_scheduler_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "SECONDS", 1)
    for address in ("tcp://127.0.0.1:1", "nonsense://x", "nowhere"):
        with pytest.raises(UserError, match="expected a Dask scheduler at --dask"), cluster.connected(address):
            pass


def test_without_distributed_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    remedy = r"pip install 'tinyml-harness\[cluster\]'"
    with pytest.raises(EnvironmentFailure, match=remedy), cluster.connected("tcp://127.0.0.1:1"):
        pass


def test_what_a_process_printed_is_kept(place: Place) -> None:
    place.wish("fail-none", "3")
    assert place.study("--seed", "0", "--method", "none").returncode == 3
    assert (place.runs / "none-seed0" / SAID).read_text().startswith("a word before\n")
