"""Predict over many parts: a folder of tables becomes a folder of the same tables with their predictions.

`run` is the use case. Where nothing is paid, `free` predicts part after part in this process, each by `one`,
which any other process can do, too: `distributed` hands them to the workers of a `cluster`, `on_ray` with
`actor`. A paid provider is asked by `journaled`: one sender, one journal, one budget.
"""

from __future__ import annotations

from labeltune.prediction.parts.one import PartCall, PartPredictor, predict_part
from labeltune.prediction.parts.result import PartsPredicted, PartsPreview
from labeltune.prediction.parts.run import predict_parts, preview_parts

__all__ = [
    "PartCall",
    "PartPredictor",
    "PartsPredicted",
    "PartsPreview",
    "predict_part",
    "predict_parts",
    "preview_parts",
]
