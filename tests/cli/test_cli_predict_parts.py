"""`labeltune predict` of a folder with a model of this machine: what stands in the parts, and what the run goes by."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import labeltune as lt
import tasks
from cli.remote import LABELS, document, move_to, ran, run, trained
from faults.fault_folder import kill
from labeltune.errors import DataError, SettingsError
from labeltune.files.tables import open_table, write_table
from waiting import wait_until

__all__ = ["trained"]

NAMES = ("a.csv", "year=2026/month=01/x.jsonl.gz", "year=2026/month=02/x.parquet", "year=2026/month=02/y.tsv")
ROWS = 30


@pytest.fixture
def model(trained: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The model, in a folder of its own with a task and a folder of tables of several formats."""
    move_to(tmp_path, trained[0], monkeypatch)
    for number, part in enumerate(NAMES):
        path = tmp_path / "in" / part
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, ["text", "label"], rows_of(number))
    return trained[1]


def rows_of(number: int) -> list[list[str]]:
    return [
        [f"part {number} row {row}: about my {LABELS[row % 3]} please", LABELS[row % 3]]
        for row in range(ROWS)
    ]


def contents(folder: str) -> dict[str, bytes]:
    return {name: Path(folder, name).read_bytes() for name in NAMES if Path(folder, name).exists()}


def manifest(folder: str = "out") -> dict[str, Any]:
    read: dict[str, Any] = json.loads(Path(folder, "_labeltune.json").read_text())
    return read


def test_each_part_is_what_predict_makes_of_the_file(model: str) -> None:
    told = document(ran("predict", "in", "-o", "out", "--model", model, "--probabilities", "--json"))
    assert (told["rows"], told["valid"], told["usd"]) == (4 * ROWS, 4 * ROWS, 0.0)
    assert told["parts"] == {"all": 4, "done": 4, "made": 4, "missing": 0}
    for name in NAMES:
        alone = Path("alone", name)
        alone.parent.mkdir(parents=True, exist_ok=True)
        ran("predict", f"in/{name}", "-o", alone, "--model", model, "--probabilities", "-q")
    assert contents("out") == contents("alone")
    assert Path("out/_SUCCESS").exists()
    lines = gzip.decompress(Path("out", NAMES[1]).read_bytes()).decode().splitlines()
    assert isinstance(json.loads(lines[0])["confidence"], float)


def test_parts_of_one_format(model: str) -> None:
    ran("predict", "in", "-o", "out/*.csv", "--model", model, "-q")
    names = sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.csv"))
    assert names == ["a.csv", *(f"year=2026/month={name}.csv" for name in ("01/x", "02/x", "02/y"))]
    with open_table("out/year=2026/month=02/x.csv") as table:
        assert [values[:2] for _, values in table] == rows_of(2)


def test_the_run_goes_by_the_model_s_files_and_not_by_where_they_are(
    model: str, trained: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran("predict", "in", "-o", "out", "--model", model, "-q")
    settings = manifest()["settings"]
    assert settings["provider"] == "local"
    assert len(settings["model_sha256"]) == 64
    assert settings["task"] == tasks.INTENT.fingerprint
    # By another process: one that closes a file of SQLite's loses its own locks on it.
    subprocess.run(["cp", "-r", trained[0], tmp_path / "moved"], check=True)
    monkeypatch.setenv("LABELTUNE_HOME", str(tmp_path / "moved"))
    assert "4 of 4 parts are there already" in ran("predict", "in", "-o", "out", "--model", model).stderr
    for saved in (tmp_path / "moved" / "models").rglob("*.json"):
        saved.write_text(saved.read_text() + "\n")
    result = run("predict", "in", "-o", "out", "--model", model)
    assert result.exit_code == 9
    assert "this run used model sha256" in result.stderr


def test_shards_side_by_side_are_the_run_of_one(model: str) -> None:
    ran("predict", "in", "-o", "whole", "--model", model, "-q")
    command = [sys.executable, "-m", "labeltune", "predict", "in", "-o", "out", "--model", model, "-q"]
    shards = [subprocess.Popen([*command, "--shard", f"{number}/3"]) for number in (1, 2, 3)]
    assert [shard.wait() for shard in shards] == [0, 0, 0]
    assert contents("out") == contents("whole")
    assert Path("out/_SUCCESS").exists()
    assert manifest()["totals"] == manifest("whole")["totals"]


def test_killed_and_run_again(model: str) -> None:
    for number in range(8):
        shutil.copy("in/a.csv", f"in/more-{number}.csv")
    ran("predict", "in", "-o", "whole", "--model", model, "-q")
    command = [sys.executable, "-m", "labeltune", "predict", "in", "-o", "out", "--model", model]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: Path("out/a.csv").exists() or process.poll() is not None)
    kill(process)
    ran("predict", "in", "-o", "out", "--model", model, "-q")
    assert contents("out") == contents("whole")
    for number in range(8):
        name = f"more-{number}.csv"
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()
    assert Path("out/_SUCCESS").exists()


def test_batches_of_the_local_provider_over_parts(model: str) -> None:
    ran("predict", "in", "-o", "whole", "--model", model, "-q")
    ran("predict", "in", "-o", "out", "--model", model, "--batch", "-q")
    for name in NAMES:
        with open_table(f"out/{name}") as batch, open_table(f"whole/{name}") as one_by_one:
            assert [row[:4] for _, row in batch] == [row[:4] for _, row in one_by_one]
    assert Path("out/_SUCCESS").exists()


def test_a_model_that_is_not_there_stops_at_once(model: str) -> None:
    result = run("predict", "in", "-o", "out", "--model", f"{model}x")
    assert result.exit_code == 4
    assert contents("out") == {}


def test_from_python(model: str) -> None:
    done = lt.predict("in", model=model, output="out", provider="local")
    assert (done.rows, done.invalid) == (4 * ROWS, 0)
    assert Path("out/_SUCCESS").exists()
    with pytest.raises(SettingsError, match="become a folder"):
        lt.predict("in/*.csv", model=model, provider="local")
    with Path("in/a.csv").open("a", newline="") as handle:
        csv.writer(handle).writerow(["one", "too", "many"])
    with pytest.raises(DataError, match="1 of 4 parts were refused"):
        lt.predict("in", model=model, output="other", provider="local")
    assert len(contents("other")) == 3


def test_one_is_said_as_one(model: str) -> None:
    Path("few").mkdir()
    write_table("few/a.csv", ["text", "label"], rows_of(0))
    Path("few/notes.md").touch()
    write_table("few/b.csv", ["text", "label"], rows_of(1))
    said = ran("predict", "few", "-o", "out", "--model", model, "--shard", "1/2").stderr
    assert "1 file is no table by the name: notes.md" in said
    assert "1 of 1 part is in out" in said
    assert "1 part is missing yet" in said


@pytest.mark.parametrize("arguments", [(), ("--batch",)])
def test_parts_without_rows_become_parts_without_rows(model: str, arguments: tuple[str, ...]) -> None:
    Path("in/b.csv").write_text("text,label\n")
    write_table("in/c.parquet", ["text", "label"], [])
    result = ran("predict", "in", "-o", "out", "--model", model, *arguments)
    assert "6 of 6 parts are in out" in result.stderr
    assert Path("out/b.csv").read_text().startswith("text,label,predicted_intent,")
    assert len(Path("out/b.csv").read_text().splitlines()) == 1
    assert manifest()["totals"]["rows"] == 4 * ROWS
    Path("in/d.csv").write_text("")
    result = run("predict", "in", "-o", "out", "--model", model, *arguments)
    assert result.exit_code == 7
    assert "in/d.csv" in result.stderr
