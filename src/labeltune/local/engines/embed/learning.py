"""A training of the engine `embed`: that of `linear`, and beside it a model over sentence vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labeltune.local.engines.embed.head import ROUNDS, Head, choose_strength
from labeltune.local.engines.embed.manifest import ABOUT
from labeltune.local.engines.embed.mixing import Mix
from labeltune.local.engines.embed.vectors import Vectors
from labeltune.local.engines.linear.learning import LinearRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Hyperparameters, Record
    from labeltune.local.engines.embed.sources import Sentences
    from labeltune.local.engines.linear.fitting import Examples
    from labeltune.local.engines.linear.optimiser import MiniBatch

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

__all__ = ["EmbedRun"]


class EmbedRun(LinearRun):
    """A training of `Embed` under way.

    The rounds of the head are spread over the steps of `linear`. The curve is that of both, mixed as the
    examples held out had it at the beginning of the epoch.
    """

    about: ClassVar[Mapping[str, Any]] = ABOUT

    def __init__(
        self,
        training: Sequence[Record],
        validation: Sequence[Record],
        hyperparameters: Hyperparameters,
        *,
        sentences: Sentences,
        balanced: bool,
        seed: int,
        resume: Path | None,
        fold: NDArray[np.int64] | None = None,
    ) -> None:
        self._sentences = sentences
        super().__init__(
            training, validation, hyperparameters, balanced=balanced, seed=seed, resume=resume, fold=fold
        )

    def _settings(self) -> list[Any]:
        return [*super()._settings(), self._sentences.fingerprint]

    def _prepare(self, examples: Examples, hints: Examples | None) -> None:
        super()._prepare(examples, hints)
        fitting = self._fitting
        vectors = Vectors(self._sentences)
        found = vectors.of(fitting.texts)
        self._valid_vectors = vectors.of(self._validation.texts)
        self.notes = [*self.notes, *self._notes(vectors.cut, len(fitting.texts) + len(self._valid_vectors))]
        self._head = Head(
            self._layout,
            found,
            targets=fitting.targets,
            seen=fitting.seen,
            class_weights=fitting.class_weights,
            strength=choose_strength(
                self._layout,
                found[: fitting.n],
                fitting.targets[: fitting.n],
                balanced=self._balanced,
                seed=self._seed,
            ),
        )
        self._shown = Mix.half(self._layout)
        self._mixed: tuple[int, Mix, NDArray[np.float64], Bools] | None = None

    def _notes(self, cut: int, n: int) -> list[str]:
        if not cut:
            return []
        window = self._sentences.window
        told = f"{cut:,} of {n:,} texts are longer than the {window:,} tokens that the sentence model reads"
        return [f"{told}: what comes after them counts for the words alone"]

    def _learn(self, batch: MiniBatch) -> Floats:
        if self._step and self._step % len(self._fitting.batches) == 0:
            self._shown = self._mix()[0]
        head = self._head.of_rows(batch.rows)
        turns = ROUNDS * self._head.n_models
        done, due = (-(-turns * step // self._total_steps) for step in (self._step, self._step + 1))
        for turn in range(done, due):
            self._head.improve(turn % self._head.n_models)
        return self._mix_shown(super()._learn(batch), head)

    def _valid_scores(self, batch: MiniBatch) -> Floats:
        return self._mix_shown(
            self._linear_scores(batch), self._head.of_vectors(self._valid_vectors[batch.rows])
        )

    def _mix_shown(self, linear: Floats, head: Floats) -> Floats:
        return self._shown.scores(self._layout, linear, head).astype(np.float32)

    def _held_out(self) -> tuple[NDArray[np.float64], Bools]:
        _, scores, targets = self._mix()
        return scores, targets

    def _mix(self) -> tuple[Mix, NDArray[np.float64], Bools]:
        """How both count now, and by it the scores of examples that neither has seen, with their targets."""
        if self._mixed is None or self._mixed[0] != self._step:
            linear, targets = super()._held_out()
            parts = [self._head.of_vectors(self._valid_vectors)] if len(self._valid_vectors) else []
            if self._folds:
                parts.insert(0, self._head.held_out(self._fitting.fold))
            head = np.concatenate(parts).astype(np.float64)
            mix = Mix.fit(self._layout, linear, head, targets)
            self._mixed = (self._step, mix, mix.scores(self._layout, linear, head), targets)
        return self._mixed[1:]

    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]], Mapping[str, Path]]:
        values, arrays, _ = super()._contents()
        values["model"]["mix"] = self._mix()[0].to_json()
        values["sentences"] = self._sentences.to_json()
        arrays["head_weights"], arrays["head_intercepts"] = self._head.plain()
        return values, arrays, self._sentences.files

    def _copied(self, files: Mapping[str, Path]) -> None:
        # What was copied from may be gone by the next time: a folder of someone's, or an older checkpoint.
        self._sentences = replace(self._sentences, files=files)

    def _state(self) -> dict[str, NDArray[Any]]:
        shown = np.array(self._shown.to_json())
        return {**super()._state(), "all_heads": self._head.weights, "shown": shown}

    def _restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        super()._restore(state)
        self._head.weights = state["all_heads"]
        self._shown = Mix.from_json(state["shown"].tolist())
