"""What probabilities are worth, in every form that `labeltune evaluate` reports in, and in its gates."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

import tasks
from labeltune.cli.app import app
from labeltune.evaluation.metrics.ranking import RANKING_METRICS, UNITS

if TYPE_CHECKING:
    from typer.testing import Result

TOXIC = tasks.TOXIC_LABELS
HEADER = [
    *("id", "comment_text", *TOXIC),
    *(f"predicted_{label}" for label in TOXIC),
    *("answer", "problem", "confidence"),
    *(f"probability_{label}" for label in TOXIC),
]


def run(*argv: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in argv])


def write(path: Path, *, skill: float, rows: int = 120, without: int = 0) -> Path:
    """Predictions by so good a model; "threat" is on no row. The last rows have no probabilities."""
    truth, noise = np.random.default_rng(1), np.random.default_rng(int(10 * skill))
    true = truth.random((rows, 6)) < 0.3
    true[:, TOXIC.index("threat")] = False
    shares = 1 / (1 + np.exp(1 - noise.normal(size=true.shape) - skill * true))
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(HEADER)
        for row in range(rows):
            given = [""] * 6 if row >= rows - without else shares[row].tolist()
            flags = (true[row].astype(int).tolist(), (shares[row] > 0.5).astype(int).tolist())
            writer.writerow([row, f"text {row}", *flags[0], *flags[1], "answer", "", 0.9, *given])
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.toml").write_text(tasks.TOXIC_TOML)
    write(tmp_path / "p.csv", skill=2.0)
    return tmp_path


def test_the_document_has_rankings_with_their_intervals(here: Path) -> None:
    document = json.loads(run("evaluate", "p.csv", "--json").stdout)
    field = document["fields"]["toxicity"]
    probabilities, labels = field["probabilities"], field["labels"]
    assert (probabilities["rows"], probabilities["resampled_groups"]) == (120, None)
    assert probabilities["intervals"].keys() == {*RANKING_METRICS, "log_loss", "brier"}
    ranked = [labels[label] for label in TOXIC if label != "threat"]
    for name in RANKING_METRICS:
        assert labels["threat"][name] is None
        assert name not in labels["threat"]["intervals"]
        assert probabilities[name] == pytest.approx(sum(one[name] for one in ranked) / len(ranked))
        for one in (probabilities, *ranked):
            assert one["intervals"][name]["low"] < one[name] < one["intervals"][name]["high"]
    without = json.loads(run("evaluate", "p.csv", "--json", "--bootstrap", 0).stdout)["fields"]["toxicity"]
    assert without["probabilities"]["intervals"].keys() == {"log_loss", "brier"}
    assert without["labels"]["toxic"]["average_precision"] == labels["toxic"]["average_precision"]


def test_people_see_the_same_rankings_everywhere(here: Path) -> None:
    document = json.loads(run("evaluate", "p.csv", "--json").stdout)["fields"]["toxicity"]
    text = run("evaluate", "p.csv", "--markdown", "p.md", "--html", "p.html").stdout
    page, markdown = Path("p.html").read_text(encoding="utf-8"), Path("p.md").read_text(encoding="utf-8")
    probabilities = document["probabilities"]
    spread = probabilities["intervals"]["average_precision"]
    sentence = (
        f"Probabilities of 120 rows: macro average precision {probabilities['average_precision']:.4f} "
        f"({spread['low']:.4f} to {spread['high']:.4f}), macro ROC AUC "
    )
    for shown in (text, markdown, page):
        assert sentence in shown
        assert "those of log loss and Brier score are normal approximations" in shown
        assert "groups of rows" not in shown
    toxic = document["labels"]["toxic"]
    cells = []
    for name in RANKING_METRICS:
        ends = toxic["intervals"][name]
        cells += [f"{toxic[name]:.3f}", f"{ends['low']:.3f} to {ends['high']:.3f}"]
    assert any(line.split() == ["toxic", *" ".join(cells).split()] for line in text.splitlines())
    assert " | ".join(cells) in markdown
    assert f'{cells[0]} <span class="spread">{cells[1]}</span>' in page
    assert ["threat", "-", "-", "-", "-"] in [line.split() for line in text.splitlines()]


def test_it_is_said_where_groups_of_rows_are_drawn(here: Path) -> None:
    write(here / "many.csv", skill=2.0, rows=UNITS + 1)
    text = run("evaluate", "many.csv", "--bootstrap", 20).stdout
    assert "The rankings' intervals: resamples of 4,000 random groups of rows." in text


@pytest.mark.parametrize(
    ("side", "gate", "exit_code"),
    [
        ("under", "average_precision=0.5", 0),
        ("under", "average_precision=0.999", 11),
        ("under", "toxicity.roc_auc=0.5", 0),
        ("under", "toxicity.toxic.average_precision=0.999", 11),
        ("over", "log_loss=1.5", 0),
        ("over", "brier=0.001", 11),
        ("over", "expected_calibration_error=0.0001", 11),
        ("over", "macro_f1=1.5", 2),
        ("over", "log_loss=inf", 2),
        ("under", "toxicity.threat.roc_auc=0.5", 2),
    ],
)
def test_gates_on_probabilities(here: Path, side: str, gate: str, exit_code: int) -> None:
    result = run("evaluate", "p.csv", f"--fail-{side}", gate)
    assert result.exit_code == exit_code, result.stderr
    if exit_code != 2:
        assert "95 % interval" in result.stderr


@pytest.mark.parametrize("gate", ["average_precision=0.5", "toxicity.toxic.roc_auc=0.5", "log_loss=0.5"])
def test_a_gate_on_probabilities_that_are_not_there_says_so(here: Path, gate: str) -> None:
    with Path("p.csv").open(newline="") as handle:
        rows = [row[:-6] for row in csv.reader(handle)]
    with Path("p.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)
    result = run("evaluate", "p.csv", "--fail-over", gate)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not measured here" in result.stderr
    assert "`predict --probabilities`" in result.stderr


def compared(*argv: str) -> tuple[dict[str, Any], str]:
    differences = json.loads(run("evaluate", *argv, "--json").stdout)["comparisons"][0]["differences"]
    return differences, run("evaluate", *argv, "--markdown", "c.md", "--html", "c.html").stdout


def figures(path: str) -> dict[str, Any]:
    """The figures on probabilities of the only field."""
    [field] = json.loads(run("evaluate", path, "--json").stdout)["fields"].values()
    found: dict[str, Any] = field["probabilities"]
    return found


def test_rankings_are_compared_where_both_have_probabilities(here: Path) -> None:
    write(here / "worse.csv", skill=0.5)
    differences, text = compared("p.csv", "--compare", "worse.csv")
    for name in RANKING_METRICS:
        one = differences[name]
        assert 0 < one["low"] < one["difference"] < one["high"]
        shown = (f"{one['difference']:+.4f}", f"{one['low']:+.4f}", f"{one['high']:+.4f}")
        for form in (text, Path("c.md").read_text(), Path("c.html").read_text()):
            for figure in shown:
                assert figure in form
    assert "less is better" in text
    for name in ("log_loss", "brier"):
        one = differences[name]
        assert one["low"] < one["difference"] < one["high"] < 0, "ours lose less"
        assert f"{one['difference']:+.4f}" in text
    own = {name: figures(path) for path, name in (("p.csv", "ours"), ("worse.csv", "theirs"))}
    for name in ("log_loss", "brier"):
        expected = own["ours"][name] - own["theirs"][name]
        assert differences[name]["difference"] == pytest.approx(expected)
    write(here / "bare.csv", skill=0.5, without=120)
    differences, text = compared("p.csv", "--compare", "bare.csv")
    assert not differences.keys() & {*RANKING_METRICS, "log_loss", "brier"}
    assert "average_precision  " not in text.partition("Compared with")[2]


def test_rankings_are_compared_on_the_rows_that_have_them_in_both(here: Path) -> None:
    """Row by row the same where they are given, so nothing differs."""
    write(here / "fewer.csv", skill=2.0, without=40)
    differences, _ = compared("p.csv", "--compare", "fewer.csv")
    assert [differences[name]["difference"] for name in RANKING_METRICS] == [0, 0]


def test_probabilities_that_are_not_on_every_row_are_told(here: Path) -> None:
    """A list, say, does not tell the probability of labels that it leaves out."""
    write(here / "some.csv", skill=2.0, without=20)
    some = run("evaluate", "some.csv", "--json")
    assert (
        "some.csv: only 100 of 120 valid answers have the probability of every label of toxicity"
        in some.stderr
    )
    assert json.loads(some.stdout)["fields"]["toxicity"]["probabilities"]["rows"] == 100
    write(here / "none.csv", skill=2.0, without=120)
    none = run("evaluate", "none.csv", "--json")
    assert "none.csv: no valid answer has the probability of every label" in none.stderr
    assert "probabilities" not in json.loads(none.stdout)["fields"]["toxicity"]
    refused = run("thresholds", "none.csv", "-o", "t.toml")
    assert refused.exit_code == 7
    assert "no row has a probability for every label" in refused.stderr
    assert "of every label" not in run("evaluate", "p.csv").stderr
