"""The action of `action.yml`: its steps are run as GitHub runs them, with its inputs as their variables."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import labeltune
import tasks
from docs.pages import blocks
from setup.fresh import Fresh, installed
from setup.locks import ROOT, versions

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
INSTALL, GATE = (step for step in STEPS if "run" in step)

_EXPRESSION = re.compile(r"\$\{\{\s*(\S+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    stderr: str
    summary: str


def values(inputs: dict[str, str]) -> dict[str, str]:
    """The inputs as the action has them: what is not given has its default."""
    unknown = inputs.keys() - ACTION["inputs"].keys()
    assert not unknown, f"the action has no input {unknown}"
    return {name: inputs.get(name, about.get("default")) for name, about in ACTION["inputs"].items()}


def run_step(
    step: dict[str, Any], known: dict[str, str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a step's script in `folder`; `known` are the values of the expressions in its variables."""
    own = {name: _EXPRESSION.sub(lambda found: known[found[1]], text) for name, text in step["env"].items()}
    assert step["shell"] == "bash"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder, env={**environment, **own}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def gate(folder: Path, **inputs: str) -> Ran:
    """The last step, with the labeltune that runs these tests."""
    given = values({name.replace("_", "-"): value for name, value in inputs.items()})
    known = {f"inputs.{name}": value for name, value in given.items()}
    known["steps.install.outputs.labeltune"] = str(Path(sys.executable).parent / "labeltune")
    summary = folder / "summary.md"
    ran = run_step(GATE, known, folder, {**os.environ, "GITHUB_STEP_SUMMARY": str(summary)})
    return Ran(ran.returncode, ran.stderr, summary.read_text(encoding="utf-8") if summary.exists() else "")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Predictions of which three in four are right, and some that are worse."""
    (tmp_path / "task.toml").write_text(tasks.INTENT_TOML, encoding="utf-8")
    labels = ("card_arrival", "lost card", "Refund_not_showing_up")
    for name, wrong in (("predictions.csv", 4), ("other one.csv", 2)):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as handle:
            rows = csv.writer(handle)
            rows.writerow(["text", "label", "predicted_intent", "answer", "problem", "confidence"])
            for number in range(120):
                said = labels[(number + (number % wrong == 0)) % 3]
                rows.writerow([f"text {number}", labels[number % 3], said, said, "", "0.9"])
    return tmp_path


def test_a_gate_that_is_met(here: Path) -> None:
    ran = gate(
        here,
        predictions="predictions.csv",
        fail_under="accuracy=0.7\n  macro_f1=0.7  \n\n",
        fail_over="invalid_rate=0.02\n",
        fail_if_worse="other one.csv\n",
        compare="other one.csv\n",
        markdown="out.md",
        html="out.html",
    )
    assert ran.code == 0, ran.stderr
    assert ran.stderr.count("gate met") == 4
    assert "better by 25.0 points of macro-F1" in ran.stderr
    assert (here / "out.md").read_text(encoding="utf-8") in ran.summary
    assert (here / "out.html").exists()


def test_a_gate_that_is_not_met_ends_the_job(here: Path) -> None:
    ran = gate(here, predictions="predictions.csv", fail_under="accuracy=0.7\nmacro_f1=0.99")
    assert ran.code == 11, ran.stderr
    assert "::error" in ran.stderr
    assert "macro_f1" in ran.stderr
    assert "0.99" in ran.summary


def test_an_input_is_never_a_command(here: Path) -> None:
    ran = gate(
        here, predictions="$(touch owned)`touch owned`;touch owned", fail_under='$(touch owned)"; touch owned'
    )
    assert ran.code == 2, ran.stderr
    assert not (here / "owned").exists()
    # Nor does any script hold an expression: GitHub would put the value into it as it is.
    assert not [step for step in (INSTALL, GATE) if "${{" in step["run"]]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_installs_what_the_lock_names(fresh: Fresh, tmp_path: Path) -> None:
    """In an environment of its own, on an index that has newer releases of everything."""
    output = tmp_path / "output"
    places = {"RUNNER_TEMP": tmp_path, "GITHUB_ACTION_PATH": fresh.folder, "GITHUB_OUTPUT": output}
    environment = {**fresh.environment, **{name: str(place) for name, place in places.items()}}
    ran = run_step(INSTALL, {"steps.python.outputs.python-path": sys.executable}, tmp_path, environment)
    assert ran.returncode == 0, ran.stderr
    venv = tmp_path / "labeltune"
    assert installed(venv) == {**versions("demo"), "labeltune": labeltune.__version__}
    assert output.read_text(encoding="utf-8") == f"labeltune={venv}/bin/labeltune\n"
    assert os.access(venv / "bin" / "labeltune", os.X_OK)


def test_every_input_is_used_and_explained() -> None:
    used = set(re.findall(r"inputs\.([a-z-]+)", str(STEPS)))
    assert used == ACTION["inputs"].keys()
    assert all(about["description"].endswith(".") for about in ACTION["inputs"].values())


def test_the_scripts_are_clean(tmp_path: Path) -> None:
    shellcheck = shutil.which(
        "shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    assert shellcheck is not None
    for number, step in enumerate((INSTALL, GATE)):
        script = tmp_path / f"{number}.sh"
        script.write_text(f"#!/bin/bash\n{step['run']}", encoding="utf-8")
        ran = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("page", ["docs/how-to/ci-gate.md", ".github/workflows/ci.yml"])
def test_whoever_uses_it_gives_inputs_that_it_has(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    workflows = blocks(ROOT / page, "yaml") if page.endswith(".md") else [text]
    steps = [
        step
        for workflow in workflows
        for job in yaml.safe_load(workflow)["jobs"].values()
        for step in job["steps"]
        if step.get("uses", "").startswith("./")
    ]
    assert steps
    for step in steps:
        assert values(step["with"])["predictions"]
