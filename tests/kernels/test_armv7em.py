"""The kernels for Armv7E-M against TensorFlow Lite Micro, byte for byte, on an emulated Cortex-M4F.

Nothing may be read or written outside of arena and weights, registers and stack must be left as they were found; see
tests/support/emulated.py. Deeper: HYPOTHESIS_PROFILE=deep python -m pytest tests/kernels/test_armv7em.py
"""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compiler.choose import OBJECTIVES
from harness.oracle import Oracle
from tests.kernels.test_mlperf import SHAPES
from tests.support import emulated
from tests.support.data import MLPERF, mlperf_model
from tests.support.decisive import decided
from tests.support.emulated import Way
from tests.support.exactness import compile_all, difference
from tests.support.profiles import examples, seconds_limit
from tests.support.pruned import pruned_networks
from tests.support.strategies import (
    LARGE,
    Case,
    add,
    chains,
    conv_2d,
    depthwise_conv_2d,
    fully_connected,
    graphs,
    mean,
    pool_2d,
    seeds,
)
from tests.support.tflite_builder import ModelBuilder, Q

MODELS_A_BUILD = 8
KINDS = {
    "add": add(LARGE),
    "chains": chains(),
    "conv_2d": decided(conv_2d(LARGE)),
    "depthwise_conv_2d": decided(depthwise_conv_2d(LARGE)),
    "fully_connected": decided(fully_connected(LARGE)),
    "graphs": graphs(),
    "mean": decided(mean(LARGE)),
    "pointwise": decided(conv_2d(LARGE, st.just((1, 1)))),
    "pool_2d": decided(pool_2d(LARGE)),
    "pruned": pruned_networks(),
}
BUILDS = {
    "conv_2d": 14,
    "depthwise_conv_2d": 10,
    "chains": 10,
    "pointwise": 8,
    "fully_connected": 8,
    "add": 6,
    "pool_2d": 6,
}
ways = st.one_of(
    st.builds(Way, st.sampled_from(OBJECTIVES)),
    st.builds(Way, st.just("latency"), seeds),
)


@pytest.fixture(scope="module")
def oracle():
    with Oracle() as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(seconds_limit(900))
@pytest.mark.parametrize("name", KINDS)
def test_equals_the_oracle_in_every_byte(name, oracle):
    @examples(BUILDS.get(name, 4))
    @given(st.lists(KINDS[name], min_size=MODELS_A_BUILD, max_size=MODELS_A_BUILD), ways)
    def property_holds(cases, way):
        with tempfile.TemporaryDirectory() as folder:
            emulated.check(cases, Path(folder), oracle, way)

    property_holds()


@pytest.mark.slow
@pytest.mark.parametrize("optimise", OBJECTIVES)
def test_rows_of_an_odd_number_of_bytes(optimise, oracle, tmp_path):
    """Seven channels between two layers, which a depth multiplier keeps from being rounded up."""
    rng = np.random.default_rng(2)
    b = ModelBuilder()
    x = b.input((1, 16, 17, 3), Q(0.05, 58))
    y = b.conv_2d(x, rng.integers(-127, 128, (7, 1, 1, 3), dtype=np.int8), [0.005], None, Q(0.05, -100))
    weights = rng.integers(-127, 128, (1, 3, 3, 14), dtype=np.int8)
    z = b.depthwise_conv_2d(y, weights, [0.003], None, Q(0.05, 3), stride=(2, 2), padding="VALID")
    batch = rng.integers(-128, 128, (3, 1, 16, 17, 3), dtype=np.int8)
    emulated.check([Case(b.build(z), (batch,), "7 channels, then 14")], tmp_path, oracle, Way(optimise))


@pytest.mark.slow
def test_add_is_exact_on_every_pair(oracle, tmp_path):
    every = np.arange(-128, 128, dtype=np.int8)
    inputs = np.repeat(every, 256)[None, None], np.tile(every, 256)[None, None]
    cases = []
    for a, b, out, activation in (
        (Q(0.0431, -5), Q(0.0212, 127), Q(0.0527, 3), "NONE"),
        (Q(0.05, -128), Q(0.05, 40), Q(0.05, -128), "RELU"),
        (Q(0.05, 0), Q(0.05, 0), Q(0.1, 0), "NONE"),
        (Q(0.0431, 0), Q(0.0017, 0), Q(0.0317, -60), "RELU6"),
    ):
        m = ModelBuilder()
        x, y = m.input((1, 1 << 16), a), m.input((1, 1 << 16), b)
        cases.append(Case(m.build(m.add(x, y, out, activation=activation)), inputs, f"ADD {a} {b} {out} {activation}"))
    program = emulated.check(cases, tmp_path, oracle, layouts=["start"])
    kernels = [description["layers"][0]["kernel"] for description in program.descriptions.values()]
    assert kernels == ["add_armv7em"] * len(cases)


@pytest.mark.slow
@pytest.mark.parametrize("optimise", OBJECTIVES)
def test_mlperf_models_equal_the_oracle(optimise, oracle, tmp_path):
    cases = []
    for name in MLPERF:
        batch = np.random.default_rng(0).integers(-128, 128, (4, *SHAPES[name]), dtype=np.int8)
        batch[0], batch[1] = -128, 127
        cases.append(Case(mlperf_model(name).read_bytes(), (batch,), name))
    emulated.check(cases, tmp_path, oracle, Way(optimise))


def test_a_few_of_every_kind_equal_the_oracle(oracle):
    @examples(2)
    @given(st.tuples(*KINDS.values()), ways)
    def property_holds(cases, way):
        with tempfile.TemporaryDirectory() as folder:
            emulated.check(cases, Path(folder), oracle, way)

    property_holds()


@pytest.fixture(scope="module")
def case():
    """Return a model of one layer with one array of weights."""
    rng = np.random.default_rng(1)
    b = ModelBuilder()
    x = b.input((1, 5, 5, 5), Q(0.05, -7))
    y = b.conv_2d(x, rng.integers(-127, 128, (8, 3, 3, 5), dtype=np.int8), [0.001], None, Q(0.3, 3))
    return Case(b.build(y), (rng.integers(-128, 128, (3, 1, 5, 5, 5), dtype=np.int8),), "a convolution")


def body(*lines: str) -> str:
    """Return what a layer does before its work."""
    return "static void layer_0(void) {\n" + "\n".join(lines)


def bare(*instructions: str) -> str:
    """Return a layer that is nothing but these instructions."""
    text = "\\n".join((*instructions, "bx lr"))
    return (
        f'__attribute__((naked)) static void layer_0(void) {{ __asm__ volatile("{text}"); }}\n'
        "__attribute__((unused)) static void nothing(void) {"
    )


def access(array: str, offset: str, *, write: bool = False) -> str:
    """Return a read or write that no compiler sees through."""
    use = f"*(volatile int8_t *)(p + ({offset}))"
    return body(
        f"uintptr_t p = (uintptr_t){array};", '__asm__("" : "+r"(p));', f"{use} = 1;" if write else f"(void){use};"
    )


ARENA, ARENA_END = "m0_arena", "(sizeof m0_arena + 7) / 8 * 8"
WAIT = ("mov r1, #0x1000000", "1: subs r1, #1", "bne 1b")  # a busy computer's timer may be late
# What is planted in the only layer -> in which layout it is found, and what is said.
PLANTED = {
    "reads behind the arena": (access(ARENA, ARENA_END), "end", "fault in .* at address 0x20800000"),
    "writes behind the arena": (access(ARENA, ARENA_END, write=True), "end", "fault in .* at address 0x20800000"),
    "writes just behind the arena": (
        access(ARENA, "sizeof m0_arena", write=True), "start", "byte 0 behind the arena",
    ),
    "reads before the arena": (access(ARENA, "-1"), "start", "fault in .* at address 0x1fffffff"),
    "reads behind the weights": (access("weights_0", "sizeof weights_0"), "end", "fault in .* at address 0x800000"),
    "reads before the weights": (access("weights_0", "-1"), "start", "fault in .* at address 0x20ffffff"),
    "writes the weights": (access("weights_0", "0", write=True), "end", "the weights were overwritten"),
    "clobbers a register": (body('__asm__ volatile("mov r7, #1");'), "end", "not restored: r7;"),
    "clobbers a float register": (body('__asm__ volatile("vmov s20, r0");'), "end", "not restored: s20;"),
    "leaves the stack moved": (bare("sub sp, #8"), "end", "not restored: sp;"),
    "keeps data below sp": (
        bare("str r0, [sp, #-64]", *WAIT, "ldr r1, [sp, #-64]", "cmp r0, r1", "it ne", "movne r9, #0"),
        "end", "not restored: r9;",
    ),
    "overflows the stack": (bare("mov r0, #20000", "sub r1, sp, r0", "ldr r1, [r1]"), "end", "fault in layer_0"),
    "computes nothing": (bare("nop"), "end", "bytes differ, first in sample 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_seen(name, case, tmp_path, oracle):
    planted, layout, said = PLANTED[name]
    descriptions = compile_all([case.model], tmp_path, core="m4f")
    assert descriptions["m0"]["layers"][0]["kernel"].endswith("_armv7em")
    assert descriptions["m0"]["ram_arena_bytes"] % 8, "one test needs space behind the arena: choose another shape"
    source = tmp_path / "m0.c"
    text = source.read_text()
    assert text.count(body()) == 1, "the template changed: plant the bug elsewhere"
    source.write_text(text.replace(body(), planted + "\n"))
    program = emulated.build(tmp_path, descriptions)
    with pytest.raises(AssertionError, match=said):
        outputs = program.run(layout, [case.inputs]).outputs()
        found = difference(oracle.run(case.model, case.inputs), outputs[0], case)
        assert found is None, found
