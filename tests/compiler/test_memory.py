"""The arena planner: no plan loses a value, none is larger than greedy placement, small ones are the smallest."""

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compiler import Target, read_program
from harness.compiler.memory import Buffer, plan_memory
from harness.compiler.memory.apart import Apart
from harness.compiler.memory.greedy import arena_bytes, place_greedily
from harness.compiler.memory.problem import ALIGNMENT
from harness.compiler.memory.schedule import Schedule
from tests.support.arenas import Case, case, cases, run, smallest_arena, solver
from tests.support.data import MLPERF, mlperf_model
from tests.support.profiles import examples

START = Apart.start
lives = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted)
items = st.lists(st.builds(lambda size, life: Buffer(size, *life), st.integers(1, 5000), lives), max_size=14)


def plan(program, **options):
    return plan_memory(program.graph, program.layers, program.aliases, **{"solver": solver().solve, **options})


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


@examples(300)
@given(items)
def test_greedy_placement_is_between_the_busiest_moment_and_greedy_by_size(boxes):
    schedule = Schedule((), tuple(boxes), {}, frozenset())
    arena = arena_bytes(schedule, place_greedily(schedule))
    assert most_at_once(boxes) <= arena <= greedy_by_size(boxes)


@examples(80)
@given(cases())
def test_no_plan_loses_a_value_or_is_larger_than_greedy(program):
    greedy, best = plan(program, seconds=0), plan(program)
    run(program, greedy)
    run(program, best)
    assert best.bound_bytes <= best.arena_bytes <= greedy.arena_bytes
    assert greedy.bound_bytes <= best.bound_bytes
    assert best.optimal, "so small a program is always solved"


@examples(40)
@given(cases(layers=4, sizes=(1, 4, 6, 8, 12)))
def test_tiny_programs_get_the_smallest_arena_there_is(program):
    found = plan(program)
    assert found.arena_bytes == smallest_arena(program, found.arena_bytes + 1)


@examples(25)
@given(cases())
def test_the_same_program_gets_the_same_plan(program):
    assert plan(program) == plan(program)


def test_an_output_takes_the_memory_of_an_input_that_dies():
    program = case([100, 100, 100], [[0], [1]], overlaps={0: {0: 0}, 1: {1: 0}})
    assert plan(program).arena_bytes == 100
    assert plan(case([100, 100, 100], [[0], [1]])).arena_bytes == 200


def test_an_input_lies_at_the_end_of_the_output_that_eats_it():
    """A 1x1 convolution from 8 to 16 channels over 10 pixels."""
    found = plan(case([80, 160], [[0]], overlaps={0: {0: 80}}))
    assert found.arena_bytes == 160 and (found.tensor_offset(1), found.tensor_offset(0)) == (0, 80)
    shrinks = plan(case([160, 80], [[0]], overlaps={0: {0: 0}}))
    assert shrinks.arena_bytes == 160 and shrinks.tensor_offset(0) == shrinks.tensor_offset(1) == 0


def test_in_place_means_at_the_same_offset_and_no_other():
    program = case([100, 100, 100], [[0], [1]], in_place={0: [0], 1: [1]})
    assert plan(program).arena_bytes == 100
    beside = case([100, 40, 100], [[0], [0, 1]], in_place={1: [0, 1]})
    assert plan(beside).arena_bytes == 140
    run(beside, plan(beside))


def test_an_input_that_lives_on_is_not_eaten():
    residual = case([100, 100, 100], [[0], [0, 1]], overlaps={0: {0: 0}})
    assert plan(residual).arena_bytes == 300
    output = case([100, 100], [[0]], outputs=[0, 1], overlaps={0: {0: 0}})
    assert plan(output).arena_bytes == 200


def test_a_reshaped_input_lives_as_long_as_its_other_name():
    late = case([100, 100, 100, 100], [[0], [2, 1]], aliases={2: 0}, overlaps={0: {0: 0}})
    assert plan(late).arena_bytes == 300
    early = case([100, 100, 100], [[1]], aliases={1: 0}, overlaps={0: {1: 0}})
    assert plan(early).arena_bytes == 100
    both = case([100, 100, 100], [[0, 1]], aliases={1: 0}, overlaps={0: {1: 0}})
    assert plan(both).arena_bytes == 200


def test_two_inputs_are_eaten_where_both_rules_hold():
    """The output, 200 bytes, grows over the one input and then over the other behind it."""
    program = case([100, 100, 200], [[0, 1]], inputs=[0, 1], overlaps={0: {0: 0, 1: 100}})
    assert plan(program).arena_bytes == 200
    run(program, plan(program))


def branches():
    """Two branches that widen and narrow again; the file runs both wide layers before the narrow ones."""
    return case([100, 1000, 1000, 10, 10, 20], [[0], [0], [1], [2], [3, 4]])


def test_the_order_of_the_layers_is_chosen():
    found = plan(branches())
    assert found.order == (0, 2, 1, 3, 4)
    assert found.arena_bytes == 1000 + 100 + 10  # the first wide one, the input, the narrow one
    assert found.optimal
    run(branches(), found)


def test_of_more_orders_than_can_be_tried_a_frugal_one_is_taken():
    """Twenty branches that widen and narrow again, the wide layers first in the file."""
    wide, narrow = range(1, 21), range(21, 41)
    program = case(
        [100, *[1000] * 20, *[10] * 20, 4], [*[[0]] * 20, *([layer] for layer in wide), list(narrow)], outputs=[41]
    )
    found = plan(program, seconds=0)
    assert found.arena_bytes < 100 + 1000 + 20 * 12 + 40
    run(program, found)


def test_order_and_placement_are_solved_together():
    """Every order has the same busiest moment, so the given one is placed first; it needs 220 bytes at least."""
    overlaps = {1: {0: 20, 1: 0}, 2: {2: 20}, 3: {1: 0}, 4: {4: 20}}
    program = case([20, 100, 100, 100, 80, 100], [[0], [0, 1], [2], [1], [3, 4]], overlaps=overlaps)
    found = plan(program)
    assert found.order == (0, 3, 1, 2, 4) and found.arena_bytes == found.bound_bytes == 200
    run(program, found)


def test_an_order_that_is_good_enough_stays():
    program = case([100, 100, 100, 100], [[0], [0], [1, 2]])
    assert plan(program).order == (0, 1, 2)


def crowded():
    """A chain of 1x1 convolutions, each of which can eat its input: greedy placement lets them climb to 100 bytes."""
    return case([80, 20, 40, 40, 80], [[0], [1], [2], [3]], overlaps={0: {0: 0}, 1: {1: 20}, 2: {2: 0}, 3: {3: 40}})


def test_the_solver_finds_what_greedy_placement_does_not():
    skips = case([40, 100, 20, 80, 40, 100], [[0], [0, 1], [0, 2], [0, 3], [4]])
    for program, least, greedy in ((crowded(), 80, 100), (skips, 160, 180)):
        assert plan(program, seconds=0).arena_bytes == greedy
        assert plan(program).arena_bytes == plan(program).bound_bytes == least
        run(program, plan(program))


def test_out_of_time_the_greedy_plan_remains():
    assert plan(crowded(), seconds=1e-9) == plan(crowded(), seconds=0)


def test_where_greedy_placement_reaches_the_bound_the_solver_is_not_even_started(monkeypatch):
    started = []
    monkeypatch.setattr(Apart, "start", lambda: started.append(1) or START())
    assert plan_memory(branches().graph, branches().layers, branches().aliases).optimal
    assert not started
    assert plan_memory(crowded().graph, crowded().layers, crowded().aliases).optimal
    assert started and "ortools" not in sys.modules


def test_a_solver_that_dies_leaves_the_greedy_plan():
    with Apart.start() as child:
        child._process.kill()
        child._process.wait()
        assert plan(crowded(), solver=child.solve) == plan(crowded(), seconds=0)


@pytest.mark.parametrize("core", [None, "m4f"])
@pytest.mark.parametrize("name", MLPERF)
def test_the_plans_of_mlperf_models_are_proven_and_lose_nothing(name, core):
    program = read_program(mlperf_model(name), Target(core))
    assert program.memory.optimal
    unmoved = replace(program.memory, order=range(len(program.layers)))  # they come in running order
    run(Case(program.graph, program.layers, program.aliases), unmoved)
