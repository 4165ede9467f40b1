"""The arena planner: nothing that lives at once overlaps, and the arena is never larger than greedy-by-size."""

from hypothesis import given
from hypothesis import strategies as st

from harness.compiler.graph import Graph, Tensor
from harness.compiler.layer import Layer
from harness.compiler.memory import ALIGNMENT, Buffer, buffers, in_place_aliases, place_best, plan_memory
from tests.support.profiles import examples

lives = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted)
items = st.lists(st.builds(lambda size, life: Buffer(size, *life), st.integers(1, 5000), lives), max_size=14)


def greedy_by_size(boxes):
    """Return the arena of the published algorithm, written out anew: largest first, lowest gap that fits."""
    placed = []
    for box in sorted(boxes, key=lambda b: (-b.bytes, b.first)):
        rivals = [(o, b) for o, b in placed if b.first <= box.last and box.first <= b.last]
        candidates = [0, *(-(-(o + b.bytes) // ALIGNMENT) * ALIGNMENT for o, b in rivals)]
        free = [c for c in candidates if all(c + box.bytes <= o or c >= o + b.bytes for o, b in rivals)]
        placed.append((min(free), box))
    return max((o + b.bytes for o, b in placed), default=0)


def most_at_once(boxes):
    return max((sum(b.bytes for b in boxes if b.first <= t <= b.last) for t in range(13)), default=0)


def overlap(a, b):
    return a.buffer.meets(b.buffer) and a.offset < b.end and b.offset < a.end


@examples(300)
@given(items)
def test_buffers_that_live_at_once_never_overlap_and_are_aligned(boxes):
    plan = place_best(boxes)
    assert sorted(id(p.buffer) for p in plan.placements) == sorted(map(id, boxes))
    for i, one in enumerate(plan.placements):
        assert one.offset >= 0 and one.offset % ALIGNMENT == 0 and one.end <= plan.arena_bytes
        assert not any(overlap(one, other) for other in plan.placements[i + 1 :])


@examples(300)
@given(items)
def test_never_larger_than_greedy_by_size_nor_smaller_than_the_busiest_moment(boxes):
    assert most_at_once(boxes) <= place_best(boxes).arena_bytes <= greedy_by_size(boxes)


@st.composite
def programs(draw):
    """A random chain with skips: layer i writes tensor i + 1 and reads one or two earlier tensors, some in place."""
    count = draw(st.integers(1, 8))
    sizes = draw(st.lists(st.sampled_from((1, 3, 8, 64, 100)), min_size=count + 1, max_size=count + 1))
    layers = []
    for i in range(count):
        inputs = tuple({i, draw(st.integers(0, i))})
        may = {t: 0 for t in inputs if sizes[t] == sizes[i + 1] and draw(st.booleans())}
        scratch = draw(st.sampled_from((None, 0, 40)))
        layers.append(Layer(i, "", "", "k", {}, inputs, (i + 1,), scratch_bytes=scratch, overlaps=may))
    tensors = tuple(Tensor(i, "", (size,), "int8") for i, size in enumerate(sizes))
    outputs = tuple({count, draw(st.integers(1, count))})
    return Graph("g", "", tensors, (), (0,), outputs), layers


@examples(300)
@given(programs())
def test_a_run_through_the_plan_never_reads_an_overwritten_value(program):
    graph, layers = program
    plan = plan_memory(graph, layers, {})
    owner = {}  # byte of the arena -> the value that was written there last
    where = {t.index: range(plan.tensor_offset(t.index), plan.tensor_offset(t.index) + t.bytes) for t in graph.tensors}
    owner.update(dict.fromkeys(where[0], 0))
    for layer in layers:
        for tensor in layer.inputs:
            assert all(owner.get(byte) == tensor for byte in where[tensor])
        if layer.scratch_bytes:
            start = plan.scratch_offset(layer.index)
            for byte in range(start, start + layer.scratch_bytes):
                assert not any(byte in where[t] for t in (*layer.inputs, *layer.outputs))
                owner[byte] = None
        for tensor in layer.inputs:
            shared = set(where[tensor]) & set(where[layer.outputs[0]])
            assert not shared or (tensor in layer.overlaps and where[tensor] == where[layer.outputs[0]])
        owner.update(dict.fromkeys(where[layer.outputs[0]], layer.outputs[0]))
    for tensor in graph.outputs:
        assert all(owner.get(byte) == tensor for byte in where[tensor])


@examples(200)
@given(programs())
def test_in_place_never_costs_memory(program):
    graph, layers = program
    assert plan_memory(graph, layers, {}).arena_bytes <= greedy_by_size(buffers(graph, layers, {}))


def test_in_place_saves_memory_where_an_operator_allows_it():
    tensors = tuple(Tensor(i, "", (100,), "int8") for i in range(3))
    layers = [Layer(i, "", "", "k", {}, (i,), (i + 1,), overlaps={i: 0}) for i in range(2)]
    graph = Graph("g", "", tensors, (), (0,), (2,))
    assert plan_memory(graph, layers, {}).arena_bytes == 100
    assert in_place_aliases(graph, layers, {}) == {1: 0, 2: 0}
