"""`labeltune annotate`: rows without labels, labelled by a model that was not tuned on the task."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from faults.fake_provider import FakeProvider, Fate, completion
from labeltune.cli.app import app
from tasks import EMOTION_TOML, INQUIRY_TOML, TOXIC_TOML, intent_toml

TASK = intent_toml("delivery", "refund", "bug")
ROWS = [
    ("my parcel is late", "delivery"),
    ("I want my money back", "refund"),
    ("the app crashes", "bug"),
    ("where is my parcel", ""),
    ("give me my money", ""),
    ("it crashed again", ""),
]


def true_label(text: str) -> str:
    return "delivery" if "parcel" in text else "refund" if "money" in text else "bug"


@dataclass
class Place:
    """A folder, and the command run in it."""

    path: Path
    provider: FakeProvider

    def write(self, name: str, rows: Any, header: tuple[str, ...] = ("text", "label")) -> None:
        with (self.path / name).open("w", newline="") as handle:
            csv.writer(handle).writerows([header, *rows])

    def read(self, name: str) -> list[dict[str, str]]:
        with (self.path / name).open(newline="") as handle:
            return list(csv.DictReader(handle))

    def run(self, *words: str, code: int = 0) -> str:
        """Returns both streams."""
        command = ["annotate", *words, "--model", "teacher", "--provider", self.provider.url]
        result = CliRunner().invoke(app, command)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    def answer(self, of: Callable[[str], str | Fate]) -> None:
        """What the model says to a text."""

        def script(text: str, _attempt: int) -> Fate:
            said = of(text)
            return said if isinstance(said, Fate) else Fate(answer=said)

        self.provider.script = script


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    (tmp_path / "task.toml").write_text(TASK)
    with FakeProvider() as provider:
        made = Place(tmp_path, provider)
        made.answer(lambda text: json.dumps({"intent": true_label(text)}))
        made.write("data.csv", ROWS)
        yield made


def test_rows_without_labels_get_them_and_the_others_stay(place: Place) -> None:
    said = place.run("data.csv")
    assert "6 rows: 3 labelled by teacher, 3 had labels" in said
    rows = place.read("annotated.csv")
    assert [(row["text"], row["label"]) for row in rows] == [(text, true_label(text)) for text, _ in ROWS]
    assert [row["source"] for row in rows] == [""] * 3 + ["annotated"] * 3
    assert [row["teacher"] for row in rows] == [""] * 3 + ["teacher"] * 3
    assert all(0 < float(row["confidence"]) <= 1 for row in rows[3:])
    assert place.read("annotated.review.csv") == []
    # What has a label is not asked about.
    assert sorted(place.provider.asked) == sorted(text for text, label in ROWS if not label)


def test_doubtful_answers_are_valid_ones(place: Place) -> None:
    said = place.run("data.csv", "--review-below", "1")
    assert "6 rows: 0 labelled by teacher" in said
    assert "3 rows are for people to label: annotated.review.csv" in said
    assert "no valid answer" not in said


def test_the_prompt_has_the_labels_what_they_mean_and_the_nearest_examples(place: Place) -> None:
    described = TASK.replace("[prompt]", '[field.describe]\nrefund = "Wants money back."\n\n[prompt]')
    (place.path / "task.toml").write_text(described)
    place.run("data.csv", "--shots", "2")
    (request,) = [
        one for one in place.provider.requests if one["messages"][-1]["content"] == "where is my parcel"
    ]
    system, *turns, asked = request["messages"]
    # The task's own words come first.
    assert system["content"].startswith("Name the intent.\n\n")
    assert '- "refund": Wants money back.\n- "bug"\n' in system["content"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2
    assert turns[-2:] == [
        {"role": "user", "content": "my parcel is late"},
        {"role": "assistant", "content": '{"intent": "delivery"}'},
    ]
    assert asked == {"role": "user", "content": "where is my parcel"}
    # Whatever the task's answers are, the model is held to JSON with the labels.
    schema = request["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["intent"]["enum"] == ["delivery", "refund", "bug"]


def test_a_provider_without_schemas_is_asked_without(place: Place) -> None:
    command = [
        "annotate",
        "data.csv",
        "--model",
        "m",
        "--provider",
        f"{place.provider.url}#strict_answers=no",
    ]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert all("response_format" not in request for request in place.provider.requests)


def test_examples_come_from_a_file_too(place: Place) -> None:
    place.write("inbox.csv", [("where is my parcel",), ("it crashed",)], header=("text",))
    place.write("known.csv", ROWS[:3])
    said = place.run("inbox.csv", "--examples", "known.csv", "-o", "out.jsonl")
    assert "no examples" not in said
    rows = [json.loads(line) for line in (place.path / "out.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == ["delivery", "bug"]
    assert isinstance(rows[0]["confidence"], float)
    assert len(place.provider.requests[0]["messages"]) == 2 + 2 * 3


def test_without_any_example_the_labels_are_told_alone(place: Place) -> None:
    place.write("inbox.csv", [("where is my parcel",)], header=("text",))
    assert "no examples: the model was told the labels alone" in place.run("inbox.csv")
    assert len(place.provider.requests[0]["messages"]) == 2


def test_where_no_row_lacks_labels_nothing_was_told(place: Place) -> None:
    place.write("done.csv", [("where is my parcel", "delivery")])
    said = place.run("done.csv")
    assert "1 row: 0 labelled by teacher, 1 had labels" in said
    assert "no examples" not in said
    assert not place.provider.requests


@pytest.mark.parametrize("name", ["test.csv", "my-test.csv", "parts/test.csv.gz"])
def test_examples_are_never_from_a_part_named_test(place: Place, name: str) -> None:
    said = place.run("data.csv", "--examples", name, code=2)
    assert "is named as a test part, and examples are never taken from one" in said
    assert place.provider.asked.total() == 0


def test_rows_of_a_test_part_within_a_table_are_refused_as_examples(place: Place) -> None:
    rows = [("my parcel is late", "delivery", "train"), ("money back", "refund", "test")]
    place.write("known.csv", rows, header=("text", "label", "split"))
    said = place.run("data.csv", "--examples", "known.csv", code=7)
    assert 'known.csv:3: is of the part "test", and examples are never taken from' in said


def test_the_labelled_rows_of_a_test_part_are_no_examples_but_its_other_rows_are_labelled(
    place: Place,
) -> None:
    place.write("test.csv", ROWS)
    place.run("test.csv", "-o", "out.csv")
    assert all(len(request["messages"]) == 2 for request in place.provider.requests)
    assert [row["source"] for row in place.read("out.csv")] == [""] * 3 + ["annotated"] * 3


def test_what_a_model_labelled_is_no_example(place: Place) -> None:
    place.run("data.csv")
    with (place.path / "annotated.csv").open("a") as handle:
        handle.write("another parcel,,,,\n")
    place.provider.requests.clear()
    place.run("annotated.csv", "-o", "again.csv")
    (request,) = place.provider.requests
    shown = {message["content"] for message in request["messages"] if message["role"] == "user"}
    assert shown == {text for text, label in ROWS if label} | {"another parcel"}
    assert [row["source"] for row in place.read("again.csv")] == [""] * 3 + ["annotated"] * 4


BAD = {
    "prose": ("It is surely about delivery.", "not_json"),
    "JSON in prose": ('Sure! Here it is: {"intent": "delivery"}', "not_json"),
    "another label": ('{"intent": "complaint"}', "off_list"),
    "another key": ('{"label": "delivery"}', "bad_schema"),
    "the prompt": ("Name the intent.\n\nLabel the text by what follows.", "not_json"),
}


@pytest.mark.parametrize("kind", BAD)
def test_answers_that_are_none_go_to_people_without_a_label(place: Place, kind: str) -> None:
    answer, problem = BAD[kind]
    place.answer(lambda text: answer if "money" in text else json.dumps({"intent": true_label(text)}))
    said = place.run("data.csv", code=3)
    assert f"1 row has no valid answer: 1 {problem}" in said
    assert "1 row is for people to label: annotated.review.csv" in said
    (row,) = place.read("annotated.review.csv")
    assert (row["text"], row["label"], row["source"], row["problem"]) == ("give me my money", "", "", problem)
    assert "give me my money" not in {one["text"] for one in place.read("annotated.csv")}


def test_a_refusal_goes_to_people(place: Place) -> None:
    def answer(text: str) -> str | Fate:
        if "money" not in text:
            return json.dumps({"intent": true_label(text)})
        return Fate(body=json.dumps(completion(None, refusal="I cannot help with that")).encode())

    place.answer(answer)
    place.run("data.csv", code=3)
    assert [row["problem"] for row in place.read("annotated.review.csv")] == ["refused"]


def test_what_is_less_sure_goes_to_people(place: Place) -> None:
    place.run("data.csv", "--review-below", "0.99999")
    rows = place.read("annotated.review.csv")
    assert [row["text"] for row in rows] == [text for text, label in ROWS if not label]
    assert {(row["label"], row["problem"]) for row in rows} == {("", "unsure")}
    assert all(float(row["confidence"]) < 0.99999 for row in rows)
    assert [row["text"] for row in place.read("annotated.csv")] == [text for text, label in ROWS if label]
    # Another limit asks nothing again.
    asked = place.provider.asked.total()
    place.run("data.csv", "--review-below", "0.1")
    assert place.provider.asked.total() == asked
    assert len(place.read("annotated.csv")) == 6
    assert place.read("annotated.review.csv") == []


def test_an_answer_that_does_not_tell_how_sure_it_is_goes_to_people(place: Place) -> None:
    silent = completion('{"intent": "bug"}')
    silent["choices"][0]["logprobs"] = None
    place.answer(lambda _: Fate(body=json.dumps(silent).encode()))
    place.run("data.csv", "--review-below", "0.1")
    assert [row["confidence"] for row in place.read("annotated.review.csv")] == [""] * 3


def test_below_what_nobody_asks_for(place: Place) -> None:
    said = place.run("data.csv", "--review-below", "0.5", "--no-confidence", code=2)
    assert "--review-below needs log-probabilities" in said


def test_the_same_command_asks_nothing_again_and_other_examples_are_another_run(place: Place) -> None:
    place.run("data.csv")
    asked = place.provider.asked.total()
    assert "3 answers kept" in place.run("data.csv")
    said = place.run("data.csv", "--shots", "1", code=9)
    assert "this run used prompt annotate, 3 examples" in said
    assert place.provider.asked.total() == asked
    place.run("data.csv", "--shots", "1", "--accept-changes")
    assert place.provider.asked.total() == 2 * asked


def test_what_people_wrote_into_a_file_of_its_own_is_not_lost(place: Place) -> None:
    place.answer(lambda _: "prose")
    place.run("data.csv", code=3)
    review = place.path / "annotated.review.csv"
    edited = review.read_text().replace("give me my money,", "give me my money,refund")
    review.write_text(edited)
    assert "annotated.review.csv: was edited since it was written" in place.run("data.csv", code=9)
    assert review.read_text() == edited
    place.run("data.csv", "--force", code=3)
    assert review.read_text() != edited


def test_a_column_of_ones_own_is_not_written_over(place: Place) -> None:
    place.write("data.csv", [("where is it", "", "https://a.example")], header=("text", "label", "source"))
    said = place.run("data.csv", code=7)
    assert 'data.csv:2: column "source" holds something' in said
    assert place.provider.asked.total() == 0


def test_half_of_a_field_s_columns_is_none(place: Place) -> None:
    (place.path / "task.toml").write_text(TOXIC_TOML)
    place.write("data.csv", [("1", "hello", "")], header=("id", "comment_text", "toxic"))
    assert 'no column "severe_toxic", but other labels of "toxicity"' in place.run("data.csv", code=7)


def test_a_table_named_as_the_file_for_people(place: Place) -> None:
    place.write("annotated.review.csv", ROWS)
    assert "would be overwritten" in place.run("annotated.review.csv", code=2)
    assert "'-' will not do" in place.run("-", code=2)


def test_two_levels(place: Place) -> None:
    (place.path / "task.toml").write_text(INQUIRY_TOML)
    place.write("data.csv", [("pay me",), ("odd",)], header=("inquiry",))
    pairs = {"pay me": ("Billing", "Refund"), "odd": ("Billing", "Tracking")}
    place.answer(lambda text: json.dumps(dict(zip(("category", "sub_category"), pairs[text], strict=True))))
    place.run("data.csv", code=3)
    (row,) = place.read("annotated.csv")
    assert (row["category"], row["sub_category"]) == ("Billing", "Refund")
    (row,) = place.read("annotated.review.csv")
    assert row["problem"] == "illegal_pair"
    system = place.provider.requests[0]["messages"][0]["content"]
    assert '"Order Management":\n- "Cancellation"\n- "Tracking"\n"Billing":' in system


def test_columns_of_flags_and_joined_labels(place: Place) -> None:
    (place.path / "task.toml").write_text(TOXIC_TOML)
    place.write("data.csv", [("1", "you fool"), ("2", "hello")], header=("id", "comment_text"))
    place.answer(lambda text: json.dumps({"toxicity": ["toxic", "insult"] if "fool" in text else []}))
    place.run("data.csv")
    rows = place.read("annotated.csv")
    assert [(row["toxic"], row["insult"], row["threat"]) for row in rows] == [
        ("1", "1", "0"),
        ("0", "0", "0"),
    ]

    (place.path / "task.toml").write_text(EMOTION_TOML)
    place.write("mood.csv", [("1", "what fun, you rat")], header=("id", "text"))
    place.answer(lambda _: json.dumps({"emotions": ["anger", "joy"]}))
    place.run("mood.csv", "-o", "moods.csv")
    assert [row["labels"] for row in place.read("moods.csv")] == ["joy|anger"]


def test_dry_run_limit_and_budget(place: Place) -> None:
    said = place.run("data.csv", "--dry-run")
    assert "3 requests" in said
    assert "Bearer [masked]" in said
    assert "--max-cost: the price of teacher is not known" in place.run("data.csv", "--max-cost", "1", code=6)
    assert place.provider.asked.total() == 0
    place.run("data.csv", "--limit", "4")
    assert place.provider.asked.total() == 1
    assert len(place.read("annotated.csv")) == 4


def test_by_batch(place: Place) -> None:
    place.provider.answer = '{"intent": "bug"}'
    place.run("data.csv", "--batch")
    assert place.provider.created["/batches"] == 1
    assert [row["label"] for row in place.read("annotated.csv")][3:] == ["bug"] * 3


# ------------------------------------------------------------------------------------------------ describe


def sentences(text: str) -> str:
    assert "These are the labels" in text
    listed = [
        {"label": label, "sentence": f"About\n{label}."} for label in ("delivery", "refund", "bug", "unknown")
    ]
    return json.dumps(
        {"labels": [*listed, {"label": "bug", "sentence": "A second one."}, "odd", {"label": 1}]}
    )


def test_describe_writes_sentences_into_the_task(place: Place) -> None:
    (place.path / "task.toml").write_text(f"# mine\n{TASK}\n# end\n")
    place.answer(sentences)
    said = place.run("data.csv", "--describe")
    assert "3 labels described by a model" in said
    content = (place.path / "task.toml").read_text()
    assert content.startswith("# mine\n")
    assert content.endswith("\n# end\n")
    assert '[field.describe]\n"delivery" = "About delivery."\n"refund" = "About refund."\n' in content
    asked = place.provider.requests[0]["messages"][-1]["content"]
    assert '"delivery"\n  - my parcel is late\n' in asked
    # Nothing is left to be described, so nothing is asked.
    place.run("data.csv", "--describe")
    assert place.provider.asked.total() == 1


def test_describe_to_standard_output_leaves_the_task_alone(place: Place) -> None:
    place.answer(sentences)
    assert '"bug" = "About bug."' in place.run("data.csv", "--describe", "-o", "-")
    assert (place.path / "task.toml").read_text() == TASK


def test_describe_of_prose_changes_nothing(place: Place) -> None:
    place.answer(lambda _: "Labels are lovely.")
    said = place.run("data.csv", "--describe", code=7)
    assert "teacher: gave no sentence for any label (not_json)" in said
    assert (place.path / "task.toml").read_text() == TASK


def test_describe_needs_examples(place: Place) -> None:
    place.write("data.csv", [("a", ""), ("b", "")])
    assert "no row has a label, and examples need one" in place.run("data.csv", "--describe", code=7)


# ------------------------------------------------------------------------------------------ a sample, checked


def checked(place: Place, wrong: int) -> str:
    """Fill the sheet in, some of it wrong, and have it read."""
    rows = place.read("annotated.sample.csv")
    filled = [
        (
            row["text"],
            "bug" if number < wrong and true_label(row["text"]) != "bug" else true_label(row["text"]),
        )
        for number, row in enumerate(rows)
    ]
    place.write("annotated.sample.csv", filled, header=("text", "correct_label"))
    return place.run("annotated.csv", "--checked", "annotated.sample.csv")


def test_a_sample_tells_how_far_labels_can_be_relied_on(place: Place) -> None:
    place.write("data.csv", [*ROWS[:3], *((f"parcel {number}", "") for number in range(60))])
    said = place.run("data.csv", "--sample", "20")
    assert "labeltune annotate annotated.csv --checked annotated.sample.csv" in said
    rows = place.read("annotated.sample.csv")
    assert len({row["text"] for row in rows}) == 20
    assert list(rows[0]) == ["text", "correct_label"]  # nothing of what the model said
    assert {row["correct_label"] for row in rows} == {""}
    texts = [row["text"] for row in place.read("annotated.csv")]
    places = [texts.index(row["text"]) for row in rows]
    assert places == sorted(places)
    said = checked(place, wrong=2)
    assert "18 of 20 rows have the model's labels: 0.900" in said
    # Clopper and Pearson's interval of 18 of 20.
    assert "0.683 to 0.988 (95 %)" in said
    assert "line 2: model delivery, person bug" in said


def test_a_sheet_of_rows_that_are_not_those_of_the_table(place: Place) -> None:
    place.run("data.csv", "--sample", "3")
    place.write(
        "sheet.csv", [("where is my parcel", "bugs"), ("other", "bug")], header=("text", "correct_label")
    )
    said = place.run("annotated.csv", "--checked", "sheet.csv", code=7)
    assert 'sheet.csv:2: column "correct_label": "bugs" is no label (did you mean "bug"?)' in said
    assert "sheet.csv:3: annotated.csv has no such text with a label" in said
    said = place.run("annotated.csv", "--checked", "annotated.sample.csv", code=7)
    assert "annotated.sample.csv: nothing is filled in" in said
    place.write(
        "sheet.csv",
        [("where is my parcel", "bug"), ("it crashed again", "")],
        header=("text", "correct_label"),
    )
    assert "1 row of the sheet is not filled in" in place.run("annotated.csv", "--checked", "sheet.csv")


def test_a_sheet_for_several_labels(place: Place) -> None:
    (place.path / "task.toml").write_text(EMOTION_TOML)
    place.write("data.csv", [("1", "a"), ("2", "b"), ("3", "c")], header=("id", "text"))
    place.answer(lambda text: json.dumps({"emotions": {"a": ["joy", "anger"], "b": [], "c": ["joy"]}[text]}))
    place.run("data.csv", "--sample", "3")
    sheet = [("a", "anger, joy"), ("b", "none"), ("c", "anger")]
    place.write("sheet.csv", sheet, header=("text", "correct_label"))
    said = place.run("annotated.csv", "--checked", "sheet.csv", "--json")
    document = json.loads(said.splitlines()[-1])
    assert (document["checked"], document["agreed"]) == (3, 2)
    assert document["disagreements"][0]["person"] == "anger"


@pytest.mark.parametrize("command", ["annotate", "generate"])
@pytest.mark.parametrize("told", [[], ["--model", ""]], ids=["none", "empty"])
def test_the_model_that_is_tuned_is_no_teacher(place: Place, command: str, told: list[str]) -> None:
    (place.path / "task.toml").write_text(f'{TASK}\n[defaults]\nmodel = "ft:mine"\n')
    result = CliRunner().invoke(app, [command, "data.csv", "--provider", place.provider.url, *told])
    assert result.exit_code == 2
    assert "no model: --model says which one is asked" in result.stderr
