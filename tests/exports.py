"""Small exports of other tools, made here: what each writes, and what a table should make of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LABELS = ("Refund", "Lost card", "Order status")
ROWS = 24


def text(number: int) -> str:
    return f'parcel {number} is not here, where is it "now"?\nplease, please'


def label(number: int) -> str:
    return LABELS[number % 3]


def lines(values: Iterable[Any]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def label_studio(number: int, *results: Any, **annotation: Any) -> dict[str, Any]:
    return {
        "id": number,
        "data": {"text": text(number), "channel": ("web", "mail")[number % 2]},
        "annotations": [{"id": number, "completed_by": 7, "result": list(results), **annotation}],
        "predictions": [],
    }


def choices(name: str, *chosen: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": list(chosen)}}


def taxonomy(name: str, *paths: list[str]) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": "taxonomy", "value": {"taxonomy": list(paths)}}


SPAN = {
    "from_name": "who",
    "to_name": "text",
    "type": "labels",
    "value": {"start": 0, "end": 3, "labels": ["X"]},
}
TOPICS = (["Money", "Refund"], ["Money", "Invoice"], ["Parcel", "Late"])


@dataclass(frozen=True)
class Export:
    """A file as a tool writes it, and what `init` should find in the table that it becomes."""

    format: str
    content: str
    fields: dict[str, str] = field(default_factory=lambda: {"label": "single"})
    """the fields by name, each with its type"""
    rows: int = ROWS
    dropped: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    name: str = "export.data"
    """no ending tells the format"""

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        path.write_text(self.content, encoding="utf-8")
        return path


def _numbers() -> range:
    return range(ROWS)


EXPORTS: dict[str, Export] = {
    "doccano": Export(
        "doccano",
        lines({"id": n, "text": text(n), "label": [label(n)] if n else [], "Comments": []} for n in _numbers()),
        rows=ROWS - 1,
        dropped={"no label": 1},
    ),
    "doccano-data-key": Export(
        "doccano", lines({"id": n, "data": text(n), "label": [label(n)]} for n in _numbers())
    ),
    "doccano-multi": Export(
        "doccano",
        lines(
            {"id": n, "text": text(n), "label": [label(n), label(n + 1)][: 1 + n % 2], "Comments": ["why?"]}
            for n in _numbers()
        ),
        fields={"label": "multi"},
        lost={"comments": ROWS},
    ),
    "doccano-sequence": Export(
        "doccano",
        lines(
            {"id": n, "text": text(n), "cats": label(n), "label": [label(n)], "entities": [{"label": "X"}],
             "relations": [{}]}
            for n in _numbers()
        ),
        lost={"spans (doccano's sequence labels)": ROWS, "relations": ROWS},
    ),
    "label-studio": Export(
        "label-studio",
        json.dumps([label_studio(n, choices("sentiment", ("good", "bad")[n % 2]), SPAN) for n in _numbers()], indent=1),
        fields={"sentiment": "single"},
        lost={"spans": ROWS},
    ),
    "label-studio-several-tags": Export(
        "label-studio",
        json.dumps(
            [
                label_studio(n, taxonomy("topic", TOPICS[n % 3]), choices("tags", *LABELS[: 1 + n % 2]),
                             was_cancelled=n < 2)
                for n in _numbers()
            ]
        ),
        fields={"topic": "single", "sub_topic": "single", "tags": "multi"},
        rows=ROWS - 2,
        dropped={"cancelled annotation": 2},
    ),
    "label-studio-completions": Export(
        "label-studio",
        lines(
            {"id": n, "data": {"text": text(n)}, "completions": [{"result": [choices("label", label(n))]}],
             "predictions": [{"result": []}]}
            for n in _numbers()
        ),
        lost={"predictions": ROWS},
    ),
    "label-studio-min": Export(
        "label-studio-min",
        json.dumps(
            [
                {"text": text(n), "topic": label(n) if n % 2 else {"choices": [label(n), label(n + 1)]}, "id": n,
                 "annotator": 1, "annotation_id": n, "lead_time": 2.5}
                for n in _numbers()
            ]
        ),
        fields={"topic": "multi"},
    ),
    "label-studio-csv": Export(
        "label-studio-min",
        "text,id,topic,annotator,annotation_id,created_at,updated_at,lead_time\n"
        + "".join(f"parcel {n} is late again,{n},{label(n)},1,{n},2026-01-01,2026-01-01,1.5\n" for n in _numbers()),
        fields={"topic": "single"},
        name="export.csv",
    ),
    "prodigy": Export(
        "prodigy",
        lines(
            {"text": text(n), "_input_hash": n, "_task_hash": n, "meta": {"source": "web", "deep": {"a": 1}},
             "options": [{"id": one, "text": one} for one in LABELS], "accept": [label(n)],
             "answer": ("accept", "accept", "reject", "ignore")[n % 4], "spans": [{}]}
            for n in _numbers()
        ),
        rows=ROWS // 2,
        dropped={"rejected": ROWS // 4, "ignored": ROWS // 4},
        lost={'"meta.deep" (nested)': ROWS // 2, "spans": ROWS},
    ),
    "prodigy-binary": Export(
        "prodigy",
        lines(
            {"text": text(n // 3), "_input_hash": n // 3, "_task_hash": n, "label": label(n),
             "answer": "accept" if n % 3 == (n // 3) % 3 else "reject"}
            for n in range(3 * ROWS)
        ),
        dropped={"rejected: says which label it is not": 2 * ROWS},
    ),
    "prodigy-numbered-options": Export(
        "prodigy",
        lines(
            {"text": text(n), "_task_hash": n, "answer": "accept", "accept": [n % 3],
             "options": [{"id": place, "text": one} for place, one in enumerate(LABELS)]}
            for n in _numbers()
        ),
    ),
    "argilla": Export(
        "argilla",
        json.dumps(
            [
                {"id": str(n), "fields": {"text": text(n)}, "metadata": {"channel": "web"},
                 "suggestions": {"label": {"value": "x", "score": 0.5}},
                 "responses": {"label": [{"value": label(n), "user_id": "u-1"}]} if n else {},
                 "vectors": {}, "status": "completed", "_server_id": "s"}
                for n in _numbers()
            ]
        ),
        rows=ROWS - 1,
        dropped={"no response": 1},
        lost={"suggestions": ROWS},
    ),
    "argilla-flat": Export(
        "argilla",
        json.dumps(
            [
                {"id": str(n), "status": "completed", "_server_id": "s", "text": text(n),
                 "label.responses": [label(n), label(n + 1), label(n)],
                 "label.responses.users": ["u-1", "u-2", "u-3"],
                 "label.responses.status": ["submitted", "discarded", "draft"],
                 "label.suggestion": None, "label.suggestion.score": None, "label.suggestion.agent": None}
                for n in _numbers()
            ]
        ),
        dropped={"discarded": ROWS, "draft": ROWS},
    ),
    "argilla-1": Export(
        "argilla",
        lines(
            {"text": text(n), "annotation": label(n), "prediction": [["x", 0.5]], "annotation_agent": "anna",
             "status": "Validated" if n else "Discarded", "metadata": {}, "id": n}
            for n in _numbers()
        ),
        rows=ROWS - 1,
        dropped={"discarded": 1},
        lost={"predictions": ROWS - 1},
    ),
    "argilla-1-feedback": Export(
        "argilla",
        lines(
            {"fields": {"text": text(n)}, "metadata": {}, "suggestions": [],
             "responses": [{"user_id": "u", "status": "submitted", "values": {"label": {"value": label(n)}}}]}
            for n in _numbers()
        ),
    ),
    "fasttext": Export(
        "fasttext",
        "".join(f"__label__{label(n).replace(' ', '-')} parcel {n} is late , again\n" for n in _numbers()),
    ),
    "fasttext-labels-behind": Export(
        "fasttext",
        "".join(f"parcel {n} is late __label__{label(n)[:4]} __label__{label(n + 1)[:4]}\r\n" for n in _numbers()),
        fields={"label": "multi"},
    ),
    "huggingface-ids": Export(
        "huggingface", lines({"text": text(n), "label": n % 3} for n in _numbers())
    ),
    "openai-chat": Export(
        "openai-chat",
        lines(
            {"messages": [{"role": "system", "content": "Sort."}, {"role": "user", "content": text(n)},
                          {"role": "assistant", "content": label(n)}, *([{"role": "user", "content": "?"}] * (n < 2))]}
            for n in _numbers()
        ),
        rows=ROWS - 2,
        dropped={"no conversation of one question and one answer in text": 2},
    ),
    "openai-chat-json": Export(
        "openai-chat",
        lines(
            {"messages": [{"role": "user", "content": text(n)}, {"role": "assistant", "content": json.dumps(
                {"category": label(n), "urgency": ("low", "high")[n % 2]})}]}
            for n in _numbers()
        ),
        fields={"category": "single", "urgency": "single"},
    ),
    "openai-legacy": Export(
        "openai-legacy",
        lines({"prompt": f"{text(n)}\n\n###\n\n", "completion": f" {label(n)} END"} for n in _numbers()),
    ),
    "cohere": Export("cohere", lines({"text": text(n), "label": label(n)} for n in _numbers())),
    "cohere-multi": Export(
        "cohere",
        lines({"text": text(n), "label": [label(n), label(n + 1)][: n % 3]} for n in _numbers()),
        fields={"label": "multi"},
        rows=ROWS * 2 // 3,
        dropped={"no label": ROWS // 3},
    ),
    "mistral": Export(
        "mistral",
        lines(
            {"text": text(n), "labels": {"intent": label(n), "tone": ["rude", "loud"][: 1 + n % 2]}}
            for n in _numbers()
        ),
        fields={"intent": "single", "tone": "multi"},
    ),
    "mistral-messages": Export(
        "mistral",
        lines(
            {"messages": [{"role": "user", "content": text(n)}], "labels": {"intent": label(n)}}
            for n in _numbers()
        ),
        fields={"intent": "single"},
    ),
    "trec": Export(
        "label-text",
        "".join(f"{('DESC:def', 'DESC:manner', 'NUM:date')[n % 3]} what is thing {n} about ?\n" for n in _numbers()),
        fields={"label": "single", "sub_label": "single"},
    ),
    "atis": Export(
        "label-text",
        "".join(f"{('atis_flight', 'atis_airfare')[n % 2]}\ti want to fly number {n}\n" for n in _numbers()),
    ),
    "spacy-pairs": Export(
        "spacy",
        lines([text(n), {"cats": {one: 0.5 if one == label(n) else 0.49 for one in LABELS}}] for n in _numbers()),
    ),
    "spacy-objects": Export(
        "spacy",
        json.dumps([{"text": text(n), "cats": {one: one == label(n) for one in LABELS}} for n in _numbers()]),
    ),
    "spacy-2": Export(
        "spacy",
        json.dumps(
            [
                {"id": 0, "paragraphs": [
                    {"raw": text(n), "sentences": [], "cats": [{"label": label(n), "value": 1.0}]} for n in _numbers()
                ]}
            ]
        ),
    ),
}  # fmt: skip
