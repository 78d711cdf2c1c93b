"""The ONNX form of `encoder`: one graph from tokens to decisions that decides as the engine does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from labeltune.errors import SettingsError
from labeltune.local.engines import Base, Hyperparameters
from labeltune.local.engines.encoder.engine import Encoder
from unit.local.onnx_forms import assert_same, written
from unit.local.tiny_models import need_torch, path, several, single, spelled, tiny_encoder

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.local.engines import Record

pytest.importorskip("onnx")
need_torch()

FEW = Hyperparameters(n_epochs=4, batch_size=16)


def learnt(training: list[Record], folder: Path, *, kind: str = "bert", options: str = "") -> Encoder:
    base = tiny_encoder(folder / "base", kind)
    run = Encoder.fit(training, [], FEW, base=Base.parse(f"encoder:{base}{options}"), seed=1)
    for _ in run:
        pass
    run.save(folder / "model")
    return Encoder.load(folder / "model")


@pytest.mark.parametrize(
    ("training", "kind", "options"),
    [
        pytest.param(single(), "bert", "", id="label"),
        pytest.param(several(), "modernbert", "#window=16", id="list-of-windows"),
        pytest.param(spelled(single(), path), "bert", "#rank=8&pooling=cls", id="path-by-lora"),
        pytest.param(single(), "bert", "#class_weight=balanced", id="balanced"),
    ],
)
def test_it_decides_as_the_engine_whatever_the_text(
    training: list[Record], kind: str, options: str, tmp_path: Path
) -> None:
    model = learnt(training, tmp_path, kind=kind, options=options)
    conversion, out = written(Encoder, tmp_path / "model")
    assert sorted(file.name for file in out.iterdir()) == ["labels.json", "model.onnx", "tokenizer.json"]
    assert_same(model, conversion, out, training, within=1e-5)
    # Nothing of the machine that wrote it.
    assert b"site-packages" not in (out / "model.onnx").read_bytes()
    assert json.loads((out / "labels.json").read_text())["labels"] == list(conversion.labels)


def test_what_is_too_large_for_one_file_has_no_such_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labeltune.local.engines.neural import onnx_export

    learnt(single(), tmp_path)
    monkeypatch.setattr(onnx_export, "_LARGEST", 1_000)
    with pytest.raises(SettingsError, match="at most 2 GB"):
        written(Encoder, tmp_path / "model")
