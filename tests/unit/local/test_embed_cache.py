"""Vectors that are kept: found again, bounded, and never in the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labeltune.local.engines.embed.cache import VectorCache
from labeltune.local.engines.embed.sources import describe
from labeltune.local.engines.embed.vectors import Vectors
from unit.local.sentence_models import onnx_folder, static_folder

MODEL, OTHER = "ab" * 32, "cd" * 32


def vectors(*texts: str, width: int = 4) -> dict[str, np.ndarray]:
    return {text: np.full(width, len(text), dtype=np.float32) for text in texts}


def test_what_was_put_is_found_by_text_and_model(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, MODEL)
    assert cache.get(["a"]) == {}
    cache.put(vectors("a", "bb", "\ud800"))
    found = VectorCache(tmp_path, MODEL).get(["bb", "\ud800", "unknown"] + [f"{n}" for n in range(1_200)])
    assert set(found) == {"bb", "\ud800"}
    np.testing.assert_array_equal(found["bb"], vectors("bb")["bb"])
    assert VectorCache(tmp_path, OTHER).get(["a"]) == {}


def test_it_is_private_and_holds_no_text(tmp_path: Path) -> None:
    VectorCache(tmp_path, MODEL).put(vectors("my secret"))
    (file,) = tmp_path.glob("vectors.db")
    assert file.stat().st_mode & 0o077 == 0
    assert b"my secret" not in file.read_bytes()


def test_it_stays_within_its_bound_and_keeps_the_newest(tmp_path: Path) -> None:
    bound = 200_000
    cache = VectorCache(tmp_path, MODEL, bound=bound)
    for start in range(0, 2_000, 50):
        cache.put(vectors(*(f"text {n}" for n in range(start, start + 50)), width=64))
    assert (tmp_path / "vectors.db").stat().st_size < 2 * bound
    assert "text 1999" in cache.get(["text 1999"])
    assert cache.get(["text 0"]) == {}


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""])
def test_a_damaged_file_is_done_without_and_made_anew(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "vectors.db").write_bytes(content)
    cache = VectorCache(tmp_path, MODEL)
    assert cache.get(["a"]) == {}
    cache.put(vectors("a"))
    cache.put(vectors("a"))
    assert set(cache.get(["a"])) == {"a"}


def test_where_nothing_can_be_written_there_is_no_cache(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "no" / "folder", MODEL)
    cache.put(vectors("a"))
    assert cache.get(["a"]) == {}


_PUTS = """
import sys
import numpy as np
from pathlib import Path
from labeltune.local.engines.embed.cache import VectorCache
cache = VectorCache(Path(sys.argv[1]), "ab" * 32)
for n in range(20):
    cache.put({f"{sys.argv[2]} {n}": np.full(8, n, dtype=np.float32), "common": np.ones(8, dtype=np.float32)})
"""


def test_several_processes_use_it_at_once(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", _PUTS, str(tmp_path), name])
        for name in ("one", "two", "three")
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    texts = [f"{name} {n}" for name in ("one", "two", "three") for n in range(20)]
    assert set(VectorCache(tmp_path, MODEL).get([*texts, "common"])) == {*texts, "common"}


def test_a_second_time_nothing_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = describe(onnx_folder(tmp_path / "model"))
    texts = ["refund please", "my parcel", "refund please", ""]
    first = Vectors(sentences).of(texts)
    again = Vectors(sentences)

    def computed(_: object) -> None:
        raise AssertionError("these vectors are known")

    monkeypatch.setattr(again.encoder, "vectors", computed)
    np.testing.assert_array_equal(again.of(texts), first)
    assert again.of([]).shape == (0, again.width)
    assert again.slow


def test_a_vector_of_another_width_is_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = describe(onnx_folder(tmp_path / "model"))
    right = Vectors(sentences).of(["refund"])
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("LABELTUNE_HOME", str(tmp_path / "home"))
    VectorCache(tmp_path / "home", sentences.fingerprint).put(vectors("refund", width=3))
    np.testing.assert_array_equal(Vectors(sentences).of(["refund"]), right)


def test_quick_vectors_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELTUNE_HOME", str(tmp_path))
    vectors = Vectors(describe(static_folder(tmp_path / "model")))
    vectors.of(["refund"])
    assert not vectors.slow
    assert not (tmp_path / "vectors.db").exists()
