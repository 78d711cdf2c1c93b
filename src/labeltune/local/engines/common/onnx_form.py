"""Models as ONNX graphs: from scores to decisions as `deciding` makes them, and what stands around a graph so
that lines of a model card use it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.errors import AccessError, SettingsError
from labeltune.local.engines.common.formats import plain_label
from labeltune.local.engines.common.records import Frame, content_of
from labeltune.local.engines.common.subsets import INDEPENDENT, LARGEST, LEAST_SHARE, Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Message
    from labeltune.local.engines.common.answers import Head
    from labeltune.local.engines.common.deciding import Speaker
    from labeltune.local.engines.common.records import Template

    Floats = NDArray[np.float64]

__all__ = [
    "OPSET",
    "TAKE_TEXT",
    "Graph",
    "TextConversion",
    "conversion",
    "need_onnx",
    "write_known",
    "write_tokenizer",
]

OPSET = 17
_IR = 9
"""Of ONNX 1.14, from 2023: what runtimes in use understand."""

TAKE_TEXT = """\
        text = known["before"] + text.strip() + known["after"]
        if text.startswith(start) and text.endswith(end) and len(text) >= len(start + end):
            text = text[len(start) : len(text) - len(end)]
        text = text.encode("utf-8", "replace").decode("utf-8")
"""
"""Lines of a card: from a text to what `Template.text` finds in its conversation, as UTF-8 can say it."""


@dataclass(frozen=True, slots=True)
class TextConversion:
    """See `Conversion`: a model that takes one text."""

    labels: Sequence[str]
    prompt: Mapping[str, str]
    place: tuple[str, int]
    """The role of the message that varies, and its number from the end among its role's."""
    decide: Callable[[Sequence[Message]], tuple[list[str], Sequence[float]]]
    code: str
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


def conversion(
    speaker: Speaker,
    template: Template,
    around: tuple[str, str] | None,
    *,
    scores: Callable[[Sequence[Message]], NDArray[Any]],
    code: str,
    tolerance: float = 1e-5,
) -> TextConversion:
    """That of a model whose engine gives a conversation these `scores`, float (k,).

    Raises `SettingsError` where more than one message of a conversation varies.
    """
    names = [list(map(plain_label, head.labels)) for head in speaker.heads]
    place, prompt = _prompt_of(template, around)

    def decide(conversation: Sequence[Message]) -> tuple[list[str], Sequence[float]]:
        (verdicts,) = speaker.verdicts(scores(conversation)[None, :].astype(np.float64))
        chosen = [head[n] for head, verdict in zip(names, verdicts, strict=True) for n in verdict.chosen]
        return chosen, np.concatenate([verdict.probabilities for verdict in verdicts]).tolist()

    labels = [label for head in names for label in head]
    return TextConversion(
        labels=labels, prompt=prompt, place=place, decide=decide, code=code, tolerance=tolerance
    )


def _prompt_of(template: Template, around: tuple[str, str] | None) -> tuple[tuple[str, int], dict[str, str]]:
    """The place of the one message that varies, and the words around its text."""
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


def write_known(path: Path, found: TextConversion, **more: Any) -> None:
    """Write what the lines of the card read as `known`: labels, the prompt's words, and `more`."""
    content = {"labels": list(found.labels), **found.prompt, **more}
    path.write_text(json.dumps(content), encoding="utf-8")


def write_tokenizer(source: Path, out: Path, *, window: int | None) -> None:
    """Write a tokenizer to the folder `out` that cuts texts at `window` tokens, if it is one, and fills none
    up.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source))
    tokenizer.no_padding()
    if window is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(window)
    tokenizer.save(str(out / "tokenizer.json"))


def need_onnx() -> None:
    """Raise `AccessError` without the packages of the extra."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401  # the export is proved by it
    except ImportError as error:
        raise AccessError(
            "models are written as ONNX by the packages onnx and onnxruntime, and one is not installed",
            hint="pip install onnx onnxruntime",
        ) from error


class Graph:
    """Nodes and constants of a graph while it is put together."""

    def __init__(self) -> None:
        self._nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        self._constants: dict[str, NDArray[Any]] = {}

    def constant(self, name: str, value: Any, kind: Any) -> str:
        """Give a constant its name, which is returned."""
        self._constants[name] = np.asarray(value, dtype=kind)
        return name

    def add(self, kind: str, inputs: Sequence[str], *outputs: str, **options: Any) -> str:
        """Add a node; returns the name of its first output. One that is not needed is called nothing."""
        self._nodes.append((kind, list(inputs), list(outputs), options))
        return outputs[0]

    def decide(self, scores: str, heads: Sequence[Head], decisions: Sequence[Mapping[str, Any]]) -> None:
        """From scores (float64, (k,)) to `chosen` (bool) and `probabilities` (float64), both (k,)."""
        chosen, probabilities, start = [], [], 0
        for number, (head, decision) in enumerate(zip(heads, decisions, strict=True)):
            ends = (start, start + len(head.labels))
            held, shares = _decide(self, scores, number, head, decision, ends)
            chosen.append(held)
            probabilities.append(shares)
            start = ends[1]
        self.add("Concat", chosen, "chosen", axis=0)
        self.add("Concat", probabilities, "probabilities", axis=0)

    def save(
        self, path: Path, inputs: Mapping[str, tuple[int, Sequence[str | int]]], *, behind: Any = None
    ) -> None:
        """Write the graph of `decide`, with these inputs: the kind and shape of each.

        `behind` is another graph, as onnx has it, whose outputs it goes on from and whose inputs are its own.
        """
        import onnx
        from onnx import TensorProto, helper

        outputs = [
            helper.make_tensor_value_info("chosen", TensorProto.BOOL, ["labels"]),
            helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, ["labels"]),
        ]
        before = onnx.GraphProto() if behind is None else behind
        made = helper.make_graph(
            [*before.node, *(helper.make_node(k, ins, outs, **o) for k, ins, outs, o in self._nodes)],
            "labeltune",
            [
                *before.input,
                *(helper.make_tensor_value_info(name, *told) for name, told in inputs.items()),
            ],
            outputs,
            [
                *before.initializer,
                *(onnx.numpy_helper.from_array(array, name) for name, array in self._constants.items()),
            ],
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(made, producer_name="labeltune", opset_imports=opset, ir_version=_IR)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())


def _decide(
    graph: Graph,
    scores: str,
    number: int,
    head: Head,
    decision: Mapping[str, Any],
    ends: tuple[int, int],
) -> tuple[str, str]:
    """The decision of `deciding` for one head: the names of what holds and of the probabilities."""

    def own(name: str) -> str:
        return f"{name}_{number}"

    def add(kind: str, inputs: Sequence[str], output: str, **options: Any) -> str:
        return graph.add(kind, inputs, own(output), **options)

    def constant(name: str, value: Any, kind: Any = np.float64) -> str:
        return graph.constant(own(name), value, kind)

    first = constant("first", [ends[0]], np.int64)
    last = constant("last", [ends[1]], np.int64)
    part = add("Slice", [scores, first, last], "part")
    sloped = add("Mul", [part, constant("slope", decision["slope"])], "sloped")
    z = add("Add", [sloped, constant("offset", decision["offset"])], "z")

    def only(best: str, output: str) -> str:
        # Not before it is needed: a runtime warns of constants that nothing reads.
        places = constant("places", np.arange(ends[1] - ends[0]), np.int64)
        return add("Equal", [places, best], output)

    if head.kind == "choice":
        shares = add("Softmax", [z], "shares", axis=0)
        leaning = add("Add", [z, constant("leaning", decision.get("leaning", 0.0))], "leaning_z")
        best = add("ArgMax", [leaning], "best", axis=0, keepdims=1)
        return only(best, "holds"), shares
    clipped = add("Clip", [z, constant("low", -LARGEST), constant("high", LARGEST)], "clipped")
    shares = independent = add("Sigmoid", [clipped], "independent")
    counts = Counts.of(decision)
    if counts != INDEPENDENT:
        shares = _counted(add, constant, clipped, independent, counts)
    thresholds = np.array(decision["thresholds"], dtype=np.float64)
    holds = add("GreaterOrEqual", [shares, constant("thresholds", thresholds)], "above")
    if head.at_least_one:
        odds = z if shares == independent else _moved(add, constant, z, independent, shares)
        lead = add("Sub", [odds, constant("logits", np.log(thresholds / (1 - thresholds)))], "lead")
        best = add("ArgMax", [lead], "best", axis=0, keepdims=1)
        likeliest = only(best, "likeliest")
        counted = add("Cast", [holds], "counted", to=7)
        some = add("ReduceMax", [counted], "some", keepdims=1)
        any_ = add("Cast", [some], "any", to=9)
        alone = add("And", [likeliest, add("Not", [any_], "nobody")], "alone")
        holds = add("Or", [holds, alone], "holds")
    return holds, shares


def _counted(
    add: Callable[..., str], constant: Callable[..., str], clipped: str, independent: str, counts: Counts
) -> str:
    """The probabilities of `Counts.probabilities`."""
    one = constant("one", 1.0)
    absent = add("Log", [add("Sigmoid", [add("Neg", [clipped], "against")], "absence")], "absent")
    all_absent = add("ReduceSum", [absent], "all_absent", keepdims=1)
    without = add("Exp", [add("Sub", [all_absent, absent], "others_absent")], "without")
    empty = add("Exp", [all_absent], "empty")
    single = add("ReduceSum", [add("Mul", [independent, without], "singles")], "single", keepdims=1)
    fewer = add("Sub", [add("Sub", [one, empty], "not_empty"), single], "not_few")
    several = add("Max", [fewer, constant("zero", 0.0)], "several")
    weighed = add("Mul", [empty, constant("count_of_none", counts.none)], "empty_counted")
    weighed_too = add("Mul", [single, constant("count_of_one", counts.alone)], "single_counted")
    total = add("Add", [add("Add", [weighed, weighed_too], "few"), several], "total")
    more = add("Mul", [without, constant("alone_more", counts.alone - 1)], "more")
    joint = add("Mul", [independent, add("Add", [more, one], "factor")], "joint")
    return add("Min", [add("Div", [joint, total], "share"), one], "shares")


def _moved(
    add: Callable[..., str], constant: Callable[..., str], z: str, independent: str, shares: str
) -> str:
    """The logits of the probabilities, beyond what a probability can say."""
    ends = [constant("least", LEAST_SHARE), constant("most", 1 - LEAST_SHARE)]

    def logit(p: str, name: str) -> str:
        inside = add("Clip", [p, *ends], f"{name}_inside")
        outside = add("Sub", [constant("whole", 1.0), inside], f"{name}_not")
        logs = add("Log", [inside], f"{name}_log"), add("Log", [outside], f"{name}_log_not")
        return add("Sub", [*logs], f"{name}_logit")

    change = add("Sub", [logit(shares, "share"), logit(independent, "apart")], "change")
    return add("Add", [z, change], "odds")
