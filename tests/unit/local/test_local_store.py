"""The directory of the local provider: private, shared by processes, and checked when it is opened."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from labeltune.errors import DiskError, SettingsError
from labeltune.local.store import SCHEMA_VERSION, Store, default_directory, new_id
from labeltune.local.sweep import sweep
from waiting import HANG_S

if TYPE_CHECKING:
    from pathlib import Path

UPLOAD = {
    "purpose": "batch",
    "filename": "f",
    "bytes": 1,
    "created_at": 1,
    "expires_at": 2,
    "status": "pending",
}


def test_everything_in_it_is_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = Store(tmp_path / "deep" / "home")
        store.insert("uploads", {"id": "a", **UPLOAD})
    finally:
        os.umask(old)
    for path in (store.directory, *store.directory.rglob("*")):
        allowed = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == allowed, path


def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.transaction():
        store.insert("uploads", {"id": "a", **UPLOAD})
        raise RuntimeError
    assert store.rows("SELECT id FROM uploads") == []
    with store.transaction():
        store.insert("uploads", {"id": "a", **UPLOAD})
        with store.transaction():
            store.insert("uploads", {"id": "b", **UPLOAD})
    assert [row["id"] for row in Store(tmp_path).rows("SELECT id FROM uploads")] == ["a", "b"]


def test_pages_go_both_ways(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in "abcde":
        store.insert("uploads", {"id": name, **UPLOAD})
    query = "SELECT * FROM uploads WHERE status = ?"
    rows, more = store.page(query, ("pending",), after=None, limit=2)
    assert ([row["id"] for row in rows], more) == (["e", "d"], True)
    rows, more = store.page(query, ("pending",), after=rows[-1]["seq"], limit=3)
    assert ([row["id"] for row in rows], more) == (["c", "b", "a"], False)
    rows, more = store.page(query, ("pending",), after=2, limit=9, newest_first=False)
    assert ([row["id"] for row in rows], more) == (["c", "d", "e"], False)


WRITER = """
import sys
from pathlib import Path
from labeltune.local.store import Store
store = Store(Path(sys.argv[1]))
for i in range(100):
    store.write("INSERT INTO parts (id, upload_id, bytes, created_at) VALUES (?, 'u', 1, 1)", f"{sys.argv[2]}-{i}")
"""


def test_processes_share_one_directory(tmp_path: Path) -> None:
    # Started on an empty folder at once: they also race to make the database.
    children = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "home"), str(i)]) for i in range(4)
    ]
    assert [child.wait(HANG_S) for child in children] == [0, 0, 0, 0]
    assert Store(tmp_path / "home").row("SELECT count(*) AS n FROM parts") == {"n": 400}


def test_a_second_store_leaves_the_first_one_its_locks(tmp_path: Path) -> None:
    # Without its lock the first would lose its log to the next process that closes the database.
    first = Store(tmp_path)
    first.insert("uploads", {"id": "a", **UPLOAD})
    Store(tmp_path)
    close = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM uploads'); c.close()"
    )
    database = next(tmp_path.glob("*.db"))
    subprocess.run([sys.executable, "-c", close, str(database)], check=True, timeout=HANG_S)
    assert database.with_name(f"{database.name}-wal").exists()
    first.insert("uploads", {"id": "b", **UPLOAD})
    assert len(Store(tmp_path).rows("SELECT id FROM uploads")) == 2


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for i in range(300):
        store.insert("uploads", {"id": f"upload_{i:0200}", **UPLOAD})
    store.close()
    database = tmp_path / "labeltune.db"
    whole = database.read_bytes()
    assert len(whole) > 20_000
    generator = random.Random(0)
    for offset in range(4096, len(whole) - 4096, 4096):
        damaged = bytearray(whole)
        damaged[offset : offset + 512] = generator.randbytes(512)
        database.write_bytes(damaged)
        with pytest.raises(DiskError, match="damaged"):
            Store(tmp_path)
    database.write_bytes(b"this is no database at all" * 50)
    with pytest.raises(DiskError, match="damaged"):
        Store(tmp_path)
    database.write_bytes(whole)
    Store(tmp_path)


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "labeltune.db") as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(SettingsError, match="newer version"):
        Store(tmp_path)


def test_what_cannot_be_a_directory_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskError):
        Store(tmp_path / "file")
    with pytest.raises(DiskError):
        Store(tmp_path / "file" / "below")


def test_the_default_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LABELTUNE_HOME", str(tmp_path))
    assert default_directory() == tmp_path
    monkeypatch.delenv("LABELTUNE_HOME")
    assert default_directory().name == "labeltune"


def test_ids_are_names_of_files_everywhere() -> None:
    ids = {new_id("file-") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(name[5:].isalnum() and name.isascii() and len(name) == 29 for name in ids)


def test_sweeping_removes_the_expired_and_the_orphaned(tmp_path: Path) -> None:
    store = Store(tmp_path)
    row = {
        "purpose": "batch",
        "filename": "f",
        "bytes": 1,
        "sha256": "",
        "created_at": 1,
        "status": "processed",
    }
    store.insert("files", {"id": "file-kept", "expires_at": None, **row})
    store.insert("files", {"id": "file-expired", "expires_at": 5, **row})
    old = time.time() - 2 * 24 * 3600
    for path in (
        store.files / "file-kept",
        store.files / "file-expired",
        store.files / "file-orphan",
        store.incoming / "tmpabc",
    ):
        path.write_bytes(b"x")
        os.utime(path, (old, old))
    (store.files / "file-arriving").write_bytes(b"x")
    (store.incoming / "upload_old").mkdir()
    os.utime(store.incoming / "upload_old", (old, old))
    sweep(store)
    assert sorted(path.name for path in store.files.iterdir()) == ["file-arriving", "file-kept"]
    assert list(store.incoming.iterdir()) == []
    assert store.rows("SELECT id FROM files") == [{"id": "file-kept"}]


def test_a_database_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.insert("uploads", {"id": "a", **UPLOAD})
    store.write("DROP TABLE cards")
    store.write("PRAGMA user_version = 1")
    store.close()
    again = Store(tmp_path)
    assert again.rows("SELECT * FROM cards") == []
    assert [row["id"] for row in again.rows("SELECT id FROM uploads")] == ["a"]
    again.close()
    with sqlite3.connect(tmp_path / "labeltune.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    connection.close()
