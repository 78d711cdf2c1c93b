"""The kinds of columns that tables really have: what is taken for text and labels, and what is not and why."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from labeltune.errors import DataError, SettingsError
from labeltune.prepare.convert import convert
from labeltune.prepare.infer import Proposal, Wishes, init
from labeltune.prepare.infer.alike import alike
from labeltune.task import Task, read_task

Make = Callable[[int], object]

COUNT = 60
TOPICS = ("Billing", "Shipping", "Account")


def text(i: int) -> str:
    return f"a message of some words about matter number {i}"


def topic(i: int) -> str:
    return TOPICS[i % 3]


def propose(folder: Path, columns: dict[str, Make], wishes: Wishes | None = None) -> Proposal:
    data = folder / "data.csv"
    with data.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows([[make(i) for make in columns.values()] for i in range(COUNT)])
    proposal = init(data, folder / "task.toml", wishes=wishes, force=True)
    assert read_task(folder / "task.toml") == proposal.task
    return proposal


def fields(task: Task) -> dict[str, tuple[str, ...]]:
    return {field.name: field.labels for field in task.fields}


@pytest.mark.parametrize(
    ("name", "make", "why"),
    [
        pytest.param("annotator", lambda _: 1, '"1" in every row', id="data_05-constant"),
        pytest.param("lead_time", lambda i: i + 2.5, "numbers", id="data_05-measured"),
        pytest.param("index", lambda i: i, "a counter", id="counter"),
        pytest.param("n", lambda i: 40 - i, "numbers", id="countdown"),
        pytest.param("created", lambda i: f"2024-01-{i % 9 + 1:02d}", "dates", id="date"),
        pytest.param("at", lambda i: f"2024-01-0{i % 9 + 1}T10:00:00Z", "dates", id="time stamp"),
        pytest.param("when", lambda i: f"{i % 9 + 1}. März 2024" if i < 0 else f"{i % 9 + 1} March 2024", "dates", id="date in words"),
        pytest.param("datum", lambda i: f"0{i % 9 + 1}.02.2024", "dates", id="date with dots"),
        pytest.param("sent", lambda i: f"Tue Feb 0{i % 9 + 1} 11:35:52 +0000 2015", "dates", id="date of a tweet"),
        pytest.param("clock", lambda i: f"{i % 9}:30", "dates", id="clock"),
        pytest.param("url", lambda i: f"https://news.example.com/2024/some-long-article-name-{i % 9}.html", "URLs", id="data_63-url"),
        pytest.param("mail", lambda i: f"someone{i % 9}@example.org", "URLs", id="mail address"),
        pytest.param("path", lambda i: f"/home/data/reviews/part-{i % 9}/file.txt", "URLs", id="path"),
        pytest.param("user_id", lambda i: f"u{i % 9}", "ids", id="id that recurs"),
        pytest.param("session", lambda i: f"{i * 2654435761:032x}", "ids", id="hash"),
        pytest.param("guid", lambda i: f"{i:08x}-aaaa-bbbb-cccc-{i:012x}", "ids", id="uuid"),
        pytest.param("score_raw", lambda i: f"{i / 7:.3f}", "numbers", id="broken numbers"),
        pytest.param("price", lambda i: f"{i % 5},50", "numbers", id="decimal comma"),
        pytest.param("likes", lambda i: i * 7 % 45, "numbers", id="counts"),
        pytest.param("split", lambda i: ("train", "train", "test")[i % 3], "the part that a row is in", id="split"),
        pytest.param("fold", lambda i: ("Train", "valid", "TEST")[i % 3], "the part that a row is in", id="parts"),
        pytest.param("note", lambda i: "seen" if i == 3 else "checked" if i == 5 else "", "nearly empty: 2 of 60 rows", id="nearly empty"),
        pytest.param("reviewer", lambda _: "", "empty", id="empty"),
        pytest.param("meta", lambda i: f'{{"source": "web", "n": {i % 5}}}', "nested data", id="JSON"),
        pytest.param("language", lambda i: ("en", "de")[i % 2], "by its name no label", id="language"),
        pytest.param("rater", lambda i: ("anna", "bert")[i % 2], "by its name no label", id="annotator"),
        pytest.param("confidence", lambda i: (1, 2, 3)[i % 3], "by its name no label", id="confidence"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_a_column_that_is_neither_text_nor_label(
    tmp_path: Path, name: str, make: Make, why: str, *, first: bool
) -> None:
    others: dict[str, Make] = {"text": text, "topic": topic}
    columns = {name: make, **others} if first else {**others, name: make}
    proposal = propose(tmp_path, columns)
    assert proposal.task.text == ("text",)
    assert fields(proposal.task) == {"topic": ("Account", "Billing", "Shipping")}
    if proposal.task.id is None:
        assert proposal.left_out == {name: why}
        assert any(f'"{name}" ({why})' in said for said in proposal.conclusions)
    else:
        assert proposal.task.id == name


def test_data_63_the_longest_column_is_no_text_if_it_holds_addresses(tmp_path: Path) -> None:
    columns: dict[str, Make] = {
        "title": lambda i: f"short news {i}",
        "url": lambda i: (
            f"https://news.example.com/2024/01/02/section/a-very-long-name-of-an-article-{i}.html"
        ),
        "category": topic,
    }
    assert propose(tmp_path, columns).task.text == ("title",)


def test_addresses_are_the_text_of_a_table_of_addresses(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"url": lambda i: f"http://site{i}.example.com/a", "type": topic}
    assert propose(tmp_path, columns).task.text == ("url",)


def test_labels_longer_than_texts(tmp_path: Path) -> None:
    long = [f"The customer complains about {name} and wants an answer from a person soon" for name in TOPICS]
    columns: dict[str, Make] = {"query": lambda i: f"where is {i}", "category": lambda i: long[i % 3]}
    task = propose(tmp_path, columns).task
    assert task.text == ("query",)
    assert fields(task) == {"category": tuple(sorted(long))}


def test_texts_that_recur(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"text": lambda i: text(i % 12), "label": topic}
    task = propose(tmp_path, columns).task
    assert task.text == ("text",)
    assert list(fields(task)) == ["label"]


def test_texts_without_space_between_words(tmp_path: Path) -> None:
    columns: dict[str, Make] = {
        "标签": lambda i: ("物流", "退款")[i % 2],
        "文本": lambda i: f"快递太慢了，要求退款{i}",
        "session": lambda i: f"{i * 2654435761:032x}",
    }
    task = propose(tmp_path, columns).task
    assert task.text == ("文本",)
    assert fields(task) == {"标签": ("物流", "退款")}


@pytest.mark.parametrize(
    ("yes", "no", "spelled"),
    [
        pytest.param("True", "False", ("True", "False"), id="data_09-pandas"),
        pytest.param("yes", "no", ("yes", "no"), id="data_09-by hand"),
        pytest.param("1.0", "0.0", ("1", "0"), id="data_09-floats"),
        ("TRUE", "FALSE", ("TRUE", "FALSE")),
        ("Y", "N", ("Y", "N")),
        ("t", "f", ("t", "f")),
        ("ja", "nein", ("ja", "nein")),
        ("да", "нет", ("да", "нет")),
        ("是", "否", ("是", "否")),
        ("1", "", ("1", "")),
        ("x", "", ("x", "")),
        ("yes", "", ("yes", "")),
        ("1", "0", ("1", "0")),
    ],
)
def test_data_09_columns_that_say_yes_and_no(
    tmp_path: Path, yes: str, no: str, spelled: tuple[str, str]
) -> None:
    def flag(every: int) -> Make:
        return lambda i: yes if i % every == 0 else no

    columns: dict[str, Make] = {"text": text, "Billing": flag(2), "Shipping": flag(3), "Account": flag(50)}
    proposal = propose(tmp_path, columns)
    field = proposal.task.fields[0]
    assert fields(proposal.task) == {"labels": ("Billing", "Shipping", "Account")}
    assert (field.yes, field.no) == spelled
    done = convert(proposal.task, tmp_path / "data.csv", tmp_path / "out.jsonl")
    assert done.written == COUNT
    answers = [
        line.rsplit('"content": "', 1)[1] for line in (tmp_path / "out.jsonl").read_text().splitlines()
    ]
    assert [answer.split('"')[0] for answer in answers[:5]] == [
        "Billing,Shipping,Account", "none", "Billing", "Shipping", "Billing",
    ]  # fmt: skip


def test_columns_of_which_pandas_wrote_some_as_broken_numbers_are_one_field(tmp_path: Path) -> None:
    columns: dict[str, Make] = {
        "text": text, "A": lambda i: i % 2, "B": lambda i: f"{i % 3 % 2}.0", "C": lambda i: "1.0" if i % 5 else "0",
    }  # fmt: skip
    task = propose(tmp_path, columns).task
    (field,) = task.fields
    assert (field.columns, field.yes, field.no) == (("A", "B", "C"), "1", "0")
    assert convert(task, tmp_path / "data.csv", tmp_path / "o.jsonl").written == COUNT


def test_columns_of_several_people_are_told(tmp_path: Path) -> None:
    columns: dict[str, Make] = {
        "text": text, "annotator_1": topic, "annotator_2": lambda i: topic(i + (i % 7 == 0)),
    }  # fmt: skip
    warnings = propose(tmp_path, columns).warnings
    assert '"annotator_1" and "annotator_2" have labels in common' in warnings[0]
    assert "--label annotator_1 takes one" in warnings[0]


def test_cells_that_say_neither_yes_nor_no_are_told(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"text": text, "a": lambda i: ("1", "0", "")[i % 3], "b": lambda i: i % 2}
    warnings = propose(tmp_path, columns).warnings
    assert any('"a" is empty in 20 rows, neither 1 nor 0' in warning for warning in warnings)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param(
            {"text": text, "urgent": lambda i: i % 2, "spam": lambda i: i % 3 and 1, "category": topic},
            ["category"], id="two flags beside a column called category",
        ),
        pytest.param(
            {"text": text, "label": lambda i: i % 2, "retweet": lambda i: i % 3 and 1}, ["label"],
            id="a label of 0 and 1 beside another such column",
        ),
        pytest.param({"text": text, "verified": lambda i: ("Y", "N")[i % 2], "spam": lambda i: i % 3 and 1},
                     ["spam"], id="yes and no in two spellings are no field together"),
        pytest.param({"text": text, "toxic": lambda i: i % 2}, ["toxic"], id="one flag is a single field"),
        pytest.param({"text": text, "language": lambda i: ("en", "de")[i % 2]}, ["language"],
                     id="a name decides only where there is a choice"),
        pytest.param({"lang": lambda i: ("en", "de")[i % 2], "text": text, "country": lambda i: ("GB", "DE", "US")[i % 3],
                      "intent": topic}, ["intent"], id="language and country beside the label"),
        pytest.param({"text": text, "user_name": lambda i: f"user {i % 7}", "user_intent": topic}, ["user_intent"],
                     id="the last word of a name counts"),
        pytest.param({"text": text, "mood": lambda i: "ab"[i % 2], "topic": topic}, ["mood", "topic"],
                     id="several that are called labels"),
        pytest.param({"text": text, "alpha": lambda i: "ab"[i % 2], "beta": topic}, ["alpha", "beta"],
                     id="several that are called nothing"),
        pytest.param({"text": text, "stars": lambda i: i % 5 + 1, "useful": lambda i: i % 4}, ["stars"], id="stars"),
        pytest.param({"text": text, "rating": lambda i: i % 9 / 2 + 0.5}, ["rating"], id="half stars"),
        pytest.param({"text": text, "label": lambda i: i % 3, "label_name": topic}, ["label_name"],
                     id="a label in numbers and in words"),
        pytest.param({"text": text, "class": lambda i: i % 3, "count": lambda i: i % 4 + 3}, ["class"], id="counts"),
        pytest.param({"text": text, "category_id": lambda i: i % 3}, ["category_id"], id="the id of a category"),
    ],
)  # fmt: skip
def test_which_columns_are_meant(tmp_path: Path, columns: dict[str, Make], expected: list[str]) -> None:
    task = propose(tmp_path, columns).task
    assert list(fields(task)) == expected
    assert all(field.parent is None for field in task.fields)


def test_what_else_could_be_meant_is_said_with_the_option(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"head line": lambda i: f"news of {i}", "text": text, "label": topic,
                                "shop": lambda i: ("North", "South")[i // 7 % 2]}  # fmt: skip
    said = "\n".join(propose(tmp_path, columns).conclusions)
    assert "--text 'head line' --text text joins them" in said
    assert '"shop" (2 values) could be labels, too: --label label --label shop' in said
    task = propose(tmp_path, columns, Wishes(text=("head line", "text"), labels=("label", "shop"))).task
    assert (task.text, list(fields(task))) == (("head line", "text"), ["label", "shop"])


def test_a_column_that_refines_the_label_is_taken_with_it(tmp_path: Path) -> None:
    pairs = [("Order", "Cancel"), ("Order", "Track"), ("Bill", "Refund"), ("Bill", "Fee")]
    columns: dict[str, Make] = {
        "text": text, "category": lambda i: pairs[i % 4][0], "detail": lambda i: pairs[i % 4][1],
    }  # fmt: skip
    task = propose(tmp_path, columns).task
    assert task.field("detail").parent == "category"


def test_columns_of_one_list_are_told(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"text": text, "queue": topic, "tag_1": lambda i: "abc"[i % 3],
                                "tag_2": lambda i: "bca"[i // 3 % 3]}  # fmt: skip
    proposal = propose(tmp_path, columns)
    assert list(fields(proposal.task)) == ["queue"]
    assert any('"tag_1" and "tag_2" hold one list of labels' in warning for warning in proposal.warnings)


def test_columns_can_be_ignored(tmp_path: Path) -> None:
    columns: dict[str, Make] = {
        "text": text,
        "notes": lambda i: text(i) * 2,
        "a": topic,
        "b": topic,
        "id": lambda i: i,
    }
    wishes = Wishes(ignore=("notes", "a", "id"))
    proposal = propose(tmp_path, columns, wishes)
    assert (proposal.task.text, list(fields(proposal.task)), proposal.task.id) == (("text",), ["b"], None)
    assert not set(proposal.left_out) & set(wishes.ignore)
    with pytest.raises(DataError, match='no column "nots" .did you mean "notes".*--ignore'):
        propose(tmp_path, columns, Wishes(ignore=("nots",)))
    with pytest.raises(SettingsError, match='"a" is named twice'):
        propose(tmp_path, columns, Wishes(ignore=("a",), labels=("a",)))


@pytest.mark.parametrize(
    ("joined_by", "delimiter"),
    [
        pytest.param("#", "#", id="data_27-hash"),
        pytest.param("\n", "\n", id="data_27-line break"),
        pytest.param("\r\n", "\r\n", id="data_27-line break of Windows"),
        ("|", "|"), (";", ";"), (",", ","), ("/", "/"), ("+", "+"), ("&", "&"),
        (", ", ", "), ("; ", "; "), (" | ", " | "), (" / ", " / "), (" & ", " & "),
    ],
)  # fmt: skip
def test_data_27_what_joins_labels(tmp_path: Path, joined_by: str, delimiter: str) -> None:
    sets = [["joy"], ["joy", "anger"], ["neutral"], ["anger"], ["anger", "neutral"], []]
    columns: dict[str, Make] = {"text": text, "label": lambda i: joined_by.join(sets[i % 6])}
    proposal = propose(tmp_path, columns)
    field = proposal.task.fields[0]
    assert (field.type, field.labels) == ("multi", ("anger", "joy", "neutral"))
    assert field.delimiter == delimiter
    assert proposal.task.answer.none == "none"
    assert convert(proposal.task, tmp_path / "data.csv", tmp_path / "o.jsonl").written == COUNT


@pytest.mark.parametrize(
    "labels",
    [
        ("C", "C#", "C++"), ("R&D", "Sales", "Q&A"), ("news/world", "news/sport", "blog/world"),
        ("Yes, please", "No"), ("A & B", "C & D", "E"), ("N/A", "yes", "no"), ("18-25", "26-35", "36+"),
    ],
)  # fmt: skip
def test_labels_that_hold_signs_are_not_taken_apart(tmp_path: Path, labels: Sequence[str]) -> None:
    columns: dict[str, Make] = {"text": text, "label": lambda i: labels[i % len(labels)]}
    assert fields(propose(tmp_path, columns).task) == {"label": tuple(sorted(labels))}


def test_labels_that_are_numbers_stand_in_their_order(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"text": text, "score": lambda i: i % 12 - 1}
    assert fields(propose(tmp_path, columns).task)["score"] == tuple(map(str, range(-1, 11)))


@pytest.mark.parametrize(
    "written",
    [
        "0.{}5", "0,{}5", "{}5 %", "1.05{},00 €", "$1,{}00.50", "USD {}00", "1 0{}0,5 kr", "1'{}00.25", "{}e-3",
    ],
)  # fmt: skip
def test_numbers_beside_labels_are_no_labels(tmp_path: Path, written: str) -> None:
    columns: dict[str, Make] = {"text": text, "score": lambda i: written.format(i % 9), "label": topic}
    assert list(fields(propose(tmp_path, columns).task)) == ["label"]


def test_labels_that_end_with_a_number_are_labels(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"text": text, "course": lambda i: f"SDG {i % 9}"}
    assert list(fields(propose(tmp_path, columns).task)) == ["course"]


def test_broken_numbers_are_ratings_where_nothing_else_is_a_label(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"text": text, "stars": lambda i: f"{i % 9 / 2}"}
    assert fields(propose(tmp_path, columns).task)["stars"][1] == "0.5"


@pytest.mark.parametrize(
    "cell", ["[0, 1, 0]|[1, 0, 0]", "[0 1]|[1 1]", "[0. 1. 0.]|[0. 0. 1.]", "[1.0, 0.0]|[0.0, 1.0]"]
)
@pytest.mark.parametrize("labels", [(), ("labels",)])
def test_lists_of_0_and_1_name_no_labels(tmp_path: Path, cell: str, labels: tuple[str, ...]) -> None:
    columns: dict[str, Make] = {"text": text, "labels": lambda i: cell.split("|")[i % 2]}
    with pytest.raises(DataError, match="lists of 0 and 1, a place for each label") as caught:
        propose(tmp_path, columns, Wishes(labels=labels))
    assert caught.value.hint == "write a column of 0 and 1 for each label, called like the label"


@pytest.mark.parametrize("others", [{}, {"label": lambda i: "ab"[i % 2]}])
def test_texts_taken_apart_are_neither_text_nor_labels(tmp_path: Path, others: dict[str, Make]) -> None:
    columns: dict[str, Make] = {"words": lambda i: str(text(i).split()), **others}
    with pytest.raises(DataError, match="no column") as caught:
        propose(tmp_path, columns)
    assert caught.value.hint == "write each list of words as one text, joined by a space"


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(("-1", "0", "1"), id="data_30-signs"),
        pytest.param(("C", "C#", "C++"), id="data_30-languages"),
        pytest.param(("😀", "❤️", "👩‍🔬"), id="data_30-symbols"),
        pytest.param(("+", "-"), id="data_30-plus and minus"),
        ("1-2", "12"), ("1 2", "12"), ("1.0", "10"), ("a.b", "ab"), ("no", "not"), ("0", "00"),
    ],
)  # fmt: skip
def test_data_30_labels_that_differ(labels: tuple[str, ...]) -> None:
    assert alike(labels) == []


@pytest.mark.parametrize(
    "labels",
    [
        ("card lost", "Card_Lost"), ("e-mail", "Email"), ("café", "cafe\u0301"), ("a\u200bb", "ab"),
        ("❤️", "❤"), ("ﬁne", "fine"), ("STRASSE", "straße"), ("C ++", "c++"), ("x y", "x\u00a0y"),
    ],
)  # fmt: skip
def test_data_30_labels_that_may_be_one(labels: tuple[str, ...]) -> None:
    assert alike(labels) == [list(labels)]


@pytest.mark.parametrize(
    "labels",
    [
        ("can't log in", "can’t log in", "can`t log in"), ('5" pipe', "5” pipe"), ("R&D", "R&amp;D"),
        ("Billing", "Billing.", "billing!"), ("Réclamation", "RÃ©clamation"), ("it's", "itâ€™s"), ("İade", "iade", "ıade", "IADE"), ("1", "1.0"),
    ],
)  # fmt: skip
def test_labels_that_programs_and_keyboards_spell_otherwise_may_be_one(labels: tuple[str, ...]) -> None:
    assert alike(labels) == [list(labels)]


def test_rows_without_labels_have_an_answer_that_is_no_label(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"text": text, "label": lambda i: ("None|joy", "none", "joy", "")[i % 4]}
    task = propose(tmp_path, columns).task
    assert task.answer.none == "no label"
    assert propose(tmp_path, columns, Wishes(none="")).task.answer.none == ""
    assert propose(tmp_path, columns, Wishes(none="nothing")).task.answer.none == "nothing"


def test_a_word_for_none_that_no_answer_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--none nothing: only a list has a word for no label"):
        propose(tmp_path, {"text": text, "label": topic}, Wishes(none="nothing"))
    assert propose(tmp_path, {"text": text, "label": topic}, Wishes(none="")).task.answer.none == ""


def test_where_every_row_has_a_label_no_word_for_none_is_proposed(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"text": text, "label": lambda i: ("a|b", "a", "b")[i % 3]}
    assert propose(tmp_path, columns).task.answer.none == ""


def test_labels_that_no_list_can_join_are_answered_as_json(tmp_path: Path) -> None:
    columns: dict[str, Make] = {"text": text, "a,b;c|d / e": lambda i: i % 2, "f": lambda i: i % 3 and 1}
    assert propose(tmp_path, columns).task.answer.format == "json"
    with pytest.raises(SettingsError, match="every separator"):
        propose(tmp_path, columns, Wishes(answer="list"))


def test_a_table_without_labels_says_why_each_column_is_none(tmp_path: Path) -> None:
    columns: dict[str, Make] = {
        "text": text,
        "label": lambda _: "same",
        "when": lambda i: f"2024-01-0{i % 9 + 1}",
    }
    with pytest.raises(DataError, match=r'looked at "label" \("same" in every row\) and "when" \(dates\)'):
        propose(tmp_path, columns)


def test_a_table_without_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column holds text"):
        propose(tmp_path, {"n": lambda i: i, "m": lambda i: i / 7, "d": lambda i: f"2024-01-0{i % 9 + 1}"})
