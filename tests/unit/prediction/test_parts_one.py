"""One part predicted by whoever is handed plain values."""

from __future__ import annotations

import csv
import gzip
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tasks
from faults.fake_provider import ANSWER, FakeProvider, Fate, refuse
from labeltune.errors import DataError, TemporaryError
from labeltune.files.parts import list_parts, open_output
from labeltune.prediction.options import PredictOptions
from labeltune.prediction.parts import PartCall, PartPredictor, predict_part
from labeltune.prediction.predict import predict
from labeltune.providers import resolve_provider
from labeltune.task import format_task, parse_task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.files.parts import PartsOutput

TASK = parse_task(tasks.intent_toml("alpha", "beta", "gamma"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as made:
        yield made


def table(name: str, rows: int) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows(
            [["text", "label"], *([f"{name} {row}", "alpha"] for row in range(rows))]
        )


def call_of(run: PartsOutput, provider: FakeProvider, **options: object) -> PartCall:
    return PartCall(
        task=format_task(TASK),
        source="task.toml",
        model="m",
        provider=f"{provider.url}#self-hosted=yes",
        directory=None,
        options=PredictOptions(**options),  # type: ignore[arg-type]  # as tests say them
        input=str(Path("in").resolve()),
        output=run.place.root,
        run=run.manifest.run,
        scratch=str(run.scratch),
    )


def test_a_part_is_what_predict_writes_of_the_file(provider: FakeProvider) -> None:
    """Through pickle, as another process gets it; the bytes are those of the command for one file."""
    table("in/year=1/a.csv", 300)
    Path("in/year=1/a.csv").write_text(Path("in/year=1/a.csv").read_text() + ",alpha\nlast,alpha\n")
    provider.script = lambda text, _: Fate(answer="what?") if text.endswith("7") else ANSWER
    with open_output("out", list_parts("in", "out"), {}, command="predict") as run:
        call, part = pickle.loads(pickle.dumps((call_of(run, provider), run.parts[0])))
        receipt = predict_part(call, part)
        assert run.pending() == []
        assert run.finish() is not None
    predict(
        "in/year=1/a.csv",
        task=TASK,
        model="m",
        provider=resolve_provider(call.provider),
        output="one.csv",
    )
    assert Path("out/year=1/a.csv").read_bytes() == Path("one.csv").read_bytes()
    assert receipt.counts["rows"] == 302
    assert receipt.counts["invalid"] == 31
    assert receipt.counts["problem off_list"] == 30
    assert receipt.counts["problem empty"] == 1
    assert receipt.counts["asked"] == 301


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".parquet", ".tsv", ".csv.gz", ".jsonl.gz"])
def test_parts_are_written_in_the_format_of_their_names(ending: str, provider: FakeProvider) -> None:
    from labeltune.files.tables import open_table

    table("in/a.csv", 5)
    listing = list_parts("in", "out", ending=ending)
    with open_output("out", listing, {}, command="predict") as run:
        predict_part(call_of(run, provider), run.parts[0])
    with open_table(f"out/a{ending}") as written:
        assert [values[0] for _, values in written] == [f"in/a.csv {row}" for row in range(5)]
        assert "predicted_intent" in written.header
    if ending.endswith(".gz"):
        assert gzip.decompress(Path(f"out/a{ending}").read_bytes())


def test_many_parts_through_one_predictor(provider: FakeProvider) -> None:
    for number in range(5):
        table(f"in/{number}.csv", 20)
    with open_output("out", list_parts("in", "out"), {}, command="predict") as run:
        with PartPredictor(call_of(run, provider)) as predictor:
            receipts = [predictor.predict(part) for part in run.parts]
        assert [receipt.counts["rows"] for receipt in receipts] == [20] * 5
        assert run.finish() == {
            "parts": 5, "rows": 100, "asked": 100, "input_tokens": 1000, "output_tokens": 500,
            "invalid": 0, "resent": 0, "thinking": 0, "unsure": 0,
        }  # fmt: skip


def test_rows_stay_in_order_however_answers_come(provider: FakeProvider) -> None:
    table("in/a.csv", 200)
    provider.script = lambda text, _: Fate(delay=0.2 if text.endswith("0") else 0.0)
    with open_output("out", list_parts("in", "out"), {}, command="predict") as run:
        predict_part(call_of(run, provider), run.parts[0])
    with Path("out/a.csv").open(newline="") as handle:
        assert [row["text"] for row in csv.DictReader(handle)] == [f"in/a.csv {row}" for row in range(200)]


def test_a_part_that_is_no_good_leaves_nothing(provider: FakeProvider) -> None:
    table("in/a.csv", 5)
    with Path("in/a.csv").open("a") as handle:
        handle.write("one,too,many\n")
    with open_output("out", list_parts("in", "out"), {}, command="predict") as run:
        with pytest.raises(DataError, match=r"in/a\.csv:7"):
            predict_part(call_of(run, provider), run.parts[0])
        assert len(run.pending()) == 1
        assert list(run.scratch.iterdir()) == []
    assert not Path("out/a.csv").exists()


def test_a_server_that_goes_away_leaves_nothing_and_the_next_try_all(provider: FakeProvider) -> None:
    table("in/a.csv", 50)
    with open_output("out", list_parts("in", "out"), {}, command="predict") as run:
        call = call_of(run, provider, max_wait=0.0)
        provider.script = lambda _text, _: refuse(503, "overloaded")
        with pytest.raises(TemporaryError):
            predict_part(call, run.parts[0])
        assert not Path("out/a.csv").exists()
        provider.script = lambda _text, _: ANSWER
        assert predict_part(call, run.parts[0]).counts["rows"] == 50


def test_lost_answers_leave_a_part_that_is_made_again(provider: FakeProvider) -> None:
    table("in/a.csv", 30)
    provider.script = lambda text, _: Fate("reset") if text.endswith(" 7") else ANSWER
    with open_output("out", list_parts("in", "out"), {}, command="predict") as run:
        call = call_of(run, provider)
        receipt = predict_part(call, run.parts[0])
        assert receipt.counts["problem unknown"] == 1
        assert not receipt.complete
        assert run.finish() is None
        provider.script = lambda _text, _: ANSWER
        assert predict_part(replace(call), run.parts[0]).complete
        assert run.finish() is not None
    assert json.loads(Path("out/_labeltune.json").read_text())["totals"]["invalid"] == 0
