"""`harness diff`: what every layer wrote on the device beside the oracle's tensor; finds the first that differs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.device.build import Build, build
from harness.device.runner import Device, open_device
from harness.errors import Difference
from harness.flows.bench import plan
from harness.flows.inferences import Job, building
from harness.flows.request import Request
from harness.oracle import Oracle, engine_of
from harness.report import words
from harness.report.progress import Speaker

Number = int | float


@dataclass(frozen=True)
class Traced:
    """A layer to look at, as model.json describes it.

    Attributes:
        index: position in the program.
        name: of the tensor it writes.
        op: the TensorFlow Lite operator it comes from.
        kernel: the C function it calls.
        tensor: which tensor of the file it writes.
        dtype: of that tensor.
        shape: on the device.
        channels: see `expected`.
    """

    index: int
    name: str
    op: str
    kernel: str
    tensor: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    channels: tuple[int, ...] | None

    @property
    def bytes(self) -> int:
        """Return the size of what it writes."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


@dataclass(frozen=True)
class Comparison:
    """One layer's output for one sample beside the oracle's.

    Attributes:
        elements: how many were compared.
        differing: how many of them have other bytes.
        max_difference: the largest |device - oracle|, None where it is no finite number.
        at: coordinates, in the file's tensor, of the first element that differs; None where none does.
        device: its value on the device.
        oracle: its value by the oracle.
    """

    elements: int
    differing: int = 0
    max_difference: Number | None = 0
    at: tuple[int, ...] | None = None
    device: Number | None = None
    oracle: Number | None = None


@dataclass(frozen=True)
class LayerResult:
    """A layer over all samples; `elements` and `differing` are sums."""

    index: int
    name: str
    op: str
    elements: int
    differing: int
    max_difference: Number | None


@dataclass(frozen=True)
class First:
    """The first layer that differs, in the first sample in which it does (from 0); the rest as in `Comparison`."""

    index: int
    name: str
    op: str
    kernel: str
    sample: int
    elements: int
    differing: int
    max_difference: Number | None
    at: tuple[int, ...]
    device: Number | None
    oracle: Number | None


@dataclass(frozen=True)
class Report:
    """What `diff` found; `first` is None where all layers agree."""

    model: str
    board: str
    where: str
    dataset: str
    samples: int
    layers: tuple[LayerResult, ...]
    first: First | None

    def document(self) -> dict[str, Any]:
        """Return the document of `diff --json`."""
        return {"schema": 1, **asdict(self)}

    def check(self) -> None:
        """Raise where a layer differs.

        Raises:
            Difference: says which, where and by how much.
        """
        if self.first is not None:
            raise Difference(explain(self.first))


def diff(request: Request, speaker: Speaker) -> Report:
    """Compare every layer of one model on one board with the oracle, over a few samples.

    Args:
        request: as for `bench`, with one model and one board; `out` is not used.
        speaker: says what is done, on stderr.

    Raises:
        UserError: an input is bad: nothing was built.
        EnvironmentFailure: compiler, emulator or board failed.
    """
    with TemporaryDirectory(prefix="harness-") as work:
        [job] = plan(request, Path(work), speaker)
        layers = traced_layers(job.compiled.description)
        with building(job, speaker) as advance:
            built = build(job.compiled.folder, job.place.board, job.place.where, advance)
        found = []
        with (
            Oracle() as oracle,
            open_fresh(job, built, request) as device,
            speaker.bar(f"{job.model.name}: {len(layers)} layers on {job.place}", len(job.feed)) as advance,
        ):
            for golden, sample in zip(golden_tensors(oracle, job), job.feed.rows(), strict=True):
                found.append(compare_sample(device, sample.tobytes(), golden, layers))
                advance(1)
    place, dataset = job.place, job.feed.samples.dataset
    summary = summarise(layers, found)
    return Report(job.model.name, place.board.name, place.where, dataset, len(found), summary, first(layers, found))


def open_fresh(job: Job, built: Build, request: Request) -> AbstractContextManager[Device]:
    """Open the device with this very build on it: a board that runs the model may run other kernels."""
    board, where = job.place.board, job.place.where
    return open_device(board, built, where, sha256=job.model.sha256, clock=False, force=request.flash, fresh=True)


def traced_layers(description: Mapping[str, Any]) -> tuple[Traced, ...]:
    """Return the layers of a model.json."""
    tensors = {tensor["index"]: tensor for tensor in description["tensors"]}
    return tuple(
        Traced(
            index=layer["index"],
            name=layer["name"],
            op=layer["op"],
            kernel=layer["kernel"],
            tensor=layer["tensor"],
            dtype=np.dtype(tensors[layer["tensor"]]["type"]),
            shape=tuple(tensors[layer["tensor"]]["shape"]),
            channels=tuple(layer["channels"]) if layer.get("channels") else None,
        )
        for layer in description["layers"]
    )


def golden_tensors(oracle: Oracle, job: Job) -> Iterator[Mapping[int, NDArray[Any]]]:
    """Yield every tensor of the file for each sample, by its index."""
    content = job.model.content
    engine = engine_of(content)
    for sample in zip(*job.feed.inputs, strict=True):
        yield oracle.tensors(content, sample, engine=engine)


def compare_sample(
    device: Device, sample: bytes, golden: Mapping[int, NDArray[Any]], layers: Sequence[Traced]
) -> list[Comparison]:
    """Return what each layer wrote for one sample beside the oracle's tensors."""
    return [compare(device.trace(layer.index, sample, layer.bytes), golden[layer.tensor], layer) for layer in layers]


def compare(written: bytes, golden: NDArray[Any], layer: Traced) -> Comparison:
    """Compare what a layer wrote with the file's tensor, byte for byte.

    Args:
        written: layer.bytes bytes.
        golden: the tensor's values, with the shape that the file gives it.
        layer: says how the two relate.
    """
    values = np.frombuffer(written, layer.dtype).reshape(layer.shape)
    wanted = expected(golden, layer.channels).reshape(layer.shape)
    compared = ~np.ma.getmaskarray(wanted)
    differs = compared & (_bits(values) != _bits(wanted.data))
    elements = int(compared.sum())
    if not differs.any():
        return Comparison(elements)
    at = tuple(int(i) for i in np.argwhere(differs)[0])
    largest = np.abs(values[differs].astype(np.float64) - wanted.data[differs].astype(np.float64)).max()
    return Comparison(
        elements,
        differing=int(differs.sum()),
        max_difference=_number(largest if layer.dtype.kind == "f" else int(largest)),
        at=at if layer.channels is None else (*at[:-1], layer.channels[at[-1]]),
        device=_number(values[at]),
        oracle=_number(wanted.data[at]),
    )


def expected(values: NDArray[Any], channels: tuple[int, ...] | None) -> "np.ma.MaskedArray[Any, Any]":
    """Return what the device should hold, where the compiler may have dropped or added channels.

    Args:
        values: of the file's tensor (..., channels of the file).
        channels: for each channel on the device the channel of the file that it holds, -1 for padding; None where
            the two are the same.

    Returns:
        (..., channels of the device); padding is masked: nothing is expected of it.
    """
    if channels is None:
        return np.ma.masked_array(values)
    selected = values[..., list(channels)]
    return np.ma.masked_array(selected, np.broadcast_to(np.array(channels) < 0, selected.shape))


def summarise(layers: Sequence[Traced], found: Sequence[Sequence[Comparison]]) -> tuple[LayerResult, ...]:
    """Return each layer over all samples; `found` is [sample][layer]."""
    return tuple(
        LayerResult(
            layer.index,
            layer.name,
            layer.op,
            elements=sum(one.elements for one in each),
            differing=sum(one.differing for one in each),
            max_difference=_largest([one.max_difference for one in each]),
        )
        for layer, each in zip(layers, zip(*found, strict=True), strict=True)
    )


def first(layers: Sequence[Traced], found: Sequence[Sequence[Comparison]]) -> First | None:
    """Return the first layer that differs in any sample, and that sample; `found` is [sample][layer]."""
    for layer, each in zip(layers, zip(*found, strict=True), strict=True):
        for sample, one in enumerate(each):
            if one.at is not None:
                return First(layer.index, layer.name, layer.op, layer.kernel, sample, **{**vars(one), "at": one.at})
    return None


def explain(found: First) -> str:
    """Say in one line what was expected of a layer, what came, and where to look."""
    names = ("n ", "h ", "w ", "c ") if len(found.at) == 4 else ("",) * len(found.at)
    place = ", ".join(f"{name}{i}" for name, i in zip(names, found.at, strict=True))
    name = words.short(words.plain(found.name))
    most = "beyond all numbers" if found.max_difference is None else f"by {found.max_difference:g} at most"
    return (
        f"expected layer {found.index} ({found.op}, {name}) to write {found.oracle} at ({place}) as the oracle does, "
        f"got {found.device} in sample {found.sample}; {found.differing:,} of its {found.elements:,} elements differ, "
        f"{most}, and every layer before it agrees: look at the kernel {found.kernel}"
    )


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}").reshape(values.shape)


def _number(value: Any) -> Number | None:
    """Return a Python number, None for what JSON cannot say."""
    number: Number = value.item() if isinstance(value, np.generic) else value
    return number if isfinite(number) else None


def _largest(values: Sequence[Number | None]) -> Number | None:
    """Return the largest; None, which is beyond all numbers, where there is one."""
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None
