"""What each metric says, for whoever has never heard of it, and in which order they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MEANINGS", "in_order"]

MEANINGS = {
    "exact_match": "rows with everything right",
    "accuracy": "rows with the right label",
    "path_accuracy": "rows right at this level and above it",
    "macro_f1": "F1 as the mean over labels: a rare label counts as much as a common one",
    "weighted_f1": "F1 as the mean over labels, each by its rows: common labels decide",
    "micro_f1": "F1 over all labels at once: each label of each row counts the same",
    "samples_f1": "F1 within each row, as the mean over rows; a row without labels counts 0",
    "jaccard": "overlap of a row's true and predicted labels, as the mean over rows; without labels 0",
    "hamming_loss": "labels said or left out wrongly, of all that could be; less is better",
    "balanced_accuracy": "of each label's rows the share found, as the mean over labels",
    "path_macro_f1": "macro-F1 with each path as one label",
    "hierarchical_precision": "of what was predicted, with all above it, the share that is true",
    "hierarchical_recall": "of what is true, with all above it, the share that was predicted",
    "hierarchical_f1": "precision and recall of paths in one: half right counts half",
    "kappa": "agreement beyond chance: 0 is guessing, 1 is perfect",
    "mcc": "correlation of truth and prediction: 0 is guessing, 1 is perfect",
    "average_precision": "how well probabilities put rows with a label before the others",
    "roc_auc": "how often a row with the label is ranked above one without it",
    "log_loss": "how far probabilities are from the truth, sure mistakes dearest; less is better",
    "brier": "squared distance of probabilities from the truth; less is better",
}
"""By the metric's name; the formulas are in docs/explanation/metrics.md. Those first that everybody knows."""

_PLACES = {name: place for place, name in enumerate(MEANINGS)}


def in_order(names: Iterable[str]) -> list[str]:
    """The names of metrics, what everybody knows first."""
    return sorted(names, key=lambda name: _PLACES.get(name, len(_PLACES)))
