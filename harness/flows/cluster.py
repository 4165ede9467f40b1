"""Cells on the workers of a Dask cluster: the folders and the data have to be the same there, under the same paths.

`distributed` is imported when a cluster is named, and only then.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness.errors import EnvironmentFailure, UserError
from harness.flows.cells import Cell, Failure, train

SECONDS = 20
"""To wait for a scheduler."""


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to a scheduler; yields the client, which is closed at the end.

    Raises:
        UserError: the address is none, or nobody answers there.
        EnvironmentFailure: `distributed` is not installed, or the scheduler has no worker.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise EnvironmentFailure(f"{error}; --dask needs: pip install 'tinyml-harness[cluster]'") from error
    try:
        client = Client(address, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise UserError(
            f"expected a Dask scheduler at --dask, such as tcp://HOST:8786, got {address}: {error}"
        ) from error
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise EnvironmentFailure(
                f"the Dask scheduler at {address} has no worker: start one with dask worker {address}"
            )
        yield client


def workers(client: Any) -> int:
    """Return how many cells are trained at a time: one a thread."""
    threads: dict[str, int] = client.nthreads()
    return sum(threads.values())


def on_cluster(client: Any, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Failure | None]]:
    """Train cells on the workers; yields each as it ends, with why where it failed.

    A cell whose worker dies is trained again on another, from its last epoch: Dask does so, and gives up after the
    third worker. What is not begun when the caller stops is dropped; what is being trained goes on to its end.
    """
    from distributed import as_completed

    futures = {client.submit(train, *cell.job(), pure=False): cell for cell in cells}
    try:
        for future in as_completed(list(futures), loop=client.loop):
            yield futures.pop(future), _outcome(future)
    finally:
        client.cancel(list(futures))


def _outcome(future: Any) -> Failure | None:
    """Return what became of a cell."""
    if future.status == "finished":
        failure: Failure | None = future.result()
        return failure
    error = future.exception() if future.status == "error" else None
    return Failure(f"{type(error).__name__}: {error}" if error else f"the cluster says: {future.status}")
