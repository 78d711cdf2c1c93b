"""A model of `encoder` as one ONNX graph from windows of tokens to decisions, and the dozen lines that make
windows of a text.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.local.engines.common.onnx_form import TAKE_TEXT, Graph
from labeltune.local.engines.neural.onnx_export import INPUT, export_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeltune.local.engines.common.deciding import Speaker
    from labeltune.local.engines.encoder.network import Network

__all__ = ["CODE", "write_onnx"]

CODE = f"""\
import json
import numpy, onnxruntime, tokenizers

model = onnxruntime.InferenceSession("model.onnx")
tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
known = json.load(open("labels.json", encoding="utf-8"))
start, end = known["prefix"], known["suffix"]
first, last, room = known["first"], known["last"], known["room"]

def classify(texts):
    for text in texts:
{TAKE_TEXT}\
        tokens = tokenizer.encode(text, add_special_tokens=False).ids
        rest = max(len(tokens) - room, 0)
        starts = [*range(0, rest, known["stride"]), rest]
        if len(starts) > known["most"]:
            places = numpy.linspace(0, len(starts) - 1, known["most"]).round().astype(int)
            starts = [starts[place] for place in places]
        windows = [first + tokens[place : place + room] + last or [0] for place in starts]
        windows = numpy.array(windows, dtype=numpy.int64)
        chosen, probabilities = model.run(None, {{"{INPUT}": windows}})
        yield [label for label, holds in zip(known["labels"], chosen) if holds], probabilities
"""
"""What the model card shows, and what proves the export: run in the folder of the form."""

_LEARNT = "learnt_scores"


def write_onnx(path: Path, network: Network, speaker: Speaker, tilt: NDArray[np.float64]) -> None:
    """Write the graph from windows (int64, (windows, tokens)) of one text to what `Graph.decide` gives.

    Raises `SettingsError` for a network that has no such form.
    """
    import onnx

    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        half = Path(folder) / "network.onnx"

        def scores(ids: Any, mask: Any) -> Any:
            return network.of_windows(ids, mask).mean(dim=0)

        export_tokens(network, scores, half, output=_LEARNT, shape=("labels",))
        written = onnx.load(half).graph
    graph = Graph()
    graph.add("Cast", [_LEARNT], "learnt_double", to=11)
    graph.add("Sub", ["learnt_double", graph.constant("tilt", tilt, np.float64)], "scores")
    graph.decide("scores", speaker.heads, speaker.decided)
    graph.save(path, {}, behind=written)
