"""Tokens: counted exactly where a tokenizer's vocabulary is at hand, else estimated from the characters.

What a record costs beyond its texts, and how often a provider goes over it by itself, stand here too.
"""

from __future__ import annotations

import re
import string
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from labeltune.errors import SettingsError
from labeltune.local.engines import ENGINES
from labeltune.pricing.pairs import BETWEEN_TEXTS, estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "BETWEEN_TEXTS",
    "EXAMPLE_LIMIT",
    "TOKENS_PER_MESSAGE",
    "TOKENS_PER_RECORD",
    "Estimator",
    "JoinedTexts",
    "TokenCounter",
    "TokenMode",
    "Tokenizer",
    "auto_epochs",
    "base_model",
    "count_record",
    "example_limit",
    "token_counter",
]

TokenMode = Literal["auto", "exact", "estimate"]

TOKENS_PER_MESSAGE = 4
"""Three that frame a message and one for its role; from `num_tokens_from_messages` of the OpenAI cookbook
(examples/Chat_finetuning_data_prep.ipynb and How_to_count_tokens_with_tiktoken.ipynb)."""

TOKENS_PER_RECORD = 3
"""Each reply is primed with three more (same source)."""

TOKENS_PER_NAME = 1
"""For a message's `name`, beside the name itself (same source)."""

EXAMPLE_LIMIT = 65_536
"""Tokens that an example may have, for the 4o family as OpenAI's documentation has it; what is longer loses
its end, where the label stands."""

OLD_EXAMPLE_LIMIT = 16_385
"""The same for gpt-3.5-turbo (OpenAI cookbook, `examples/Chat_finetuning_data_prep.ipynb`)."""


# ------------------------------------------------------------------------------------------------- counting


_COMMON = (string.ascii_lowercase + " ").encode()


class JoinedTexts:
    """Texts and their UTF-8, worked out once for all who look at many texts at a time.

    Lone surrogates are passed on as the three bytes that UTF-8 would have for them.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    @cached_property
    def encoded(self) -> list[bytes]:
        """Each text as UTF-8."""
        return [text.encode("utf-8", "surrogatepass") for text in self.texts]

    @cached_property
    def content(self) -> bytes:
        """All texts, `BETWEEN_TEXTS` between them."""
        return BETWEEN_TEXTS.join(self.encoded)

    @cached_property
    def uncommon(self) -> bytes:
        """`content` without spaces and lower-case ASCII letters, a tenth of it: signs are found soon."""
        return self.content.translate(None, _COMMON)


class TokenCounter(ABC):
    """Counts the tokens of texts; `estimated` says whether the counts are estimates."""

    estimated: bool

    @abstractmethod
    def total(self, texts: Sequence[str]) -> float:
        """The tokens of all these texts."""

    def count(self, text: str) -> float:
        """The tokens of one text."""
        return self.total((text,))

    def total_of_joined(self, joined: JoinedTexts) -> float:
        """The same as `total`, with what was worked out of the texts before."""
        return self.total(joined.texts)


class Tokenizer(TokenCounter):
    """Exact counts, by toktok, which carries the vocabularies; special tokens are text like any other."""

    estimated = False

    def __init__(self, encoding: str) -> None:
        from toktok import batch_count

        self._batch_count = batch_count
        self._encoding = encoding

    def total(self, texts: Sequence[str]) -> float:
        """The tokens of all these texts."""
        try:
            return self._total(texts)
        except UnicodeEncodeError:
            return self._total([_without_lone_surrogates(text) for text in texts])

    def _total(self, texts: Sequence[str]) -> int:
        # A pool of threads costs more than it saves on short texts.
        return sum(self._batch_count(texts, self._encoding, threads=1))


def _without_lone_surrogates(text: str) -> str:
    """Pairs joined, and U+FFFD for each surrogate without its other half, as tiktoken has it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Estimator(TokenCounter):
    """Estimates for o200k_base, by weights for neighbouring characters and for how long words go on (see
    `pairs`).

    They were fitted by `python benchmarks/fit_tokens.py` to many kinds of text;
    `docs/explanation/tokens.md` says how far the estimate is off on each when it is left out, and `python
    benchmarks/tokens.py` measures it as it is.
    """

    estimated = True

    def total(self, texts: Sequence[str]) -> float:
        """The tokens of all these texts: the sum of what is estimated of each."""
        return self.total_of_joined(JoinedTexts(texts))

    def total_of_joined(self, joined: JoinedTexts) -> float:
        """See `TokenCounter`."""
        return estimate(joined.content)


def count_record(counter: TokenCounter, messages: Iterable[Mapping[str, Any]]) -> float:
    """The tokens of a record, or of a request's messages, with what frames them."""
    tokens: float = TOKENS_PER_RECORD
    for message in messages:
        tokens += TOKENS_PER_MESSAGE
        for key, value in message.items():
            if key != "role" and isinstance(value, str):
                tokens += counter.count(value) + TOKENS_PER_NAME * (key == "name")
    return tokens


# -------------------------------------------------------------------------------------------- the tokenizer


def token_counter(model: str | None = None, *, mode: TokenMode = "auto") -> TokenCounter:
    """What counts tokens as `model` does: exactly if the extra `[tokens]` is installed, else roughly.

    Models of other makers have vocabularies of their own: their tokens are estimated. `mode` "estimate"
    does not look for a vocabulary; "exact" raises `SettingsError` where there is none.
    """
    if mode == "estimate":
        return Estimator()
    name = _encoding_name(model)
    if name is None:
        return _estimator(mode, f"the vocabulary of {model} is not known", 'tokens="auto" estimates them')
    try:
        return Tokenizer(name)
    except ImportError:
        return _estimator(mode, "toktok-rs is not installed", "pip install toktok-rs")


def _estimator(mode: TokenMode, reason: str, hint: str) -> Estimator:
    if mode == "exact":
        raise SettingsError(f"tokens cannot be counted exactly: {reason}", hint=hint)
    return Estimator()


_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def base_model(model: str) -> str:
    """The model that prices and limits are known of: `gpt-4.1` for `ft:gpt-4.1-2025-04-14:org::id`."""
    base = model.split(":")[1] if model.startswith("ft:") and model.count(":") else model
    return _DATED.sub("", base)


_OLD = re.compile(r"gpt-4(-|$)|gpt-3\.5|gpt-35")
_NEW = re.compile(r"gpt-(4o|4\.1|4\.5|[5-9])|chatgpt-|o\d")


def _encoding_name(model: str | None) -> str | None:
    if model is None:
        return "o200k_base"
    base = base_model(model)
    if _NEW.match(base):
        return "o200k_base"
    return "cl100k_base" if _OLD.match(base) else None


def example_limit(model: str | None) -> int | None:
    """How many tokens an example may have; None for an engine of this machine, which reads of long texts what
    it can and says so.
    """
    if model and re.split("[:#]", model, maxsplit=1)[0] in ENGINES:
        return None
    return OLD_EXAMPLE_LIMIT if model and re.match(r"gpt-3\.?5", base_model(model)) else EXAMPLE_LIMIT


# --------------------------------------------------------------------------------------------------- epochs

_TARGET_EPOCHS, _MOST_EPOCHS = 3, 25
_FEWEST_EXAMPLES, _MOST_EXAMPLES = 100, 25_000


def auto_epochs(examples: int) -> int:
    """How often a provider goes over so many examples when it is left the choice.

    The rule of the OpenAI cookbook (examples/Chat_finetuning_data_prep.ipynb).
    """
    if examples * _TARGET_EPOCHS < _FEWEST_EXAMPLES:
        return min(_MOST_EPOCHS, _FEWEST_EXAMPLES // max(examples, 1))
    if examples * _TARGET_EPOCHS > _MOST_EXAMPLES:
        return max(1, _MOST_EXAMPLES // examples)
    return _TARGET_EPOCHS
