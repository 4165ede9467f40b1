"""The arena planner: when each layer runs and where each tensor lies, decided before anything runs.

A block of memory lives from the layer that writes it to the last that reads it. Two that live at once must not
overlap, but a layer may eat an input that dies with it (`Layer.overlaps`). The smallest arena is looked for in three
steps, and the first that reaches a bound ends it:

1. the order of the layers whose busiest moment is smallest (order.py), and greedy placement (greedy.py);
2. optimal placement for that order, by constraint programming (solve.py);
3. optimal placement and order at once.
"""

from harness.compiler.memory.picture import Moment, Occupant, draw, memory_map
from harness.compiler.memory.plan import Buffer, MemoryPlan, Placement
from harness.compiler.memory.planner import plan_memory

__all__ = ["Buffer", "MemoryPlan", "Moment", "Occupant", "Placement", "draw", "memory_map", "plan_memory"]
