"""The face in Python: paths and DataFrames in, the same out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import labeltune as lt
from labeltune.api.hints import in_python
from protocol.harness import stop_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

LABELS = ("refund", "delivery", "login")


@pytest.fixture
def frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pd.DataFrame]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    labels = [LABELS[row % 3] for row in range(90)]
    texts = [f"{row}: a question about the {label}, please" for row, label in enumerate(labels)]
    yield pd.DataFrame(
        {"text": texts, "label": labels, "paid": np.arange(90) / 4}, index=[f"r{n}" for n in range(90)]
    )
    stop_worker(Path(os.environ["LABELTUNE_HOME"]))


def test_from_a_frame_to_a_report(frame: pd.DataFrame) -> None:
    task = lt.init(frame)
    assert task.text == ("text",)
    assert task.fields[0].labels == tuple(sorted(LABELS))
    parts = lt.split(frame, task, sizes={"train": 0.7, "test": 0.3})
    assert {name: len(part) for name, part in parts.items()} == {"train": 63, "test": 27}
    assert sorted([*parts["train"].index, *parts["test"].index]) == sorted(frame.index)
    pd.testing.assert_frame_equal(parts["test"], frame.loc[parts["test"].index])
    assert lt.check(parts["train"], parts["test"], task=task).count("error") == 0
    trained = lt.train(parts["train"], task=task, model="linear")
    predicted = lt.predict(parts["test"], model=trained.model, task=task)
    pd.testing.assert_frame_equal(predicted[["text", "label", "paid"]], parts["test"])
    assert predicted["predicted_label"].dtype == pd.CategoricalDtype(sorted(LABELS))
    assert predicted["confidence"].dtype == np.float64
    report = lt.evaluate(predicted, task)
    assert report.headline == report.document["headline"]["text"]
    assert f" of {len(predicted)} " in report.headline
    assert str(report).startswith(report.headline)
    assert report.metrics["accuracy"] == 1.0
    assert list(report.frame.columns) == ["field", "label", "precision", "recall", "f1", "support"]
    assert report.frame["support"].sum() == 27
    assert "macro avg" in str(report)
    assert report._repr_html_().startswith("<iframe srcdoc=")
    assert "macro-F1 1.000" in repr(report)
    one = lt.classify("about my refund", model=trained.model, task=task)
    assert one.labels == ("refund",)
    several = lt.classify(["the refund", "the login"], model=trained.model, task=task, top=2)
    assert [answer.shown for answer in several] == ["refund", "login"]


def test_paths_go_in_and_come_out(frame: pd.DataFrame) -> None:
    frame.to_csv("data.csv", index=False)
    task = lt.init("data.csv", "task.toml")
    parts = lt.split("data.csv")
    assert parts.parts["train"].path == "train.csv"
    trained = lt.train("train.csv", "validation.csv", model="linear")
    assert lt.train("train.csv", "validation.csv", model="linear").reused
    predicted = lt.predict("validation.csv", model=trained.model)
    assert predicted.output == "predictions.csv"
    report = lt.evaluate("predictions.csv", compare=["predictions.csv"])
    assert report.measured.source == "predictions.csv"
    assert lt.read_task("task.toml") == task


def test_frames_and_files_are_split_alike(frame: pd.DataFrame) -> None:
    frame.to_csv("data.csv", index=False)
    task = lt.init("data.csv", "task.toml")
    lt.split("data.csv", seed=3)
    parts = lt.split(frame, task, seed=3)
    assert parts["validation"]["text"].tolist() == pd.read_csv("validation.csv")["text"].tolist()


def test_rows_without_a_valid_answer_are_missing_values(frame: pd.DataFrame) -> None:
    task = lt.init(frame)
    trained = lt.train(frame, task=task, model="linear")
    rows = pd.DataFrame({"text": ["about the login", "", None]})
    predicted = lt.predict(rows, model=trained.model, task=task)
    assert predicted["predicted_label"].isna().tolist() == [False, True, True]
    assert predicted["problem"].tolist() == ["", "empty", "empty"]
    assert predicted["confidence"].isna().tolist() == [False, True, True]


def test_an_error_says_in_python_what_to_do(frame: pd.DataFrame) -> None:
    task = lt.init(frame)
    with pytest.raises(lt.LabeltuneError) as caught:
        lt.train(frame.iloc[:0], task=task, model="linear")
    with pytest.raises(lt.LabeltuneError) as caught:
        lt.predict(frame, task=task)
    assert caught.value.__notes__ == ["→ model=trained.model, of what lt.train returned"]
    with pytest.raises(lt.LabeltuneError, match="no such task file") as caught:
        lt.evaluate(frame)
    assert "lt.init(DATA)" in caught.value.__notes__[0]
    assert "--" not in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (
            "labeltune init DATA proposes one, or name it with --task",
            "lt.init(DATA) proposes one, or name it with task=…",
        ),
        ("set the key, or: --provider local", "set the key, or: provider='local'"),
        (
            "labeltune train FILE --provider local --model linear",
            "lt.train(FILE, provider='local', model='linear')",
        ),
        ("run the same command again", "run the same command again"),
    ],
)
def test_hints_become_python(hint: str, said: str) -> None:
    assert in_python(hint) == said


def test_completion_knows_the_names_and_nothing_heavy_is_imported() -> None:
    program = (
        "import sys, labeltune as lt\n"
        "assert {'init', 'split', 'check', 'train', 'predict', 'classify', 'evaluate'} <= set(dir(lt))\n"
        "lt.init\n"
        "heavy = {'pandas', 'numpy', 'openai', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_another_tool_exported_is_a_frame_and_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    records = [
        {"id": n, "text": f"a text of number {n}\nin lines", "label": ["a", "b"][: n % 3], "Comments": []}
        for n in range(12)
    ]
    Path("all.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.warns(UserWarning, match="4 dropped: no label"):
        frame = lt.import_data("all.jsonl")
    assert list(frame.columns) == ["id", "text", "label"]
    assert frame["label"].tolist() == [["a"], ["a", "b"]] * 4
    task = lt.init(frame, text=["text"], label=["label"])
    assert task.fields[0].type == "multi"
    done = lt.export_data(frame, "prodigy", "dataset.jsonl", task=task)
    assert done.rows == 8
    assert lt.import_data("dataset.jsonl", "again.csv").rows == 8
    with pytest.raises(lt.LabeltuneError, match="a DataFrame has no name"):
        lt.export_data(frame, "prodigy", task=task)
