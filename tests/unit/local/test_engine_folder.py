"""Files that are copied into the folder of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labeltune.errors import ModelDamagedError
from labeltune.local.engines.common.folder import (
    copied_files,
    files_without,
    read_folder,
    remove_from_folder,
    write_folder,
)

ABOUT = {"engine": "some", "format": 1}


def saved(folder: Path, content: bytes) -> Path:
    source = folder.parent / "original"
    source.write_bytes(content)
    write_folder(
        folder,
        about=ABOUT,
        values={"model": {"a": 1}},
        arrays={"w": np.arange(3)},
        copies={"weights.safetensors": source},
    )
    return folder


def test_a_copied_file_is_found_under_its_name_and_does_not_disturb_the_rest(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", b"x" * 3_000_000)
    values, arrays = read_folder(folder, about=ABOUT)
    assert values == {"model": {"a": 1}}
    assert arrays["w"].tolist() == [0, 1, 2]
    assert copied_files(folder, about=ABOUT)["weights.safetensors"].read_bytes() == b"x" * 3_000_000


def test_another_save_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", b"one")
    (folder / "notes.md").write_text("somebody's")
    saved(folder, b"two")
    assert len(list(folder.glob("weights-*"))) == 1
    assert copied_files(folder, about=ABOUT)["weights.safetensors"].read_bytes() == b"two"
    assert (folder / "notes.md").exists()


def test_a_changed_or_missing_copy_is_damage(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", b"one")
    path = copied_files(folder, about=ABOUT)["weights.safetensors"]
    path.write_bytes(b"eno")
    with pytest.raises(ModelDamagedError, match="not those that were saved"):
        copied_files(folder, about=ABOUT)
    path.unlink()
    with pytest.raises(ModelDamagedError, match="cannot be read"):
        copied_files(folder, about=ABOUT)
    with pytest.raises(ModelDamagedError, match="engine is 'some'"):
        copied_files(folder, about={"engine": "other"})


def test_what_is_removed_leaves_the_rest_whole(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", b"one")
    remove_from_folder(folder, about=ABOUT, names={"weights.safetensors", "w.npy", "never.npy"})
    assert read_folder(folder, about=ABOUT) == ({"model": {"a": 1}}, {})
    assert copied_files(folder, about=ABOUT).keys() == {"model.json"}
    assert {path.name.partition("-")[0] for path in folder.iterdir()} == {"manifest.json", "model"}
    before = (folder / "manifest.json").read_bytes()
    remove_from_folder(folder, about=ABOUT, names={"weights.safetensors"})
    assert (folder / "manifest.json").read_bytes() == before


def test_a_removal_that_was_killed_is_done_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(tmp_path / "model", b"one")
    gone = {"weights.safetensors", "w.npy"}
    before = {name: content(file) for name, file in files_without(folder, names=gone).items()}
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_from_folder(folder, about=ABOUT, names=gone)
    assert len(list(folder.iterdir())) == 4
    remove_from_folder(folder, about=ABOUT, names=gone)
    after = {name: content(file) for name, file in files_without(folder, names=gone).items()}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before == after


def content(file: Path | bytes) -> bytes:
    return file if isinstance(file, bytes) else file.read_bytes()


def killed(path: Path, **_: object) -> None:
    raise KeyboardInterrupt(path)
