"""A linear model as an ONNX graph over the numbers of its features, and the dozen lines that find these.

Words and pieces of words are found in Python: no operator of ONNX takes Unicode text apart as `features`
does. Everything from the numbers on is in the graph, which also counts how often each feature occurs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.errors import AccessError, SettingsError
from labeltune.local.engines.common.records import Frame, content_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Message
    from labeltune.local.engines.common.answers import Head
    from labeltune.local.engines.common.records import Template
    from labeltune.local.engines.linear.features import Vocabulary

__all__ = ["CODE", "LinearConversion", "write_onnx"]

CODE = """\
import json, re
import numpy, onnxruntime

model = onnxruntime.InferenceSession("model.onnx")
known = json.load(open("features.json", encoding="utf-8"))
words, pieces = ({part: n for n, part in enumerate(known[kind]) if part} for kind in ("words", "pieces"))
start, end = known["prefix"], known["suffix"]

def classify(texts):
    for text in texts:
        text = known["before"] + text.strip() + known["after"]
        if text.startswith(start) and text.endswith(end) and len(text) >= len(start + end):
            text = text[len(start) : len(text) - len(end)]
        text = text.encode("utf-8", "replace").decode("utf-8").lower()
        found = re.findall(r"\\w+|[^\\w\\s]", text)
        found += map(" ".join, zip(found, found[1:]))
        ids = [words[part] for part in found if part in words]
        for token in (f" {token} " for token in text.split()):
            parts = (token[i : i + n] for n in (2, 3, 4) for i in range(len(token) + 1 - n))
            ids += [pieces[part] for part in parts if part in pieces]
        chosen, probabilities = model.run(None, {"ids": numpy.array(ids, dtype=numpy.int64)})
        yield [label for label, holds in zip(known["labels"], chosen) if holds], probabilities
"""
"""What the model card shows, and what proves the export: run in the folder of the form."""

_OPSET = 17
_IR = 9
"""Of ONNX 1.14, from 2023: what runtimes in use understand."""


@dataclass(frozen=True, slots=True)
class LinearConversion:
    """See `Conversion`."""

    labels: Sequence[str]
    prompt: Mapping[str, str]
    place: tuple[str, int]
    """The role of the message that varies, and its number from the end among its role's."""
    decide: Callable[[Sequence[Message]], tuple[list[str], Sequence[float]]]
    code: str = CODE
    tolerance: float = 1e-5

    def text_of(self, conversation: Sequence[Message]) -> str | None:
        """See `Conversion`."""
        role, number = self.place
        contents = [content_of(message) for message in conversation if message.get("role") == role]
        if len(contents) < number:
            return None
        content, before, after = contents[-number], self.prompt["before"], self.prompt["after"]
        if not (content.startswith(before) and content.endswith(after)):
            return None
        text = content[len(before) : len(content) - len(after)]
        return text if before + text.strip() + after == content else None

    def expected(self, conversation: Sequence[Message]) -> tuple[list[str], Sequence[float]]:
        """See `Conversion`."""
        return self.decide(conversation)


def prompt_of(template: Template, around: tuple[str, str] | None) -> tuple[tuple[str, int], dict[str, str]]:
    """The place of the one message that varies, and the words around its text. Raises `SettingsError`."""
    varying = {place: frame for place, frame in template.frames.items() if not frame.constant}
    if len(varying) != 1:
        raise SettingsError(
            f"{len(varying)} messages of a conversation vary, and an ONNX model classifies one text",
            hint="export it without --to onnx",
        )
    ((place, frame),) = varying.items()
    before, after = around if around is not None and _fits(frame, around) else (frame.prefix, frame.suffix)
    return place, {"before": before, "after": after, "prefix": frame.prefix, "suffix": frame.suffix}


def _fits(frame: Frame, around: tuple[str, str]) -> bool:
    """Whether these words can be those around the text: one of the two beginnings is in the other."""
    before, after = around
    return (before.startswith(frame.prefix) or frame.prefix.startswith(before)) and (
        after.endswith(frame.suffix) or frame.suffix.endswith(after)
    )


def write_features(
    out: Path, vocabulary: Vocabulary, labels: Sequence[str], prompt: Mapping[str, str]
) -> None:
    """Write what stands beside the graph: parts by number, labels, and the prompt's words."""
    parts = vocabulary.to_json()
    n_words = vocabulary.n_words
    content = {
        "labels": list(labels),
        **prompt,
        "words": parts["words"],
        # Pieces are numbered after the words: empty places stand for those.
        "pieces": [""] * n_words + parts["pieces"],
    }
    (out / "features.json").write_text(json.dumps(content), encoding="utf-8")


def write_onnx(
    out: Path,
    *,
    weights: NDArray[np.float32],
    intercepts: NDArray[np.float32],
    scales: NDArray[np.float32],
    heads: Sequence[Head],
    decisions: Sequence[Mapping[str, Any]],
) -> None:
    """Write `model.onnx`: from `ids` (int64, one for each occurrence of a feature) to `chosen` (bool) and
    `probabilities` (float64), both (labels,). Raises `AccessError` without the extra.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401  # the export is proved by it
        from onnx import TensorProto, helper
    except ImportError as error:
        raise AccessError(
            "models are written as ONNX by the packages onnx and onnxruntime, and one is not installed",
            hint="pip install onnx onnxruntime",
        ) from error
    graph = _Graph()
    _scores(graph, weights, intercepts, scales)
    chosen, probabilities, start = [], [], 0
    for number, (head, decision) in enumerate(zip(heads, decisions, strict=True)):
        ends = (start, start + len(head.labels))
        held, shares = _decide(graph, number, head, decision, ends)
        chosen.append(held)
        probabilities.append(shares)
        start = ends[1]
    graph.add("Concat", chosen, "chosen", axis=0)
    graph.add("Concat", probabilities, "probabilities", axis=0)
    made = helper.make_graph(
        [helper.make_node(kind, ins, [output], **options) for kind, ins, output, options in graph.nodes],
        "labeltune",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["occurrences"])],
        [
            helper.make_tensor_value_info("chosen", TensorProto.BOOL, [start]),
            helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, [start]),
        ],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    model = helper.make_model(
        made, producer_name="labeltune", opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR
    )
    onnx.checker.check_model(model)
    (out / "model.onnx").write_bytes(model.SerializeToString())


class _Graph:
    """Nodes and constants of a graph while it is put together."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def constant(self, name: str, value: Any, kind: Any) -> str:
        self.constants[name] = np.asarray(value, dtype=kind)
        return name

    def add(self, kind: str, inputs: Sequence[str], output: str, **options: Any) -> str:
        self.nodes.append((kind, list(inputs), output, options))
        return output


def _scores(
    graph: _Graph, weights: NDArray[np.float32], intercepts: NDArray[np.float32], scales: NDArray[np.float32]
) -> None:
    """The scores of `Linear._scores`, as `scores` (float64): one made-up feature more, which weighs nothing,
    so that a text without features is no special case.
    """
    add, constant = graph.add, graph.constant
    constant("weights", np.vstack([weights, np.zeros((1, weights.shape[1]))]), np.float32)
    constant("scales", np.append(scales, 0), np.float32)
    constant("intercepts", intercepts, np.float32)
    add("Concat", ["ids", constant("none", [len(scales)], np.int64)], "all_ids", axis=0)
    graph.nodes.append(("Unique", ["all_ids"], "numbers", {"sorted": 1}))
    # How often: equal numbers are counted by comparing each with all.
    add("Unsqueeze", ["numbers", constant("axis_1", [1], np.int64)], "numbers_down")
    add("Unsqueeze", ["all_ids", constant("axis_0", [0], np.int64)], "ids_across")
    add("Equal", ["numbers_down", "ids_across"], "same")
    add("Cast", ["same"], "same_double", to=11)
    add("ReduceSum", ["same_double", "axis_1"], "counts", keepdims=0)
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
    add("Add", ["sums", "intercepts"], "scores_single")
    add("Cast", ["scores_single"], "scores", to=11)


def _decide(
    graph: _Graph, number: int, head: Head, decision: Mapping[str, Any], ends: tuple[int, int]
) -> tuple[str, str]:
    """`Linear`'s decision for one head: the names of what holds and of the probabilities."""

    def own(name: str) -> str:
        return f"{name}_{number}"

    def add(kind: str, inputs: Sequence[str], output: str, **options: Any) -> str:
        return graph.add(kind, inputs, own(output), **options)

    def constant(name: str, value: Any, kind: Any = np.float64) -> str:
        return graph.constant(own(name), value, kind)

    first = constant("first", [ends[0]], np.int64)
    last = constant("last", [ends[1]], np.int64)
    part = add("Slice", ["scores", first, last], "part")
    sloped = add("Mul", [part, constant("slope", decision["slope"])], "sloped")
    z = add("Add", [sloped, constant("offset", decision["offset"])], "z")
    places = constant("places", np.arange(ends[1] - ends[0]), np.int64)
    if head.kind == "choice":
        shares = add("Softmax", [z], "shares", axis=0)
        leaning = add("Add", [z, constant("leaning", decision.get("leaning", 0.0))], "leaning_z")
        best = add("ArgMax", [leaning], "best", axis=0, keepdims=1)
        return add("Equal", [places, best], "holds"), shares
    clipped = add("Clip", [z, constant("low", -30.0), constant("high", 30.0)], "clipped")
    shares = add("Sigmoid", [clipped], "shares")
    thresholds = np.array(decision["thresholds"], dtype=np.float64)
    holds = add("GreaterOrEqual", [shares, constant("thresholds", thresholds)], "above")
    if head.at_least_one:
        lead = add("Sub", [z, constant("logits", np.log(thresholds / (1 - thresholds)))], "lead")
        best = add("ArgMax", [lead], "best", axis=0, keepdims=1)
        likeliest = add("Equal", [places, best], "likeliest")
        counted = add("Cast", [holds], "counted", to=7)
        some = add("ReduceMax", [counted], "some", keepdims=1)
        any_ = add("Cast", [some], "any", to=9)
        alone = add("And", [likeliest, add("Not", [any_], "nobody")], "alone")
        holds = add("Or", [holds, alone], "holds")
    return holds, shares
