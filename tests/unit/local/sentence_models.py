"""Sentence models small enough for tests: a word is a token, and words of one meaning have like vectors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["MEANINGS", "WIDTH", "onnx_folder", "onnx_model", "static_folder", "table_of", "write_tokenizer"]

WIDTH = 8

MEANINGS = {
    "money": ["invoice", "refund", "payment", "charge", "bill", "price", "fee", "debit"],
    "parcel": ["parcel", "delivery", "courier", "shipment", "package", "tracking", "dispatch", "mail"],
    "account": ["password", "login", "account", "username", "profile", "sign", "email", "token"],
}
"""Words that a sentence model knows to be alike; their characters do not tell."""

_SPECIAL = ["[UNK]", "[CLS]", "[SEP]"]


def vocabulary(extra: Iterable[str] = ()) -> list[str]:
    return [*_SPECIAL, *(word for words in MEANINGS.values() for word in words), *extra]


def table_of(words: Sequence[str]) -> NDArray[np.float32]:
    """A vector for each word: the meaning's own, and a little noise."""
    rng = np.random.default_rng(0)
    meaning = {word: number for number, words in enumerate(MEANINGS.values()) for word in words}
    table = 0.1 * rng.standard_normal((len(words), WIDTH))
    for row, word in enumerate(words):
        if word in meaning:
            table[row, meaning[word]] += 1
    return table.astype(np.float32)


def write_tokenizer(path: Path, words: Sequence[str]) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(path))


def static_folder(folder: Path) -> Path:
    """As model2vec saves them: one matrix, a tokenizer, a few words of configuration."""
    folder.mkdir(parents=True)
    words = vocabulary()
    save_file({"embeddings": table_of(words)}, folder / "model.safetensors")
    write_tokenizer(folder / "tokenizer.json", words)
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}))
    return folder


def onnx_folder(folder: Path, *, window: int | None = 32, sociable: bool = False, **pooling: bool) -> Path:
    """As sentence-transformers saves them. `sociable`: a text's vector depends on the others of its batch."""
    folder.mkdir(parents=True)
    words = vocabulary()
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(onnx_model(table_of(words), sociable=sociable))
    write_tokenizer(folder / "tokenizer.json", words)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    listed = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in modules]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    told = pooling or {"pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(told))
    if window is not None:
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": window}))
    return folder


# ------------------------------------------------------------------------------------ ONNX, as protocol buffers

_FLOAT, _INT64 = 1, 7


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    content = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(content)) + content


def _number(value: int) -> bytes:
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    kind = _FLOAT if array.dtype == np.float32 else _INT64
    dims = b"".join(_field(1, size) for size in array.shape)
    return dims + _field(2, kind) + _field(8, name) + _field(9, array.tobytes())


def _value(name: str, kind: int, *dims: str) -> bytes:
    shape = b"".join(_field(1, _field(2, dim)) for dim in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def _node(kind: str, inputs: Sequence[str], output: str) -> bytes:
    return b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, kind)


def onnx_model(table: NDArray[np.float32], *, sociable: bool = False) -> bytes:
    """A graph that looks the vectors of tokens up (opset 17); a sociable one takes the whole batch's mean off."""
    nodes = [_node("Gather", ["table", "input_ids"], "looked_up" if sociable else "last_hidden_state")]
    if sociable:
        nodes += [
            _node("ReduceMean", ["looked_up"], "mean"),
            _node("Sub", ["looked_up", "mean"], "last_hidden_state"),
        ]
    graph = (
        b"".join(_field(1, node) for node in nodes)
        + _field(2, "sentences")
        + _field(5, _tensor("table", table))
        + _field(11, _value("input_ids", _INT64, "batch", "tokens"))
        + _field(12, _value("last_hidden_state", _FLOAT, "batch", "tokens", "width"))
    )
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 17))
