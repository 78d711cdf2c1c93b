"""Measure how difficult the example data sets are for a plain scikit-learn baseline.

    python data/difficulty.py [SPLITS]

TF-IDF over words and character n-grams with a linear model, on stratified 80/20 splits (5 unless told).
For the comments the threshold of each label is tuned by cross-validation within the training part.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

HERE = Path(__file__).parent
LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]


def baseline(classifier: Any) -> Any:
    """The features of words and of characters, and a linear model on them."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    return make_pipeline(make_union(words, characters), classifier)


def inquiries_accuracy(seed: int) -> float:
    """Share of the test inquiries whose category and sub-category are both right."""
    data = pd.read_csv(HERE / "customer_inquiries.csv", dtype=str)
    path = data["category"] + " / " + data["sub_category"]
    train_x, test_x, train_y, test_y = train_test_split(
        data["inquiry"], path, test_size=0.2, stratify=path, random_state=seed
    )
    model = baseline(LinearSVC()).fit(train_x, train_y)
    return float(accuracy_score(test_y, model.predict(test_x)))


def comments_f1(seed: int) -> dict[str, float]:
    """F1 of each label and their mean (`macro_f1`) on the test comments."""
    data = pd.read_csv(HERE / "comments.csv", keep_default_na=False)
    truth = data[LABELS].to_numpy()
    combination = data[LABELS].astype(str).agg("".join, axis=1)
    rare = combination.map(combination.value_counts()) < 10
    train_x, test_x, train_y, test_y = train_test_split(
        data["comment_text"].to_numpy(),
        truth,
        test_size=0.2,
        stratify=combination.where(~rare, "rare"),
        random_state=seed,
    )
    model = baseline(OneVsRestClassifier(LogisticRegression(C=30, solver="liblinear")))
    held_out = cross_val_predict(model, train_x, train_y, cv=3, method="predict_proba")
    thresholds = [best_threshold(train_y[:, n], held_out[:, n]) for n in range(len(LABELS))]
    predicted = model.fit(train_x, train_y).predict_proba(test_x) > np.array(thresholds)
    scores = f1_score(test_y, predicted, average=None, zero_division=0)
    return dict(zip(LABELS, map(float, scores), strict=True)) | {"macro_f1": float(np.mean(scores))}


def best_threshold(truth: Any, probability: Any) -> float:
    """The threshold with the best F1."""
    grid = np.arange(0.05, 0.95, 0.02)
    return float(grid[np.argmax([f1_score(truth, probability > t, zero_division=0) for t in grid])])


def main() -> None:
    """Print the mean and the range over the splits."""
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    show("customer_inquiries.csv", "path accuracy", [inquiries_accuracy(seed) for seed in seeds])
    scores = [comments_f1(seed) for seed in seeds]
    for name in scores[0]:
        show("comments.csv", name, [score[name] for score in scores])


def show(data: str, metric: str, values: list[float]) -> None:
    """Print one line: the mean of the values and their range."""
    print(f"{data:<23} {metric:<14} {np.mean(values):.3f}  ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
