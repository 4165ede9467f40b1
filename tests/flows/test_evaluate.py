import json
from pathlib import Path

import pytest

from harness.tasks.split import part_of
from tests.command import assert_failed, harness
from tests.flows.models import small_model
from tests.support.data import mlperf_model
from tests.tasks.clips import paint, record, tone


def test_random_inputs_have_no_accuracy(tmp_path: Path) -> None:
    assert_failed(harness("evaluate", small_model(tmp_path)), 2, "small", "--data")


@pytest.mark.slow
def test_the_reference_model_has_901_right() -> None:
    result = harness("evaluate", mlperf_model("kws_ref_model"), "--data", "kws01", "--json")
    document = json.loads(result.stdout)
    [row] = document["rows"]
    assert (row["where"], row["engine"], row["board"], row["accuracy"]) == ("host", "tflm", None, 90.1)
    assert (row["macs"], row["samples"], row["dataset"]) == (2_656_768, 1000, "kws01")
    labels, matrix = document["confusion"]["labels"], document["confusion"]["matrix"]
    assert len(labels) == len(matrix) == 12
    assert sum(map(sum, matrix)) == 1000
    assert sum(matrix[i][i] for i in range(12)) == 901


@pytest.mark.slow
def test_recall_and_confusion_are_printed_for_every_class() -> None:
    result = harness("evaluate", mlperf_model("kws_ref_model"), "--data", "kws01")
    for word in ("yes", "silence", "unknown", "90.1 %"):
        assert word in result.stdout
    matrix = result.stdout.split("rows are the true class")[1]
    assert [line for line in matrix.splitlines() if line.split()[:1] == ["go"]] == [
        " go           .   76     .    6    .    .      .     .    1    .        .        9 "
    ]


def test_an_unknown_split_names_the_known(tmp_path: Path) -> None:
    assert_failed(harness("evaluate", small_model(tmp_path), "--split", "moon"), 2, "'moon'", "test")


def test_a_split_that_a_data_set_lacks_is_refused(tmp_path: Path) -> None:
    result = harness("evaluate", "kws_s", "--data", "synthetic", "--split", "train")
    assert_failed(result, 2, "'synthetic' has no split 'train'", "expected test")


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_matrix_is_drawn(tmp_path: Path, kind: str) -> None:
    plot = tmp_path / f"confusion.{kind}"
    result = harness("evaluate", "kws_s", "--data", "synthetic", "--plot", plot, "--json")
    assert json.loads(result.stdout)["rows"][0]["samples"] == 48
    assert plot.read_bytes().startswith(b"\x89PNG" if kind == "png" else b"<?xml")
    assert [path.name for path in tmp_path.iterdir()] == [plot.name]


def test_a_plot_of_another_kind_or_nowhere_is_refused_before_anything_runs(tmp_path: Path) -> None:
    assert_failed(harness("evaluate", "kws_s", "--plot", tmp_path / "a.gif"), 2, ".png", ".svg", "a.gif")
    assert_failed(harness("evaluate", "kws_s", "--plot", tmp_path / "no" / "a.png"), 2, "a folder that exists")


def test_own_recordings_are_evaluated_and_what_is_done_to_them_is_said(tmp_path: Path) -> None:
    for word in ("yes", "banana"):
        for speaker in range(20):
            record(tmp_path / word / f"{speaker}_nohash_0.wav", tone(440, 8_000), 8_000)
    everything = harness("evaluate", "kws_s", "--data", tmp_path, "--json")
    [row] = json.loads(everything.stdout)["rows"]
    assert (row["samples"], row["dataset"]) == (40, tmp_path.name)
    assert "resampled to 16000 Hz: 40 of 8000 Hz (of 40 files)" in everything.stderr
    assert "no class of the model, so they count as unknown: banana" in everything.stderr
    part = harness("evaluate", "kws_s", "--data", tmp_path, "--split", "test", "--json")
    document = json.loads(part.stdout)
    assert document["rows"][0]["samples"] == 2 * sum(part_of(f"{speaker}_nohash_0") == "test" for speaker in range(20))
    assert document["rows"][0]["dataset"] == f"{tmp_path.name} (test)"
    assert sum(map(sum, document["confusion"]["matrix"])) == document["rows"][0]["samples"]


def test_bad_recordings_are_one_line(tmp_path: Path) -> None:
    assert_failed(harness("evaluate", "kws_s", "--data", tmp_path), 2, "WAV or FLAC", str(tmp_path))
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "a.wav").write_bytes(b"")
    assert_failed(harness("evaluate", "kws_s", "--data", tmp_path), 2, "yes/a.wav", "expected a recording")


@pytest.mark.slow
def test_own_pictures_are_evaluated(tmp_path: Path) -> None:
    for name in ("cat", "truck"):
        paint(tmp_path / name / "a.png", (40, 30))
    model = mlperf_model("pretrainedResnet_quant")
    result = harness("evaluate", model, "--data", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "resized to 32x32, the model's: 2 of 40x30 (of 2 files)" in result.stderr
    paint(tmp_path / "lamp" / "a.png")
    assert_failed(harness("evaluate", model, "--data", tmp_path), 2, "'lamp'", "airplane", "truck")
