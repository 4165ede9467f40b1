"""Rows that look like measured ones."""

from typing import Any

from harness.rows.measurement import Row, row_id

SHA = "a" * 64


def make_row(**changes: Any) -> Row:
    """Return a complete row of an emulated board, with some columns changed."""
    values: dict[str, Any] = {
        "status": "ok",
        "model": "kws_ref_model",
        "model_sha256": SHA,
        "task": "kws",
        "macs": 2_656_768,
        "macs_executed": 2_656_768,
        "board": "nano33",
        "mcu": "nRF52840",
        "core": "m4f",
        "clock_hz": 64_000_000,
        "where": "qemu",
        "emulator": "QEMU 7.2 mps2-an386",
        "optimise": "balanced",
        "engine": "harness",
        "toolchain": "gcc 12.2.1",
        "flash_weights_bytes": 27_000,
        "flash_code_bytes": 9_000,
        "flash_total_bytes": 36_000,
        "ram_arena_bytes": 16_640,
        "ram_static_bytes": 0,
        "ram_stack_bytes": 400,
        "ram_total_bytes": 17_040,
        "instructions": 9_200_000,
        "cycles": 12_107_200,
        "cycles_source": "estimated",
        "cycles_method": "cpi",
        "latency_ms": 244.0,
        "latency_low_ms": 230.8,
        "latency_high_ms": 266.7,
        "latency_source": "estimated",
        "dataset": "kws01",
        "samples": 1000,
        "accuracy": 90.1,
        "metric": "top1",
        "bit_exact_samples": 1000,
    }
    values |= changes
    key = [str(values[name] or "") for name in ("model_sha256", "board", "where", "optimise", "toolchain")]
    return Row(row_id=row_id(*key), **values)
