"""Fifty mutations of each model of MLPerf Tiny, and the fuzzer itself; `make fuzz` runs thousands."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from tests.fuzz import campaign, worker
from tests.fuzz.mutate import mutate, structure
from tests.support.data import MLPERF, mlperf_model
from tests.support.tflite_builder import ModelBuilder, Q

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model(tmp_path):
    b = ModelBuilder()
    x = b.input((1, 4, 4, 2), Q(0.1, 3))
    y = b.conv_2d(x, np.ones((8, 3, 3, 2), np.int8), [0.1], np.arange(8), Q(0.2, -4))
    path = tmp_path / "small.tflite"
    path.write_bytes(b.build(b.mean(y, (1, 2), Q(0.2, -4))))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", MLPERF)
def test_fifty_mutations_of_a_model(name):
    result = campaign.run(mlperf_model(name), range(50), survivors=2)
    assert result.failures == []
    assert result.compiled + result.refused == 50 and result.exact == 2
    assert result.slowest < campaign.SECONDS_LIMIT and result.peak_bytes < worker.MEMORY_LIMIT_BYTES


@pytest.mark.slow
def test_mutations_of_a_small_model_where_every_byte_counts(model):
    result = campaign.run(model, range(200), survivors=10)
    assert result.failures == []
    assert result.exact == 10 and result.refused > 50


def test_a_seed_is_one_mutation(model):
    content = model.read_bytes()
    positions = structure(content)
    damaged = [mutate(content, positions, seed) for seed in range(100)]
    assert damaged == [mutate(content, positions, seed) for seed in range(100)]
    assert len(set(damaged)) > 90 and sum(d == content for d in damaged) < 10


def test_structure_leaves_out_the_weights(model):
    content = model.read_bytes()
    start = content.index(b"\1" * 144)
    positions = set(structure(content).tolist())
    assert not positions & set(range(start, start + 144)) and len(positions) == len(content) - 144


@pytest.mark.parametrize("how", ["raises", "kills", "hangs", "escapes", "leaves a folder", "two lines"])
def test_what_a_broken_compiler_does_is_a_failure(how, model, tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "HANG_SECONDS", 4.0)
    (tmp_path / "sabotage.py").write_text(SABOTAGE)
    command = [sys.executable, str(tmp_path / "sabotage.py"), how, str(ROOT)]

    def start(model, folder):
        return subprocess.Popen([*command, str(model), folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    monkeypatch.setattr(campaign, "_start", start)
    result = campaign.run(model, range(2), survivors=0)
    assert len(result.failures) == 2, result


SABOTAGE = """
import os, signal, sys, time
from pathlib import Path
how, root, model, folder = sys.argv[1:]
sys.path.insert(0, root)
from harness.errors import UserError
from tests.fuzz import worker

def compile_model(damaged, out):
    if how == "raises":
        raise IndexError
    if how == "kills":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hangs":
        time.sleep(60)
    if how == "escapes":
        (Path(folder).parent / "escaped").write_text("")
    if how == "leaves a folder":
        out.mkdir()
        raise UserError("no")
    if how == "two lines":
        raise UserError("one\\ntwo")

worker.compile_model = compile_model
worker.main(Path(model), Path(folder))
"""


def test_the_worker_answers_in_json(model, tmp_path):
    (tmp_path / "box").mkdir()
    command = [sys.executable, "-m", "tests.fuzz.worker", str(model), str(tmp_path / "box")]
    process = subprocess.run(command, input=b"1\n2\n", capture_output=True, cwd=ROOT, check=True)
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    assert [set(answer) for answer in answers] == [{"outcome", "text", "seconds", "peak_bytes"}] * 2


def test_a_message_is_one_printable_line():
    assert worker.is_one_line(str(UserError("expected this, got that")))
    assert not worker.is_one_line("one\ntwo") and not worker.is_one_line("x" * 5000)
