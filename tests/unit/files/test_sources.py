"""Bytes from files, pipes and standard input, read as often as wanted."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from labeltune.errors import ConflictError, DataError, DiskError, SettingsError
from labeltune.files.sources import ByteSource


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which streams are kept."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def content(source: ByteSource) -> bytes:
    with source.open() as stream:
        return stream.read()


def test_a_file_is_read_where_it_is(tmp_path: Path, spool: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    with ByteSource(path) as source:
        assert (content(source), content(source), source.head()) == (b"abc", b"abc", b"abc")
        assert (source.name, source.ending, source.is_file, source.size) == (str(path), ".csv", True, 3)
        assert source.sha256() == hashlib.sha256(b"abc").hexdigest()
        assert list(spool.iterdir()) == []
    assert path.exists()


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_kept_and_read_twice(
    monkeypatch: pytest.MonkeyPatch, spool: Path, packed: bool
) -> None:
    sent = gzip.compress(b"abc") if packed else b"abc"
    standard_input(monkeypatch, sent)
    with ByteSource("-") as source:
        assert (content(source), content(source)) == (b"abc", b"abc")
        assert (source.name, source.ending, source.is_file, source.size) == ("stdin", "", False, len(sent))
        assert source.sha256() == hashlib.sha256(sent).hexdigest()
        assert [path.stat().st_mode & 0o777 for path in spool.iterdir()] == [0o600]
    assert list(spool.iterdir()) == []


def test_what_a_killed_process_kept_is_swept(monkeypatch: pytest.MonkeyPatch, spool: Path) -> None:
    (spool / f".labeltune-{2**22 + 1}-left.tmp").touch()
    standard_input(monkeypatch, b"abc")
    with ByteSource("-") as source:
        assert list(spool.iterdir()) == [source.path]


def test_no_room_to_keep_standard_input(monkeypatch: pytest.MonkeyPatch, spool: Path) -> None:
    spool.rmdir()
    standard_input(monkeypatch, b"abc")
    with pytest.raises(DiskError, match="stdin: cannot be kept in") as caught:
        ByteSource("-")
    assert "TMPDIR" in (caught.value.hint or "")


def test_a_stream_that_breaks_off_leaves_nothing(monkeypatch: pytest.MonkeyPatch, spool: Path) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _: object, /) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Broken())))
    with pytest.raises(DiskError, match="Input/output error"):
        ByteSource("-")
    assert list(spool.iterdir()) == []


def test_a_named_pipe_is_kept_too(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"abc"), daemon=True)
    writer.start()
    with ByteSource(pipe) as source:
        writer.join(5)
        assert (content(source), content(source)) == (b"abc", b"abc")
        assert (source.name, source.is_file) == (str(pipe), False)


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    source = ByteSource(path)
    source.check_unchanged()
    with path.open("ab") as handle:
        handle.write(b"d")
    with pytest.raises(ConflictError, match="the file changed while it was read"):
        source.check_unchanged()


@pytest.mark.parametrize("name", ["missing.csv", "file/inside.csv"])
def test_no_such_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="there is no such file"):
        ByteSource(tmp_path / name)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a folder, expected a file"):
        ByteSource(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.touch(mode=0)
    with pytest.raises(DiskError, match="cannot be read"):
        ByteSource(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux only")
def test_a_file_that_cannot_be_read_to_the_end() -> None:
    """Reading a process's memory at 0 is an I/O error."""
    with pytest.raises(DiskError, match=r"/proc/self/mem: cannot be read: Input/output error"):
        ByteSource("/proc/self/mem")


def test_gzip_is_unpacked_by_name_and_bytes(tmp_path: Path) -> None:
    packed = gzip.compress(b"abc")
    for name, expected in (("a.csv.gz", b"abc"), ("a.csv", packed)):
        (tmp_path / name).write_bytes(packed)
        source = ByteSource(tmp_path / name)
        assert content(source) == expected
        assert (source.ending, source.size) == (".csv", len(packed))
    (tmp_path / "cut.gz").write_bytes(packed[:-4])
    with pytest.raises(DataError, match="damaged or cut off"):
        content(ByteSource(tmp_path / "cut.gz"))


def test_the_head_is_short(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"x" * 1_000_000))
    assert ByteSource(path).head() == b"x" * (1 << 16)
