"""Every architecture builds, costs what its text says, and gives a model whose every byte the compiled C computes."""

import re
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from harness.compiler import read_program  # noqa: E402
from harness.errors import UserError  # noqa: E402
from harness.oracle import Oracle  # noqa: E402
from harness.train import measure  # noqa: E402
from harness.train.compress.convert import _convert  # noqa: E402
from harness.train.models import HOST_ONLY, MODELS, build, check_export  # noqa: E402
from harness.train.models.quick import plain  # noqa: E402
from tests.support.exactness import compile_all, difference  # noqa: E402
from tests.support.host_build import build as build_host  # noqa: E402
from tests.support.strategies import Case  # noqa: E402

SHAPES = {
    "dscnn": (49, 10, 1),
    "hybrid": (32, 32, 3),
    "recurrent": (49, 40, 1),
    "resnet": (49, 40, 1),
    "separable": (49, 40, 1),
    "temporal": (49, 40, 1),
    "transformer": (98, 40, 1),
}
LAYERS = {
    "dscnn": ["block1", "block2", "block3", "block4"],
    "hybrid": ["stage1", "stage2", "stage3"],
    "recurrent": ["stage1"],
    "resnet": ["stage1", "stage2", "stage3"],
    "separable": ["stage1", "stage2"],
    "temporal": ["stage1", "stage2", "stage3"],
    "transformer": ["stage1", "stage2", "stage3", "stage4", "stage5"],
}
RESNET8: dict[str, Any] = {
    "stem": 16,
    "stem_kernel": 3,
    "stem_stride": 1,
    "stages": [[16, 1], [32, 1], [64, 1]],
    "strides": [1, 2, 2],
    "dropout": 0.0,
}


def macs(model: "keras.Model") -> int:
    """Count multiply-accumulates by the layers' own shapes, padding counted."""
    found = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            found += prod(layer.output.shape[1:]) * prod(layer.kernel_size)
        elif isinstance(layer, keras.layers.Conv2D):
            found += prod(layer.output.shape[1:]) * prod(layer.kernel_size) * layer.input.shape[-1]
        elif isinstance(layer, keras.layers.Dense | keras.layers.EinsumDense):
            found += prod(layer.output.shape[1:-1]) * prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.GRU):
            _, steps, columns = layer.input.shape
            found += (steps * columns + (steps - 1) * layer.units) * 3 * layer.units  # the first state is 0
        elif isinstance(layer, keras.layers.MultiHeadAttention):
            (_, places, width), inner = layer.output.shape, layer.num_heads * layer.key_dim
            found += places * 4 * width * inner + 2 * places * places * inner
    return found


def converted(architecture: str, folder: Path) -> tuple["keras.Model", Path]:
    """Return a model with weights as after training (statistics that are not the first ones), and its int8 file."""
    keras.utils.set_random_seed(3)
    model = build(architecture, SHAPES[architecture], 12, **(RESNET8 if architecture == "resnet" else {}))
    random = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            layer.set_weights([random.uniform(*limits, count) for limits in ((0.5, 2), (-1, 1), (-0.5, 0.5), (0.2, 2))])
    plain(model).save(folder / "m.keras")
    np.save(folder / "c.npy", random.normal(0, 1, (20, *SHAPES[architecture])).astype(np.float32))
    _convert(str(folder / "m.keras"), str(folder / "c.npy"), str(folder / "m.tflite"))
    return model, folder / "m.tflite"


def test_every_architecture_is_tested() -> None:
    assert set(SHAPES) == set(LAYERS) == set(MODELS)


@pytest.mark.parametrize("architecture", MODELS)
def test_the_default_sizes_cost_what_the_text_says(architecture: str) -> None:
    model = build(architecture, SHAPES[architecture], 12)
    assert model.output_shape == (None, 12) and model.layers[-1].activation is keras.activations.linear
    said = re.search(r"([\d,.]+)( M)? MACs on (\d+)x(\d+) inputs", MODELS[architecture].__doc__ or "")
    if said is None:
        assert architecture == "resnet"  # a teacher's do not matter
    else:
        assert (int(said[3]), int(said[4])) == SHAPES[architecture][:2]
        number, digits = float(said[1].replace(",", "")), len(said[1].partition(".")[2])
        assert macs(model) == number if said[2] is None else round(macs(model) / 1e6, digits) == number


@pytest.mark.parametrize("architecture", MODELS)
def test_layers_that_hints_may_name_are_maps_after_a_relu_or_sequences(architecture: str) -> None:
    model = build(architecture, SHAPES[architecture], 12)
    named = [layer for layer in model.layers if re.match(r"(block|stage)\d", layer.name)]
    assert [layer.name for layer in named] == LAYERS[architecture]
    kinds = {"transformer": keras.layers.LayerNormalization, "recurrent": keras.layers.GRU}
    kind, dimensions = kinds.get(architecture, keras.layers.ReLU), 3 if architecture in kinds else 4
    assert all(isinstance(layer, kind) and len(layer.output.shape) == dimensions for layer in named)


@pytest.mark.parametrize("architecture", MODELS)
def test_int8_is_refused_for_what_no_board_runs(architecture: str) -> None:
    for kind in ("int8", "host", "float"):
        if kind == "int8" and architecture in HOST_ONLY:
            with pytest.raises(UserError, match=f"expected host .* for export.kind of .* '{architecture}', got int8"):
                check_export(architecture, kind)
        else:
            check_export(architecture, kind)


def test_mlperf_tinys_resnet8_is_one_of_the_residual_networks() -> None:
    model = build("resnet", (32, 32, 3), 10, **RESNET8)
    assert macs(model) / 1e6 == pytest.approx(12.5, abs=0.05)
    weights = sum(prod(layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel"))
    assert weights / 1e3 == pytest.approx(77.4, abs=0.5)


def test_sizes_are_what_they_are_called() -> None:
    model = build("separable", (32, 32, 3), 10, stem=8, stem_kernel=[3, 3], kernel=3, stages=[[8, 1], [16, 2], [24, 1]])
    shapes = [model.get_layer(f"stage{number}").output.shape[1:] for number in (1, 2, 3)]
    assert shapes == [(16, 8, 8), (8, 4, 16), (4, 2, 24)]
    model = build("temporal", (98, 40, 1), 12, stem=20, stages=[[30, 1], [40, 1]], strides=[3, 1])
    assert [model.get_layer(f"stage{n}").output.shape[1:] for n in (1, 2)] == [(17, 1, 30), (17, 1, 40)]
    model = build("resnet", (32, 32, 3), 10, stem_stride=1, stages=[[8, 1], [16, 1]])
    assert [model.get_layer(f"stage{n}").output.shape[1:] for n in (1, 2)] == [(16, 16, 8), (8, 8, 16)]
    model = build("hybrid", (32, 32, 3), 10, stem=8, dense=[12, 2], squeeze=0, separable=[16, 1])
    assert [model.get_layer(f"stage{n}").output.shape[1:] for n in (1, 2, 3)] == [(32, 32, 8), (16, 16, 12), (8, 8, 16)]
    ordinary = [layer for layer in model.layers if type(layer) is keras.layers.Conv2D and layer.kernel_size == (3, 3)]
    assert [layer.filters for layer in ordinary] == [8, 12]  # the separable blocks have none
    model = build("dscnn", (49, 10, 1), 12, channels=16, blocks=1, stem=[10, 4])
    assert model.get_layer("block1").output.shape[1:] == (25, 5, 16)
    model = build("recurrent", (49, 10, 1), 12, units=[8, 6])
    assert [model.get_layer(f"stage{n}").output.shape[1:] for n in (1, 2)] == [(49, 8), (49, 6)]
    sizes = {"patch": 7, "width": 12, "heads": 3, "hidden": 20, "blocks": 2}
    for pool, tokens in (("mean", 14), ("token", 15)):
        model = build("transformer", (98, 40, 1), 12, pool=pool, **sizes)
        assert [model.get_layer(f"stage{n}").output.shape[1:] for n in (1, 2)] == [(tokens, 12)] * 2


@pytest.mark.parametrize(
    ("architecture", "sizes"),
    [
        ("dscn", {}),
        ("dscnn", {"layers": 3}),
        ("dscnn", {"shape": 3}),
        ("dscnn", {"channels": 0}),
        ("dscnn", {"channels": "many"}),
        ("dscnn", {"stem": [3]}),
        ("dscnn", {"stem": [3, 3, 3]}),
        ("separable", {"kernel": [2.5, 3]}),
        ("separable", {"stages": [[32]]}),
        ("temporal", {"strides": [1, 2]}),
        ("resnet", {"strides": [1]}),
        ("hybrid", {"dense": [48]}),
        ("resnet", {"dropout": 2}),
        ("resnet", {"stem_kernel": "ab"}),
        ("recurrent", {"units": []}),
        ("recurrent", {"units": 8}),
        ("transformer", {"patch": 3}),
        ("transformer", {"patch": 0}),
        ("transformer", {"heads": 3}),
        ("transformer", {"heads": 0}),
        ("transformer", {"norm": "batch"}),
        ("transformer", {"pool": "max"}),
        ("transformer", {"blocks": "six"}),
    ],
)
def test_sizes_that_make_no_model_are_refused(architecture: str, sizes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"'{architecture}'"):
        build(architecture, (49, 40, 1), 12, **sizes)


@pytest.mark.slow
def test_every_architecture_is_computed_exactly(tmp_path: Path) -> None:
    cases = []
    for architecture in [each for each in MODELS if each not in HOST_ONLY]:
        folder = tmp_path / architecture
        folder.mkdir()
        model, file = converted(architecture, folder)
        border, counted = measure._inspect(file.read_bytes())
        assert border.shape == (1, *SHAPES[architecture]) and border.dtype == "int8"
        assert counted == read_program(file).macs == macs(model)
        batch = np.random.default_rng(0).integers(-128, 128, (6, *border.shape), dtype=np.int8)
        batch[0], batch[1] = -128, 127
        cases.append(Case(file.read_bytes(), (batch,), architecture))
    flags = ("-std=c11", "-O1")  # without sanitisers, which cost more than all the rest: the engine's tests have them
    program = build_host(tmp_path, compile_all([case.model for case in cases], tmp_path), flags)
    with Oracle() as oracle:
        for number, case in enumerate(cases):
            golden = oracle.run(case.model, case.inputs)
            assert difference(golden, program.run(f"m{number}", case.inputs), case) is None
            assert len(np.unique(golden[0])) > 5, f"{case.label} says the same of everything"
