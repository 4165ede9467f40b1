"""3x3 convolutions by transformed tiles: algebra, bounds, constants, and whole layers on an emulated core."""

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compiler.kernels.armv7em import polyphase, winograd
from harness.compiler.kernels.armv7em.polyphase import POLYPHASE
from harness.compiler.kernels.armv7em.tiles import schedules
from harness.compiler.kernels.armv7em.winograd import WINOGRAD
from harness.compiler.kernels.staircase import Staircase
from harness.oracle import Oracle
from tests.compiler.test_requantize import golden, interesting, staircases
from tests.support import emulated
from tests.support.emulated import Way
from tests.support.profiles import examples, seconds_limit
from tests.support.strategies import Case, samples
from tests.support.tflite_builder import ModelBuilder, Q

METHODS = {"winograd": WINOGRAD, "polyphase": POLYPHASE}
STRIDE = {"winograd": 1, "polyphase": 2}


def run(lines, values):
    """Run ADD, SUB and SSUB16 on numbers in r4, r5 ...; return the registers."""
    registers = {f"r{4 + i}": value for i, value in enumerate(values)}
    for line in lines:
        name, target, a, b, shift = re.fullmatch(
            r"(add|sub|ssub16) (r\d+), (r\d+), (r\d+)(?:, lsl #(\d))?", line
        ).groups()
        second = registers[b] * (1 << int(shift or 0))
        registers[target] = registers[a] + second if name == "add" else registers[a] - second
    return registers


def parts(method, values):
    """Return what `transform` makes of a tile's inputs along one axis."""
    after = run(method.transform, values)
    return np.array([after[f"r{4 + i}"] for i in range(method.span)])


@pytest.mark.parametrize("name", METHODS)
def test_the_instructions_transform_as_the_matrix_says(name):
    method = METHODS[name]
    columns = [parts(method, unit) for unit in np.eye(method.span, dtype=int)]
    assert np.array_equal(np.transpose(columns), method.inputs)


def winograd_outputs(sums):
    """Return the sixteen outputs of the instructions, and what they are multiplied by."""

    def axis(values):
        after = run(winograd._A, list(values))
        return np.array([after[f"r{r}"] for r in winograd._RESULTS])

    e = np.array(winograd.EXPONENTS)
    return axis(axis(sums.reshape(6, 6)).T).T, 36 * 2 ** (winograd.CLASSES - e[:, None] - e[None, :])


def polyphase_outputs(sums):
    pairs = np.array([[1, 1, 0], [0, 1, 1]])
    return pairs @ sums.reshape(3, 3) @ pairs.T, np.ones((2, 2), dtype=int)


@pytest.mark.parametrize("name", METHODS)
def test_a_tile_is_the_convolution_times_its_scale(name):
    method, rng, stride = METHODS[name], np.random.default_rng(0), STRIDE[name]
    finish = {"winograd": winograd_outputs, "polyphase": polyphase_outputs}[name]
    for _ in range(20):
        w, x, bias = rng.integers(-127, 128, (1, 3, 3, 1)), rng.integers(-128, 128, (method.span,) * 2), 1000
        values = parts(method, list(parts(method, list(x)).T)).T
        products = method.transformed(w)[:, :, 0, 0] * values
        sums = np.zeros(method.sums, dtype=int)
        sums[method.bias_at] = bias
        across = max(method.groups) + 1
        for i, j in np.ndindex(method.span, method.span):
            sums[method.groups[i] * across + method.groups[j]] += products[i, j]
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3))[::stride, ::stride]
        expected = np.einsum("yxab,ab->yx", windows, w[0, :, :, 0])
        outputs, scale = finish(sums)
        assert np.array_equal(outputs, scale * expected + scale // scale.min() * bias)


def test_values_fit_halves_and_the_low_half_is_never_negative():
    b = np.array(WINOGRAD.inputs)
    positive, negative = np.maximum(b, 0).sum(axis=1), np.maximum(-b, 0).sum(axis=1)
    most = 255 * (np.outer(positive, positive) + np.outer(negative, negative))
    least = -255 * (np.outer(positive, negative) + np.outer(negative, positive))
    assert np.all(b[:, 4] + b[:, 5] == 1), "what is added to inputs 4 and 5 is added to every value"
    assert np.all(least + WINOGRAD.low >= 0) and np.all(most + WINOGRAD.low < 2**15)
    assert np.all(least >= -(2**15)) and np.all(most < 2**15)
    reach = np.abs(np.array(POLYPHASE.inputs)).sum(axis=1)
    assert 128 * np.outer(reach, reach).max() < 2**15


@pytest.mark.parametrize("name", METHODS)
def test_weights_fit_halves(name):
    method = METHODS[name]
    reach = np.abs(np.array(method.weights)).sum(axis=1)
    scale = 1 << max(polyphase.SCALE_BITS) if name == "polyphase" else 1
    assert 128 * scale * np.outer(reach, reach).max() < 2**15


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("depth", [4, 8, 12, 16, 20, 32, 48, 64, 68])
def test_every_product_is_made_once(name, depth):
    method = METHODS[name]
    for schedule in schedules(method, depth):
        seen, begun = [], set()
        assert len({tuple((s.first, s.pieces, len(s.chunks)) for s in sections) for sections in schedule.rounds}) == 1
        for chunk in (c for sections in schedule.rounds for section in sections for c in section.chunks):
            assert chunk.first == (chunk.sum not in begun)
            begun.add(chunk.sum)
            seen += [(i, j, k + n) for i, j, k in chunk.pieces for n in range(schedule.piece)]
        assert sorted(seen) == list(np.ndindex(method.span, method.span, depth // 2))
        assert begun == set(range(method.sums))


@settings(max_examples=60, deadline=None)
@given(staircases())
def test_constants_give_every_output_in_every_class(stairs):
    stairs = stairs.part(slice(0, 1))
    found = winograd.fit(stairs, signed=stairs.low < stairs.zero_point)
    if found is None:
        return
    shift, words, bias = found
    y = interesting(stairs, 0)
    m, c, *k = (int(word) for word in words[0])
    for s in range(winograd.CLASSES + 1):
        v = (36 * y + bias[0]) << s
        assert np.all(np.abs(v) < 2**31) and 0 <= m < 2**31
        addend = (c >> (winograd.CLASSES - s)) + np.where(v < 0, (k or [0])[0] << s, 0)
        t = (v * m + (addend << 32)) >> 32
        assert np.all(np.abs(t) < 2**31)
        outputs = np.clip(np.clip(t >> (shift + s), -128, 127), stairs.low, stairs.high)
        assert np.array_equal(outputs, golden(stairs, 0, y))


@pytest.mark.parametrize("zero_point, form", [(-128, "plain"), (4, "signed")])
def test_usual_layers_need_no_exact_form(zero_point, form):
    rng, channels = np.random.default_rng(2), 64
    bounds = np.full(channels, 2**20, dtype=np.int64)
    multipliers, shifts = rng.integers(2**30, 2**31, channels), rng.integers(8, 11, channels)
    stairs = Staircase(multipliers, shifts, zero_point, -128, 127, -bounds, bounds)
    weights = np.zeros((channels, 3, 3, 4), dtype=np.int64)
    assert winograd.finish(weights, np.zeros(channels, dtype=np.int64), stairs).tail.form == form


@st.composite
def tiled(draw):
    """A 3x3 convolution of four, eight ... channels: any size, padding, scales, the ends of all ranges."""
    stride, padding = draw(st.sampled_from((1, 1, 2))), draw(st.sampled_from(("SAME", "VALID")))
    in_c = 4 * draw(st.one_of(st.sampled_from((4, 8, 16)), st.integers(1, 20)))
    out_c = 4 * draw(st.integers(1, 8))
    h, w = (draw(st.integers(1 if padding == "SAME" else 3, 13)) for _ in range(2))
    zero_points = st.sampled_from((-128, -128, 127, 0)) | st.integers(-128, 127)
    q, out = Q(0.02, draw(zero_points)), Q(0.05, draw(zero_points))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mood = draw(st.sampled_from(("random", "usual", "extreme", "all 127", "all -127", "all -128")))
    shape = (out_c, 3, 3, in_c)
    if mood.startswith("all"):
        weights = np.full(shape, int(mood[4:]))
    else:
        weights = {
            "random": rng.integers(-127, 128, shape),
            "usual": np.clip(np.round(rng.normal(0, 20, shape)), -127, 127),
            "extreme": rng.choice([-128, -127, 127], shape),
        }[mood]
    usual = out.scale * 100 / (127 * 127 * (9 * in_c) ** 0.5) / q.scale * draw(st.sampled_from((1, 1, 1, 0.2, 5)))
    scales = [float(np.float32(usual * s)) for s in rng.uniform(0.3, 2, out_c if draw(st.booleans()) else 1)]
    span = draw(st.sampled_from((0, 5000, 2**18, 2**24)))
    activation = draw(st.sampled_from(("NONE", "NONE", "RELU", "RELU6")))
    b = ModelBuilder()
    x = b.input((draw(st.sampled_from((1, 1, 2))), h, w, in_c), q)
    bias = rng.integers(-span, span + 1, out_c).astype(np.int32)
    y = b.conv_2d(
        x, weights.astype(np.int8), scales, bias, out, activation=activation, stride=(stride,) * 2, padding=padding
    )  # fmt: skip
    label = f"3x3 {b.shape(x)} to {out_c}, stride {stride}, {padding}, {q}, {out}, {mood}, {activation}, bias {span}"
    return Case(b.build(y), (samples(draw, b.shape(x), q.zero_point),), label)


@pytest.fixture
def only_tiled(monkeypatch):
    """Leave no candidate but those by tiles where there are any; return them as they are made."""
    choosing, made = emulated.candidates, []

    def candidates(node, target):
        options = choosing(node, target)
        layers = [layer for layer in options.layers if layer.kernel == "conv_2d_tiles_armv7em"]
        made.extend(layers)
        return type(options)((options.layers[0], *(layers or options.layers[1:])))

    monkeypatch.setattr(emulated, "candidates", candidates)
    return made


@pytest.mark.slow
@pytest.mark.timeout(seconds_limit(900))
def test_layers_equal_the_oracle_in_every_byte(only_tiled):
    with Oracle() as oracle:

        @examples(8)
        @given(st.lists(tiled(), min_size=8, max_size=8), st.integers(0, 2**32 - 1))
        def property_holds(cases, seed):
            with tempfile.TemporaryDirectory() as folder:
                emulated.check(cases, Path(folder), oracle, Way("latency", seed))

        property_holds()
    for name in METHODS:
        for form in ("plain", "exact") + (("signed",) if name == "winograd" else ()):
            pattern = rf"outputs_{name}_c\d+_{form}"
            names = (routine.name for layer in only_tiled for routine in layer.routines)
            assert any(re.match(pattern, routine) for routine in names), f"no layer had {name}, {form}"


@pytest.mark.slow
@pytest.mark.timeout(seconds_limit(300))
@pytest.mark.parametrize("name", METHODS)
def test_the_estimate_is_within_five_percent(name, tmp_path, only_tiled):
    rng = np.random.default_rng(0)
    b = ModelBuilder()
    x = b.input((1, 15, 18, 24), Q(0.02, -3))
    weights = rng.integers(-127, 128, (16, 3, 3, 24), dtype=np.int8)
    y = b.conv_2d(x, weights, [0.001], None, Q(0.3, -128), activation="RELU", stride=(STRIDE[name],) * 2)
    program = Way("latency", 0).compile([b.build(y)], tmp_path)
    (layer,) = only_tiled
    assert layer.routines[1].name.startswith(f"products_{name}")
    counted = program.run("end", [(rng.integers(-128, 128, (1, 1, 15, 18, 24), dtype=np.int8),)], clock=True)
    assert counted.instructions()[0][0] == pytest.approx(layer.estimate.instructions, rel=0.05)
