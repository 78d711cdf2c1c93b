"""How varied texts are, and how well they can be told from others."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.intervals import percentile_interval
from labeltune.prepare.duplicates import duplicate_groups, plain, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Told", "Variety", "alike_share", "told_apart", "variety"]

ALIKE = 0.5
"""Texts are alike if they share so much of their words (Jaccard): no duplicates, yet hardly two ideas."""


@dataclass(frozen=True, slots=True)
class Variety:
    """Of some texts: the share that is like another one of them, the shares of distinct word pairs and
    triples among all (Li and others 2016, "distinct-n"), and the quartiles of their lengths in words.

    Distinct-n falls with the number of words, so that only equally many texts are compared.
    """

    texts: int
    alike: float
    distinct_2: float
    distinct_3: float
    words: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Told:
    """How well a linear model tells two collections apart: the area under its curve on texts that it has not
    seen, and the 95 % bootstrap interval. 0.5 is not at all, 1 is always.
    """

    auc: float
    low: float
    high: float


def variety(texts: Sequence[str], size: int, *, seed: int) -> Variety:
    """The figures of `size` of the texts, drawn at random."""
    drawn = list(texts)
    if len(drawn) > size:
        drawn = random.Random(seed).sample(drawn, size)  # noqa: S311  # not for secrets
    words = [words_of(plain(text)) for text in drawn]
    low, middle, high = np.quantile([len(own) for own in words], [0.25, 0.5, 0.75]).tolist()
    return Variety(
        len(drawn), alike_share(drawn), _distinct(words, 2), _distinct(words, 3), (low, middle, high)
    )


def alike_share(texts: Sequence[str]) -> float:
    """The share of texts that are like another one."""
    groups = duplicate_groups(texts, similarity=ALIKE)
    sizes = np.bincount(groups)
    return float((sizes[groups] > 1).mean())


def _distinct(words: Sequence[Sequence[str]], n: int) -> float:
    grams = [tuple(own[start : start + n]) for own in words for start in range(len(own) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


_FOLDS = 5
_WORD = r"\w+|[^\w\s]"
_LEAST = 10
"""Texts of each collection that it takes to tell anything."""


def told_apart(
    written: Sequence[str], real: Sequence[str], *, bootstrap: int = 1000, seed: int
) -> Told | None:
    """A logistic regression on words, pairs and pieces, five folds. None for fewer than 10 of either."""
    if min(len(written), len(real)) < _LEAST:
        return None
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline, make_union

    model = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), token_pattern=_WORD, sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True),
        ),
        LogisticRegression(class_weight="balanced", max_iter=1000),
    )
    is_written = np.repeat([1, 0], [len(written), len(real)])
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, [*written, *real], is_written, cv=folds, method="decision_function")
    own, other = scores[is_written == 1], scores[is_written == 0]
    generator = np.random.default_rng(seed)
    values = [
        roc_auc_score(
            is_written, np.concatenate([generator.choice(own, len(own)), generator.choice(other, len(other))])
        )
        for _ in range(bootstrap)
    ]
    low, high = percentile_interval(np.array(values))
    return Told(float(roc_auc_score(is_written, scores)), float(low), float(high))
