"""docs/python.md says what is there, and its blocks run as they stand."""

import inspect
import re
from pathlib import Path

import pytest

import harness
from tests.command import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_blocks_run_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(BLOCKS) == PAGE.count("```python") >= 6
    monkeypatch.chdir(tmp_path)
    program: dict[str, object] = {}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"docs/python.md, block {number}", "exec"), program)
    said = capsys.readouterr()
    assert said.err == ""
    for part in ("kws_xxs", "8/8", "instructions", "recall", "did you mean 'nano33'?"):
        assert part in said.out
    assert (tmp_path / "kws_c" / "kws.h").exists()
    assert [*(tmp_path / "results" / "runs").iterdir()] == [tmp_path / program["run"].folder]  # type: ignore[attr-defined]


def test_the_table_has_every_name_and_argument() -> None:
    table = PAGE.partition("## All of it")[2]
    for name in harness.__all__:
        assert f"`{name}" in table, name
    for name in ("bench", "evaluate", "compile_model"):
        written = re.search(rf"`{name}\(([^)]*)\)`", table)
        assert written is not None
        arguments = [one.strip() for one in written[1].split(",") if one.strip() != "*"]
        assert arguments == [*inspect.signature(getattr(harness, name)).parameters]
    for kind in (harness.Run, harness.Evaluation, harness.CFolder):
        line = next(line for line in table.splitlines() if line.startswith(f"| `{kind.__name__}`"))
        for name in re.findall(r"`(\w+)(?:\(\))?`", line)[1:]:
            assert hasattr(kind, name) or name in kind.__dataclass_fields__, (kind, name)
