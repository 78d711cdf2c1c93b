"""No string makes decoding fail, and what is encoded is decoded."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from labeltune.task import Task
from labeltune.task.answers import decode_answer, encode_answer
from labeltune.task.labels import Labels
from labeltune.task.vectors import label_vector
from tasks import ALL_TASKS, EMOTION, INQUIRY, INTENT, TOXIC

PROBLEMS = {"off_list", "empty", "not_json", "bad_schema", "illegal_pair"}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["Billing", "Refund", "joy"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["category", "sub_category", "joy", "anger", "neutral", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
near_answers = st.lists(
    st.sampled_from(
        [*TOXIC.labels, *INTENT.labels, ",", ", ", ".", "`", "```", '"', " ", "\u200b", "{", "}", "\n"]
    ),
    max_size=8,
).map("".join)
answers = st.text(st.characters()) | near_answers | json_values.map(json.dumps) | st.none()


@given(st.sampled_from(ALL_TASKS), answers)
def test_any_answer_is_labels_or_a_named_problem(task: Task, answer: str | None) -> None:
    decoded = decode_answer(task, answer)
    if decoded.labels is None:
        assert decoded.problem in PROBLEMS
        return
    assert decoded.problem is None
    for field, labels in zip(task.fields, decoded.labels, strict=True):
        assert set(labels) <= set(field.labels)
        if field.type == "single":
            assert len(labels) == 1
    assert sum(label_vector(task, decoded.labels)) == sum(map(len, decoded.labels))


@st.composite
def examples(draw: st.DrawFn) -> tuple[Task, Labels]:
    task = draw(st.sampled_from(ALL_TASKS))
    if task is INQUIRY:
        upper = draw(st.sampled_from(task.fields[0].labels))
        return task, ((upper,), (draw(st.sampled_from(task.fields[1].children[upper])),))
    labels = task.fields[0].labels
    if task is INTENT:
        return task, ((draw(st.sampled_from(labels)),),)
    found = draw(st.sets(st.sampled_from(labels), min_size=0 if task is EMOTION else 1))
    return task, (tuple(label for label in labels if label in found),)


@given(examples())
def test_what_is_encoded_is_decoded(example: tuple[Task, Labels]) -> None:
    task, labels = example
    answer = encode_answer(task, labels)
    assert answer is not None
    decoded = decode_answer(task, answer)
    assert decoded.labels == labels
    assert not decoded.normalised


@given(examples(), st.sampled_from(["{}.", " {}\n", "```\n{}\n```", "```json\n{}```"]))
def test_harmless_frames_change_nothing(example: tuple[Task, Labels], frame: str) -> None:
    task, labels = example
    if frame == "{}." and task.answer.format in ("json", "flags"):
        return
    answer = frame.replace("{}", encode_answer(task, labels) or "")
    assert decode_answer(task, answer).labels == labels
