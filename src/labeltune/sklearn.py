"""A scikit-learn estimator: texts and labels in, a fine-tuned model, predictions and probabilities out.

model = TextClassifier().fit(texts, labels)
model.predict(["where is my parcel"])
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from labeltune.errors import LabeltuneError
from labeltune.task import AnswerFormat, Field, Prompt, Task

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["TextClassifier"]

_TEXT, _LABEL = "text", "label"
_NOTHING = "none"
"""What a row without any label answers."""


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A text classifier that a provider fine-tunes; by default on this machine.

    Parameters are those of `labeltune train`. `X` are texts: a sequence or column of strings. `y` are labels,
    or an indicator matrix, bool or 0/1 of shape (n_samples, n_labels), of which any number may hold. What is
    trained once is found again: fitting the same texts, labels and parameters costs a look-up.

    After `fit`: `classes_`, shape (n_classes,), of an indicator matrix the numbers of its columns; `model_`,
    the model's id; `task_`; `priors_`, the share of each class; `n_features_in_`, which is 1.
    """

    def __init__(  # noqa: PLR0913  # what `train` takes
        self,
        model: str = "linear",
        provider: str = "local",
        *,
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float | str = "auto",
        seed: int | None = 0,
        system: str = "",
        user: str = "{text}",
        state: str | os.PathLike[str] | None = None,
    ) -> None:
        self.model = model
        self.provider = provider
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.seed = seed
        self.system = system
        self.user = user
        self.state = state

    def fit(self, X: Iterable[str], y: ArrayLike) -> Self:  # noqa: N803  # scikit-learn's name
        """Train on texts and labels. Raises `ValueError` for what no classifier learns from."""
        texts = _texts(X)
        labels = np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels.ravel()
        check_classification_targets(labels)
        if len(labels) != len(texts):
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: {[len(texts), len(labels)]}"
            )
        self.multilabel_ = type_of_target(labels) == "multilabel-indicator"
        self.classes_ = np.arange(labels.shape[1]) if self.multilabel_ else np.unique(labels)
        if len(self.classes_) < 2 and not self.multilabel_:
            raise ValueError(f"there is one class only, {self.classes_[0]!r}: nothing can be told apart")
        self.n_features_in_ = 1
        self.task_ = self._task()
        rows = labels.astype(bool) if self.multilabel_ else np.searchsorted(self.classes_, labels)
        held = rows if self.multilabel_ else np.eye(len(self.classes_), dtype=bool)[rows]
        self.priors_ = held.mean(axis=0)
        self.model_ = self._train(texts, rows)
        return self

    def predict(self, X: Iterable[str]) -> NDArray[Any]:  # noqa: N803
        """The label of each text, shape (n_samples,), or the indicator matrix, int64 (n_samples, n_labels).

        Of a text without a word, the commonest class, or no label.
        """
        names = self._names()
        answers = [[names.index(label) for label in answer.labels] for answer in self._ask(_texts(X))]
        if self.multilabel_:
            return np.array([np.isin(np.arange(len(names)), held) for held in answers], dtype=np.int64)
        commonest = int(self.priors_.argmax())
        chosen: NDArray[Any] = self.classes_[[held[0] if held else commonest for held in answers]]
        return chosen

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803
        """The probability of each class, float64 (n_samples, n_classes): of a choice they add up to 1.

        Of a text without a word, the shares of the classes among what was learnt from.
        """
        names = self._names()
        found = np.array(
            [
                [answer.probabilities.get(name, 0.0) for name in names]
                if answer.probabilities
                else self.priors_
                for answer in self._ask(_texts(X))
            ]
        )
        return found if self.multilabel_ else found / found.sum(axis=1, keepdims=True)

    def _names(self) -> list[str]:
        """The classes as labels of the task: by number, since a class may be any value."""
        check_is_fitted(self, "classes_")
        return [f"class {number}" for number in range(len(self.classes_))]

    def _task(self) -> Task:
        names = tuple(self._names())
        field = (
            Field(name="classes", type="multi", column=_LABEL, delimiter="|", labels=names)
            if self.multilabel_
            else Field(name="class", type="single", column=_LABEL, labels=names)
        )
        answer = AnswerFormat("flags") if self.multilabel_ else AnswerFormat("label")
        return Task((_TEXT,), (field,), Prompt(self.system, self.user), answer)

    def _train(self, texts: Sequence[str], rows: NDArray[Any]) -> str:
        from labeltune.api import train

        names = self._names()
        with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
            path = Path(folder) / "train.jsonl"
            with path.open("w", encoding="utf-8") as lines:
                for text, row in zip(texts, rows, strict=True):
                    label = "|".join(np.array(names)[row]) if self.multilabel_ else names[row]
                    lines.write(json.dumps({_TEXT: text, _LABEL: label}) + "\n")
            done = train(
                path,
                task=self.task_,
                model=self.model,
                provider=self.provider,
                state=self._state(folder),
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                seed=self.seed,
            )
        assert done.model is not None  # a job that was waited for has one, or it was an error
        return done.model

    def _state(self, folder: str) -> str | os.PathLike[str]:
        """Where what is sent is kept; by default nowhere: the provider itself knows its files and jobs."""
        return folder if self.state is None else self.state

    def _ask(self, texts: list[str]) -> list[Any]:
        from labeltune.prediction.classify import classify
        from labeltune.providers import resolve_provider

        answers = classify(
            texts,
            task=self.task_,
            model=self.model_,
            provider=resolve_provider(self.provider),
            state=self.state,
        )
        problem = next((answer for answer in answers if answer.problem and answer.text.strip()), None)
        if problem is not None:
            raise LabeltuneError(
                f"the model gave no valid answer ({problem.problem}) for {problem.text[:80]!r}"
            )
        return answers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.target_tags.multi_output = False
        tags.classifier_tags.multi_label = True
        tags.no_validation = True
        return tags


def _texts(X: Any) -> list[str]:  # noqa: N803
    """The texts. Raises `ValueError` where there are none, or something else."""
    if isinstance(X, str):
        raise ValueError("expected a sequence of texts, not one text")  # noqa: TRY004  # as scikit-learn does
    values = np.asarray(X, dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.ravel()
    if values.ndim != 1:
        raise ValueError(f"expected texts, a sequence of strings, but got an array of shape {values.shape}")
    texts: list[Any] = values.tolist()
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            what = type(text).__name__
            raise ValueError(f"expected texts, but element {place} is {what}")  # noqa: TRY004  # as above
    if not texts:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
    return texts
