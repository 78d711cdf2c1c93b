"""How likely a label is wrong, from what models that have not seen the row say of it.

Confident learning: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset
Labels", Journal of Artificial Intelligence Research 70, 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray

__all__ = ["confidently_other", "label_confidence", "self_confidence"]


def self_confidence(probabilities: FloatArray, given: IntArray) -> FloatArray:
    """(n_rows,) The probability of each row's label.

    `probabilities` (n_rows, n_labels), `given` the places of the labels, (n_rows,).
    """
    own: FloatArray = probabilities[np.arange(len(given)), given]
    return own


def label_confidence(probabilities: FloatArray, holds: BoolArray) -> FloatArray:
    """(n_rows, n_labels) The probability that a label is there or not there as the row has it.

    `probabilities` and `holds` (n_rows, n_labels), of labels any number of which may hold.
    """
    return np.where(holds, probabilities, 1 - probabilities)


def confidently_other(probabilities: FloatArray, given: IntArray) -> BoolArray:
    """(n_rows,) Which rows confident learning counts as wrong; their number estimates that of wrong labels.

    A label is confidently there where its probability is at least its threshold: the mean probability of the
    label in the rows that are labelled so (the paper's equation 2). A row counts where the likeliest of the
    labels that are confidently there is not its own: these are the off-diagonal entries of the confident
    joint (equation 1), without its calibration, which raises the count. A row whose own label is the
    likeliest of all does not count: of a rare label, little is enough to be confidently there.
    """
    n_labels = probabilities.shape[1]
    rows = np.bincount(given, minlength=n_labels)
    total = np.bincount(given, self_confidence(probabilities, given), n_labels)
    thresholds = np.where(rows > 0, total / np.maximum(rows, 1), np.inf)
    confident = probabilities >= thresholds
    likeliest = np.where(confident, probabilities, -1.0).argmax(axis=1)
    other: BoolArray = confident.any(axis=1) & (likeliest != given) & (probabilities.argmax(axis=1) != given)
    return other
