"""Tasks: data, front end, labels and metric, without TensorFlow. To add one: a file here and a line in `TASKS`."""

from harness.tasks.card import Card, read_card, write_card, zoo_models
from harness.tasks.samples import TASKS, ModelInput, Samples, Task, default_data, find_task, load, named_task

__all__ = [
    "TASKS",
    "Card",
    "ModelInput",
    "Samples",
    "Task",
    "default_data",
    "find_task",
    "load",
    "named_task",
    "read_card",
    "write_card",
    "zoo_models",
]
