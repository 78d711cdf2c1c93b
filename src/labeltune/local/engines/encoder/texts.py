"""Texts as windows of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["MOST_WINDOWS", "Windows"]

MOST_WINDOWS = 8
"""Of a text with more windows so many are read, spread evenly from its beginning to its end."""

_OVERLAP = 8
"""Neighbouring windows share one part in so many."""


class Windows:
    """Splits texts into windows of at most `size` tokens, the model's special ones counted."""

    def __init__(self, tokenizer: Path, size: int) -> None:
        """Raises `AccessError` if the file is no tokenizer."""
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # the package raises nothing more special
            raise AccessError(
                f"{tokenizer}: is not a tokenizer", hint="copy or fetch the model again"
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        bare = self._tokenizer.encode("a", add_special_tokens=False).ids
        whole = self._tokenizer.encode("a").ids
        place = next((i for i in range(len(whole)) if whole[i : i + len(bare)] == bare), 0)
        self._before, self._after = whole[:place], whole[place + len(bare) :]
        self._room = max(1, size - len(self._before) - len(self._after))
        self._stride = max(1, self._room - self._room // _OVERLAP)
        self.size = size

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return int(self._tokenizer.get_vocab_size())

    def to_json(self) -> dict[str, Any]:
        """What it takes to split the tokens of a text alike: those before and after each window, how many of
        the text's have room, how far windows are apart, and how many are read.
        """
        return {
            "first": self._before,
            "last": self._after,
            "room": self._room,
            "stride": self._stride,
            "most": MOST_WINDOWS,
        }

    def of(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """The windows of each text, each the numbers of its tokens; at most `MOST_WINDOWS`, at least one."""
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        found = self._tokenizer.encode_batch_fast(clean, add_special_tokens=False)
        return [self._split(encoding.ids) for encoding in found]

    def count(self, text: str) -> int:
        """How many windows a text has, those counted that are not read."""
        ids = self._tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False).ids
        return len(self._starts(len(ids)))

    def _starts(self, tokens: int) -> list[int]:
        if tokens <= self._room:
            return [0]
        return [*range(0, tokens - self._room, self._stride), tokens - self._room]

    def _split(self, ids: list[int]) -> list[list[int]]:
        starts = self._starts(len(ids))
        if len(starts) > MOST_WINDOWS:
            kept = np.linspace(0, len(starts) - 1, MOST_WINDOWS).round().astype(int).tolist()
            starts = [starts[place] for place in kept]
        windows = [[*self._before, *ids[start : start + self._room], *self._after] for start in starts]
        # A model without special tokens still has to read something of an empty text.
        return [window or [0] for window in windows]
