from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labeltune.errors import DataError, DiskError, Finding, Where, did_you_mean
from labeltune.files.writing import atomic_write, make_private_folder, sha256_of, sweep_leftovers


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with atomic_write(target) as handle:
        handle.write(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_bytes(b"old")
    target.chmod(0o640)
    with pytest.raises(RuntimeError), atomic_write(target) as handle:
        handle.write(b"new")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    with atomic_write(target) as handle:
        handle.write(b"new")
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_link_keeps_pointing_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with atomic_write(tmp_path / "link") as handle:
        handle.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("missing/out.txt", "make the folder first"),
        ("file/out.txt", "a part of the path is a file"),
        ("folder", "the name of a file in it"),
        ("x" * 300, "choose another place"),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(DiskError, match="cannot be written") as caught,
        atomic_write(tmp_path / name) as handle,
    ):
        handle.write(b"new")
    assert hint in str(caught.value.hint)


def test_trouble_with_another_file_is_not_ours_to_explain(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "out.txt"):
        (tmp_path / "missing.csv").read_bytes()


def test_leftovers_of_the_dead_are_swept(tmp_path: Path) -> None:
    gone = 2**22 + 1  # above the largest process id of Linux
    for name in (f".labeltune-{gone}-abc.tmp", f".labeltune-{os.getpid()}-abc.tmp", "other.tmp"):
        (tmp_path / name).touch()
    assert sweep_leftovers(tmp_path) == 1
    assert {path.name for path in tmp_path.iterdir()} == {f".labeltune-{os.getpid()}-abc.tmp", "other.tmp"}


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_error_shows_twenty_findings_and_counts_the_rest() -> None:
    findings = [Finding("x", "error", f"message {i}", Where("a.csv", i)) for i in range(1, 31)]
    error = DataError.of(findings, total=40)
    lines = str(error).split("\n")
    assert lines[0] == "a.csv:1: message 1"
    assert len(lines) == 21
    assert lines[-1] == "… and 20 more"


def test_did_you_mean() -> None:
    assert did_you_mean("Refnd", ["refund", "card"]) == ' (did you mean "refund"?)'
    assert did_you_mean("zzz", ["refund"]) == ""


def test_a_private_folder_is_its_owner_s_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_private_folder(folder)
    make_private_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_private_folder_where_a_file_stands(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(DiskError, match="Not a directory"):
        make_private_folder(tmp_path / "state")


def test_row_12_a_signal_while_the_temporary_file_is_made_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = os.open

    def stopped(*arguments: Any) -> int:
        os.close(make(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr("labeltune.files.writing.os.open", stopped)
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "out"):
        pass
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_row_12_a_signal_before_the_block_is_entered_leaves_no_temporary_file(tmp_path: Path) -> None:
    """Nobody closes the file then: the end of the process must."""
    program = (
        "import builtins, sys\n"
        "from labeltune.files.writing import atomic_write\n"
        "builtins.kept = atomic_write('out')\n"
        "builtins.kept.__enter__()\n"
        "sys.exit(143)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    assert ended.returncode == 143
    assert list(tmp_path.iterdir()) == []
