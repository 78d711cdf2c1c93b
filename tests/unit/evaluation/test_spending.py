"""What predictions cost is read from the journal of the run that made them, or not told at all."""

from __future__ import annotations

import csv
import hashlib
import html
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tasks
from labeltune.cli.report_view import report_blocks
from labeltune.evaluation.evaluate import EvaluateOptions, evaluate
from labeltune.evaluation.report.document import report_document
from labeltune.evaluation.report.markdown import format_markdown, plain
from labeltune.evaluation.report.model import Spent
from labeltune.evaluation.report.page import format_html
from labeltune.evaluation.report.sentences import seconds
from labeltune.evaluation.report.text import format_text
from labeltune.evaluation.spending import find_spent
from labeltune.files.tables import open_table
from labeltune.prediction.journal import open_journal
from labeltune.pricing.prices import price_of
from labeltune.task import parse_task

MODEL = "gpt-4.1-mini-2025-04-14"
ANSWERS = ("lost card", "card_arrival", "lost card", "")


def reply(answer: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}).encode()


def make_run(
    folder: Path, *, output: str = "p.csv", model: str = MODEL, timed: bool = True, **settings: str
) -> Path:
    """Predictions and their journal: the last row was not asked, the first and third are one request.

    The answers took half a second and a second and a half.
    """
    path = folder / output
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", "answer"])
        writer.writerows([[f"text {row}", answer] for row, answer in enumerate(ANSWERS)])
    about: dict[str, Any] = {"model": model, "provider": "https://api.openai.com/v1", **settings}
    hashes = [hashlib.sha256(answer.encode()).digest() if answer else None for answer in ANSWERS]
    with open_journal(folder / "state" / f"predict-{output}.db", about) as journal:
        journal.plan(f"{folder / 'input.csv'}\n{path}", hashes, accept=True)
        with journal.saving():
            for request, answer in enumerate(dict.fromkeys(filter(None, ANSWERS)), start=1):
                journal.done(
                    request,
                    reply(answer),
                    input_tokens=1_000,
                    output_tokens=10 * request,
                    seconds=request - 0.5 if timed else None,
                )
    return path


def spent(path: Path, rows: int = len(ANSWERS)) -> Spent | None:
    with open_table(str(path)) as table:
        return find_spent(str(path), table, rows=rows, state=path.parent / "state")


def test_tokens_and_price_of_a_hosted_model(tmp_path: Path) -> None:
    found, price = spent(make_run(tmp_path)), price_of(MODEL)
    assert found is not None
    assert price is not None
    assert found.usd == pytest.approx(price.usd(2_000, 30))
    assert (found.model, found.requests, found.input_tokens, found.output_tokens) == (MODEL, 2, 2_000, 30)
    assert (found.latency_median, found.latency_p95) == (0.5, 1.5)
    assert spent(make_run(tmp_path, output="q.csv", model="house-3b", timed=False)) == Spent(
        "house-3b", 2, 2_000, 30, None, provider="https://api.openai.com/v1"
    )


def test_the_local_provider_costs_nothing(tmp_path: Path) -> None:
    found = spent(make_run(tmp_path, provider=f"local:{tmp_path}"))
    assert found is not None
    assert found.usd == 0.0


def test_a_price_is_not_told_of_predictions_that_are_not_those(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    assert spent(path, rows=3) is None
    moved = path.rename(tmp_path / "moved.csv")
    assert spent(moved) is None
    other = moved.read_text(encoding="utf-8").replace("card_arrival", "lost card")
    path.write_text(other, encoding="utf-8")
    assert spent(path) is None
    path.write_text("text\na\n", encoding="utf-8")
    assert spent(path) is None


def test_a_journal_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    (tmp_path / "state" / "predict-a.db").write_bytes(b"not a database" * 100)
    assert spent(path) is not None
    (tmp_path / "state" / "predict-p.csv.db").write_bytes(b"")
    assert spent(path) is None


def test_cost_and_latency_stand_in_every_form(tmp_path: Path) -> None:
    """Of the predictions alone, and side by side in a comparison with some that no journal knows."""
    task = parse_task(tasks.INTENT_TOML)
    path = make_run(tmp_path)
    rows = [
        [f"text {row}", "lost card", answer, answer, "" if answer else "empty"]
        for row, answer in enumerate(ANSWERS)
    ]
    other = tmp_path / "other.csv"
    for file in (path, other):
        with file.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([["text", "label", "predicted_intent", "answer", "problem"], *rows])
    options = EvaluateOptions(bootstrap=10, state=tmp_path / "state")
    alone = evaluate(str(path), task, options)
    both = evaluate(str(other), task, replace(options, compare=(str(path),)))
    said = (
        "$0.0017, 2,000 tokens read and 30 written in 2 requests (gpt-4.1-mini-2025-04-14); half of the answers "
        "came within 500 ms, 95 of a hundred within 1.5 s."
    )
    assert (alone.spent, both.comparisons[0].spent_there) == (spent(path), spent(path))
    for report, lines in (
        (alone, [f"Cost: {said}"]),
        (both, ["Cost here: not known.", f"Cost there: {said}"]),
    ):
        for line in lines:
            assert line in format_text(report).splitlines()
            assert line in report_blocks(report)
            assert plain(line) in format_markdown(report)
            assert html.escape(line) in format_html(report)
    document = report_document(both)
    assert document["cost"] is document["comparisons"][0]["cost"]["predictions"] is None
    assert document["comparisons"][0]["cost"]["other"]["latency_median"] == 0.5
    assert report_document(alone)["cost"]["latency_p95"] == 1.5


@pytest.mark.parametrize(
    ("duration", "shown"),
    [(0.0123, "12.3 ms"), (0.9994, "999 ms"), (0.9996, "1 s"), (12.345, "12.3 s"), (1234.5, "1,234 s")],
)
def test_durations(duration: float, shown: str) -> None:
    assert seconds(duration) == shown
