"""Any task that is accepted survives writing and reading; lines of keys are found in any layout."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labeltune.errors import SettingsError
from labeltune.task import AnswerFormat, Field, Prompt, Task, format_task, parse_task
from labeltune.task.template import TemplateError, parse_template
from labeltune.task.toml_lines import key_lines

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
names = words.filter(lambda word: word == word.strip() and word.strip() != "")


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    columns = draw(st.lists(names, min_size=5, max_size=8, unique=True))
    labels = tuple(draw(st.lists(names, min_size=1, max_size=5, unique=True)))
    system = draw(words).replace("{", "{{").replace("}", "}}")
    prompt = Prompt(
        system=system, user=draw(st.sampled_from(["{text}", "{{x}} {text} {labels}", "a\n{text}\x7f"]))
    )
    if draw(st.booleans()):
        field = Field("f", "single", labels, column=columns[0])
        return Task(tuple(columns[1:3]), (field,), prompt, AnswerFormat("label"), id=columns[4])
    multi = Field("m", "multi", labels, columns=tuple(f"c{i}" for i in range(len(labels))))
    single = Field("s", "single", labels, column=columns[0])
    child = Field(
        "c", "single", labels, column=columns[1], parent="s", children=dict.fromkeys(labels, labels)
    )
    return Task((columns[2],), (multi, single, child), prompt, AnswerFormat("json"))


@given(tasks())
def test_write_then_read_gives_the_same_task(task: Task) -> None:
    text = format_task(task)
    again = parse_task(text)
    assert again == task
    assert again.fingerprint == task.fingerprint
    assert format_task(again) == text


@given(tasks())
def test_every_key_has_its_line(task: Task) -> None:
    text = format_task(task)
    lines = text.split("\n")
    found = key_lines(text)
    assert ("answer", "format") in found
    for index in range(len(task.fields)):
        assert lines[found["field", index, "name"] - 1].startswith("name = ")
        assert lines[found["field", index, "labels"] - 1].startswith("labels = ")
    assert lines[found["answer", "format"] - 1].startswith("format = ")


@given(st.text())
def test_any_text_is_a_task_or_a_settings_error(content: str) -> None:
    try:
        parse_task(content)
    except SettingsError as error:
        assert str(error).startswith("task.toml")  # noqa: PT017  # most texts are refused, some may not be


@given(st.text(alphabet="{}ab:lest ", max_size=20))
def test_templates_parse_or_say_where(text: str) -> None:
    try:
        parts = parse_template(text)
    except TemplateError:
        return
    assert all(parts)


@given(st.text())
def test_doubled_braces_give_the_text_back(text: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")
    assert "".join(str(part) for part in parse_template(escaped)) == text
