"""`labeltune agreement`: people joined by id or text, figures, gates, disagreements."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from cli.remote import run

ANNA = "id,text,label\n" + "".join(f"{n},a text of number {n},{'abc'[n % 3]}\n" for n in range(30))
BEN = "id,text,label\n" + "".join(
    f"{n},a text of number {n},{'abc'[(n + (n % 10 == 0)) % 3]}\n" for n in reversed(range(25))
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("anna.csv").write_text(ANNA)
    Path("ben.csv").write_text(BEN)
    return tmp_path


def test_two_files_of_two_people() -> None:
    result = run("agreement", "anna.csv", "ben.csv", "-o", "differ.csv")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:5] == [
        "2 people: anna (30), ben (25)",
        "25 of 30 texts labelled by at least two, joined by id",
        "",
        "label (one label; 25 texts)",
        "  agreement            0.880",
    ]
    assert "  anna and ben     25      0.880          0.820" in lines
    assert "wrote differ.csv: 3 texts on which people differ" in result.stderr
    with Path("differ.csv").open(newline="") as handle:
        header, *rows = csv.reader(handle)
    assert header == ["id", "text", "label: anna", "label: ben"]
    assert rows == [[str(n), f"a text of number {n}", "abc"[n % 3], "abc"[(n + 1) % 3]] for n in (0, 10, 20)]


def test_one_file_with_a_column_of_people_is_the_same() -> None:
    both = [row.split(",", 1) for row in (*ANNA.splitlines()[1:], *BEN.splitlines()[1:])]
    people = ["anna"] * 30 + ["ben"] * 25
    rows = "".join(f"{id_},{person},{rest}\n" for (id_, rest), person in zip(both, people, strict=True))
    Path("data.csv").write_text("id,annotator,text,label\n" + rows)
    assert run("agreement", "data.csv", "-q").stdout == run("agreement", "anna.csv", "ben.csv", "-q").stdout


def test_ids_given_anew_are_noticed_and_texts_join_instead() -> None:
    rows = [row.split(",", 1)[1] for row in BEN.splitlines()[1:]]
    Path("ben.csv").write_text("id,text,label\n" + "".join(f"{n},{row}\n" for n, row in enumerate(rows)))
    result = run("agreement", "anna.csv", "ben.csv")
    assert result.exit_code == 7
    assert 'ben.csv:2: id "0" is another text than in anna.csv:2' in result.stderr
    assert "--by text" in result.stderr
    by_text = run("agreement", "anna.csv", "ben.csv", "--by", "text", "-o", "differ.csv")
    assert "25 of 30 texts labelled by at least two, joined by text" in by_text.stdout
    assert Path("differ.csv").read_text().startswith("text,label: anna,label: ben\n")


def test_json_is_one_document() -> None:
    document = json.loads(run("agreement", "anna.csv", "ben.csv", "--json", "-q").stdout)
    assert document["people"] == {"anna": 30, "ben": 25}
    assert (document["texts"], document["shared"], document["by"], document["differing"]) == (30, 25, "id", 3)
    field = document["fields"]["label"]
    assert field["percent"] == pytest.approx(0.88)
    assert field["alpha_interval"]["low"] < field["alpha"] < field["alpha_interval"]["high"]
    assert field["pairs"] == [
        {"people": ["anna", "ben"], "units": 25, "percent": 0.88, "kappa": pytest.approx(0.82, abs=0.01)}
    ]
    assert set(field["labels"]) == {"a", "b", "c"}
    assert field["labels"]["a"]["given"] == ANNA.count(",a\n") + BEN.count(",a\n")


@pytest.mark.parametrize(
    ("gate", "code", "said"),
    [
        ("alpha=0.7", 0, "gate met: alpha is"),
        ("alpha=0.99", 11, "gate not met: alpha is"),
        ("kappa=0.8", 0, "gate met: kappa is 0.8197, asked for at least 0.8"),
        ("label.percent=0.9", 11, "gate not met: label.percent is 0.8800"),
        ("label.a.alpha=0.5", 0, "gate met: label.a.alpha is"),
        ("alfa=0.7", 2, '"alfa" is not measured here (did you mean "alpha"?)'),
        ("alpha=much", 2, "expected METRIC=X"),
    ],
)
def test_gates(gate: str, code: int, said: str) -> None:
    result = run("agreement", "anna.csv", "ben.csv", "--fail-under", gate)
    assert result.exit_code == code, result.stderr
    assert said in result.stderr
    assert result.stdout == "" if code == 2 else "Krippendorff" in result.stdout


def test_of_several_fields_a_gate_looks_at_the_lowest() -> None:
    for name, add in (("p", 0), ("q", 1)):
        rows = (f"a text of number {n},{'abc'[n % 3]},{'xy'[(n * add + n) % 2]}\n" for n in range(30))
        Path(f"{name}.csv").write_text("text,topic,sentiment\n" + "".join(rows))
    document = json.loads(run("agreement", "p.csv", "q.csv", "--json", "-q").stdout)
    alphas = {name: field["alpha"] for name, field in document["fields"].items()}
    assert alphas["topic"] == 1
    assert alphas["sentiment"] < 0.2
    assert run("agreement", "p.csv", "q.csv", "--fail-under", "topic.alpha=0.9").exit_code == 0
    assert run("agreement", "p.csv", "q.csv", "--fail-under", "alpha=0.9").exit_code == 11


def test_sets_of_labels_are_compared_whole_and_by_label() -> None:
    def listed(n: int, last: str) -> str:
        return json.dumps({"text": f"a text of number {n}", "labels": ["a", last if n < 6 else "bd"[n % 2]]})

    for name, last in (("p", "b"), ("q", "c")):
        Path(f"{name}.jsonl").write_text("".join(listed(n, last) + "\n" for n in range(30)))
    document = json.loads(run("agreement", "p.jsonl", "q.jsonl", "--json", "-q").stdout)
    field = document["fields"]["labels"]
    assert (field["type"], field["percent"]) == ("multi", 0.8)
    assert field["labels"]["a"]["alpha"] is None
    assert field["labels"]["d"]["alpha"] == 1
    assert field["labels"]["c"]["given"] == 6


def test_a_task_says_which_columns_hold_labels() -> None:
    Path("task.toml").write_text(
        'version = 1\ntext = ["text"]\nid = "id"\n[[field]]\nname = "intent"\ntype = "single"\ncolumn = "label"\n'
        'labels = ["a", "b"]\n[prompt]\nuser = "{text}"\n[answer]\nformat = "label"\n'
    )
    result = run("agreement", "anna.csv", "ben.csv")
    assert result.exit_code == 7
    assert 'anna.csv:4: label "c" is not in task.toml' in result.stderr


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({"anna.csv": ANNA}, 2, 'one person\'s labels, and no column "annotator"'),
        ({"anna.csv": ANNA, "x/anna.csv": BEN}, 2, 'anna.csv and x/anna.csv: two people are called "anna"'),
        ({"anna.csv": ANNA, "ben.csv": ANNA.replace("\n", "\n9").removesuffix("9").replace("9id", "id")}, 7, "no text was labelled by two people"),
        ({"anna.csv": ANNA, "ben.csv": ANNA.replace("label\n", "topic\n")}, 7, "labels seem to stand in topic, and not so in anna.csv"),
        ({"anna.csv": ANNA, "ben.csv": ""}, 7, "ben.csv: no rows"),
        ({"anna.csv": ANNA, "missing.csv": None}, 2, "missing.csv: there is no such file"),
    ],
)  # fmt: skip
def test_wrong_input(files: dict[str, str | None], code: int, said: str) -> None:
    for name, content in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        if content is not None:
            Path(name).write_text(content)
    result = run("agreement", *files)
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stdout == ""


def test_outputs_are_no_inputs() -> None:
    assert run("agreement", "anna.csv", "ben.csv", "-o", "ben.csv").exit_code == 2
    assert run("agreement", "anna.csv", "ben.csv", "-o", "-").exit_code == 2
    assert Path("ben.csv").read_text() == BEN


def test_a_second_answer_of_one_person_is_told() -> None:
    Path("anna.csv").write_text(ANNA + "0,a text of number 0,c\n")
    result = run("agreement", "anna.csv", "ben.csv")
    assert "1 row is another answer of one person to one text: the first one counts" in result.stderr


def test_no_bootstrap_no_interval() -> None:
    document = json.loads(run("agreement", "anna.csv", "ben.csv", "--bootstrap", "0", "--json", "-q").stdout)
    assert document["fields"]["label"]["alpha_interval"] is None
