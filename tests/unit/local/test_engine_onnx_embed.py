"""The ONNX form of `embed`: whatever the vectors come from, it decides as the engine does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from labeltune.local.engines import Base, Hyperparameters
from labeltune.local.engines.embed.engine import Embed
from unit.local.engine_records import flags, path, several, single, spelled, trained
from unit.local.onnx_forms import assert_same, written
from unit.local.sentence_models import onnx_folder, static_folder
from unit.local.tiny_models import need_torch, tiny_encoder

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.local.engines import Record

onnx = pytest.importorskip("onnx")

FEW = Hyperparameters(n_epochs=2, batch_size=32, learning_rate_multiplier=1.0)
CLOSE = 1e-5


def learnt(training: list[Record], base: Base, folder: Path) -> Embed:
    model, _ = trained(Embed, Embed.fit(training, [], FEW, base=base, seed=1), folder)
    return model


@pytest.mark.parametrize(
    "training",
    [
        pytest.param(single(), id="label"),
        pytest.param(several(), id="list"),
        pytest.param(several(none="none"), id="none"),
        pytest.param(spelled(single(), path), id="path"),
        pytest.param(spelled(several(), flags), id="flags"),
    ],
)
def test_vectors_of_its_own_are_in_the_graph(training: list[Record], tmp_path: Path) -> None:
    pytest.importorskip("wordllama")
    model = learnt(training, Base("embed"), tmp_path / "model")
    conversion, out = written(Embed, tmp_path / "model")
    assert sorted(file.name for file in out.iterdir()) == ["features.json", "model.onnx", "tokenizer.json"]
    assert_same(model, conversion, out, training, within=CLOSE)


def test_vectors_count_and_tokens_without_one_do_not(tmp_path: Path) -> None:
    """A table shorter than the tokenizer's list, and a prefix."""
    folder = static_folder(tmp_path / "vectors")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    words.update({"card": len(words), "pin": len(words) + 1})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    training = single()
    model = learnt(training, Base("embed", str(folder), {"prefix": "refund \ud800: "}), tmp_path / "model")
    conversion, out = written(Embed, tmp_path / "model")
    assert_same(model, conversion, out, training, within=CLOSE)


@pytest.mark.parametrize(
    ("pooling", "window"), [("pooling_mode_mean_tokens", 6), ("pooling_mode_cls_token", 32)]
)
def test_a_sentence_model_stands_beside_the_graph_as_it_is(pooling: str, window: int, tmp_path: Path) -> None:
    folder = onnx_folder(tmp_path / "vectors", window=window, **{pooling: True})
    training = several()
    model = learnt(training, Base("embed", str(folder), {"prefix": "query: "}), tmp_path / "model")
    conversion, out = written(Embed, tmp_path / "model")
    assert (out / "sentences.onnx").read_bytes() == (folder / "onnx" / "model.onnx").read_bytes()
    assert conversion.tolerance == CLOSE
    assert_same(model, conversion, out, training, within=CLOSE)


def test_weights_of_8_bits_may_be_off_by_more(tmp_path: Path) -> None:
    folder = onnx_folder(tmp_path / "vectors")
    source = folder / "onnx" / "model.onnx"
    whole = onnx.load(source)
    (table,) = whole.graph.initializer
    scale = np.float32(np.abs(onnx.numpy_helper.to_array(table)).max() / 127)
    small = np.round(onnx.numpy_helper.to_array(table) / scale).astype(np.int8)
    whole.graph.initializer.pop()
    whole.graph.initializer.extend(
        [
            onnx.numpy_helper.from_array(small, "small"),
            onnx.numpy_helper.from_array(np.asarray(scale), "scale"),
        ]
    )
    (gather,) = whole.graph.node
    gather.input[0], gather.output[0] = "small", "looked_up"
    whole.graph.node.append(
        onnx.helper.make_node("DequantizeLinear", ["looked_up", "scale"], ["last_hidden_state"])
    )
    onnx.save(whole, source)
    training = single()
    model = learnt(training, Base("embed", str(folder)), tmp_path / "model")
    conversion, out = written(Embed, tmp_path / "model")
    assert conversion.tolerance == 1e-3
    assert_same(model, conversion, out, training, within=CLOSE)


def test_a_sentence_model_of_torch_is_written_by_torch(tmp_path: Path) -> None:
    need_torch()
    folder = tiny_encoder(tmp_path / "vectors")
    training = single()
    model = learnt(training, Base("embed", str(folder)), tmp_path / "model")
    conversion, out = written(Embed, tmp_path / "model")
    assert_same(model, conversion, out, training, within=CLOSE)
