"""`harness plan`: what it promises is what `bench` measures."""

import json
from dataclasses import replace

import pytest

from harness.compiler import Target, read_program
from harness.device.boards import find_board
from harness.flows.plan import plan
from harness.rows.store import read_document
from tests.command import assert_failed, harness
from tests.support.data import MLPERF, mlperf_model

CLOSE = 0.05


def test_document_has_the_plan_of_every_layer():
    result = harness("plan", "kws_s", "--board", "nano33", "--json")
    assert result.returncode == 0
    document = json.loads(result.stdout)
    assert document["schema"] == 1 and document["fits"] and document["problems"] == []
    assert document["flash_total_bytes"] == document["flash_weights_bytes"] + document["flash_code_bytes"]
    assert document["ram_total_bytes"] == document["ram_arena_bytes"] + document["ram_stack_bytes"]
    assert [layer["index"] for layer in document["layers"]] == list(range(len(document["layers"])))
    assert sum(layer["instructions"] for layer in document["layers"]) == document["instructions"]
    assert len(document["memory"]) == len(document["layers"])
    assert (
        max(o["offset"] + o["bytes"] for moment in document["memory"] for o in moment["occupants"])
        == document["ram_arena_bytes"]
    )


def test_table_names_what_fell_back():
    result = harness("plan", "kws_s", "--board", "nano33", "--optimise", "flash")
    assert result.returncode == 0
    assert "fell back to portable C: layers 0 " in result.stdout
    assert "##: scratch" in result.stdout  # the memory map, drawn


@pytest.mark.parametrize("arguments", [("kws_s", "--board", "nano34"), ("no_such_model", "--board", "nano33")])
def test_mistakes_are_the_users(arguments):
    result = harness("plan", *arguments, "--json")
    assert_failed(result, 2)
    assert result.stdout == ""


def test_too_big_is_said_with_the_bytes(monkeypatch):
    small = replace(find_board("nano33"), flash_bytes=20_000)
    monkeypatch.setattr("harness.flows.plan.find_board", lambda name: small)
    report = plan("kws_s", "nano33", "balanced")
    assert not report.fits
    assert "more than the board has" in report.problems[0]


@pytest.mark.slow
@pytest.mark.parametrize("optimise", ["balanced", "latency", "ram", "flash"])
def test_estimates_are_close_to_what_is_measured(optimise, tmp_path):
    models = [str(mlperf_model(name)) for name in MLPERF]
    result = harness(
        "bench", *models, "--board", "nano33", "--on", "qemu", "--data", "random", "--samples", "2",
        "--optimise", optimise, "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for row in read_document(tmp_path / "run").rows:
        report = plan(str(mlperf_model(row.model)), "nano33", optimise)
        for name in ("instructions", "cycles", "flash_total_bytes", "ram_total_bytes"):
            measured = getattr(row, name)
            assert getattr(report, name) == pytest.approx(measured, rel=CLOSE), f"{row.model} {optimise} {name}"
        assert report.ram_arena_bytes == row.ram_arena_bytes
        # gcc may fold an array of one element into the code.
        assert report.flash_weights_bytes == pytest.approx(row.flash_weights_bytes, abs=32)


def test_latency_gives_way_where_flash_is_short():
    path = mlperf_model("ad01_int8")
    free = read_program(path, Target("m4f", "latency"))
    short = read_program(path, Target("m4f", "latency", flash_bytes=400_000))
    assert free.flash_weights_bytes > 400_000
    assert short.fits and short.flash_weights_bytes + short.flash_code_bytes <= 400_000
