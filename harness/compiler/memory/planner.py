"""From layers to a plan: greedy placement first, the solver where that leaves a doubt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.compiler.graph import Graph
from harness.compiler.layer import Layer
from harness.compiler.memory.apart import solve_apart
from harness.compiler.memory.greedy import arena_bytes, place_greedily, settle
from harness.compiler.memory.order import best_order
from harness.compiler.memory.plan import MemoryPlan, Placement
from harness.compiler.memory.problem import Problem, read_problem
from harness.compiler.memory.schedule import Schedule, schedule
from harness.compiler.memory.solve import Answer

SECONDS = 0.25  # deterministic time; the clock on the wall shows up to five times as much
MAX_PAIRS = 5000  # of blocks that the solver has to keep apart


@dataclass(frozen=True)
class Attempt:
    """A schedule with offsets, one a buffer."""

    schedule: Schedule
    offsets: tuple[int, ...]

    @property
    def arena_bytes(self) -> int:
        """Return the size of the arena."""
        return arena_bytes(self.schedule, self.offsets)


def plan_memory(
    graph: Graph,
    layers: Sequence[Layer],
    aliases: Mapping[int, int],
    *,
    seconds: float = SECONDS,
    solver: Callable[..., Answer] = solve_apart,
) -> MemoryPlan:
    """Choose the order of the layers and place every activation and scratch buffer.

    Args:
        graph: for the sizes of tensors, its inputs and outputs.
        layers: in an order that may be run.
        aliases: tensor -> the tensor whose memory it names.
        seconds: limit of the solver, in deterministic time; 0 for greedy placement alone.
        solver: solve.solve, or the same in a child process.

    Returns:
        The smallest plan found, never larger than greedy placement in the given order; always the same for one model.
    """
    problem = read_problem(graph, layers, aliases)
    best = best_order(problem)
    ordered = problem.in_order(best.order)
    known, bound, left = _greedy(problem, best.order), best.bound_bytes, seconds
    for part in (ordered, problem):
        if known.arena_bytes == bound or left <= 0 or len(part.pairs) > MAX_PAIRS:
            break
        answer = solver(
            part, bound_bytes=bound, arena_bytes=known.arena_bytes, order=known.schedule.order, offsets=known.offsets,
            seconds=left / 2 if part != problem else left,
        )  # fmt: skip
        if answer.order:
            chosen = schedule(problem, answer.order)
            known = Attempt(chosen, settle(chosen, answer.offsets))
        if part == problem:  # what holds for one order only is no bound
            bound = answer.bound_bytes
            break
        left -= answer.seconds
    placements = tuple(map(Placement, known.schedule.buffers, known.offsets))
    return MemoryPlan(known.arena_bytes, placements, known.schedule.order, bound)


def _greedy(problem: Problem, order: Sequence[int]) -> Attempt:
    """Place the blocks greedily, with the layers as given and in an order that may be better."""
    orders = dict.fromkeys((tuple(range(problem.count)), tuple(order)))
    schedules = [schedule(problem, layers) for layers in orders]
    return min((Attempt(s, place_greedily(s)) for s in schedules), key=lambda attempt: attempt.arena_bytes)
