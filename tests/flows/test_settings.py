import dataclasses
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.flows.settings import Settings, for_bench, read_settings
from harness.rows.measurement import Document
from harness.rows.store import append_run, write_run
from tests.command import assert_failed, harness
from tests.rows.examples import make_row

FULL = """
[tool.harness]
boards = ["nano33", "boards/mine.json"]
models = ["models/*.tflite", "kws_s"]
data = "recordings"
samples = 7
optimise = "ram"
fail-on = ["instructions>+0.5%", "accuracy<-0.5"]
baseline = "results/baseline"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("models", "recordings", ".git", "below/deep"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("b", "a"):
        (tmp_path / "models" / f"{name}.tflite").write_bytes(b"")
    (tmp_path / "pyproject.toml").write_text(FULL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_key_is_read_and_paths_are_relative_to_the_file(project: Path) -> None:
    assert read_settings() == Settings(
        runs=Path("results/runs"),
        boards=("nano33", "boards/mine.json"),
        models=("models/a.tflite", "models/b.tflite", "kws_s"),
        data="recordings",
        samples=7,
        optimise="ram",
        fail_on=("instructions>+0.5%", "accuracy<-0.5"),
        baseline=Path("results/baseline"),
    )


def test_the_file_is_looked_for_upward(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "below" / "deep")
    (project / "below" / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")  # not the section
    found = read_settings()
    assert found.models[0] == str(project / "models" / "a.tflite")
    assert found.boards == ("nano33", str(project / "boards" / "mine.json"))
    assert found.runs == project / "results" / "runs"


def test_the_search_ends_at_the_top_of_a_checkout(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "below" / ".git").mkdir()
    monkeypatch.chdir(project / "below" / "deep")
    assert read_settings() == Settings()


def test_the_command_line_wins(project: Path) -> None:
    given = for_bench(["x.tflite"], ["other"], "random", 3, "flash")
    assert (given.models, given.boards, given.data, given.samples, given.optimise) == (
        ("x.tflite",), ("other",), "random", 3, "flash",
    )  # fmt: skip
    settings = for_bench((), (), None, None, None)
    assert (settings.boards, settings.data, settings.samples, settings.optimise) == (
        ("nano33", "boards/mine.json"),
        "recordings",
        7,
        "ram",
    )


def test_without_a_file_the_defaults_are_the_contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    given = for_bench((), ["nano33"], None, None, None)
    assert (given.models, given.samples, given.optimise, given.data) == ((), 100, "balanced", None)
    with pytest.raises(UserError, match="--board"):
        for_bench((), (), None, None, None)


@pytest.mark.parametrize(
    ("section", "parts"),
    [
        ("fail_on = []", ["'fail_on'", "did you mean 'fail-on'"]),
        ("bords = []", ["'bords'", "did you mean 'boards'"]),
        ("boards = 'nano33'", ["boards: expected a list of strings", "'nano33'"]),
        ("boards = [3]", ["boards: expected a list of strings"]),
        ("samples = 0", ["samples: expected a whole number from 1", "0"]),
        ("samples = true", ["samples: expected a whole number", "True"]),
        ("samples = '9'", ["samples: expected a whole number"]),
        ("optimise = 'latncy'", ["optimise: expected one of balanced", "did you mean 'latency'"]),
        ("optimise = 3", ["optimise: expected one of"]),
        ("data = 3", ["data: expected a string"]),
        ("baseline = []", ["baseline: expected a string"]),
        ("fail-on = ['instruction>1%']", ["fail-on: unknown column 'instruction'", "'instructions'"]),
        ("models = ['nets/*.tflite']", ["models: expected files for 'nets/*.tflite'"]),
        ("models = ['/*.tflite']", ["models: expected a pattern relative"]),
        ("boards = [", ["TOML"]),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_the_nearest_name(
    project: Path, section: str, parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "pyproject.toml").write_text(f"[tool.harness]\n{section}\n")
    with pytest.raises(UserError) as raised:
        read_settings()
    for part in ("pyproject.toml", *parts):
        assert part in str(raised.value)


def test_bench_and_compare_stop_at_a_bad_file(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool]\nharness = 3\n")
    for command in ("bench", "compare"):
        assert_failed(harness(command, cwd=project), 2, "pyproject.toml", "[tool.harness]")


def run(instructions: int, started: str) -> Document:
    return Document((dataclasses.replace(make_row(instructions=instructions), started=started),))


def test_plain_compare_holds_the_newest_run_against_the_baseline(project: Path) -> None:
    assert_failed(harness("compare", cwd=project), 2, "results/baseline", "harness bench --out")
    write_run(project / "results" / "baseline", run(9_200_000, "2026-01-01T00:00:00+00:00"), {}, {})
    assert_failed(harness("compare", cwd=project), 2, "results/runs", "harness bench")
    store = project / "results" / "runs"
    append_run(store, "a", run(9_300_000, "2026-01-03T00:00:00+00:00"), {}, {})
    append_run(store, "b", run(9_200_000, "2026-01-02T00:00:00+00:00"), {}, {})
    (store / "z").mkdir()
    result = harness("compare", "--markdown", cwd=project / "below")
    assert_failed(result, 1, "instructions>+0.5%", "9300000")
    assert result.stdout.startswith("**1 rule broke**")
    assert f"{store / 'a'}" in result.stderr
    assert "left out, damaged" in result.stderr
    assert harness("compare", "--fail-on", "instructions>+5%", cwd=project).returncode == 0
    assert harness("compare", store / "b", store / "b", cwd=project).returncode == 0


def test_compare_without_anything_says_what_it_expects(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert_failed(harness("compare", cwd=tmp_path), 2, "OLD and NEW", "baseline", "pyproject.toml")
