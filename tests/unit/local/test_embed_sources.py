"""Sentence models where they lie: what is read, how they want to be used, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from labeltune.errors import AccessError
from labeltune.local.engines import Base
from labeltune.local.engines.embed.encoders import open_encoder
from labeltune.local.engines.embed.engine import Embed
from labeltune.local.engines.embed.sources import describe, find_folder
from unit.local.sentence_models import onnx_folder, static_folder, table_of, vocabulary, write_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_vectors_of_the_extra_are_read_without_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    # Another test of this process may have imported it.
    monkeypatch.delitem(sys.modules, "wordllama", raising=False)
    folder = find_folder(Base("embed"))
    assert folder is not None
    encoder = open_encoder(describe(folder, own=True))
    assert "wordllama" not in sys.modules
    king, queen, parcel = encoder.vectors(["the king", "a queen", "my parcel has not come"])
    assert encoder.width == len(king)
    assert king @ queen > king @ parcel


def test_a_static_model_of_sentence_transformers_is_read(tmp_path: Path) -> None:
    whole = static_folder(tmp_path / "whole")
    listed = [{"type": "sentence_transformers.models.StaticEmbedding", "path": "0_StaticEmbedding"}]
    inner = tmp_path / "st" / "0_StaticEmbedding"
    inner.mkdir(parents=True)
    for name in ("model.safetensors", "tokenizer.json"):
        (inner / name).write_bytes((whole / name).read_bytes())
    (tmp_path / "st" / "modules.json").write_text(json.dumps(listed))
    texts = ["refund please", "my parcel"]
    np.testing.assert_array_equal(
        open_encoder(describe(tmp_path / "st")).vectors(texts), open_encoder(describe(whole)).vectors(texts)
    )


def test_weights_and_mapping_of_model2vec_count(tmp_path: Path) -> None:
    folder = static_folder(tmp_path / "model")
    words = vocabulary()
    table = table_of(words)
    mapping = np.arange(len(words))[::-1].copy()
    weights = np.full(len(words), 1.0, dtype=np.float32)
    weights[words.index("refund")] = 0.0
    save_file(
        {"embeddings": table[mapping].copy(), "mapping": mapping, "weights": weights},
        folder / "model.safetensors",
    )
    found = open_encoder(describe(folder)).vectors(["parcel", "parcel refund", "refund"])
    expected = table[words.index("parcel")]
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), rtol=1e-5)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    assert not found[2].any()


def test_a_long_text_has_the_mean_of_all_its_tokens(tmp_path: Path) -> None:
    encoder = open_encoder(describe(static_folder(tmp_path / "model")))
    short, long = encoder.vectors(["refund parcel parcel", "refund parcel parcel " * 2_000])
    np.testing.assert_allclose(short, long, atol=1e-6)


def test_tokens_are_pooled_as_the_model_says(tmp_path: Path) -> None:
    words = vocabulary()
    table = table_of(words)
    for name, pooling, expected in (
        ("cls", {"pooling_mode_cls_token": True}, table[1]),
        (
            "mean",
            {"pooling_mode_mean_tokens": True},
            (table[1] + table[words.index("refund")] + table[2]) / 3,
        ),
    ):
        encoder = open_encoder(describe(onnx_folder(tmp_path / name, **pooling)))
        np.testing.assert_allclose(
            encoder.vectors(["refund"])[0], expected / np.linalg.norm(expected), rtol=1e-5
        )
    # Without Normalize among the modules a vector stays as long as it is.
    folder = tmp_path / "mean"
    modules = json.loads((folder / "modules.json").read_text())[:2]
    (folder / "modules.json").write_text(json.dumps(modules))
    np.testing.assert_allclose(open_encoder(describe(folder)).vectors(["refund"])[0], expected, rtol=1e-5)


def test_the_window_is_the_smallest_that_is_told(tmp_path: Path) -> None:
    assert describe(onnx_folder(tmp_path / "a", window=32)).window == 32
    folder = onnx_folder(tmp_path / "b", window=None)
    assert describe(folder).window == 512
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 10**30}))
    assert describe(folder).window == 512, "an astronomical number stands for none"
    (folder / "config.json").write_text(
        json.dumps({"max_position_embeddings": 514, "model_type": "xlm-roberta"})
    )
    assert describe(folder).window == 512
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 128}))
    assert describe(folder).window == 128


def _empty(folder: Path) -> None:
    folder.mkdir()


def _pickled(folder: Path) -> None:
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    write_tokenizer(folder / "tokenizer.json", vocabulary())


def _sharded(folder: Path) -> None:
    folder.mkdir()
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"")


def _without_tokenizer(folder: Path) -> None:
    (onnx_folder(folder) / "tokenizer.json").unlink()


def _pooled_by_the_last(folder: Path) -> None:
    onnx_folder(folder, pooling_mode_lasttoken=True)


def _broken_modules(folder: Path) -> None:
    (onnx_folder(folder) / "modules.json").write_text("{")


def _no_safetensors(folder: Path) -> None:
    (static_folder(folder) / "model.safetensors").write_bytes(b"weights")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_empty, "is no sentence model: it has neither"),
        (_pickled, "a pickle can run code: it is not read"),
        (_sharded, "its weights are in several files"),
        (_without_tokenizer, "tokenizer.json is missing"),
        (_pooled_by_the_last, "pools by lasttoken, expected the mean or the first token"),
        (_broken_modules, "modules.json: cannot be read as JSON"),
        (_no_safetensors, "is not a safetensors file"),
    ],
)
def test_what_is_no_sentence_model_is_refused_before_there_is_a_job(
    make: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    make(tmp_path / "model")
    with pytest.raises(AccessError, match=reason) as caught:
        Embed.check(Base("embed", str(tmp_path / "model")))
    assert caught.value.hint


def _no_tokenizer(folder: Path) -> None:
    (onnx_folder(folder) / "tokenizer.json").write_text('{"version": "1.0"}')


def _no_onnx(folder: Path) -> None:
    (onnx_folder(folder) / "onnx" / "model.onnx").write_bytes(b"graph")


def _not_finite(folder: Path) -> None:
    table = table_of(vocabulary())
    table[5] = np.nan
    save_file({"embeddings": table}, static_folder(folder) / "model.safetensors")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_no_tokenizer, "tokenizer.json: is no tokenizer"),
        (_no_onnx, "onnxruntime cannot open it"),
        (_not_finite, "not finite"),
    ],
)
def test_what_cannot_be_opened_is_told_of(make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    make(tmp_path / "model")
    with pytest.raises(AccessError, match=reason):
        open_encoder(describe(tmp_path / "model"))


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere", "a/b/c", "a b"])
def test_a_folder_that_is_not_there_is_no_hubs_name(name: str) -> None:
    with pytest.raises(AccessError, match="there is no such folder"):
        Embed.check(Base("embed", name))


def test_a_file_is_no_hubs_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.csv").write_text("text,label\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AccessError, match=r"train\.csv: is a file, expected a folder"):
        Embed.check(Base("embed", "train.csv"))


def test_a_hubs_model_is_not_fetched_to_check_it() -> None:
    # The test's network is closed: asking would fail.
    Embed.check(Base("embed", "someone/some-model"))


def test_offline_only_what_is_on_this_disk_is_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(AccessError, match="HF_HUB_OFFLINE forbids to fetch it"):
        Embed.check(Base("embed", "someone/some-model"))


def test_a_transformer_in_safetensors_needs_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.util import find_spec

    folder = tmp_path / "model"
    folder.mkdir()
    matrix = np.zeros((4, 4), dtype=np.float32)
    save_file({"a": matrix, "b": matrix}, folder / "model.safetensors")
    write_tokenizer(folder / "tokenizer.json", vocabulary())
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(
        "labeltune.local.engines.embed.extra.find_spec",
        lambda name: None if name == "torch" else find_spec(name),
    )
    with pytest.raises(AccessError, match="torch to run it is not installed") as caught:
        Embed.check(Base("embed", str(folder)))
    assert 'pip install "labeltune[torch]"' in (caught.value.hint or "")


def test_a_transformer_in_safetensors_is_run_by_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    words = vocabulary()
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    write_tokenizer(tmp_path / "tokenizer.json", words)
    sentences = describe(tmp_path)
    assert (sentences.kind, sentences.window) == ("torch", 16)
    encoder = open_encoder(sentences)
    texts = ["refund please", "my parcel", "parcel", "refund " * 40]
    together = encoder.vectors(texts)
    assert encoder.cut == 1
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_array_equal(encoder.vectors([text])[0], vector)
