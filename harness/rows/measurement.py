"""Seam 3: one flat row per (model, board, where), the layers below it, and the document that holds them.

The names, their order and their meaning are schema 1 of the project's contracts. A column may be added without raising
`SCHEMA`; renaming one or giving it another meaning may not. What is unknown is None (JSON null), never zero.
"""

import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from harness.errors import UserError

SCHEMA = 1
STATUSES = ("ok", "partial", "failed")
WHERES = ("qemu", "hardware", "renode", "host")


def row_id(model_sha256: str, board: str, where: str, optimise: str, toolchain: str) -> str:
    """Return the stable key of a row: 16 hex digits that depend on what was measured, never on when.

    Args:
        model_sha256: the 64 hex digits of the .tflite file.
        board: the board's name, "" on the host.
        where: one of `WHERES`.
        optimise: what the compiler was asked to favour, "" on the host.
        toolchain: the compiler and its version, "" where nothing was built.
    """
    key = "\n".join((model_sha256, board, where, optimise, toolchain))
    return hashlib.sha256(key.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement of one model on one board (or on the host); units are in the names."""

    row_id: str
    status: str
    error: str | None = None

    model: str
    model_sha256: str
    task: str | None = None
    macs: int | None = None
    macs_executed: int | None = None

    board: str | None = None
    mcu: str | None = None
    core: str | None = None
    clock_hz: int | None = None
    where: str
    emulator: str | None = None
    optimise: str | None = None

    engine: str | None = None
    toolchain: str | None = None
    flags: str | None = None

    flash_weights_bytes: int | None = None
    flash_code_bytes: int | None = None
    flash_total_bytes: int | None = None

    ram_arena_bytes: int | None = None
    ram_static_bytes: int | None = None
    ram_stack_bytes: int | None = None
    ram_total_bytes: int | None = None

    firmware_overhead_flash_bytes: int | None = None
    firmware_overhead_ram_bytes: int | None = None

    instructions: int | None = None
    cycles: int | None = None
    cycles_source: str | None = None
    cycles_method: str | None = None
    latency_ms: float | None = None
    latency_low_ms: float | None = None
    latency_high_ms: float | None = None
    latency_source: str | None = None

    dataset: str | None = None
    samples: int | None = None
    accuracy: float | None = None
    metric: str | None = None
    bit_exact_samples: int | None = None

    card_accuracy: float | None = None
    card_dataset: str | None = None
    card_samples: int | None = None

    energy_uj: float | None = None

    harness_version: str | None = None
    git_commit: str | None = None
    started: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse a row that no reader could trust.

        Raises:
            UserError: a value of the wrong type, an unknown status or place, or a negative size.
        """
        _check_types(self)
        _check_choice("status", self.status, STATUSES)
        _check_choice("where", self.where, WHERES)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of a row's model: its share of the instructions and cycles."""

    row_id: str
    index: int
    name: str
    op: str
    macs: int | None = None
    instructions: int | None = None
    cycles: int | None = None

    def __post_init__(self) -> None:
        """Refuse a layer with a value of the wrong type (UserError)."""
        _check_types(self)


@dataclass(frozen=True)
class Confusion:
    """How often label i (row) was answered as label j (column)."""

    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]

    def recall(self) -> list[tuple[str, float | None, int]]:
        """Return (label, recall in percent or None without samples, samples) for every class."""
        pairs = enumerate(zip(self.labels, self.matrix, strict=True))
        return [(label, 100 * row[i] / sum(row) if sum(row) else None, sum(row)) for i, (label, row) in pairs]


@dataclass(frozen=True)
class Document:
    """What `rows.json` holds and `--json` prints.

    Attributes:
        rows: the measurements.
        layers: of all rows.
        confusion: of the one row of `evaluate`.
        confusions: row_id -> that of a row of `bench` whose data has labels.
        command: the command line that made the run.
    """

    rows: tuple[Row, ...]
    layers: tuple[Layer, ...] = ()
    confusion: Confusion | None = None
    confusions: Mapping[str, Confusion] = field(default_factory=dict)
    command: str | None = None

    def to_json(self) -> str:
        """Return the document as indented JSON that ends with a newline."""
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "rows": [asdict(row) for row in self.rows],
            "layers": [asdict(layer) for layer in self.layers],
        }
        if self.confusion is not None:
            content["confusion"] = asdict(self.confusion)
        if self.confusions:
            content["confusions"] = [{"row_id": key, **asdict(found)} for key, found in self.confusions.items()]
        if self.command is not None:
            content["command"] = self.command
        return json.dumps(content, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Document":
        """Read a document of this schema.

        Columns this version does not know are left out, columns it alone knows are None: both happen when a column is
        added, which does not raise the schema.

        Raises:
            UserError: not JSON, another schema, a missing or a mistyped value.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"expected a rows.json document, got text that is not JSON: {error}") from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            found = content.get("schema") if isinstance(content, dict) else type(content).__name__
            raise UserError(
                f"expected a rows.json document of schema {SCHEMA}, got {found!r}: use the harness that wrote it"
            )
        return cls(
            rows=tuple(_build(Row, row) for row in _list(content, "rows")),
            layers=tuple(_build(Layer, layer) for layer in _list(content, "layers")),
            confusion=_confusion(content.get("confusion")),
            confusions=_confusions(content.get("confusions", [])),
            command=_command(content.get("command")),
        )


def columns() -> tuple[str, ...]:
    """Return the names of a row's columns in their order."""
    return tuple(field.name for field in fields(Row))


def numeric_columns() -> tuple[str, ...]:
    """Return the columns that hold numbers, those a rule can speak about."""
    return tuple(name for name, kinds in _kinds(Row).items() if {int, float} & set(kinds))


def _kinds(kind: type) -> dict[str, tuple[type, ...]]:
    """Return the types each field of the dataclass `kind` accepts; an int is welcome where a float is."""
    accepted = {}
    for name, hint in typing.get_type_hints(kind).items():
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        accepted[name] = (*kinds, int) if float in kinds else tuple(kinds)
    return accepted


def _check_types(record: Row | Layer) -> None:
    for name, kinds in _kinds(type(record)).items():
        value = getattr(record, name)
        if not isinstance(value, kinds) or isinstance(value, bool):
            expected = " or ".join("null" if kind is types.NoneType else kind.__name__ for kind in kinds)
            raise UserError(f"expected {expected} in the column {name}, got {value!r}")
        if isinstance(value, int | float) and not 0 <= value < float("inf"):
            raise UserError(f"expected a finite number from 0 in the column {name}, got {value!r}")


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise UserError(f"expected {name} to be one of {', '.join(choices)}, got {value!r}")


def _list(content: Mapping[str, Any], key: str) -> list[Any]:
    found = content.get(key)
    if not isinstance(found, list):
        raise UserError(f"expected a list under {key!r} in a rows.json document, got {type(found).__name__}")
    return found


_Record = typing.TypeVar("_Record", Row, Layer)


def _build(kind: type[_Record], values: object) -> _Record:
    if not isinstance(values, dict):
        raise UserError(f"expected a JSON object for each {kind.__name__.lower()}, got {type(values).__name__}")
    known = {field.name: values[field.name] for field in fields(kind) if field.name in values}
    try:
        return kind(**known)
    except TypeError as error:  # the dataclass names the columns it lacks
        raise UserError(f"expected a complete {kind.__name__.lower()} in a rows.json document: {error}") from error


def _confusion(content: object) -> Confusion | None:
    if content is None:
        return None
    try:
        labels = tuple(str(label) for label in content["labels"])  # type: ignore[index]
        matrix = tuple(tuple(int(count) for count in row) for row in content["matrix"])  # type: ignore[index]
        if min(map(min, matrix), default=0) < 0 or {len(matrix), *map(len, matrix)} != {len(labels)}:
            raise ValueError("another number of counts than of labels, or a negative one")
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise UserError(f"expected labels and a square of counts in a confusion matrix, got {content!r:.60}") from error
    return Confusion(labels, matrix)


def _confusions(content: object) -> dict[str, Confusion]:
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise UserError(f"expected a list of confusion matrices under 'confusions', got {content!r:.60}")
    found = {str(one.get("row_id")): _confusion(one) for one in content}
    return {key: confusion for key, confusion in found.items() if confusion is not None}


def _command(content: object) -> str | None:
    if content is not None and not isinstance(content, str):
        raise UserError(f"expected a command line under 'command', got {content!r:.60}")
    return content
