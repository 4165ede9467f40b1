"""The smallest arena, by constraint programming: when the layers run and where the blocks lie, at once.

OR-Tools is imported here, and only when greedy placement leaves a doubt: importing it takes longer than planning most
models. One worker and a limit in deterministic time: the same model always gets the same plan.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any

from harness.compiler.memory.problem import ALIGNMENT, Problem

Expression = Any  # an integer or a variable of the solver
Literal = Any  # True, False or a Boolean variable of the solver


@dataclass(frozen=True)
class Answer:
    """What the solver found.

    Attributes:
        order: the layers in running order; empty where it found nothing smaller.
        offsets: of the blocks, in bytes.
        bound_bytes: no plan of the problem needs less.
        seconds: of deterministic time that it took.
    """

    order: tuple[int, ...]
    offsets: tuple[int, ...]
    bound_bytes: int
    seconds: float


def solve(
    problem: Problem,
    *,
    bound_bytes: int,
    arena_bytes: int,
    order: Iterable[int],
    offsets: Iterable[int],
    seconds: float,
) -> Answer:
    """Look for a plan that is smaller than one that is known.

    Args:
        problem: what to place.
        bound_bytes: known: no plan needs less.
        arena_bytes: the known plan's arena.
        order: the known plan's.
        offsets: the known plan's, one a block.
        seconds: the limit, in the solver's deterministic time: work, counted, not the clock.
    """
    from ortools.sat.python import cp_model

    rules = Rules(cp_model.CpModel(), problem, bound_bytes, arena_bytes - 1)
    rules.hint(order, offsets)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = seconds
    status = solver.solve(rules.model)
    spent = solver.response_proto.deterministic_time
    if status == cp_model.INFEASIBLE:
        return Answer((), (), arena_bytes, spent)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer((), (), bound_bytes, spent)
    found = sorted(range(problem.count), key=lambda layer: solver.value(rules.moments[layer]))
    return Answer(
        order=tuple(found),
        offsets=tuple(ALIGNMENT * solver.value(place) for place in rules.places),
        bound_bytes=max(bound_bytes, ceil(solver.best_objective_bound - 1e-6)),
        seconds=spent,
    )


class Rules:
    """The constraints.

    Attributes:
        model: the solver's.
        moments: for each layer, its place in the running order.
        places: for each block, its offset in units of the alignment.
    """

    def __init__(self, model: Any, problem: Problem, lowest: int, highest: int) -> None:
        self.model, self.problem = model, problem
        self.moments = [self._moment(layer) for layer in range(problem.count)]
        self._order()
        self.places = [model.new_int_var(0, highest // ALIGNMENT, "") for _ in problem.blocks]
        arena = model.new_int_var(lowest, highest, "")
        for block, place in zip(problem.blocks, self.places, strict=True):
            model.add(ALIGNMENT * place + block.bytes <= arena)
        self._separate()
        model.minimize(arena)

    def hint(self, order: Iterable[int], offsets: Iterable[int]) -> None:
        """Start the search near a known plan."""
        for moment, layer in enumerate(order):
            if not isinstance(self.moments[layer], int):
                self.model.add_hint(self.moments[layer], moment)
        for place, offset in zip(self.places, offsets, strict=True):
            self.model.add_hint(place, offset // ALIGNMENT)

    def _moment(self, layer: int) -> Expression:
        earliest = len(self.problem.ancestors[layer])
        latest = self.problem.count - 1 - sum(layer in before for before in self.problem.ancestors)
        return earliest if earliest == latest else self.model.new_int_var(earliest, latest, "")

    def _order(self) -> None:
        if all(isinstance(moment, int) for moment in self.moments):
            return
        self.model.add_all_different(self.moments)
        for layer, before in enumerate(self.problem.ancestors):
            if not isinstance(self.moments[layer], int):
                for other in before:
                    self.model.add(self.moments[other] < self.moments[layer])

    def _separate(self) -> None:
        """Keep every two blocks apart, in time or in space, unless the one eats the other."""
        for one, other in self.problem.pairs:
            times = [self._gone(one, other), self._gone(other, one)]
            sizes = [self.problem.blocks[i].bytes for i in (one, other)]
            spaces = [self._below(one, other, sizes[0]), self._below(other, one, sizes[1])]
            self.model.add_bool_or(*times, *spaces, *self._shared(one, other), *self._shared(other, one))

    def _shared(self, written: int, read: int) -> list[Literal]:
        """Return the ways in which a layer may write a block over one that it is the last to read."""
        ways = []
        if (written, read) in self.problem.eats:
            ways.append(self._below(written, read, self.problem.eats[written, read]))
        if (written, read) in self.problem.in_place:
            ways.append(self._when(self.places[written] == self.places[read]))
        writer = self.problem.blocks[written].writer
        if ways and writer is not None:
            dead = self._all_before(self.problem.blocks[read].readers - {writer}, writer)
            for way in ways:
                self.model.add_implication(way, dead)
        return ways

    def _below(self, low: int, high: int, distance: int) -> Literal:
        units = -(-distance // ALIGNMENT)
        return self._when(self.places[low] + units <= self.places[high])

    def _gone(self, one: int, other: int) -> Literal:
        """Return whether a block is used for the last time before another is written."""
        block, writer = self.problem.blocks[one], self.problem.blocks[other].writer
        if block.kept or writer is None:
            return False
        if not block.users:  # an input that nothing reads: needed while the first layer runs
            return self._when(self.moments[writer] >= 1)
        return self._all_before(block.users, writer)

    def _all_before(self, layers: Iterable[int], last: int) -> Literal:
        ancestors = self.problem.ancestors
        if any(layer == last or last in ancestors[layer] for layer in layers):
            return False
        unknown = [layer for layer in layers if layer not in ancestors[last]]
        return self._when(*(self.moments[layer] < self.moments[last] for layer in unknown)) if unknown else True

    def _when(self, *constraints: Any) -> Literal:
        """Return a literal that enforces constraints."""
        literal = self.model.new_bool_var("")
        for constraint in constraints:
            self.model.add(constraint).only_enforce_if(literal)
        return literal
