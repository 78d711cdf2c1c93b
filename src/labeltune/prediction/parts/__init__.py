"""Predict over many parts: a folder of tables becomes a folder of the same tables with their predictions.

`one` predicts a part where nothing is paid, in this process or in any other.
"""

from __future__ import annotations

from labeltune.prediction.parts.one import PartCall, PartPredictor, predict_part

__all__ = ["PartCall", "PartPredictor", "predict_part"]
