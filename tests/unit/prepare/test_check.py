"""check: every finding there is, produced by a file that has the fault and by no file without it."""

from __future__ import annotations

import json
import random
import re
import sys
import unicodedata
from pathlib import Path

import pytest

import labeltune
import tasks
from labeltune.errors import DataError, SettingsError
from labeltune.prepare.check import CATALOGUE, Checked, CheckOptions, check, refuse_errors
from labeltune.prepare.check.neighbours import _is_inert, plain_forms
from labeltune.prepare.check.private import private_matters
from labeltune.prepare.check.text import format_checked
from labeltune.prepare.duplicates import plain
from labeltune.pricing.tokens import JoinedTexts
from labeltune.task import Task

ESTIMATE = CheckOptions(tokens="estimate")
INTENTS = tasks.INTENT.labels
INTENT_ROWS = "".join(
    f"question {number} {number}{number} about it,{INTENTS[number % 3]}\n" for number in range(330)
)
FLAGS = "0,0,0,0,0,0"


def checked(
    folder: Path, content: str | bytes | list[str], task: Task | None, name: str = "data.csv"
) -> Checked:
    """What check says of one file, or of several."""
    contents = content if isinstance(content, list) else [content]
    names = [name, *(f"{number}{name}" for number in range(2, len(contents) + 1))]
    for own, text in zip(names, contents, strict=True):
        (folder / own).write_bytes(text if isinstance(text, bytes) else text.encode())
    return check([folder / own for own in names], task, ESTIMATE)


def lines_of(done: Checked, code: str) -> list[int | None]:
    return [finding.where.line for finding in done.findings if finding.code == code]


def intents(*rows: str) -> str:
    """A table of the intent task that has nothing wrong with it, and then some rows."""
    return "text,label\n" + INTENT_ROWS + "".join(f"{row}\n" for row in rows)


NEXT = 332
"""The line of the first of these rows."""


def record(text: str = "where is my card", answer: str = "lost card", **more: object) -> str:
    messages = [
        {"role": "system", "content": "Name the intent."},
        {"role": "user", "content": text},
        {"role": "assistant", "content": answer, **more},
    ]
    return json.dumps({"messages": messages})


def chat(*lines: str) -> str:
    """A chat file of the intent task that has nothing wrong with it, and then some lines."""
    good = (row.split(",") for row in INTENT_ROWS.splitlines())
    return "\n".join([*(record(text, label) for text, label in good), *lines]) + "\n"


def messages(*items: object) -> str:
    return json.dumps({"messages": list(items)})


SYSTEM, USER, ASSISTANT = json.loads(record())["messages"]

CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}

# For each code a file that has it and nothing else of the kind, and the lines where it is found.
TABLES: list[tuple[str, str | bytes | list[str], Task, list[int | None]]] = [
    ("ragged_row", intents("one,two,three", "only one"), tasks.INTENT, [NEXT, NEXT + 1]),
    ("broken_quotes", intents('"a" b,lost card', "good,lost card"), tasks.INTENT, [NEXT]),
    ("nul_byte", intents("a\0b,lost card"), tasks.INTENT, [NEXT]),
    ("bad_byte", intents("caf\xe9,lost card").encode("latin-1"), tasks.INTENT, [NEXT]),
    ("no_label", intents("text,", "more,  "), tasks.INTENT, [NEXT, NEXT + 1]),
    ("unknown_label", intents("text,lost crad"), tasks.INTENT, [NEXT]),
    ("spaced_label", intents("text,lost card "), tasks.INTENT, [NEXT]),
    ("bad_flag", f"id,comment_text,{','.join(tasks.TOXIC_LABELS)}\n1,a,yes,0,0,0,0,0\n", tasks.TOXIC, [2]),
    ("several_labels", intents('text,"[""lost card"", ""card_arrival""]"'), tasks.INTENT, [NEXT]),
    ("column_clash", "answer," + intents().replace("\n", "\nx,").removesuffix("x,"), tasks.INTENT, [1]),
    ("nothing_to_learn", "text,label\n" + "".join(f"text {n},lost card\n" for n in range(20)), tasks.INTENT, [None]),
    ("illegal_pair", "inquiry,category,sub_category\nwhy,Billing,Tracking\n", tasks.INQUIRY, [2]),
    ("left_out", f"id,comment_text,{','.join(tasks.TOXIC_LABELS)}\n1,a,{FLAGS}\n2,b,1,0,0,0,0,0\n", tasks.TOXIC, [None]),
    ("too_few_examples", "text,label\nwhere,lost card\n", tasks.INTENT, [None]),
    ("empty_text", intents("  ,lost card", '"\n",lost card'), tasks.INTENT, [NEXT, NEXT + 1]),
    ("special_token", intents("it ends <|endoftext|> here,lost card"), tasks.INTENT, [NEXT]),
    ("too_long", intents(f"{'word ' * 70_000},lost card"), tasks.INTENT, [NEXT]),
    ("duplicate", intents("Same text,lost card", "Same text,lost card"), tasks.INTENT, [NEXT + 1]),
    ("contradiction", intents("Same text,lost card", "Same text,card_arrival"), tasks.INTENT, [NEXT + 1]),
    ("near_duplicate", intents("Same text!,lost card", "same  TEXT,lost card"), tasks.INTENT, [NEXT + 1]),
    ("near_contradiction", intents("Same text!,lost card", "same  TEXT,card_arrival"), tasks.INTENT, [NEXT + 1]),
    ("overlap", [intents("Same text,lost card"), "text,label\nother,lost card\nSame text,card_arrival\n"], tasks.INTENT, [3]),
    ("synthetic_in_test", [intents(), "text,label\na,lost card\n", "text,label,source\nb,lost card,human\nc,lost card,synthetic\n"], tasks.INTENT, [3]),
    ("near_overlap", [intents("Same text,lost card"), "text,label\nother,lost card\nsame text.,lost card\n"], tasks.INTENT, [3]),
    ("absent_label", "text,label\n" + INTENT_ROWS.replace("lost card", "card_arrival"), tasks.INTENT, [None]),
    ("rare_label", "text,label\n" + INTENT_ROWS.replace("lost card", "card_arrival") + "a,lost card\n" * 9, tasks.INTENT, [None]),
    ("few_rows", "text,label\n" + INTENT_ROWS[: len(INTENT_ROWS) // 2], tasks.INTENT, [None]),
    ("imbalance", "text,label\n" + INTENT_ROWS + "".join(f"new {number},lost card\n" for number in range(2200)), tasks.INTENT, [None]),
    ("secret", intents("my key is sk-proj-abcdefghijklmnopqrstuvwx1234,lost card"), tasks.INTENT, [NEXT]),
    ("email", intents("write to jane.doe+x@mail.example.org please,lost card"), tasks.INTENT, [NEXT]),
    ("card_number", intents("it is 4111 1111 1111 1111 really,lost card"), tasks.INTENT, [NEXT]),
]  # fmt: skip
CHATS: list[tuple[str, str, list[int | None]]] = [
    ("byte_order_mark", "\ufeff" + chat(), [1]),
    ("not_lines", f"[{record()},\n{record()}]", [None]),
    ("stray_comma", chat(record("one") + ",", record("two") + " , "), [331]),
    ("bad_tool_call", chat(messages(SYSTEM, USER, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "x"}, ASSISTANT)), [331]),
    ("untaught", chat(record(weight=0)), [331]),
    ("bad_json", chat("{", record()), [331]),
    ("bad_record", chat("[]", '"x"'), [331, 332]),
    ("empty_line", chat("", record("one"), " ", "", record("two")), [331, 333, 334]),
    ("unknown_key", chat('{"prompt": "x", ' + record()[1:], record("two", label="x")), [331, 332]),
    ("other_form", chat('{"prompt": "x", "completion": "y"}', '{"text": "x"}'), [331, 332]),
    ("bad_messages", chat('{"messages": []}', "{}", '{"messages": "x"}'), [331, 332, 333]),
    ("bad_message", chat(messages(SYSTEM, "text", ASSISTANT)), [331]),
    ("bad_role", chat(messages(SYSTEM, {"role": "human", "content": "x"}, ASSISTANT), messages({"content": "x"})), [331, 332]),
    ("bad_weight", chat(record(weight=2)), [331]),
    ("bad_content", chat(messages(SYSTEM, {"role": "user", "content": None}, ASSISTANT)), [331]),
    ("last_message", chat(messages(SYSTEM, USER)), [331]),
    ("empty_answer", chat(record(answer=""), record(answer="  ")), [331, 332]),
    ("bad_answer", chat(record("one", "lost crad"), record("two", "all of them")), [331, 332]),
    ("respelt_answer", chat(record(answer="Lost card.")), [331]),
    ("prompt_differs", chat(messages({**SYSTEM, "content": "Name the intent"}, USER, ASSISTANT), messages(USER, ASSISTANT)), [331, 332]),
    ("repeated", chat(record(), record(), record(), record("one"), record("one")), [332]),
    ("spaced_text", chat(record(" where is my card\n")), [331]),
    ("cut_text", chat(record("a" * 32_766), record("b" * 32_767)), [332]),
    ("unreadable", chat() + " " * ((1 << 26) + 1), [None]),
]  # fmt: skip


@pytest.mark.parametrize(("code", "content", "task", "lines"), TABLES, ids=[row[0] for row in TABLES])
def test_tables(
    code: str, content: str | bytes | list[str], task: Task, lines: list[int | None], tmp_path: Path
) -> None:
    done = checked(tmp_path, content, task)
    assert lines_of(done, code) == lines
    assert sum(number for (_, own), number in done.counts.items() if own == code) == len(lines)


@pytest.mark.parametrize(("code", "content", "lines"), CHATS, ids=[row[0] for row in CHATS])
def test_chat_files(code: str, content: str, lines: list[int | None], tmp_path: Path) -> None:
    assert lines_of(checked(tmp_path, content, tasks.INTENT, "data.jsonl"), code) == lines


def test_values_without_text(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table({"text": ["a", "b"], "label": pa.array([b"lost card", b"x"])})
    parquet.write_table(table, tmp_path / "data.parquet")
    assert lines_of(check([tmp_path / "data.parquet"], tasks.INTENT, ESTIMATE), "bad_value") == [1, 2]


def test_a_chat_file_over_512_mb(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    with path.open("wb") as handle:
        handle.write((record() + "\n").encode())
        handle.truncate((512 << 20) + 1)
    done = check([path], tasks.INTENT, ESTIMATE)
    assert lines_of(done, "too_large") == [None]
    with pytest.raises(DataError, match="a line of more than") as caught:
        refuse_errors(path, tasks.INTENT)
    assert "too_large" not in {finding.code for finding in caught.value.findings}  # it goes up in parts


@pytest.mark.parametrize("task", [tasks.INTENT, None])
def test_a_good_file_has_no_finding(task: Task | None, tmp_path: Path) -> None:
    done = checked(tmp_path, chat(), task, "data.jsonl")
    assert done.findings == []
    refuse_errors(tmp_path / "data.jsonl", task)
    if task is not None:
        assert checked(tmp_path, intents(), task).findings == []


def test_every_code_is_produced_here() -> None:
    tested = {row[0] for row in TABLES} | {row[0] for row in CHATS} | {"bad_value", "too_large", "not_utf8"}
    assert tested == set(CATALOGUE) - {"doubtful_label"}  # which `check --noise` finds


def test_every_code_that_the_source_names_is_in_the_catalogue() -> None:
    root = Path(labeltune.__file__).parent
    named = set()
    for place in ("prepare/check", "files", "task"):
        for path in (root / place).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            named |= set(
                re.findall(r'(?:reject|_refuse|\.add|LabelCellError)\(\s*"([a-z]+_[a-z_]+)"', source)
            )
            named |= set(re.findall(r'(?:yield|return) \(?\s*"([a-z]+_[a-z_]+)",', source))
    assert named >= {"bad_json", "unknown_key", "spaced_label", "ragged_row", "card_number"}
    headers = {"unnamed_column", "duplicate_column", "bad_column"}  # for which a table is refused
    assert named - headers <= set(CATALOGUE)


def test_every_code_says_what_to_do() -> None:
    for code, kind in CATALOGUE.items():
        assert kind.meaning.endswith("."), code
        assert kind.advice.endswith("."), code


# ------------------------------------------------------------------------------------------ what messages say


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (chat(record("one", "lost crad")), 'answer "lost crad" is not one of task.toml: off_list (did you mean "lost card"?)'),
        (chat(record(answer="Lost card.")), 'answer "Lost card.": task.toml spells it "lost card"'),
        (chat(messages({**SYSTEM, "content": "Name the intents."}, USER, ASSISTANT)), "at character 16"),
        (chat(messages(USER, ASSISTANT)), "before the answer, the task has the messages system and user; found user"),
        (chat(record(answer="x" * 500)), "…"),
    ],
)  # fmt: skip
def test_messages(content: str, said: str, tmp_path: Path) -> None:
    done = checked(tmp_path, content, tasks.INTENT, "data.jsonl")
    assert said in "\n".join(finding.message for finding in done.findings)
    assert max(len(finding.message) for finding in done.findings) < 250


def test_the_earlier_place_is_named(tmp_path: Path) -> None:
    done = checked(
        tmp_path,
        [intents("Same,lost card", "Same,card_arrival"), "text,label\nSAME,lost card\n"],
        tasks.INTENT,
    )
    said = {finding.code: finding.message for finding in done.findings}
    assert said["contradiction"] == f"the same text as line {NEXT}, with other labels"
    assert said["near_overlap"].startswith(f"the same text as {tmp_path / 'data.csv'}:{NEXT} but for case")


def test_rows_that_are_refused_still_meet_others(tmp_path: Path) -> None:
    done = checked(tmp_path, intents("Same,lost crad", "Same,lost card"), tasks.INTENT)
    assert lines_of(done, "contradiction") == [NEXT + 1]


def test_prompts_with_other_columns_and_no_text_between(tmp_path: Path) -> None:
    text = tasks.INTENT_TOML.replace('user = "{text}"', 'user = "{channel}: {text} ({text})"')
    task = labeltune.parse_task(text)
    assert isinstance(task, Task)
    rows = [record(f"mail: {number} ({number})") for number in range(9)]
    done = checked(tmp_path, "\n".join([*rows, record("mail: one (two)")]), task, "data.jsonl")
    assert lines_of(done, "prompt_differs") == [10]
    table = "text,label,channel\n" + "same,lost card,mail\n" * 2
    assert lines_of(checked(tmp_path, table, task), "duplicate") == [3]


def test_without_a_task_only_records_are_looked_at(tmp_path: Path) -> None:
    done = checked(tmp_path, chat(record("one", "anything"), messages(USER, ASSISTANT)), None, "data.jsonl")
    assert done.findings == []
    with pytest.raises(SettingsError, match="a table is checked with its task"):
        checked(tmp_path, intents(), None)


def test_weight_zero_is_not_trained_and_not_read(tmp_path: Path) -> None:
    done = checked(tmp_path, chat(record("not trained on", "anything", weight=0)), tasks.INTENT, "data.jsonl")
    assert {finding.code for finding in done.findings} == {"untaught"}


# -------------------------------------------------------------------------------------------------- neighbours

LONG = "please tell me where my new card is because it should have been here a whole week ago by now"


def test_similar_texts_are_found_and_can_be_left(tmp_path: Path) -> None:
    similar = LONG.replace("whole", "full")
    path = tmp_path / "data.csv"
    path.write_text(intents(f"{LONG},lost card", f"{similar},card_arrival"))
    assert lines_of(check([path], tasks.INTENT, ESTIMATE), "near_contradiction") == [NEXT + 1]
    without = check([path], tasks.INTENT, CheckOptions(tokens="estimate", similar=False))
    assert lines_of(without, "near_contradiction") == []
    other = tmp_path / "test.csv"
    other.write_text(f"text,label\n{similar},lost card\n")
    path.write_text(intents(f"{LONG},lost card"))
    done = check([path, other], tasks.INTENT, ESTIMATE)
    assert lines_of(done, "near_overlap") == [2]
    assert "nearly the same words as" in format_checked(done)


def test_many_texts_are_not_compared_unless_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeltune.prepare.check.neighbours.MOST_SIMILAR", 100)
    path = tmp_path / "data.csv"
    path.write_text(intents(f"{LONG},lost card", f"{LONG} again,lost card"))
    done = check([path], tasks.INTENT, ESTIMATE)
    assert lines_of(done, "near_duplicate") == []
    assert "--similar" in done.notes[-1]
    asked = check([path], tasks.INTENT, CheckOptions(tokens="estimate", similar=True))
    assert lines_of(asked, "near_duplicate") == [NEXT + 1]
    assert asked.notes == done.notes[:-1]


@pytest.mark.parametrize("limit", ["check.neighbours.MOST_ASKED", "duplicates.MOST_WORDS"])
def test_however_it_is_asked_for_there_is_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(f"labeltune.prepare.{limit}", 500)
    path = tmp_path / "data.csv"
    path.write_text(intents(f"{LONG},lost card", f"{LONG} again,lost card", f"{LONG}!,lost card"))
    done = check([path], tasks.INTENT, CheckOptions(tokens="estimate", similar=True))
    assert lines_of(done, "near_duplicate") == [NEXT + 2]  # equal but for the sign
    assert done.notes[-1].endswith("similar ones were not looked for")


def test_the_first_of_several_spellings(tmp_path: Path) -> None:
    rows = [
        "A b,lost card",
        "a b,lost card",
        "a b,lost card",
        "A b,lost card",
        "...,lost card",
        "!!!,lost card",
    ]
    done = checked(tmp_path, intents(*rows), tasks.INTENT)
    assert lines_of(done, "near_duplicate") == [NEXT + 1]
    assert lines_of(done, "duplicate") == [NEXT + 2, NEXT + 3]


def test_no_character_is_inert_that_joins_one_before_it() -> None:
    """What Unicode joins is what it takes apart; Hangul's syllables are joined by a rule of their own."""
    apart = [unicodedata.decomposition(chr(code)).split() for code in range(sys.maxunicode + 1)]
    joining = {chr(int(parts[1], 16)) for parts in apart if len(parts) == 2 and parts[0][0] != "<"}
    joining |= set(unicodedata.normalize("NFD", "각힣")) - {"\u1100", "\u1112"}
    assert len(joining) > 50
    assert not any(map(_is_inert, joining))
    assert not any(map(_is_inert, "ﬁ①\u212b\u0301"))
    assert all(map(_is_inert, "éß語한😀—ж"))


@pytest.mark.parametrize("seed", range(5))
def test_the_quick_plain_form_is_the_plain_form(seed: int) -> None:
    chance = random.Random(seed)
    alphabet = " \t\n\v\f\r\x1c\x1f\x85\xa0\u2003\u3000aZéÉßİΣς!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¿’“”…—、。《ﬁǅ一日😀\u200d\u0301\ud800\0"
    texts = ["".join(chance.choices(alphabet, k=chance.randrange(12))) for _ in range(2000)]
    expected = [plain(text).encode(errors="surrogatepass") for text in texts]
    assert plain_forms(JoinedTexts(texts)) == expected
    whole = [text for text in texts if "\ud800" not in text]
    assert plain_forms(JoinedTexts(whole)) == [plain(text).encode() for text in whole]
    assert plain_forms(JoinedTexts([])) == []
    for text, form in zip(texts, expected, strict=True):
        assert plain_forms(JoinedTexts([text])) == [form], text
    assert plain_forms(JoinedTexts(["a", "\udcff"])) == [b"a", b"\xed\xb3\xbf"]


# ----------------------------------------------------------------------------------------- private matters


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("AKIAIOSFODNN7EXAMPLE", ["secret"]),
        ("token ghp_" + "a1B2" * 9, ["secret"]),
        ("github_pat_" + "a1B2" * 9, ["secret"]),
        ("glpat-" + "a1B2" * 5, ["secret"]),
        ("hf_" + "a1B2" * 8, ["secret"]),
        ("xoxb-123456789012-abcdefABCDEF", ["secret"]),
        ("AIza" + "a1B2C" * 7, ["secret"]),
        ("sk_live_" + "a1B2" * 5, ["secret"]),
        ("sk-" + "a1B2" * 12, ["secret"]),
        ("-----BEGIN RSA PRIVATE KEY-----", ["secret"]),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc_def-ghi", ["secret"]),
        ("risk-averse people ask-me-anything-about-this-and-that-thing", []),
        ("hf_ and AKIA and eyJ", []),
        ("a@b.co and c.d@example.com", ["email", "email"]),
        ("me @ home, @user, a@b, user@localhost", []),
        ("5500-0000-0000-0004", ["card_number"]),
        ("378282246310005", ["card_number"]),
        ("4111 1111 1111 1112", []),
        ("0000 0000 0000 0000", []),
        ("3.14159265358979323846", []),
    ],
)
def test_private_matters(text: str, codes: list[str]) -> None:
    found = private_matters(f"so {text}")
    assert [code for code, _ in found] == codes
    for code, said in found:
        if "BEGIN" not in said:
            assert text not in said, code


# ------------------------------------------------------------------------------------- counts, tokens and cost


def test_findings_are_bounded_and_all_are_counted(tmp_path: Path) -> None:
    done = checked(tmp_path, intents(*["again,lost card"] * 1500), tasks.INTENT)
    assert len(lines_of(done, "duplicate")) == 1000
    assert done.counts[str(tmp_path / "data.csv"), "duplicate"] == 1499
    shown = format_checked(done)
    assert shown.count("warning duplicate") == 5
    assert "data.csv: … and 1,494 more duplicate" in shown
    assert shown.count(CATALOGUE["duplicate"].advice) == 1
    assert format_checked(done, every=True).count("warning duplicate") == 1000


def test_the_worst_comes_first(tmp_path: Path) -> None:
    done = checked(tmp_path, intents("a@b.co,lost card", "x,lost crad"), tasks.INTENT)
    shown = format_checked(done)
    assert (
        shown.index("error unknown_label") < shown.index("warning email") < shown.index("tokens, estimated")
    )


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_estimate_of_many_texts_is_that_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, *, ordered: bool
) -> None:
    """Of many batches some are looked at, and the others' texts may be longer, or in another script."""
    texts = [
        f"为什么我的卡还没有到 {n}" if n % 3 == 0 else f"is it {n}" + " again" * (n % 40)
        for n in range(8_000)
    ]
    texts = sorted(texts) if ordered else texts
    path = tmp_path / f"data.{kind}"
    if kind == "csv":
        path.write_text("text,label\n" + "".join(f"{text},lost card\n" for text in texts), encoding="utf-8")
    else:
        path.write_text("".join(record(text) + "\n" for text in texts), encoding="utf-8")

    def tokens(all_of: int) -> int:
        monkeypatch.setattr("labeltune.prepare.check.cost._ALL_OF", all_of)
        return check([path], tasks.INTENT, ESTIMATE).tokens[str(path)].tokens

    every, some = tokens(len(texts)), tokens(4)
    assert some != every
    assert some == pytest.approx(every, rel=0.02)


def test_a_table_and_its_chat_file_cost_the_same(tmp_path: Path) -> None:
    table = checked(tmp_path, intents(), tasks.INTENT).tokens[str(tmp_path / "data.csv")]
    records = checked(tmp_path, chat(), tasks.INTENT, "data.jsonl").tokens[str(tmp_path / "data.jsonl")]
    assert table == records
    alone = checked(tmp_path, chat(), None, "data.jsonl").tokens[str(tmp_path / "data.jsonl")]
    assert alone.tokens == pytest.approx(records.tokens, rel=0.001)


@pytest.fixture
def bytes_as_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vocabulary that needs no download: each byte is a token."""
    pytest.importorskip("toktok")
    monkeypatch.setattr("toktok.batch_count", lambda texts, *_, **__: [len(text.encode()) for text in texts])


@pytest.mark.usefixtures("bytes_as_tokens")
def test_exact_counts(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(intents("café,lost card"))
    (tmp_path / "data.jsonl").write_text(chat(record("café")))
    plain_task = labeltune.parse_task(tasks.INTENT_TOML.replace('system = "Name the intent."\n', ""))
    other = labeltune.parse_task(tasks.INTENT_TOML.replace('"{text}"', '"{text} {text}"'))
    rows = [row.split(",") for row in (INTENT_ROWS + "café,lost card").splitlines()]
    contents = sum(len(text.encode()) + len(label) for text, label in rows)
    frames = len(rows) * (3 * 4 + 3)
    system = len("Name the intent.") * len(rows)
    twice = sum(len(text.encode()) + 1 for text, _ in rows)
    for path, task, expected in (
        ("data.csv", tasks.INTENT, contents + frames + system),
        ("data.jsonl", tasks.INTENT, contents + frames + system),
        ("data.jsonl", None, contents + frames + system),
        ("data.csv", plain_task, contents + frames - 4 * len(rows)),
        ("data.csv", other, contents + frames + system + twice),
    ):
        (counted,) = check([tmp_path / path], task).tokens.values()
        assert (counted.tokens, counted.records, counted.estimated) == (expected, len(rows), False)


def test_the_cost_is_that_of_the_first_file(tmp_path: Path) -> None:
    done = checked(tmp_path, [intents(), "text,label\nother,lost card\n"], tasks.INTENT)
    train = done.tokens[str(tmp_path / "data.csv")]
    cost = done.cost["gpt-4.1-mini"]
    assert cost.epochs == 3
    assert cost.training_usd == pytest.approx(train.tokens * 3 * 5 / 1e6)
    read = cost.thousand_predictions_usd
    assert read is not None
    assert cost.thousand_predictions_batch_usd == pytest.approx(read / 2)
    unknown = check([tmp_path / "data.csv"], tasks.INTENT, CheckOptions(model="mistral", tokens="estimate"))
    assert list(unknown.cost) == ["mistral"]
    assert unknown.cost["mistral"].training_usd is None


def test_the_limit_is_that_of_the_model(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(intents(f"{'word ' * 20_000},lost card"))
    old = check([path], tasks.INTENT, CheckOptions(model="gpt-3.5-turbo", tokens="estimate"))
    assert lines_of(old, "too_long") == [NEXT]
    assert lines_of(check([path], tasks.INTENT, ESTIMATE), "too_long") == []


def test_engines_of_this_machine_read_texts_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(intents(f"{'word ' * 100_000},lost card"))
    assert lines_of(check([path], tasks.INTENT, ESTIMATE), "too_long") == [NEXT]
    local = CheckOptions(model="embed", tokens="estimate")
    assert lines_of(check([path], tasks.INTENT, local), "too_long") == []


def test_progress(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(intents())
    steps: list[int] = []
    check([path], tasks.INTENT, ESTIMATE, advance=steps.append)
    assert sum(steps) == 330


def test_a_file_is_checked_once(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(intents())
    (tmp_path / "again.csv").symlink_to(path)
    for again in (path, tmp_path / "again.csv"):
        with pytest.raises(SettingsError, match="is given twice"):
            check([path, again], tasks.INTENT, ESTIMATE)


def test_no_file() -> None:
    with pytest.raises(SettingsError, match="no file"):
        check([])


# -------------------------------------------------------------------------------------------------- before upload


def test_upload_refuses_what_check_finds(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(chat(record("one", "lost crad"), "", messages(USER, ASSISTANT), record("one")))
    with pytest.raises(DataError) as caught:
        refuse_errors(path, tasks.INTENT)
    assert [finding.code for finding in caught.value.findings] == [
        "bad_answer",
        "empty_line",
        "prompt_differs",
    ]
    # Duplicates are warnings, and do not keep a file from being sent.
    path.write_text(chat(*[record()] * 3))
    refuse_errors(path, tasks.INTENT)
