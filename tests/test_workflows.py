"""The workflows, the action and the documented steps: they parse, their commands exist, their scripts do what they say.

GitHub itself is not here, so nothing more is claimed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.rows.measurement import Document
from harness.rows.store import append_run, write_run
from tests.command import ROOT
from tests.rows.examples import make_row
from tests.support.documented import assert_exists, commands

PAGE = (ROOT / "docs" / "regression.md").read_text(encoding="utf-8")
YAML = {
    "workflow": (ROOT / ".github" / "workflows" / "bench.yml").read_text(encoding="utf-8"),
    "action": (ROOT / "action.yml").read_text(encoding="utf-8"),
    **{f"page {i}": block for i, block in enumerate(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))},
}
STEPPED = ("action", "page 1")


def steps(document: Any) -> list[dict[str, Any]]:
    if "runs" in document:
        return list(document["runs"]["steps"])
    return [step for job in document["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", list(YAML))
def test_every_step_is_one_and_every_command_exists(name: str) -> None:
    found = steps(yaml.safe_load(YAML[name]))
    assert all(("run" in step) != ("uses" in step) for step in found)
    scripts = [step["run"] for step in found if "run" in step]
    for script in scripts:
        assert "${{" not in script, "what others wrote may not become part of a script"
        subprocess.run(["bash", "-n", "-c", script], check=True)
    used = [words for script in scripts for words in commands(script)]
    assert [words[0] for words in used] == ([] if name == "page 0" else ["bench", "compare"])
    for words in used:
        assert_exists(words)


def test_the_commands_of_the_page_exist() -> None:
    used = commands("\n".join(line.strip() for line in PAGE.splitlines() if line.startswith("    harness ")))
    assert len(used) >= 4
    for words in used:
        assert_exists(words)


def test_an_unknown_option_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        assert_exists(["compare", "--markdwn"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    settings = 'baseline = "base"\nfail-on = ["instructions>+0.5%"]\n'
    (tmp_path / "pyproject.toml").write_text(f"[tool.harness]\n{settings}")
    write_run(tmp_path / "base", Document((make_row(),)), {}, {})
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, script in {
        "harness": f'exec {sys.executable} -c "from harness.cli import main; main()" "$@"',
        "gh": 'echo "$@" > "$RUNNER_TEMP/gh.txt"; exit ${GH_STATUS:-0}',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    return tmp_path


def run_step(name: str, step: str, project: Path, **variables: str) -> int:
    [script] = [one["run"] for one in steps(yaml.safe_load(YAML[name])) if one.get("name") == step]
    files = {key: str(project / key) for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    environment = {
        **os.environ, **files, "PYTHONPATH": str(ROOT), "RUNNER_TEMP": str(project),
        "PATH": f"{project / 'bin'}:{os.environ['PATH']}", **variables,
    }  # fmt: skip
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]  # as GitHub starts it
    return subprocess.run(command, cwd=project, env=environment, check=False).returncode


@pytest.mark.parametrize("name", STEPPED)
@pytest.mark.parametrize(("instructions", "status"), [(9_200_000, 0), (9_300_000, 1)])
def test_the_steps_comment_and_fail_on_a_broken_rule(name: str, instructions: int, status: int, project: Path) -> None:
    append_run(project / "results" / "runs", "a", Document((make_row(instructions=instructions),)), {}, {})
    assert run_step(name, "Compare", project) == 0
    assert (project / "GITHUB_OUTPUT").read_text() == f"status={status}\n"
    text = (project / "comment.md").read_text()
    assert text == (project / "GITHUB_STEP_SUMMARY").read_text()
    assert text.startswith("**1 rule broke**" if status else "**No change**")
    assert run_step(name, "Comment", project, NUMBER="7", REPOSITORY="o/r") == 0
    assert (project / "gh.txt").read_text() == f"pr comment 7 --repo o/r --body-file {project / 'comment.md'}\n"
    assert run_step(name, "Comment", project, GH_STATUS="1") == 0  # a fork's pull request
    assert run_step(name, "Fail on a broken rule", project, STATUS=str(status)) == status


@pytest.mark.parametrize("name", STEPPED)
def test_a_run_that_cannot_be_compared_fails_at_once(name: str, project: Path) -> None:
    assert run_step(name, "Compare", project) == 2
