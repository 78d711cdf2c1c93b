"""The vectors of texts: each text once, and those of slow models only if they were never computed before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.local.engines.embed.cache import VectorCache
from labeltune.local.engines.embed.encoders import open_encoder
from labeltune.local.store import default_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.embed.sources import Sentences

    Floats = NDArray[np.float32]

__all__ = ["Vectors"]

_CHUNK = 512
"""So many are computed and then kept: a training that is killed meanwhile has not computed them in vain."""


class Vectors:
    """A sentence model with its cache."""

    def __init__(self, sentences: Sentences) -> None:
        self.sentences = sentences
        self.encoder = open_encoder(sentences)
        self.slow = sentences.kind != "static"
        """Whether computing a vector takes longer than looking it up; many texts together take less."""
        self._cache = VectorCache(default_directory(), sentences.fingerprint) if self.slow else None

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return self.encoder.width

    @property
    def cut(self) -> int:
        """How many of the texts that were computed were longer than the model's window."""
        return self.encoder.cut

    def of(self, texts: Sequence[str]) -> Floats:
        """Their vectors, (texts, width)."""
        if self._cache is None:
            return self.encoder.vectors(texts)
        known = {text: vector for text, vector in self._cache.get(texts).items() if len(vector) == self.width}
        # Those of a length together: they go through the model in one batch.
        missing = sorted(set(texts) - set(known), key=lambda text: (len(text), text))
        for start in range(0, len(missing), _CHUNK):
            chunk = missing[start : start + _CHUNK]
            computed = dict(zip(chunk, self.encoder.vectors(chunk), strict=True))
            self._cache.put(computed)
            known |= computed
        return np.stack([known[text] for text in texts]) if texts else np.empty((0, self.width), np.float32)
