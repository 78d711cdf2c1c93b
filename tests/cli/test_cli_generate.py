"""`labeltune generate`: rows written by a large model, and what is kept of them."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.teacher import label_of, rows, teacher, wanted, written
from faults.fake_provider import FakeProvider, Fate, completion
from labeltune.cli.app import app
from tasks import intent_toml

TASK = intent_toml("delivery", "refund", "bug")


@dataclass
class Place:
    """A folder, and the command run in it."""

    path: Path
    provider: FakeProvider

    def write(self, name: str, lines: Any, header: tuple[str, ...] = ("text", "label")) -> None:
        with (self.path / name).open("w", newline="") as handle:
            csv.writer(handle).writerows([header, *lines])

    def read(self, name: str = "synthetic.csv") -> list[dict[str, str]]:
        with (self.path / name).open(newline="") as handle:
            return list(csv.DictReader(handle))

    def run(self, *words: str, code: int = 0, data: str = "train.csv", plain: bool = False) -> str:
        """Returns both streams; `plain` leaves the number of rows to the plan."""
        number = () if plain or "--to" in words else ("--to", "8")
        command = ["generate", data, "--model", "teacher", "--provider", self.provider.url, *number, *words]
        result = CliRunner().invoke(app, command)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    @property
    def asked_for_texts(self) -> list[str]:
        asked = (request["messages"][-1]["content"] for request in self.provider.requests)
        return [request for request in asked if wanted(request)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    monkeypatch.setenv("LABELTUNE_HOME", str(tmp_path / "home"))
    (tmp_path / "task.toml").write_text(TASK)
    with FakeProvider(teacher()) as provider:
        made = Place(tmp_path, provider)
        made.write("train.csv", rows(3, seed=1))
        yield made


def test_each_label_comes_to_as_many_rows_as_asked_for(place: Place) -> None:
    said = place.run()
    assert "teacher wrote 15 texts: 15 of 15 kept" in said
    found = place.read()
    assert Counter(row["label"] for row in found) == dict.fromkeys(("delivery", "refund", "bug"), 5)
    assert list(found[0]) == [
        "text", "label", "source", "teacher", "seeds", "cell", "second_look", "verified",
    ]  # fmt: skip
    lines = {str(line): label for line, (_, label) in enumerate(rows(3, seed=1), 2)}
    for row in found:
        assert (row["source"], row["teacher"], row["verified"]) == ("synthetic", "teacher", "no")
        assert lines[row["seeds"].split()[0]] == row["label"]
        assert row["cell"].startswith(f"{row['label']}; tone: c")
    assert place.read("synthetic.review.csv") == []


def test_the_plan_is_proposed_once_and_then_it_is_the_user_s(place: Place) -> None:
    said = place.run("--plan-only")
    assert place.asked_for_texts == []
    assert said.splitlines()[0] == "plan.toml"
    plan = place.path / "plan.toml"
    assert '"tone" = ["calm", "cross"]' in plan.read_text()
    plan.write_text(plan.read_text().replace('"calm"', '"jolly"').replace("texts = 5", "texts = 2"))
    edited = plan.read_text()
    # The number of rows is in the plan.
    assert "6 of 6 kept" in place.run(plain=True)
    assert plan.read_text() == edited
    assert place.provider.asked.total() == 1 + 3
    assert any("tone: jolly" in request for request in place.asked_for_texts)
    assert not any("tone: calm" in request for request in place.asked_for_texts)
    said = place.run("--to", "9", code=2)
    assert "plan.toml: was made for --to 8, not 9" in said


def test_without_a_number_and_without_a_plan(place: Place) -> None:
    assert "no --to, and no plan in plan.toml" in place.run(plain=True, code=2)


@pytest.mark.parametrize(
    "plan", ["These texts differ in tone.", {"dimensions": [{"name": "x", "values": ["y"]}]}]
)
def test_a_model_that_proposes_nothing(place: Place, plan: object) -> None:
    place.provider.script = teacher(plan=plan)
    said = place.run()
    assert "teacher proposed nothing to vary" in said
    assert '"length" = ["a few words"' in (place.path / "plan.toml").read_text()
    assert len(place.read()) == 15


def test_nothing_lacks(place: Place) -> None:
    assert "every label has 3 rows: there is nothing to write" in place.run("--to", "3")
    assert place.provider.asked.total() == 0


def test_the_same_command_asks_nothing_again_and_the_same_seed_asks_the_same(place: Place) -> None:
    place.run()
    asked, output = place.provider.asked.total(), (place.path / "synthetic.csv").read_bytes()
    place.run()
    assert place.provider.asked.total() == asked
    assert (place.path / "synthetic.csv").read_bytes() == output
    place.run("-o", "other.csv", "--state", "elsewhere")
    assert place.provider.asked.total() == 2 * asked - 1  # the plan is there
    assert set(place.provider.asked.values()) == {1, 2}
    place.run("-o", "third.csv", "--seed", "7")
    assert max(place.provider.asked.values()) == 2


def test_by_batch_and_within_a_budget(place: Place) -> None:
    assert "the price of teacher is not known" in place.run("--max-cost", "1", code=6)
    assert place.provider.asked.total() == 0
    place.run("--plan-only")
    place.provider.answer = json.dumps({"texts": ["the parcel has not come"]})
    said = place.run("--batch", code=3)
    assert place.provider.created["/batches"] == 2  # a round each
    assert "5 repeats another" in said  # one text for each of six requests
    assert len(place.read()) == 1


def test_dry_run(place: Place) -> None:
    said = place.run("--dry-run")
    assert "3 requests" in said
    assert "Bearer [masked]" in said
    assert not (place.path / "plan.toml").exists()
    assert place.provider.asked.total() == 0


# ------------------------------------------------------------------------------------- a teacher that is none

BAD = {
    "prose": ("Here are some lovely texts for you!", "not_json"),
    "JSON in prose": ('Of course:\n{"texts": ["my parcel"]}\nAnything else?', "not_json"),
    "a list": ('["my parcel"]', "bad_schema"),
    "no texts": ('{"texts": []}', "bad_schema"),
    "texts that are none": ('{"texts": [1, null, {"text": "x"}, " "]}', "bad_schema"),
    "nothing": (" ", "empty"),
}


@pytest.mark.parametrize("kind", BAD)
def test_answers_without_texts_are_counted_and_asked_for_again(place: Place, kind: str) -> None:
    answer, problem = BAD[kind]
    place.provider.script = teacher(lambda _: answer)
    said = place.run(code=7)
    assert "teacher: nothing that it wrote can be kept" in said
    assert problem in said
    assert not (place.path / "synthetic.csv").exists()
    # Two rounds: the second brought nothing more.
    assert len(place.asked_for_texts) == 6
    # A better one goes on from there: what was answered is kept, so that the plan must ask for other sets.
    place.provider.script = teacher()
    place.run("--seed", "7")
    assert len(place.read()) == 15


def test_a_model_that_refuses(place: Place) -> None:
    refused = Fate(body=json.dumps(completion(None, refusal="I cannot write that.")).encode())
    place.provider.script = teacher(
        lambda request: refused if "labelled: bug" in request else {"texts": written(request)}
    )
    said = place.run(code=3)
    assert "requests without any text: 2 refused" in said
    assert "missing: 5 of bug" in said
    assert Counter(row["label"] for row in place.read()) == {"delivery": 5, "refund": 5}


def test_the_same_text_fifty_times(place: Place) -> None:
    place.provider.script = teacher(lambda request: {"texts": [f"my own {wanted(request)} words"] * 50})
    said = place.run("--to", "23", code=3)
    texts = [row["text"] for row in place.read()]
    assert len(texts) == len(set(texts))
    assert "repeats another" in said
    assert "missing:" in said


def test_texts_of_another_language_go_to_people(place: Place) -> None:
    place.provider.script = teacher(
        lambda request: (
            {"texts": ["верните мне деньги за чайник", *written(request)]}
            if "labelled: refund" in request
            else {"texts": written(request)}
        )
    )
    said = place.run()
    assert "1 another language" in said
    (row,) = place.read("synthetic.review.csv")
    assert (row["label"], row["cell"], row["problem"]) == ("", "", "another_language")
    assert row["text"] not in {one["text"] for one in place.read()}


def test_the_prompt_itself(place: Place) -> None:
    place.provider.script = teacher(lambda request: {"texts": [request, *written(request)]})
    said = place.run()
    assert "3 the prompt itself" in said
    assert len(place.read()) == 15


def test_a_seed_given_back(place: Place) -> None:
    seeds = [text for text, _ in rows(3, seed=1)]
    place.provider.script = teacher(lambda request: {"texts": [*seeds[:5], *written(request)]})
    said = place.run()
    assert "copies a row" in said
    assert not {row["text"] for row in place.read()} & set(seeds)


# ------------------------------------------------------------------------------------------------- the leak guard

SECRET = "the blue kettle exploded on a sunday in march"


def test_a_text_of_the_test_part_is_written_nowhere(place: Place) -> None:
    place.write("held.csv", [(SECRET, "bug")])
    place.provider.script = teacher(lambda request: {"texts": [f"{SECRET.upper()}!", *written(request)]})
    said = place.run("--away-from", "held.csv")
    assert "3 texts were nearly the same as one of held.csv, and written nowhere" in said
    for name in ("synthetic.csv", "synthetic.review.csv"):
        assert "kettle" not in (place.path / name).read_text().lower()


def test_parts_beside_the_training_part_are_kept_away_from_anyhow(place: Place) -> None:
    place.write("test.csv", [(SECRET, "bug")])
    place.provider.script = teacher(lambda request: {"texts": [SECRET, *written(request)]})
    said = place.run()
    assert "kept away from, too, for they lie beside train.csv: test.csv" in said
    assert SECRET not in (place.path / "synthetic.csv").read_text()


def test_what_lies_beside_and_is_no_table_of_the_task(place: Place) -> None:
    """`convert` writes test.jsonl beside test.csv; another test.csv may be of something else."""
    record = {"messages": [{"role": "user", "content": SECRET}, {"role": "assistant", "content": "bug"}]}
    (place.path / "test.jsonl").write_text(json.dumps(record) + "\n")
    place.write("dev.csv", [("1", "2")], header=("a", "b"))
    place.write("validation-report.md.csv", [("1", "2")], header=("a", "b"))
    said = place.run()
    assert "test.jsonl" not in said
    assert "not kept away from, though it lies beside train.csv: dev.csv:1: no column" in said
    assert "validation-report" not in said


def test_nothing_to_keep_away_from_is_told(place: Place) -> None:
    assert (
        "nothing to keep away from: whether what is written is in the test part is not known" in place.run()
    )


def test_a_row_that_is_a_test_text_is_never_shown(place: Place) -> None:
    place.write("train.csv", [*rows(3, seed=1), (SECRET, "bug")])
    place.write("test.csv", [(f"{SECRET}!", "bug")])
    said = place.run("--verify-with", "judge")
    assert "not shown, for they are nearly texts to keep away from: 1 row" in said
    assert place.provider.requests
    assert all("kettle" not in json.dumps(request) for request in place.provider.requests)


def test_seeds_of_a_test_part_are_refused(place: Place) -> None:
    place.write("test.csv", rows(3, seed=1))
    said = place.run(data="test.csv", code=2)
    assert "test.csv: is named as a test part, and seeds are never taken from one" in said
    place.write("all.csv", [(*row, "test" if not n else "train") for n, row in enumerate(rows(3, seed=1))],
                header=("text", "label", "split"))  # fmt: skip
    said = place.run(data="all.csv", code=7)
    assert 'all.csv:2: is of the part "test", and seeds are never taken from one that is named test' in said
    assert place.provider.asked.total() == 0


def test_what_a_model_wrote_before_is_no_seed(place: Place) -> None:
    place.run()
    with (place.path / "train.csv").open("a") as handle:
        handle.write("my synthetic words,bug\n")
    lines = [(text, label, "") for text, label in rows(3, seed=1)]
    place.write(
        "train.csv",
        [*lines, ("a machine wrote this", "bug", "synthetic")],
        header=("text", "label", "source"),
    )
    (place.path / "plan.toml").unlink()
    place.provider.requests.clear()
    place.run("--force")
    assert all("a machine wrote this" not in json.dumps(request) for request in place.provider.requests)


# ------------------------------------------------------------------------------------------------ a second look


def test_another_model_looks_without_being_told(place: Place) -> None:
    place.provider.script = teacher(judge=lambda text: "bug" if "door" in text else label_of(text))
    said = place.run("--verify-with", "judge")
    kept, review = place.read(), place.read("synthetic.review.csv")
    assert review
    assert {row["problem"] for row in review} == {"second_look_disagrees"}
    assert all("door" in row["text"] and not row["label"] and not row["cell"] for row in review)
    assert "for people to look at: synthetic.review.csv" in said
    assert {row["second_look"] for row in kept} == {"judge"}
    assert {row["verified"] for row in kept} == {"no"}
    looked = [request for request in place.provider.requests if request["model"] == "judge"]
    assert len(looked) >= len(kept) + len(review)
    for request in looked:
        asked = request["messages"][-1]["content"]
        assert asked in {row["text"] for row in [*kept, *review]} or "door" in asked
        assert "rightly labelled" not in json.dumps(request)
    # What was not kept was asked for again.
    assert Counter(row["label"] for row in kept) == dict.fromkeys(("delivery", "refund", "bug"), 5)


def test_the_same_model_looking_again_is_told(place: Place) -> None:
    said = place.run("--verify-with", "teacher")
    assert "teacher looks at its own texts: it agrees with itself more easily than it should" in said


def test_a_second_look_that_brings_no_labels(place: Place) -> None:
    place.provider.script = teacher(judge=lambda _: "complaint")
    said = place.run("--verify-with", "judge", code=3)
    assert "nothing was kept" in said
    assert {row["problem"] for row in place.read("synthetic.review.csv")} == {"off_list"}


# ------------------------------------------------------------------------------------------ errors, and the proof


def test_labels_that_are_missed_get_more_and_are_shown_beside_what_they_are_taken_for(place: Place) -> None:
    lines = [(text, label, "delivery" if label == "bug" else label) for text, label in rows(3, seed=5)]
    place.write("errors.csv", lines, header=("text", "label", "predicted_intent"))
    place.run("--to", "3", "--errors", "errors.csv")
    assert Counter(row["label"] for row in place.read()) == {"bug": 3}
    asked = json.dumps(place.provider.requests)
    # Of the predictions nothing but labels is used.
    assert not any(text in asked for text, _, _ in lines)
    place.write("test-errors.csv", lines, header=("text", "label", "predicted_intent"))
    assert "is named as a test part" in place.run("--errors", "test-errors.csv", code=2)


@pytest.mark.slow
def test_what_the_texts_are_worth_is_measured(place: Place) -> None:
    place.write("train.csv", rows(5, seed=1))
    place.write("validation.csv", rows(20, seed=9))
    said = place.run("--to", "15")
    assert "a linear model tells texts from rows with an AUC of 0." in said
    assert "cells with a text" in said
    assert "on validation.csv (60 rows)" in said
    document = json.loads(place.run("--to", "15", "--json", "--quiet"))
    figures = document["variety"]
    assert figures["written"]["texts"] == figures["rows"]["texts"] == 15
    assert 0.2 < figures["told"]["auc"] < 0.8  # the same words, so that there is nothing to tell
    proof = document["proof"]
    assert proof["verdict"] in ("gain", "loss", "no gain shown")
    assert proof["difference"]["low"] <= proof["difference"]["difference"] <= proof["difference"]["high"]
    assert proof["with_texts"] - proof["without"] == pytest.approx(proof["difference"]["difference"])


@pytest.mark.slow
def test_a_gain_and_a_loss_are_seen(place: Place) -> None:
    """Texts that are right bring what five rows lack; texts under wrong labels cost it."""
    from labeltune.studies.synthetic import prove
    from labeltune.task import parse_task

    task = parse_task(TASK)
    few = [("parcel it", "delivery"), ("money it", "refund"), ("app it", "bug")]
    place.write("rows.csv", [(f"{text} {n}", label) for n in range(4) for text, label in few])
    place.write("validation.csv", rows(60, seed=9))
    place.write("right.csv", rows(30, seed=4))
    turned = {"delivery": "refund", "refund": "bug", "bug": "delivery"}
    place.write("wrong.csv", [(text, turned[label]) for text, label in rows(30, seed=4)])
    right = prove("rows.csv", "right.csv", "validation.csv", task=task, base="linear")
    assert right is not None
    assert right.verdict == "gain"
    assert right.difference.low > 0
    wrong = prove("rows.csv", "wrong.csv", "validation.csv", task=task, base="linear")
    assert wrong is not None
    assert wrong.verdict == "loss"


def test_without_a_validation_part_nothing_is_claimed(place: Place) -> None:
    assert "whether a model learns from the texts was not measured" in place.run()


def test_several_text_columns_and_ids(place: Place) -> None:
    content = TASK.replace('text = ["text"]', 'text = ["subject", "body"]\nid = "ticket"')
    (place.path / "task.toml").write_text(content)
    lines = [(f"t{n}", "hello", text, label) for n, (text, label) in enumerate(rows(3, seed=1))]
    place.write("train.csv", [*lines, ("synthetic-2", "hi", "my app", "bug")],
                header=("ticket", "subject", "body", "label"))  # fmt: skip
    place.provider.script = teacher(
        lambda request: {"texts": [{"subject": "Hi", "body": text} for text in written(request)]}
    )
    place.run("--to", "5")
    found = place.read()
    assert [row["ticket"] for row in found][:2] == ["synthetic-1", "synthetic-3"]
    assert all(row["subject"] == "Hi" and label_of(row["body"]) == row["label"] for row in found)
    assert found[0]["seeds"].split()[0].startswith("t")


def test_a_file_that_someone_typed_into_is_not_replaced(place: Place) -> None:
    place.run()
    output = place.path / "synthetic.csv"
    output.write_text(output.read_text() + "mine,bug,,,,,,\n")
    asked = place.provider.asked.total()
    assert "synthetic.csv: was edited since it was written" in place.run(code=9)
    assert place.provider.asked.total() == asked
    assert "'-' will not do" in place.run("-o", "-", code=2)
