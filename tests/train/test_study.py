"""`harness study distillation` over real runs: tones, two Dask workers, a few epochs each."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from harness.rows.lines import METHODS
from harness.tasks import read_card
from harness.train.run_folder import read_predictions
from tests.command import ROOT, harness
from tests.train.tones import RECIPE, record_words


@pytest.mark.slow
def test_two_methods_on_two_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    recipes, out, cache = tmp_path / "recipes", tmp_path / "out", tmp_path / "cache"
    words = record_words(tmp_path / "data")
    recipes.mkdir()
    (recipes / "none.toml").write_text(f"data = {json.dumps(str(words))}\n" + RECIPE)
    (recipes / "born_again.toml").write_text('like = "none.toml"\n[distill]\nmethod = "soft"\ngenerations = 1\n')
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        done = harness(
            "study", "distillation", "--recipes", recipes, "--seed", "3", "--out", out, "--json",
            "--dask", cluster.scheduler_address, "--set", "schedule.epochs=4", timeout=560,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = METHODS.read(out / "methods.csv")
    assert [(line["method"], line["seed"], line["epochs"], line["n"]) for line in lines] == [
        ("none", "3", "4", "48"), ("born_again", "3", "4", "48")
    ]  # fmt: skip
    [born] = [each for each in json.loads(done.stdout)["gains"] if each["method"] != "none"]
    assert (born["method"], born["samples"]) == ("born_again", 12)
    right = [read_predictions(out / "kws" / f"{name}-seed3").right for name in ("born_again", "none")]
    assert born["gain"] == pytest.approx(100 * (np.mean(right[0]) - np.mean(right[1])), abs=0.01)
    for name, line in zip(("none", "born_again"), lines, strict=True):
        card = read_card(out / "kws" / f"{name}-seed3" / "tones.tflite")
        assert card is not None and f"{card.accuracy}" == line["accuracy"]
    before = json.loads((out / "kws" / "born_again-seed3" / "before" / "result.json").read_text())
    own = (out / "kws" / "born_again-seed3" / "log.csv").read_text().splitlines()[1:]
    seconds = sum(float(line.rsplit(",", 1)[1]) for line in own)
    assert float(lines[1]["train_seconds"]) == pytest.approx(before["train_seconds"] + seconds, abs=0.2)

    again = harness("study", "distillation", "--recipes", recipes, "--seed", "3", "--out", out, "--resume",
                    "--set", "schedule.epochs=4", timeout=300)  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "training" not in again.stderr
