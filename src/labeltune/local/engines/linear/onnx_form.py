"""A linear model as an ONNX graph over the numbers of its features, and the dozen lines that find these.

Words and pieces of words are found in Python: no operator of ONNX takes Unicode text apart as `features`
does. Everything from the numbers on is in the graph, which also counts how often each feature occurs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.local.engines.common.onnx_form import TAKE_TEXT, Graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines.common.answers import Head
    from labeltune.local.engines.linear.features import Vocabulary

    Floats = NDArray[np.float32]

__all__ = ["CODE", "FIND_FEATURES", "IDS", "READ_FEATURES", "features_of", "linear_scores", "write_onnx"]

READ_FEATURES = """\
known = json.load(open("features.json", encoding="utf-8"))
words, pieces = ({part: n for n, part in enumerate(known[kind]) if part} for kind in ("words", "pieces"))
start, end = known["prefix"], known["suffix"]
"""

FIND_FEATURES = """\
        found = re.findall(r"\\w+|[^\\w\\s]", text.lower())
        found += map(" ".join, zip(found, found[1:]))
        ids = [words[part] for part in found if part in words]
        for token in (f" {token} " for token in text.lower().split()):
            parts = (token[i : i + n] for n in (2, 3, 4) for i in range(len(token) + 1 - n))
            ids += [pieces[part] for part in parts if part in pieces]
"""

CODE = f"""\
import json, re
import numpy, onnxruntime

model = onnxruntime.InferenceSession("model.onnx")
{READ_FEATURES}
def classify(texts):
    for text in texts:
{TAKE_TEXT}{FIND_FEATURES}\
        chosen, probabilities = model.run(None, {{"ids": numpy.array(ids, dtype=numpy.int64)}})
        yield [label for label, holds in zip(known["labels"], chosen) if holds], probabilities
"""
"""What the model card shows, and what proves the export: run in the folder of the form."""

IDS: dict[str, tuple[int, list[str | int]]] = {"ids": (7, ["occurrences"])}
"""The input of the graph: int64, one number for each occurrence of a feature."""


def features_of(vocabulary: Vocabulary) -> dict[str, list[str]]:
    """The parts by number, for `READ_FEATURES`. Pieces are numbered after the words: empty places stand for
    those.
    """
    parts = vocabulary.to_json()
    return {"words": parts["words"], "pieces": [""] * vocabulary.n_words + parts["pieces"]}


def write_onnx(
    path: Path,
    *,
    arrays: tuple[Floats, Floats, Floats],
    heads: Sequence[Head],
    decisions: Sequence[Mapping[str, Any]],
) -> None:
    """Write the graph from `IDS` to what `Graph.decide` gives; `arrays` are those of `Linear.arrays`."""
    graph = Graph()
    scores = linear_scores(graph, *arrays)
    graph.decide(graph.add("Cast", [scores], "scores", to=11), heads, decisions)
    graph.save(path, IDS)


def linear_scores(graph: Graph, weights: Floats, intercepts: Floats, scales: Floats) -> str:
    """The scores of `Linear.scores` (float32, (k,)).

    One made-up feature more, which weighs nothing: a text without features is then no special case.
    """
    add, constant = graph.add, graph.constant
    constant("weights", np.vstack([weights, np.zeros((1, weights.shape[1]))]), np.float32)
    constant("scales", np.append(scales, 0), np.float32)
    constant("intercepts", intercepts, np.float32)
    add("Concat", ["ids", constant("none", [len(scales)], np.int64)], "all_ids", axis=0)
    add("Unique", ["all_ids"], "numbers", "", "", "counts_whole", sorted=1)
    add("Cast", ["counts_whole"], "counts", to=11)
    add("Min", ["counts", constant("most", 9999.0, np.float64)], "capped")
    add("Log", ["capped"], "logs")
    add("Add", ["logs", constant("one", 1.0, np.float64)], "values_double")
    add("Cast", ["values_double"], "values", to=1)
    add("Gather", ["scales", "numbers"], "scale_of_each", axis=0)
    add("Mul", ["values", "scale_of_each"], "weighted")
    add("Mul", ["weighted", "weighted"], "squares")
    add("ReduceSum", ["squares"], "square", keepdims=0)
    add("Sqrt", ["square"], "length")
    add("Max", ["length", constant("tiny", 1e-30, np.float32)], "divisor")
    add("Gather", ["weights", "numbers"], "weight_of_each", axis=0)
    add("Div", ["values", "divisor"], "normed")
    add("MatMul", ["normed", "weight_of_each"], "sums")
    return add("Add", ["sums", "intercepts"], "linear_scores")
