"""A model of `embed` as ONNX: what `linear` has, and the vectors of a text beside it.

Static vectors are looked up within the graph. A transformer stands beside it as it is, byte for byte, in
`sentences.onnx`: whatever operators it was written with, they are not touched.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.local.engines.common.onnx_form import TAKE_TEXT, Graph
from labeltune.local.engines.embed.encoders import LONGEST_TOKEN, Onnx, Static, Torch
from labeltune.local.engines.linear.onnx_form import FIND_FEATURES, IDS, READ_FEATURES, linear_scores

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines.common.deciding import Speaker
    from labeltune.local.engines.embed.encoders import Encoder
    from labeltune.local.engines.embed.mixing import Mix
    from labeltune.local.engines.embed.sources import Sentences

    Floats = NDArray[np.float32]

__all__ = ["TextVectors", "code_for", "text_vectors", "write_onnx"]

SENTENCES = "sentences.onnx"
_CLOSE, _CLOSE_8_BITS = 1e-5, 1e-3
_8_BITS = frozenset({2, 3})
"""How ONNX counts unsigned and signed integers of 8 bits among the kinds of tensors."""


@dataclass(frozen=True, slots=True)
class TextVectors:
    """How the lines of a card come to a text's vector."""

    name: str
    """The input of our graph."""
    lines: str
    """Python that makes `name` of `text`."""
    opened: str
    """Python that opens the graphs."""
    tolerance: float
    known: Mapping[str, Any]


_ALONE = """\
model = onnxruntime.InferenceSession("model.onnx")
"""
_BESIDE = f"""\
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
model, sentences = (onnxruntime.InferenceSession(f, options) for f in ("model.onnx", "{SENTENCES}"))
"""
"""One thread: for one text after the other, several that wait for each other take three times the work."""
_STATIC = """\
        tokens = tokenizer.encode(known["lead"] + text, add_special_tokens=False).ids
"""
_TOKENS = """\
        tokens = tokenizer.encode((known["lead"] + text)[: known["longest"]]).ids or [0]
        tokens = numpy.array([tokens], dtype=numpy.int64)
        vectors = sentences.run(["{output}"], {{{inputs}}})[0]
        vectors = vectors.reshape(-1, vectors.shape[-1])
"""
_INPUTS = {
    "input_ids": "tokens",
    "attention_mask": "tokens * 0 + 1",
    "token_type_ids": "tokens * 0",
    "position_ids": "numpy.arange(tokens.size)[None]",
}


def text_vectors(sentences: Sentences, encoder: Encoder, out: Path) -> TextVectors:
    """How to come to vectors; a transformer is written to the folder `out`.

    Raises `SettingsError` for one that torch runs and cannot write.
    """
    # What UTF-8 cannot say the engine replaces after it has put the prefix before the text.
    lead = sentences.prefix.encode("utf-8", "replace").decode("utf-8")
    if isinstance(encoder, Static):
        return TextVectors("tokens", _STATIC, _ALONE, _CLOSE, {"lead": lead})
    target = out / SENTENCES
    if isinstance(encoder, Torch):
        encoder.write_onnx(target)
        inputs, output, tolerance = ["input_ids"], "last_hidden_state", _CLOSE
    else:
        assert isinstance(encoder, Onnx)  # there is no other kind
        source = sentences.files[SENTENCES]
        shutil.copyfile(source, target)
        inputs, output, tolerance = encoder.inputs, encoder.output, _tolerance(source)
    given = ", ".join(f'"{name}": {_INPUTS[name]}' for name in inputs)
    return TextVectors(
        "vectors",
        _TOKENS.format(output=output, inputs=given),
        _BESIDE,
        tolerance,
        {"lead": lead, "longest": sentences.window * LONGEST_TOKEN},
    )


def _tolerance(path: Path) -> float:
    """How far a probability may be off: more where weights have 8 bits, which round what they multiply."""
    import onnx

    kinds = {tensor.data_type for tensor in onnx.load(path).graph.initializer}
    return _CLOSE_8_BITS if kinds & _8_BITS else _CLOSE


def code_for(vectors: TextVectors) -> str:
    """What the model card shows, and what proves the export: run in the folder of the form."""
    kind = ", dtype=numpy.int64" if vectors.name == "tokens" else ""
    given = f"numpy.array({vectors.name}{kind})" if kind else vectors.name
    return f"""\
import json, re
import numpy, onnxruntime, tokenizers

{vectors.opened}tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
{READ_FEATURES}
def classify(texts):
    for text in texts:
{TAKE_TEXT}{vectors.lines}{FIND_FEATURES}\
        ids = numpy.array(ids, dtype=numpy.int64)
        chosen, probabilities = model.run(None, {{"ids": ids, "{vectors.name}": {given}}})
        yield [label for label, holds in zip(known["labels"], chosen) if holds], probabilities
"""


def write_onnx(
    path: Path,
    *,
    linear: tuple[Floats, Floats, Floats],
    head: tuple[Floats, Floats],
    mix: Mix,
    speaker: Speaker,
    sentences: Sentences,
    encoder: Encoder,
) -> None:
    """Write the graph: `linear` are its weights, intercepts and scales, `head` weights and intercepts."""
    graph = Graph()
    add, constant = graph.add, graph.constant
    scores = linear_scores(graph, *linear)
    inputs: dict[str, tuple[int, list[str | int]]]
    constant("axis_0", [0], np.int64)
    if isinstance(encoder, Static):
        inputs = {**IDS, "tokens": (7, ["tokens_of_text"])}
        vector = _looked_up(graph, encoder.table)
    else:
        inputs = {**IDS, "vectors": (1, ["vectors_of_text", encoder.width])}
        vector = _pooled(graph, sentences.pooling)
    if sentences.normalize:
        vector = _of_length_1(graph, vector)
    add("MatMul", [vector, constant("head_weights", head[0], np.float32)], "head_sums")
    add("Add", ["head_sums", constant("head_intercepts", head[1], np.float32)], "head_scores")
    first, second, third = mix.per_output(speaker.layout)
    add("Mul", [scores, constant("of_linear", first, np.float32)], "linear_share")
    add("Mul", ["head_scores", constant("of_head", second, np.float32)], "head_share")
    add("Add", ["linear_share", "head_share"], "mixed")
    add("Add", ["mixed", constant("mix_offset", third, np.float32)], "mixed_scores")
    add("Cast", ["mixed_scores"], "scores", to=11)
    graph.decide("scores", speaker.heads, speaker.decided)
    graph.save(path, inputs)


def _looked_up(graph: Graph, table: Floats) -> str:
    """The mean of the vectors of `tokens`, those left out that have none; one made-up token more, of zeros,
    so that a text without tokens is no special case.
    """
    add, constant = graph.add, graph.constant
    half = table.astype(np.float16)
    kind: Any = np.float16 if np.array_equal(half.astype(np.float32), table) else np.float32
    constant("table", np.vstack([table, np.zeros((1, table.shape[1]))]), kind)
    add("Less", ["tokens", constant("n_vectors", len(table), np.int64)], "has_vector")
    add("Compress", ["tokens", "has_vector"], "known_tokens", axis=0)
    add("Concat", ["known_tokens", constant("no_token", [len(table)], np.int64)], "some_tokens", axis=0)
    add("Gather", ["table", "some_tokens"], "looked_up", axis=0)
    add("Shape", ["some_tokens"], "n_some")
    add("Sub", ["n_some", constant("one_token", [1], np.int64)], "n_tokens")
    add("Max", ["n_tokens", "one_token"], "divided_by")
    return _mean(graph, "looked_up", "divided_by")


def _pooled(graph: Graph, pooling: str) -> str:
    """The mean of `vectors`, or their first; of a transformer that pools itself there is one."""
    if pooling == "cls":
        return graph.add("Gather", ["vectors", graph.constant("place_0", 0, np.int64)], "vector", axis=0)
    graph.add("Shape", ["vectors"], "shape_of_vectors")
    count = graph.add(
        "Slice", ["shape_of_vectors", "axis_0", graph.constant("place_1", [1], np.int64)], "count"
    )
    return _mean(graph, "vectors", count)


def _mean(graph: Graph, vectors: str, count: str) -> str:
    """In 64 bits: of thousands of tokens the last bits of a sum count."""
    add = graph.add
    add("Cast", [vectors], "vectors_double", to=11)
    add("ReduceSum", ["vectors_double", "axis_0"], "sum_of_vectors", keepdims=0)
    add("Cast", [count], "count_double", to=11)
    add("Div", ["sum_of_vectors", "count_double"], "mean_double")
    return add("Cast", ["mean_double"], "vector", to=1)


def _of_length_1(graph: Graph, vector: str) -> str:
    """Nothing stays nothing."""
    add = graph.add
    add("Mul", [vector, vector], "squared_vector")
    add("ReduceSum", ["squared_vector", "axis_0"], "square_of_vector", keepdims=1)
    add("Sqrt", ["square_of_vector"], "length_of_vector")
    add("Max", ["length_of_vector", graph.constant("tiny_length", 1e-12, np.float32)], "vector_divisor")
    return add("Div", [vector, "vector_divisor"], "unit_vector")
