"""Channels leave a graph, and come in, without changing one byte that is left."""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compiler import compile_program
from harness.compiler.passes import channels, ranges, reshape_channels
from harness.compiler.passes.channels import PADDING
from harness.compiler.passes.ranges import Range, channel_ranges
from harness.compiler.program import Program, make_program
from harness.compiler.tflite import parse_model
from harness.flows.diff import compare, traced_layers
from harness.oracle import Oracle
from tests.support.data import mlperf_model
from tests.support.exactness import mismatches
from tests.support.host_build import HostProgram, build
from tests.support.profiles import examples, seconds_limit
from tests.support.pruned import pruned_networks
from tests.support.strategies import Case
from tests.support.tflite_builder import ModelBuilder, Q

MULTIPLES = (1, 4)
IN, OUT = Q(0.1, -3), Q(0.1, -128)
MODELS_A_BUILD = 8


@pytest.fixture(scope="module")
def oracle():
    with Oracle() as running:
        yield running


def program(model: bytes, multiple: int = 1) -> Program:
    return make_program(parse_model(model, "net"), channel_multiple=multiple)


def built(models: list[bytes], folder: Path, multiple: int) -> HostProgram:
    """Build models, with prefixes m0, m1 ..."""
    descriptions = {}
    for i, model in enumerate(models):
        descriptions[f"m{i}"] = compile_program(program(model, multiple), folder, prefix=f"m{i}").description
    return build(folder, descriptions)


def wrong_layers(host: HostProgram, prefix: str, case: Case, oracle: Oracle, samples: int = 2) -> list[str]:
    """Return which layers write other bytes than the oracle has in those channels."""
    layers = traced_layers(host.descriptions[prefix])
    batch = [array[-samples:] for array in case.inputs]
    found = []
    for sample, written in zip(zip(*batch, strict=True), host.trace(prefix, batch), strict=True):
        golden = oracle.tensors(case.model, sample)
        results = [compare(data, golden[layer.tensor], layer) for data, layer in zip(written, layers, strict=True)]
        found += [f"{layer}: {result}" for layer, result in zip(layers, results, strict=True) if result.differing]
    return found


def check(cases: list[Case], oracle: Oracle, multiples: tuple[int, ...] = MULTIPLES) -> None:
    """Assert that all outputs, and all channels of all layers, are the oracle's."""
    for multiple in multiples:
        with tempfile.TemporaryDirectory() as folder:
            host = built([case.model for case in cases], Path(folder), multiple)
            for i, case in enumerate(cases):
                assert not (text := mismatches(host, f"m{i}", case, oracle)), f"multiple {multiple}, {text}"
                assert not (wrong := wrong_layers(host, f"m{i}", case, oracle)), (multiple, wrong, case.label)


@pytest.mark.slow
@pytest.mark.timeout(seconds_limit(600))
def test_pruned_networks_keep_every_byte(oracle):
    @examples(4)
    @given(st.lists(pruned_networks(), min_size=MODELS_A_BUILD, max_size=MODELS_A_BUILD))
    def property_holds(cases):
        check(cases, oracle)

    property_holds()


def test_no_value_leaves_its_range(oracle):
    @examples(60)
    @given(pruned_networks())
    def property_holds(case):
        found = channel_ranges(parse_model(case.model, "net"))
        for sample in case.inputs[0]:
            for index, values in oracle.tensors(case.model, [sample]).items():
                if index in found:
                    rows = values.reshape(-1, len(found[index].low))
                    assert np.all(rows >= found[index].low) and np.all(rows <= found[index].high), (index, case.label)

    property_holds()


def test_pruned_networks_have_what_this_pass_is_for():
    seen: Counter[str] = Counter()

    @examples(200)
    @given(pruned_networks())
    def count(case):
        graph = parse_model(case.model, "net")
        one, four = program(case.model), program(case.model, 4)
        seen["shrinks"] += one.macs_executed < one.macs
        seen["whole"] += all(tensor.channels is None for tensor in one.graph.tensors)
        seen["padded"] += any(PADDING in (tensor.channels or ()) for tensor in four.graph.tensors)
        for index, found in channel_ranges(graph).items():
            left = one.graph.tensors[index].channels
            off = found.constant & (found.low != graph.tensors[index].quantization.zero_point)
            seen["constants off the zero point leave"] += left is not None and bool(set(np.flatnonzero(off)) - {*left})
            seen["constants stay"] += left is not None and bool(found.constant[list(left)].any())

    count()
    assert len(seen) == 5 and min(seen.values()) >= 10, seen


class Net:
    """Builds a model; `dead` are output channels of zero weights with these biases; the others are random."""

    def __init__(self, shape=(1, 6, 6, 4)):
        self.rng = np.random.default_rng(7)
        self.b = ModelBuilder()
        self.x = self.b.input(shape, IN)

    def _numbers(self, shape, axis, dead):
        weights = self.rng.integers(1, 128, shape, dtype=np.int8) * self.rng.choice([-1, 1], shape).astype(np.int8)
        bias = self.rng.integers(0, 4000, shape[axis])
        for channel, value in (dead or {}).items():
            np.moveaxis(weights, axis, 0)[channel] = 0
            bias[channel] = value
        return weights, [0.002] * shape[axis], bias

    def conv(self, channels, x=None, *, dead=None, unread=(), window=1, q=OUT, **options):
        x = self.x if x is None else x
        weights, scales, bias = self._numbers((channels, window, window, self.b.shape(x)[3]), 0, dead)
        weights[..., list(unread)] = 0
        self.x = self.b.conv_2d(x, weights, scales, bias, q, activation="RELU", **options)
        return self.x

    def depthwise(self, *, times=1, dead=None, **options):
        weights, scales, bias = self._numbers((1, 3, 3, times * self.b.shape(self.x)[3]), 3, dead)
        self.x = self.b.depthwise_conv_2d(self.x, weights, scales, bias, OUT, activation="RELU", **options)
        return self.x

    def dense(self, channels, *, dead=None, unread=()):
        depth = int(np.prod(self.b.shape(self.x)))
        weights, scales, bias = self._numbers((channels, depth), 0, dead)
        weights[:, list(unread)] = 0
        self.x = self.b.fully_connected(self.x, weights, scales, bias, Q(0.3, 5))
        return self.x

    def case(self, *more, label="") -> Case:
        batch = np.random.default_rng(4).integers(-128, 128, (6, *self.b.shape(0)), dtype=np.int8)
        batch[0], batch[1] = -128, 127
        return Case(self.b.build(self.x, *more), (batch,), label)


def kept(case: Case, tensor: int, multiple: int = 1) -> tuple[int, ...] | None:
    return program(case.model, multiple).graph.tensors[tensor].channels


ABOVE = 25_000  # with the scales above an output of -78, 50 above the zero point
BELOW = -25_000  # clamped to the zero point


def test_a_constant_at_the_zero_point_leaves_all_the_way(oracle):
    net = Net()
    first, second = net.conv(6, dead={1: BELOW, 4: 0}), net.depthwise(dead={1: 0, 4: BELOW})
    third = net.conv(5, window=3)
    case = net.case()
    assert kept(case, first) == kept(case, second) == (0, 2, 3, 5)
    assert kept(case, third) is None
    planned = program(case.model)
    assert planned.macs == 36 * (4 * 6 + 9 * 6 + 9 * 6 * 5)
    assert planned.macs_executed == 36 * (4 * 4 + 9 * 4 + 9 * 4 * 5)
    check([case], oracle)


@pytest.mark.parametrize("options, left", [({"padding": "SAME"}, (0, 1, 2)), ({"padding": "VALID"}, (0, 2))])
def test_a_constant_off_the_zero_point_stays_for_the_border_only(options, left, oracle):
    net = Net()
    first = net.conv(3, dead={1: ABOVE})
    net.conv(4, window=3, **options)
    case = net.case()
    assert kept(case, first) == (None if left == (0, 1, 2) else left)
    check([case], oracle)


def test_a_depthwise_constant_leaves_where_its_borders_agree(oracle):
    net = Net()
    first = net.conv(4, dead={1: ABOVE, 2: ABOVE})
    second = net.depthwise(dead={1: ABOVE})  # 1 has one value everywhere, 2 another at the border
    net.conv(3)
    case = net.case()
    assert kept(case, first) == kept(case, second) == (0, 2, 3)
    check([case], oracle)


def test_what_no_threshold_separates_is_constant(oracle):
    net = Net()
    first = net.conv(4, q=Q(1e4, 7))  # so coarse a scale that no input moves the output
    net.conv(3)
    case = net.case()
    assert kept(case, first) == (0,)
    check([case], oracle)


def test_channels_that_nobody_reads_leave_backwards(oracle):
    net = Net()
    first, second = net.conv(6), net.depthwise(stride=(2, 2))
    net.x = third = net.b.pool_2d(net.x, "MAX_POOL_2D", (2, 2))
    net.conv(3, unread=(0, 5))
    case = net.case()
    assert kept(case, first) == kept(case, second) == kept(case, third) == (1, 2, 3, 4)
    check([case], oracle)


def test_inputs_and_outputs_of_the_graph_stay_whole(oracle):
    net = Net()
    first = net.conv(4, dead={0: ABOVE, 1: BELOW}, unread=(2,))
    net.conv(2, dead={0: 10, 1: ABOVE})
    case = net.case(first)
    for multiple in MULTIPLES:
        assert all(t.channels is None for t in program(case.model, multiple).graph.tensors)
    check([case], oracle)


def test_both_sides_of_a_residual_keep_the_same_channels(oracle):
    net = Net()
    trunk = net.conv(6, dead={0: BELOW, 1: BELOW})
    branch = net.conv(6, dead={0: ABOVE, 2: ABOVE})
    net.x = total = net.b.add(trunk, branch, Q(0.3, -10))
    net.conv(3)
    case = net.case()
    assert kept(case, trunk) == kept(case, branch) == kept(case, total) == (1, 2, 3, 4, 5)
    check([case], oracle)


def test_a_constant_operand_loses_its_channels_too(oracle):
    net = Net()
    net.conv(5, dead={3: ABOVE})
    operand = net.b.tensor((5,), Q(0.2, 9), data=np.array([1, -2, 3, 100, 5], np.int8))
    net.x = total = net.b.add(net.x, operand, Q(0.3, -10))
    net.conv(3)
    case = net.case()
    assert kept(case, total) == (0, 1, 2, 4)
    check([case], oracle)


def test_a_layer_of_constants_keeps_one_channel(oracle):
    net = Net()
    first = net.conv(6)
    second = net.conv(5, dead={i: ABOVE + i for i in range(5)})
    net.depthwise()
    net.dense(3)
    case = net.case()
    assert kept(case, first) == (0,)
    flat = Net()
    middle = flat.conv(6)
    flat.conv(5, dead={i: ABOVE + i for i in range(5)})
    flat.conv(3)
    constant = flat.case()
    assert kept(constant, middle) == (0,) and kept(constant, second) == (0,)
    assert kept(constant, middle, 4) == (0, PADDING, PADDING, PADDING)
    check([case, constant], oracle)


def test_rows_of_several_positions_lose_whole_channels(oracle):
    net = Net()
    first = net.conv(8, dead={2: ABOVE, 5: BELOW})
    net.x = flat = net.b.reshape(net.x, (1, 36 * 8))
    net.dense(3)
    case = net.case()
    assert kept(case, first) == (0, 1, 3, 4, 6, 7)
    assert kept(case, flat) == tuple(p * 8 + c for p in range(36) for c in (0, 1, 3, 4, 6, 7))
    assert kept(case, first, 4) is None  # eight is a multiple of four, six is not: dead channels stay instead
    check([case], oracle)


def test_a_depth_multiplier_ties_several_channels_to_one(oracle):
    net = Net()
    first = net.conv(4, dead={0: BELOW, 1: BELOW})
    second = net.depthwise(times=2, dead={4: ABOVE, 5: ABOVE, 6: ABOVE})
    net.conv(3)
    case = net.case()
    assert kept(case, first) == (3,) and kept(case, second) == (6, 7)
    assert kept(case, first, 4) is None
    check([case], oracle)


def test_counts_are_rounded_up_on_request(oracle):
    net = Net((1, 6, 6, 3))
    first, second = net.conv(6, dead={1: BELOW}), net.depthwise()
    net.x = third = net.b.pool_2d(net.x, "AVERAGE_POOL_2D", (6, 6), padding="VALID")
    net.x = fourth = net.b.reshape(net.x, (1, 6))
    net.dense(10)
    case = net.case()
    for tensor in (first, second, third, fourth):
        assert kept(case, tensor, 4) == (0, 2, 3, 4, 5, PADDING, PADDING, PADDING)
    planned = program(case.model, 4)
    assert planned.macs == 36 * (3 * 6 + 9 * 6) + 60
    assert planned.macs_executed == 36 * (3 * 8 + 9 * 8) + 80
    assert [planned.graph.tensors[t].channels for t in (0, net.x)] == [None, None]
    check([case], oracle)


def test_padding_has_the_scale_of_the_first_channel():
    net = Net()
    net.conv(3)
    net.conv(3)
    weights = program(net.case().model, 4).graph.tensors[-4]
    assert weights.shape == (4, 1, 1, 4) and weights.quantization.scales.size == 4


def test_model_json_says_what_became_of_each_layer(tmp_path):
    net = Net()
    net.conv(6, dead={1: BELOW})
    net.conv(3)
    description = compile_program(program(net.case().model, 4), tmp_path).description
    layers = description["layers"]
    assert [layer["channels"] for layer in layers] == [[0, 2, 3, 4, 5, -1, -1, -1], None]
    assert [layer["macs"] for layer in layers] == [36 * 24, 36 * 18]
    assert [layer["macs_executed"] for layer in layers] == [36 * 32, 36 * 24]
    assert (description["macs"], description["macs_executed"]) == (36 * 42, 36 * 56)


@pytest.mark.parametrize("limit, value", [("MAX_ELEMENTS", 200), ("MAX_CHANNELS", 12)])
def test_graphs_that_fit_no_microcontroller_are_left_alone(limit, value, monkeypatch):
    net = Net()
    first = net.conv(6, dead={1: BELOW})
    net.conv(3)
    monkeypatch.setattr(reshape_channels, limit, value)
    assert kept(net.case(), first) is None


def _off_by_one(original):
    return lambda node, layout, source, target: original(node, layout, Range(source.low + 1, source.high + 1), target)


def _borderless(original):
    return lambda node: tuple(np.ones_like(patterns[:1]) for patterns in original(node))


def _filled(original):
    return lambda values, layout, axis: np.take(values, np.maximum(layout, 0), axis)


def _rotated(original):
    return lambda values, layout, axis: original(values, np.roll(layout, int(axis == 2)), axis)


PLANTED = {
    "a constant's value is off by one": (reshape_channels, "fold", _off_by_one),
    "the border is forgotten where constants are folded": (channels, "taps_inside", _borderless),
    "the border is forgotten where constants are found": (ranges, "taps_inside", _borderless),
    "padding has weights": (reshape_channels, "select", _filled),
    "a product reads another channel": (reshape_channels, "select", _rotated),
}


def everything() -> Case:
    net = Net()
    net.conv(7, dead={1: ABOVE, 3: BELOW})
    net.depthwise()
    net.conv(6, dead={0: ABOVE})
    net.conv(5, window=3, dead={4: ABOVE})
    net.conv(3)
    return net.case()


def test_what_bugs_are_planted_in_is_exact(oracle):
    check([everything()], oracle)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_seen(name, oracle, tmp_path, monkeypatch):
    module, function, planted = PLANTED[name]
    monkeypatch.setattr(module, function, planted(getattr(module, function)))
    case = everything()
    assert mismatches(built([case.model], tmp_path, 4), "m0", case, oracle)


@pytest.mark.slow
def test_visual_wake_words_loses_half_of_its_work(oracle):
    model = mlperf_model("vww_96_int8").read_bytes()
    one, four = program(model), program(model, 4)
    assert one.macs == four.macs == 7_489_664
    assert (one.macs_executed, four.macs_executed) == (3_727_313, 3_766_476)
    batch = np.random.default_rng(0).integers(-128, 128, (4, 1, 96, 96, 3), dtype=np.int8)
    batch[0], batch[1] = -128, 127
    check([Case(model, (batch,), "vww")], oracle, multiples=(4,))  # 1 is in tests/kernels/test_mlperf.py
