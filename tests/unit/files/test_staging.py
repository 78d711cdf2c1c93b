from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from labeltune.errors import DiskError
from labeltune.files.sources import ByteSource
from labeltune.files.staging import finish_staged, write_together

GONE = 2**22 + 1  # above the largest process id of Linux


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_files_appear_together(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with write_together(folder, ["a.csv", "fold-1/b.csv"]) as (one, two):
        one.write(b"1")
        two.write(b"2")
        assert not any(name in ("a.csv", "fold-1/b.csv") for name in names(folder))
    assert names(folder) == ["a.csv", "fold-1/b.csv"]
    assert (folder / "fold-1/b.csv").read_bytes() == b"2"
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "fold-1"]


def test_an_exception_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), write_together(tmp_path, ["a", "b"]) as (one, _):
        one.write(b"new" * 1_000_000)
        raise ZeroDivisionError
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_folder_made_in_vain_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), write_together(tmp_path / "new", ["a"]):
        raise ZeroDivisionError
    assert not (tmp_path / "new").exists()


def test_what_a_killed_process_had_decided_is_finished(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"old")
    decided = tmp_path / f".labeltune-staged-{GONE}-x.decided"
    (decided / "fold-1").mkdir(parents=True)
    (decided / "b").write_bytes(b"new")
    (decided / "fold-1" / "c").write_bytes(b"new")
    finish_staged(tmp_path)
    assert names(tmp_path) == ["b", "fold-1/c"]
    assert (tmp_path / "b").read_bytes() == b"new"
    assert not decided.exists()


def test_what_a_killed_process_had_not_decided_is_swept(tmp_path: Path) -> None:
    for pid in (GONE, os.getpid()):
        (tmp_path / f".labeltune-staged-{pid}-x").mkdir()
        (tmp_path / f".labeltune-staged-{pid}-x" / "a").touch()
    finish_staged(tmp_path)
    assert names(tmp_path) == [f".labeltune-staged-{os.getpid()}-x/a"]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "a").mkdir()
    for folder, name, message in (
        (tmp_path / "file", "a", "cannot be used as a folder"),
        (tmp_path / "file" / "x", "a", "cannot be used as a folder"),
        (tmp_path, "a", "it is a folder"),
        (tmp_path, "file/b", "cannot be used as a folder"),
    ):
        with pytest.raises(DiskError, match=message), write_together(folder, ["z", name]):
            pass
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DiskError, match="cannot be written"), write_together(tmp_path, ["a"]):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    import resource
    import signal

    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with (
            pytest.raises(DiskError, match="cannot be written"),
            write_together(tmp_path, ["a", "b"]) as (_, b),
        ):
            b.write(b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    assert list(tmp_path.iterdir()) == []


def test_files_have_the_permissions_of_new_files(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with write_together(tmp_path, ["a"]):
            pass
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("read", ["b", "fold-1/c"])
def test_who_reads_finds_all_that_was_decided(tmp_path: Path, read: str) -> None:
    (tmp_path / "b").write_bytes(b"old")
    (tmp_path / "fold-1").mkdir()
    (tmp_path / "fold-1" / "c").write_bytes(b"old")
    decided = tmp_path / f".labeltune-staged-{GONE}-x.decided"
    (decided / "fold-1").mkdir(parents=True)
    for name in ("b", "fold-1/c"):
        (decided / name).write_bytes(b"new")
    with ByteSource(tmp_path / read) as source, source.open() as handle:
        assert handle.read() == b"new"
    assert names(tmp_path) == ["b", "fold-1/c"]


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    for name in ("x", "x.decided", "", "-1-x.decided"):
        (tmp_path / f".labeltune-staged-{name}").mkdir()
    with ByteSource(tmp_path / "a"):
        pass
    assert len(list(tmp_path.iterdir())) == 5
