"""What journals tell of earlier runs, and journals of an earlier version."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from labeltune.prediction.journal import Latency, Usage, open_journal, recover_journal, runs_into

SETTINGS = {"model": "m", "provider": "https://api.example.com/v1"}


def make_run(folder: Path, seconds: list[float | None]) -> Path:
    """A journal with one row for each time; the predictions went to `out.csv`."""
    path = folder / "predict-a.db"
    with open_journal(path, SETTINGS) as journal:
        journal.plan(f"{folder / 'in.csv'}\n{folder / 'out.csv'}", _hashes(len(seconds)), accept=True)
        with journal.saving():
            for request, each in enumerate(seconds, start=1):
                journal.done(request, b"answer %d" % request, input_tokens=10, output_tokens=1, seconds=each)
    return path


def _hashes(count: int) -> list[bytes]:
    return [bytes([number]) * 16 for number in range(count)]


def test_latency_is_told_by_nearest_rank(tmp_path: Path) -> None:
    make_run(tmp_path, [number / 10 for number in range(20, 0, -1)])
    (run,) = runs_into(tmp_path, str(tmp_path / "out.csv"), replies=2)
    assert run.latency == Latency(1.0, 1.9)
    assert run.replies == [b"answer 1", b"answer 2"]
    assert (run.settings, run.rows, run.usage) == (SETTINGS, 20, [Usage(False, 20, 200, 20)])


def test_latency_counts_only_answers_whose_time_is_known(tmp_path: Path) -> None:
    make_run(tmp_path, [None, 0.5, None])
    (run,) = runs_into(tmp_path, str(tmp_path / "out.csv"), replies=0)
    assert run.latency == Latency(0.5, 0.5)
    (tmp_path / "other").mkdir()
    make_run(tmp_path / "other", [None])
    (run,) = runs_into(tmp_path / "other", str(tmp_path / "other" / "out.csv"), replies=0)
    assert run.latency is None


def test_runs_into_other_files_and_broken_journals_do_not_count(tmp_path: Path) -> None:
    make_run(tmp_path, [1.0])
    (tmp_path / "predict-b.db").write_bytes(b"no database" * 100)
    assert list(runs_into(tmp_path, str(tmp_path / "in.csv"), replies=0)) == []
    assert len(list(runs_into(tmp_path, str(tmp_path / "out.csv"), replies=0))) == 1


def test_a_journal_of_the_first_version_goes_on(tmp_path: Path) -> None:
    path = make_run(tmp_path, [None, None])
    _age(path)
    with open_journal(path) as journal:
        with journal.saving():
            journal.done(2, b"again", seconds=0.25)
        name = f"{tmp_path / 'in.csv'}\n{tmp_path / 'out.csv'}"
        assert [result.raw for result in journal.results(name)] == [b"answer 1", b"again"]
    (run,) = runs_into(tmp_path, str(tmp_path / "out.csv"), replies=0)
    assert run.latency == Latency(0.25, 0.25)


def test_a_damaged_journal_of_the_first_version_is_recovered(tmp_path: Path) -> None:
    path = make_run(tmp_path, [None])
    with open_journal(path) as journal, journal.saving():
        journal.done(1, b'{"whole": true}')
    _age(path)
    assert recover_journal(path)[1] == 1


def _age(path: Path) -> None:
    """Make a journal what the first version would have left."""
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE answers DROP COLUMN seconds")
    connection.execute("ALTER TABLE inputs DROP COLUMN written")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
