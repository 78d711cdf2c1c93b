from __future__ import annotations

import os
import resource
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labeltune.errors import ConflictError, DiskError, SettingsError
from labeltune.tuning.ledger import JobEntry, UploadEntry, open_ledger

HERE, ELSEWHERE = "https://api.one/v1", "https://api.two/v1"
UPLOAD = UploadEntry("a" * 64, 1234, "file-1")


def job(attempt: str, **changes: object) -> JobEntry:
    values: dict[str, object] = {
        "run_key": "run",
        "base_model": "linear",
        "training_file": "file-1",
        "task": "f00d",
    }
    values |= {"job_id": None, "model": None, "intended_at": 12.5, **changes}
    return JobEntry(attempt=attempt, **values)  # type: ignore[arg-type]  # a test's shorthand


def test_uploads_are_found_by_content_at_their_provider_only(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "state") as ledger:
        assert ledger.find_upload(HERE, UPLOAD.sha256) is None
        ledger.record_upload(HERE, UPLOAD)
    with open_ledger(tmp_path / "state") as ledger:
        assert ledger.find_upload(HERE, UPLOAD.sha256) == UPLOAD
        assert ledger.find_file(HERE, "file-1") == UPLOAD
        assert ledger.find_upload(ELSEWHERE, UPLOAD.sha256) is None
        ledger.record_upload(HERE, UploadEntry(UPLOAD.sha256, 1234, "file-2"))
        found = ledger.find_upload(HERE, UPLOAD.sha256)
        assert found is not None
        assert found.file_id == "file-2"
        ledger.forget_upload(HERE, UPLOAD.sha256)
        assert ledger.find_upload(HERE, UPLOAD.sha256) is None


def test_a_job_is_an_intent_until_its_id_is_known(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.intend_job(HERE, job("one"))
        ledger.intend_job(HERE, job("two"))
        ledger.record_job(HERE, "one", "ftjob-1")
        ledger.record_model(HERE, "ftjob-1", "ft:linear:1")
    with open_ledger(tmp_path) as ledger:
        assert ledger.jobs_of(HERE, "run") == [
            job("two"),
            job("one", job_id="ftjob-1", model="ft:linear:1"),
        ]
        assert ledger.find_job(HERE, "ftjob-1") == job("one", job_id="ftjob-1", model="ft:linear:1")
        assert ledger.find_model(HERE, "ft:linear:1") == ledger.find_job(HERE, "ftjob-1")
        ledger.forget_intent(HERE, "one")
        ledger.forget_intent(HERE, "two")
        assert [entry.attempt for entry in ledger.jobs_of(HERE, "run")] == ["one"]
        assert ledger.jobs_of(ELSEWHERE, "run") == []


def test_state_is_for_its_owner_only(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "state"):
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
        for path in (tmp_path / "state").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_row_59_a_newer_ledger_is_left_untouched(tmp_path: Path) -> None:
    with open_ledger(tmp_path):
        pass
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("UPDATE about SET made_by = '2.3.0'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"made by labeltune 2\.3\.0"), open_ledger(tmp_path):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("offset", [0, 40, 4096, 8192])
def test_row_55_damaged_bytes_are_noticed(tmp_path: Path, offset: int) -> None:
    with open_ledger(tmp_path) as ledger:
        for number in range(200):
            ledger.record_upload(HERE, UploadEntry(f"{number:064}", number, f"file-{number}"))
    path = tmp_path / "ledger.db"
    with path.open("r+b") as handle:
        handle.seek(offset)
        handle.write(os.urandom(700))
    with pytest.raises(DiskError, match="damaged"), open_ledger(tmp_path) as ledger:
        ledger.find_upload(HERE, "0" * 64)


def test_row_54_a_place_that_cannot_hold_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="file"), open_ledger(tmp_path / "file"):
        pass


def test_row_52_a_full_disk(tmp_path: Path) -> None:
    """The file size limit stands in for the disk's end; a process of its own, since the limit is its own too."""
    code = f"""
import resource, signal
from labeltune.errors import DiskError
from labeltune.tuning.ledger import UploadEntry, open_ledger
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with open_ledger({str(tmp_path)!r}) as ledger:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
        for number in range(1000):
            ledger.record_upload("p", UploadEntry(str(number), number, f"file-{{number}}"))
            print(number)
except DiskError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *kept, message = done.stdout.splitlines()
    assert "cannot be written" in message
    with open_ledger(tmp_path) as ledger:
        assert all(ledger.find_upload("p", number) for number in kept)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 60_000


def test_row_56_no_write_ahead_logging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own refusal: a memory-mapped index cannot be made where locking mode and file system forbid it."""
    connect = sqlite3.connect

    class Refusing(sqlite3.Connection):
        def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
            if sql == "PRAGMA journal_mode = WAL":
                raise sqlite3.OperationalError("locking protocol")
            return super().execute(sql, parameters)  # type: ignore[arg-type]  # handed on as it is

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kw: connect(*args, factory=Refusing, **kw))
    with open_ledger(tmp_path) as ledger:
        ledger.record_upload(HERE, UPLOAD)
        assert ledger.journal_mode == "delete"
        assert ledger.find_upload(HERE, UPLOAD.sha256) == UPLOAD


def test_a_lock_keeps_others_out(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as one, open_ledger(tmp_path) as two, one.lock("job"):
        with pytest.raises(ConflictError, match="another labeltune"), two.lock("job", timeout=0.05):
            pass
        with two.lock("other", timeout=0.05):
            pass
    with open_ledger(tmp_path) as one, one.lock("job", timeout=0.05):
        pass


def test_who_comes_while_another_process_makes_the_file_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite does not wait for the one that switches a new file to a write-ahead log: it refuses at once."""
    connect = sqlite3.connect
    refused: list[str] = []

    class Busy(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "PRAGMA journal_mode = WAL" and len(refused) < 3:
                refused.append(sql)
                raise sqlite3.OperationalError("database is locked")
            return super().execute(sql, *values)

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kw: connect(*args, factory=Busy, **kw))
    with open_ledger(tmp_path) as ledger:
        assert ledger.journal_mode == "wal"
    assert len(refused) == 3


def test_who_finds_the_file_locked_for_good_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeltune.tuning.ledger.BUSY_SECONDS", 0.05)
    connect = sqlite3.connect

    class Locked(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "PRAGMA journal_mode = WAL":
                raise sqlite3.OperationalError("database is locked")
            return super().execute(sql, *values)

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kw: connect(*args, factory=Locked, **kw))
    with pytest.raises(ConflictError, match="locked"), open_ledger(tmp_path):
        pass


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    code = f"""
import sys
from labeltune.tuning.ledger import UploadEntry, open_ledger
with open_ledger({str(tmp_path)!r}) as ledger:
    for number in range(30):
        ledger.record_upload("p", UploadEntry(f"{{sys.argv[1]}}-{{number}}", number, "file"))
"""
    processes = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "ab"]
    assert [process.wait() for process in processes] == [0, 0]
    with open_ledger(tmp_path) as ledger:
        assert all(ledger.find_upload("p", f"{name}-{number}") for name in "ab" for number in range(30))
