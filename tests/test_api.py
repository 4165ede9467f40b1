"""The Python interface: what it takes and gives, and that it does what the command line does."""

import dataclasses
import inspect
import json
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import cli
from harness.errors import Interrupted
from harness.flows import bench as bench_flow
from harness.flows.run import Run
from harness.rows.measurement import Confusion, Document, Row, columns
from harness.rows.store import append_run, write_run
from tests.command import ROOT, assert_failed
from tests.command import harness as run_command
from tests.rows.examples import make_row

HOSTILE = "<script>alert(1)</script> & 'quoted' \"name\""


class Seen(HTMLParser):
    """The elements and the text of a piece of HTML, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def run_of(*rows: Row, folder: Path = Path("results/runs/mine"), **more: Any) -> Run:
    return Run(Document(rows), folder, **more)


# What there is


def test_everything_public_is_there_and_documented() -> None:
    for name in harness.__all__:
        assert inspect.getdoc(getattr(harness, name)), name
        assert name in dir(harness)
    for function in (harness.bench, harness.compile_model, harness.evaluate, harness.load_rows):
        text = inspect.getdoc(function) or ""
        for section in ("Args:", "Returns:", "Raises:", "Example:"):
            assert section in text, (function, section)
        arguments = text.partition("Args:")[2].partition("Returns:")[0]
        for name in inspect.signature(function).parameters:
            assert f"{name}:" in arguments, (function, name)
        assert inspect.signature(function).return_annotation not in (inspect.Signature.empty, Any)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'harness' has no attribute 'bnch'"):
        harness.bnch  # noqa: B018


IMPORT = """
import sys
before = set(sys.modules)
import harness
print(sorted(set(sys.modules) - before))
"""


def test_import_harness_loads_nothing_else() -> None:
    result = subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "['harness']"


@pytest.mark.parametrize("statement", ["from harness import *", "from harness import resources", "import harness.api"])
def test_other_imports_still_work_and_load_no_tensorflow(statement: str) -> None:
    code = f"{statement}\nimport sys\nassert not {{'tensorflow', 'keras', 'matplotlib'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.slow
def test_the_methods_of_distillation_can_still_be_imported() -> None:
    pytest.importorskip("keras")
    code = "from harness.train.distill import distill; print(distill.__name__)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert result.stdout == "distill\n"


def test_results_are_frozen() -> None:
    kinds = (harness.Run, harness.Evaluation, harness.CFolder, harness.Row, harness.Layer, harness.Confusion)
    assert all(kind.__dataclass_params__.frozen for kind in kinds)
    with pytest.raises(dataclasses.FrozenInstanceError):
        run_of(make_row()).folder = Path()  # type: ignore[misc]


# The same as the command line


@pytest.mark.parametrize(
    ("function", "command"),
    [
        (harness.bench, cli.bench),
        (harness.compile_model, cli.compile_),
        (harness.evaluate, cli.evaluate),
    ],
    ids=["bench", "compile", "evaluate"],
)
def test_arguments_and_defaults_are_those_of_the_command(function: Any, command: Any) -> None:
    ours, theirs = inspect.signature(function).parameters, inspect.signature(command).parameters
    only_ours = {"progress"}
    only_theirs = {"context", "as_json", "plot"}  # how a result is shown
    assert set(ours) - only_ours == set(theirs) - only_theirs
    for name in set(ours) & set(theirs):
        default = ours[name].default
        assert (None if default == () else default) == theirs[name].default, name


MISTAKES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("bench", {"models": "missing.tflite", "board": "nano33"}, ["missing.tflite", "--board", "nano33"]),
    ("bench", {"models": "kws_xxs", "board": "nano3"}, ["kws_xxs", "--board", "nano3"]),
    ("bench", {"models": "kws_xxs", "board": "nano33", "on": "qmu"}, ["kws_xxs", "--board", "nano33", "--on", "qmu"]),
    (
        "bench",
        {"models": "kws_xxs", "board": "nano33", "optimise": "latncy"},
        ["kws_xxs", "--board", "nano33", "--optimise", "latncy"],
    ),
    ("bench", {"models": "kws_xxs", "board": "nano33", "samples": 0}, ["kws_xxs", "--board=nano33", "--samples=0"]),
    (
        "bench",
        {"models": "kws_xxs", "board": "nano33", "task": "kwss", "on": "qemu"},
        ["kws_xxs", "--board", "nano33", "--task", "kwss", "--on", "qemu"],
    ),
    ("compile_model", {"model": "kws_xxs", "out": "c", "core": "m4"}, ["kws_xxs", "-o", "c", "--core", "m4"]),
    ("compile_model", {"model": "kws_xxs", "out": "c", "optimise": "x"}, ["kws_xxs", "-o", "c", "--optimise", "x"]),
    ("evaluate", {"model": "kws_xxs", "data": "syntetic"}, ["kws_xxs", "--data", "syntetic"]),
    ("evaluate", {"model": "kws_xxs", "data": "random"}, ["kws_xxs", "--data", "random"]),
    (
        "evaluate",
        {"model": "kws_xxs", "data": "synthetic", "split": "tst"},
        ["kws_xxs", "--data=synthetic", "--split=tst"],
    ),
]


@pytest.mark.parametrize(("name", "arguments", "words"), MISTAKES)
def test_a_mistake_has_the_command_lines_words(
    name: str,
    arguments: dict[str, Any],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(harness.UserError) as raised:
        getattr(harness, name)(**arguments)
    assert capfd.readouterr() == ("", "")  # it is raised, not printed
    line = assert_failed(run_command(name.removesuffix("_model"), *words, cwd=tmp_path), 2)
    assert line == f"harness: error: {' '.join(str(raised.value).split())}"
    assert [*tmp_path.iterdir()] == []


def test_no_board_named_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(harness.UserError, match="expected --board NAME"):
        harness.bench("kws_xxs")


def test_the_settings_of_a_project_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.harness]\nboards = ["nano33"]\nmodels = ["kws_xxs"]\nsamples = 7\n')
    monkeypatch.chdir(tmp_path)
    asked: list[Any] = []
    monkeypatch.setattr(bench_flow, "bench", lambda request, _: asked.append(request) or run_of(make_row()))
    harness.bench(optimise="ram")
    harness.bench("other.tflite", ["a", "b"], samples=3)
    first, second = asked
    assert (first.models, first.boards, first.samples, first.optimise) == (("kws_xxs",), ("nano33",), 7, "ram")
    assert (second.models, second.boards, second.samples) == (("other.tflite",), ("a", "b"), 3)


def test_the_command_that_does_the_same_is_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[Any] = []
    monkeypatch.setattr(bench_flow, "bench", lambda request, _: asked.append(request) or run_of(make_row()))
    harness.bench(Path("a b.tflite"), "nano33", on="qemu", samples=4, data=Path("my data"), flash=True, plots=True)
    words = "harness bench 'a b.tflite' --board nano33 --on qemu --samples 4 --optimise balanced --data 'my data'"
    assert asked[0].command == f"{words} --flash --plots"


def test_ctrl_c_is_not_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        bench_flow, "bench", lambda request, _: run_of(make_row(), folder=Path("kept"), interrupted=True)
    )
    with pytest.raises(KeyboardInterrupt, match="1 finished rows are kept in kept"):
        try:
            harness.bench("kws_xxs", "nano33")
        except harness.HarnessError:
            pytest.fail("a program that goes on after a failure would go on after Ctrl-C")


def test_failed_rows_are_returned_and_check_raises() -> None:
    run = run_of(make_row(), make_row(model="b", status="failed", error="board silent"))
    assert run.frame()["status"].tolist() == ["ok", "failed"]
    with pytest.raises(harness.EnvironmentFailure, match="1 of 2 rows failed: b on nano33: board silent"):
        run.check()
    run_of(make_row()).check()
    with pytest.raises(Interrupted):
        run_of(make_row(), interrupted=True).check()


@pytest.fixture(scope="module")
def evaluated() -> harness.Evaluation:
    return harness.evaluate("kws_xxs", "synthetic")


def test_evaluate_gives_what_the_command_gives(evaluated: harness.Evaluation) -> None:
    document = json.loads(run_command("evaluate", "kws_xxs", "--data", "synthetic", "--json").stdout)
    [row] = document["rows"]
    volatile = ("started", "seconds", "git_commit")
    mine = dataclasses.asdict(evaluated.row)
    assert {k: v for k, v in mine.items() if k not in volatile} == {k: v for k, v in row.items() if k not in volatile}
    assert document["confusion"] == {
        "labels": [*evaluated.confusion.labels],
        "matrix": [[*line] for line in evaluated.confusion.matrix],
    }
    assert evaluated.accuracy == row["accuracy"]
    assert evaluated.confusion_frame().to_numpy().sum() == evaluated.recall_frame()["samples"].sum() == 48


def test_progress_is_said_only_where_it_is_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    harness.evaluate("kws_xxs", "synthetic")
    assert capfd.readouterr() == ("", "")
    harness.evaluate("kws_xxs", "synthetic", progress=True)
    out, words = capfd.readouterr()
    assert out == ""
    assert "48 samples" in words


def test_compile_gives_what_the_command_gives(tmp_path: Path) -> None:
    made = harness.compile_model("kws_xxs", tmp_path / "a", core="m4f", optimise="ram", prefix="kws")
    result = run_command(
        *("compile", "kws_xxs", "-o", tmp_path / "b", "--core", "m4f", "--optimise", "ram", "--prefix", "kws")
    )
    assert result.returncode == 0
    files = [sorted(path.relative_to(tmp_path / one) for path in (tmp_path / one).rglob("*")) for one in "ab"]
    assert files[0] == files[1]
    for path in files[0]:
        if (tmp_path / "a" / path).is_file():
            assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes(), path
    assert made.folder == tmp_path / "a"
    assert made.description == json.loads((tmp_path / "a" / "kws.json").read_text())
    assert f"{made.layers} layers, {made.macs:,} MACs, {made.flash_weights_bytes:,} bytes of weights" in result.stdout


@pytest.mark.slow
def test_bench_gives_the_rows_that_the_command_gives(tmp_path: Path) -> None:
    run = harness.bench("kws_xxs", "nano33", on="qemu", samples=4, data="synthetic", out=tmp_path / "api")
    words = ("--board", "nano33", "--on", "qemu", "--samples", "4", "--data", "synthetic", "--out", tmp_path / "cli")
    result = run_command("bench", "kws_xxs", *words, "--json", "--quiet")
    assert (result.returncode, result.stderr) == (0, "")
    theirs = Document.from_json(result.stdout)
    volatile = {"started": None, "seconds": None, "git_commit": None}
    assert [dataclasses.replace(row, **volatile) for row in run.rows] == [
        dataclasses.replace(row, **volatile) for row in theirs.rows
    ]
    assert run.layers == theirs.layers
    assert run.confusions == theirs.confusions
    assert harness.load_rows(run.folder).drop(columns="run").equals(run.frame())
    assert run.frame()["bit_exact_samples"].tolist() == [4]
    names = [{path.relative_to(one).as_posix() for path in one.rglob("*")} for one in (run.folder, tmp_path / "cli")]
    assert names[0] == names[1]


# Reading rows


def test_load_rows_of_a_run_and_of_its_file(tmp_path: Path) -> None:
    write_run(tmp_path / "mine", Document((make_row(), make_row(board="other"))), {}, {})
    frame = harness.load_rows(tmp_path / "mine")
    assert tuple(frame.columns) == ("run", *columns())
    assert frame["run"].tolist() == ["mine", "mine"]
    assert frame["board"].tolist() == ["nano33", "other"]
    assert str(frame["run"].dtype) == "string"
    assert harness.load_rows(str(tmp_path / "mine" / "rows.json")).equals(frame)


def test_load_rows_of_a_store_leaves_out_what_is_damaged_and_says_so(tmp_path: Path) -> None:
    store = tmp_path / "runs"
    for number in range(3):
        append_run(store, f"run{number}", Document((make_row(instructions=number),)), {}, {})
    (store / "run1" / "rows.json").write_bytes(b'{"schema": 1, "rows": [{"row')
    (store / ".half").mkdir()
    with pytest.warns(UserWarning, match=r"left out, damaged: .*run1") as warned:
        frame = harness.load_rows(store)
    assert Path(warned[0].filename).name == "test_api.py"  # the warning points at the caller
    assert frame["run"].tolist() == ["run0", "run2"]
    assert frame["instructions"].tolist() == [0, 2]
    assert frame.index.tolist() == [0, 1]


def test_load_rows_of_several(tmp_path: Path) -> None:
    for folder in ("a/same", "b/same"):
        write_run(tmp_path / folder, Document((make_row(),)), {}, {})
    frame = harness.load_rows(tmp_path / "a" / "same", tmp_path / "b" / "same")
    assert frame["run"].nunique() == 2


def test_load_rows_of_nothing_reads_the_projects_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.harness]\nboards = ["nano33"]\n')
    (tmp_path / "below").mkdir()
    append_run(tmp_path / "results" / "runs", "run", Document((make_row(),)), {}, {})
    monkeypatch.chdir(tmp_path / "below")
    assert harness.load_rows()["run"].tolist() == ["run"]


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b'{"schema": 2, "rows": [], "layers": []}', b"\xff\xfe"])
def test_load_rows_refuses_a_damaged_run_that_was_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "rows.json").write_bytes(content)
    with pytest.raises(harness.UserError, match=r"rows\.json"):
        harness.load_rows(tmp_path / "run")


def test_load_rows_of_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(harness.UserError, match=r"expected a run folder, a rows\.json or a folder of runs"):
        harness.load_rows(tmp_path)
    with pytest.raises(harness.UserError, match="No such file"):
        harness.load_rows(tmp_path / "missing")


def test_load_rows_of_a_run_without_rows_has_the_columns(tmp_path: Path) -> None:
    write_run(tmp_path / "empty", Document(()), {}, {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = harness.load_rows(tmp_path / "empty")
    assert tuple(frame.columns) == ("run", *columns())
    assert len(frame) == 0


# In a notebook


def test_a_run_shows_itself_as_a_table() -> None:
    seen = Seen(run_of(make_row(), make_row(model="b"))._repr_html_())
    assert seen.tags.count("table") == 1
    assert seen.tags.count("tr") == 3
    for part in ("kws_ref_model", "nano33 (qemu)", "9,200,000", "36,000", "17,040", "results/runs/mine"):
        assert part in seen.text
    assert seen.text.count(" estimate") >= 2
    assert "an emulator counts instructions exactly" in seen.text


def test_a_boards_own_word_is_no_estimate() -> None:
    row = make_row(where="hardware", emulator=None, cycles_source="measured", latency_source="measured")
    assert "estimate" not in run_of(row)._repr_html_()


def test_names_of_other_people_cannot_become_html() -> None:
    row = make_row(model=HOSTILE, dataset=HOSTILE, error=HOSTILE, status="failed", board=HOSTILE, card_dataset=HOSTILE)
    html = run_of(row, folder=Path(HOSTILE))._repr_html_()
    seen = Seen(html)
    assert "script" not in seen.tags
    assert "<script" not in html
    assert seen.text.count("<script>alert(1)</script>") >= 4  # shown letter by letter
    evaluation = harness.Evaluation(dataclasses.replace(row, where="host"), Confusion((HOSTILE,), ((1,),)))
    assert "<script" not in evaluation._repr_html_()


def test_control_characters_reach_neither_prompt_nor_page() -> None:
    run = run_of(make_row(model="a\x1b[31mred\x00\n"))
    assert "\x1b" not in repr(run) + run._repr_html_()
    assert "\x00" not in repr(run) + run._repr_html_()


def test_a_prompt_shows_the_terminals_table(evaluated: harness.Evaluation) -> None:
    text = repr(run_of(make_row()))
    assert text.splitlines()[-1] == "written to results/runs/mine"
    assert "9,200,000" in text
    assert "~244.0 ms" in text
    assert max(map(len, text.splitlines())) <= 120
    assert "48 samples of synthetic" in repr(evaluated)
    assert "kws_xxs" in evaluated._repr_html_()
