from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from labeltune.cli import check as command
from labeltune.cli.app import app
from labeltune.studies.doubts import FEWEST_ELSEWHERE
from labeltune.studies.label_errors import DEFAULT_OUTPUT
from tasks import TOXIC_LABELS, TOXIC_TOML, intent_toml

if TYPE_CHECKING:
    from typer.testing import Result

WORDS = {
    "refund": ["money", "back", "refund", "return", "paid", "charged"],
    "card": ["card", "plastic", "arrived", "pin", "blocked", "lost"],
    "login": ["password", "login", "account", "email", "reset", "locked"],
}
FILL = ["please", "can", "you", "help", "me", "today", "with", "this", "thing", "i", "have", "now"]
PATHS = {
    "refund": ("Billing", "Refund"),
    "card": ("Order Management", "Tracking"),
    "login": ("Billing", "Invoice"),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def text_of(topic: str, chance: random.Random) -> str:
    words = [*chance.sample(WORDS[topic], 3), *chance.sample(FILL, 6)]
    chance.shuffle(words)
    return " ".join(words)


def topics(n: int = 150) -> list[tuple[str, str]]:
    chance = random.Random(4)
    return [(text_of(topic, chance), topic) for topic in [*WORDS] * (n // 3)]


WRONG = (4, 47, 91)
"""The places of rows that get a wrong label."""


def single() -> None:
    """A table of 150 rows; those at `WRONG` say `refund` where they should not."""
    rows = [[text, "refund" if n in WRONG else label] for n, (text, label) in enumerate(topics())]
    assert all(label != "refund" for n, (_, label) in enumerate(topics()) if n in WRONG)
    write(["text", "label"], rows)
    Path("task.toml").write_text(intent_toml(*WORDS))


def write(header: list[str], rows: list[list[str]], name: str = "t.csv") -> None:
    with Path(name).open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([header, *rows])


def run(*argv: str) -> Result:
    return CliRunner().invoke(app, ["check", *argv])


def suspects(name: str = "suspects.csv") -> list[dict[str, str]]:
    with Path(name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_wrong_labels_come_first() -> None:
    single()
    result = run("t.csv", "--noise")
    assert result.exit_code == 0, result.stderr
    found = suspects()
    assert {int(row["line"]) for row in found[:3]} == {place + 2 for place in WRONG}
    first = found[0]
    assert list(first) == [
        *("text", "label", "line", "given_label", "proposed_label"),
        *("given_confidence", "proposed_confidence", "score", "correct_label"),
    ]
    assert first["given_label"] == first["label"] == "refund"
    assert first["proposed_label"] == dict(topics())[first["text"]]
    assert first["correct_label"] == ""
    assert float(first["score"]) == float(first["given_confidence"]) < float(first["proposed_confidence"])
    scores = [float(row["score"]) for row in found]
    assert scores == sorted(scores)
    assert "wrote suspects.csv:" in result.stderr
    assert "candidates for people to look at" in result.stderr


def test_the_findings_and_the_document() -> None:
    single()
    document = json.loads(run("t.csv", "--noise", "--json", "-o", "s.csv").stdout)
    noise = document["noise"]
    assert 1 <= noise["expected"] <= 4  # of three, by an estimate
    assert noise == {
        "file": "t.csv",
        "model": "linear",
        "folds": 5,
        "rows": 150,
        "judged": 150,
        "expected": noise["expected"],
        "suspects": len(suspects("s.csv")),
        "output": "s.csv",
    }
    found = [one for one in document["findings"] if one["code"] == "doubtful_label"]
    lines = [int(row["line"]) for row in suspects("s.csv")[: noise["expected"]]]
    assert [one["where"]["line"] for one in found] == sorted(lines)
    assert document["counts"]["t.csv"]["doubtful_label"] == noise["expected"]
    assert found[0]["severity"] == "warning"
    assert found[0]["message"].startswith('"refund" is probably wrong; "')


def test_the_same_table_gives_the_same_bytes() -> None:
    single()
    run("t.csv", "--noise", "-o", "a.csv")
    run("t.csv", "--noise", "-o", "b.csv")
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


def test_without_it_nothing_is_written() -> None:
    single()
    assert "noise" not in json.loads(run("t.csv", "--json").stdout)
    assert not Path("suspects.csv").exists()


def test_corrections_go_back_into_the_table() -> None:
    single()
    run("t.csv", "--noise")
    rows = suspects()
    for row in rows[:3]:
        row["correct_label"] = row["proposed_label"]
    write(list(rows[0]), [list(row.values()) for row in rows], "s.csv")
    result = CliRunner().invoke(app, ["merge", "s.csv", "t.csv", "-o", "u.csv"])
    assert (result.exit_code, result.stdout) == (0, "u.csv\n")
    with Path("u.csv").open(encoding="utf-8") as handle:
        assert [tuple(row) for row in csv.reader(handle)][1:] == topics()


def test_several_labels() -> None:
    chance = random.Random(1)
    kinds = dict(zip(TOXIC_LABELS, [*WORDS, *WORDS], strict=True))
    rows = []
    for n in range(240):
        on = [n % 3 == place % 3 for place in range(6)]
        words = [
            word
            for label, flag in zip(TOXIC_LABELS, on, strict=True)
            if flag
            for word in WORDS[kinds[label]][:4]
        ]
        rows.append([f"r{n}", " ".join([*words, *chance.sample(FILL, 6)]), *(str(int(flag)) for flag in on)])
    rows[7][2] = str(1 - int(rows[7][2]))
    write(["id", "comment_text", *TOXIC_LABELS], rows)
    Path("task.toml").write_text(TOXIC_TOML.replace('none = ""', 'none = "clean"'))
    assert run("t.csv", "--noise").exit_code == 0
    first = suspects()[0]
    assert first["line"] == "9"
    told, meant = (
        [label for label, flag in zip(TOXIC_LABELS, flags, strict=True) if flag == "1"]
        for flags in (rows[7][2:], [str(1 - int(rows[7][2])), *rows[7][3:]])
    )
    assert (first["given_labels"], first["proposed_labels"]) == (",".join(told), ",".join(meant))
    assert first["correct_labels"] == ""


def test_two_levels_propose_legal_pairs_only() -> None:
    from tasks import INQUIRY_TOML

    Path("task.toml").write_text(INQUIRY_TOML)
    rows = [[text, *PATHS[topic]] for text, topic in topics()]
    rows[4][1:] = ["Billing", "Refund"]
    write(["inquiry", "category", "sub_category"], rows)
    assert run("t.csv", "--noise").exit_code == 0
    found = suspects()
    assert found[0]["line"] == "6"
    assert found[0]["given_label"] == "Billing > Refund"
    assert found[0]["proposed_label"] == " > ".join(PATHS[topics()[4][1]])
    assert {row["proposed_label"] for row in found} <= {" > ".join(path) for path in PATHS.values()}


def test_rows_of_rare_labels_are_not_judged() -> None:
    rows = [[text, label] for text, label in topics()]
    rows += [[text_of("card", random.Random(n)), "rare"] for n in range(FEWEST_ELSEWHERE)]
    write(["text", "label"], rows)
    Path("task.toml").write_text(intent_toml(*WORDS, "rare"))
    result = run("t.csv", "--noise", "--json")
    noise = json.loads(result.stdout)["noise"]
    assert (noise["rows"], noise["judged"]) == (154, 150)
    assert "4 rows were not judged" in result.stderr
    assert "rare" not in {row["given_label"] for row in suspects()}


def test_twins_do_not_vouch_for_each_other() -> None:
    # Each wrong row stands there three times: a model that has seen one of them believes the others.
    rows = [[text, "refund" if n in WRONG else label] for n, (text, label) in enumerate(topics())]
    twins = [[rows[place][0].upper() + "!" * n, "refund"] for place in WRONG for n in (1, 2)]
    write(["text", "label"], rows + twins)
    Path("task.toml").write_text(intent_toml(*WORDS))
    run("t.csv", "--noise")
    lines = {place + 2 for place in WRONG} | {152 + n for n in range(6)}
    assert {int(row["line"]) for row in suspects()[:9]} == lines


def test_a_group_stays_in_one_fold() -> None:
    # Every row of a customer has the customer's own word, and one customer's labels are all wrong.
    rows = [[f"{text} customer{n % 10}", label, f"c{n % 10}"] for n, (text, label) in enumerate(topics())]
    for row in rows:
        if row[2] == "c3":
            row[1] = "refund"
    write(["text", "label", "customer"], rows)
    Path("task.toml").write_text(intent_toml(*WORDS))
    wrong = {n + 2 for n, (_, label) in enumerate(topics()) if n % 10 == 3 and label != "refund"}
    run("t.csv", "--noise", "-o", "alone.csv")
    run("t.csv", "--noise", "--group", "customer", "-o", "grouped.csv")
    alone, grouped = (
        {int(row["line"]) for row in suspects(name)} & wrong for name in ("alone.csv", "grouped.csv")
    )
    assert grouped == wrong
    assert len(alone) < len(grouped)


def test_rows_that_cannot_be_read_are_passed_over() -> None:
    single()
    with Path("t.csv").open("a") as handle:
        handle.write("some text,refnd\n,card\n")
    result = run("t.csv", "--noise", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["noise"]["rows"]) == (11, 150)
    assert {"unknown_label", "empty_text"} <= {one["code"] for one in document["findings"]}


@pytest.mark.parametrize(
    ("argv", "code", "told"),
    [
        (["few.csv"], 7, "few.csv: 6 rows with a text and labels, expected at least 10"),
        (["t.jsonl"], 2, "t.jsonl: is a chat file; wrong labels are looked for in the table"),
        (["t.csv", "-o", "t.csv"], 2, "t.csv: is an input"),
        (["t.csv", "-o", "-"], 2, "not standard input or output"),
        (["t.csv", "--model", "encoder:x"], 2, "encoder cannot tell"),
        (["t.csv", "--model", "linear#rank=3"], 2, "linear has no option 'rank'"),
        (["t.csv", "--group", "custmer"], 7, 'no column "custmer"'),
        (["twice.csv"], 7, 'twice.csv:1: has the column "score", which the table of suspects adds'),
        (["one.csv"], 7, "one.csv: rows that stay together leave one fold"),
    ],
)
def test_what_is_refused(argv: list[str], code: int, told: str) -> None:
    single()
    rows = [[text, label] for text, label in topics()]
    write(["text", "label"], rows[:6], "few.csv")
    write(["text", "label", "score"], [[*row, "1"] for row in rows], "twice.csv")
    write(["text", "label"], [["the same text", row[1]] for row in rows], "one.csv")
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "card"}]
    Path("t.jsonl").write_text((json.dumps({"messages": messages}) + "\n") * 12)
    result = run(*argv, "--noise")
    assert result.exit_code == code
    assert told in result.stderr


def test_a_paid_model_counts_the_cost_and_a_local_one_learns() -> None:
    single()
    document = json.loads(run("t.csv", "--noise", "--model", "gpt-4.1-mini", "--json").stdout)
    assert list(document["cost"]) == ["gpt-4.1-mini"]
    assert document["noise"]["model"] == "linear"


def test_another_engine() -> None:
    pytest.importorskip("wordllama")
    single()
    document = json.loads(run("t.csv", "--noise", "--model", "embed", "--json").stdout)
    assert document["noise"]["model"] == "embed"
    assert {int(row["line"]) for row in suspects()[:3]} == {place + 2 for place in WRONG}


def test_the_default_is_the_library_s() -> None:
    assert command.SUSPECTS == DEFAULT_OUTPUT
