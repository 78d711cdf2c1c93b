"""The journal of a labelling: what is in it when the disk is full, another process writes, or a kill comes."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from labeltune.collect.label.events import Event
from labeltune.collect.label.journal import SCHEMA, Journal, open_journal
from labeltune.errors import DiskError, SettingsError

JOY = (("joy",),)
FEAR = (("fear",),)


def did(kind: Any, row: str = "a", annotator: str = "ann", **values: Any) -> Event:
    return Event(uuid.uuid4().hex, kind, annotator, row, at=1.0, **values)


def add(journal: Journal, event: Event) -> Event:
    kept = journal.add(lambda _: event)
    assert kept is not None
    return kept


def path_in(folder: Path) -> Path:
    return folder / ".labeltune" / "label" / "x.db"


def test_what_was_added_stands_after_a_new_opening(tmp_path: Path) -> None:
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        answer = add(journal, did("answer", labels=JOY, seconds=1.5, sample="random"))
        add(journal, did("flag"))
        add(journal, did("skip", row="b", sample="uncertain"))
    with open_journal(path_in(tmp_path), "other.csv") as journal:
        assert journal.data == "in.csv"
        assert journal.standing.answers("a") == [answer]
        assert journal.standing.tally("ann") == {
            "answer": 1,
            "skip": 1,
            "flag": 1,
            "random": 1,
            "uncertain": 1,
        }
        assert journal.standing.answered == 1
        assert journal.standing.is_done("b", "ann")
        assert not journal.standing.is_done("b", "bob")


def test_a_request_is_kept_once(tmp_path: Path) -> None:
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        event = did("answer", labels=JOY)
        add(journal, event)
        add(journal, event)
        assert journal.standing.tally("ann")["answer"] == 1
        assert journal.standing.last == 1


def test_undoing_goes_back_to_the_first_answer(tmp_path: Path) -> None:
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        done = [
            add(journal, did("answer", "a", labels=JOY)),
            add(journal, did("skip", "b")),
            add(journal, did("answer", "a", labels=FEAR)),  # another page had the row, too
        ]
        add(journal, did("answer", "c", "bob", labels=JOY))
        for last in reversed(done):
            assert journal.standing.last_of("ann") == last
            add(journal, did("undo", last.row, undoes=last.request))
        assert journal.standing.last_of("ann") is None
        assert not journal.standing.is_answered("a")
        assert journal.standing.is_answered("c")
        assert journal.standing.answered == 1
        assert +journal.standing.tally("ann") == {}
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        assert journal.standing.last_of("ann") is None


def test_an_undone_second_answer_leaves_the_first(tmp_path: Path) -> None:
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        add(journal, did("answer", labels=JOY))
        second = add(journal, did("answer", labels=FEAR))
        assert journal.standing.agreed("a") == FEAR
        add(journal, did("undo", undoes=second.request))
        assert journal.standing.agreed("a") == JOY


def test_skipped_rows_come_again(tmp_path: Path) -> None:
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        for row in "abc":
            add(journal, did("skip", row))
        add(journal, did("again", ""))
        assert [journal.standing.is_done(row, "ann") for row in "abc"] == [False] * 3


def test_the_answer_of_most_is_learnt_and_the_latest_of_as_many(tmp_path: Path) -> None:
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        add(journal, did("answer", "a", "ann", labels=JOY))
        add(journal, did("answer", "a", "bob", labels=FEAR))
        assert journal.standing.agreed("a") == FEAR
        add(journal, did("answer", "a", "cid", labels=JOY))
        assert journal.standing.agreed("a") == JOY


def test_two_open_journals_see_what_the_other_adds(tmp_path: Path) -> None:
    with open_journal(path_in(tmp_path), "in.csv") as one, open_journal(path_in(tmp_path), "in.csv") as two:
        add(one, did("answer", "a", "ann", labels=JOY))
        add(two, did("answer", "a", "bob", labels=FEAR))
        one.catch_up()
        assert [event.annotator for event in one.standing.answers("a")] == ["ann", "bob"]
        assert one.standing.answers("a") == two.standing.answers("a")


def test_a_full_disk_refuses_the_answer_and_keeps_the_others(tmp_path: Path) -> None:
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        add(journal, did("answer", "a", labels=JOY))
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DiskError, match="cannot be written: database or disk is full"):
            for number in range(10_000):
                add(journal, did("answer", f"row {number}", labels=JOY))
        kept = journal.standing.answered
        journal._connection.execute("PRAGMA max_page_count = 100000")
        add(journal, did("answer", "z", labels=FEAR))
        assert journal.standing.answered == kept + 1
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        assert journal.standing.answered == kept + 1


KILLED = """
import os, signal, sys
from labeltune.collect.label.events import Event
from labeltune.collect.label.journal import open_journal
from pathlib import Path
with open_journal(Path(sys.argv[1]), "in.csv") as journal:
    for number in range(50):
        journal.add(lambda _: Event(f"r{number}", "answer", "ann", f"row {number}", labels=(("joy",),)))
    journal._connection.execute("BEGIN IMMEDIATE")
    journal._connection.execute("INSERT INTO written VALUES ('half')")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_loses_no_answer(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path_in(tmp_path))], check=False)
    assert killed.returncode == -9
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        assert journal.standing.answered == 50
        assert not journal.has_written("half")


def test_a_cut_off_write_ahead_log_loses_the_end_alone(tmp_path: Path) -> None:
    """As a power cut leaves it where the disk kept what it had promised to have written."""
    path = path_in(tmp_path)
    with open_journal(path, "in.csv") as journal:
        for number in range(20):
            add(journal, did("answer", f"row {number}", labels=JOY))
        for suffix in ("", "-wal"):
            (tmp_path / "cut").mkdir(exist_ok=True)
            shutil.copy(f"{path}{suffix}", tmp_path / "cut" / f"x.db{suffix}")
    log = tmp_path / "cut" / "x.db-wal"
    log.write_bytes(log.read_bytes()[:-1000])
    with open_journal(tmp_path / "cut" / "x.db", "in.csv") as journal:
        assert journal.standing.answered == 19


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    with open_journal(path, "in.csv") as journal:
        add(journal, did("answer", labels=JOY))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DiskError, match=r"x\.db: quick_check failed"), open_journal(path, "in.csv"):
        pass


def test_a_newer_version_s_journal_stays_as_it_is(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    with open_journal(path, "in.csv"):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    with pytest.raises(SettingsError, match="made by labeltune"), open_journal(path, "in.csv"):
        pass


def test_what_was_found_in_rounds_is_kept(tmp_path: Path) -> None:
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        journal.add_round({"labels": 25})
    with open_journal(path_in(tmp_path), "in.csv") as journal:
        assert journal.rounds() == [{"labels": 25}]
