"""What the name of a column hints at. Names only decide where the values leave a choice."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Hint", "hint_of", "is_known_name", "names_an_id", "stem_of_numbered"]

Hint = Literal["label", "none", "other"]
"""A label; nothing; or something that is known of a row beside its labels."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LABEL = _set(
    """label labels category categories subcategory cat class classes subclass intent intents sentiment
    target topic topics subtopic tag tags emotion emotions mood type subtype genre genres polarity
    stance rating ratings star stars score priority queue severity urgency department toxicity verdict
    outcome theme kind gold truth annotation annotations y act etiqueta etiquetas etiquette kategorie
    kategorien categoria categoría categorie catégorie klasse clase classe thema tema sentimiento
    stimmung метка категория класс тема 标签 类别 分类 情感 ラベル カテゴリ 라벨"""
)
_OTHER = _set(
    """split fold partition subset dataset source annotator annotators rater worker coder labeler labeller
    author user username name names screenname handle language lang locale country region city location
    timezone zone state gender age confidence certainty agreement count counts num number nr no index
    idx row line length len size year month day hour date time timestamp created updated modified
    version url link uri href device platform currency batch file filename folder path id ids uuid guid
    key useful funny cool helpful helpfulness vote votes upvotes downvotes ups downs likes favorites
    retweet retweets replies followers zip zipcode postcode ip email phone verified unnamed
    flagged sample seconds"""
)
_TEXT = _set(
    """text texts comment comments body review reviews tweet tweets content message messages description
    sentence sentences utterance utterances query queries question questions inquiry headline title
    abstract post posts document documents sms subject summary phrase transcript"""
)
_THE_NAME_OF = frozenset({"name", "names", "text", "str", "string", "value", "description", "desc"})
"""Words at the end that only say that the one before stands there in words: `label_name`."""

_IDS = frozenset({"id", "ids", "uuid", "guid"})

_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NUMBERED = re.compile(r"(.*?[^\d])[ _.-]?(\d+)")
_LONGEST_NAME = 3
"""Words of a column's name; a line of more is text."""


def hint_of(name: str) -> Hint:
    """What the name hints at; the last word counts most: `sentiment_confidence`, `user_intent`."""
    words = _words(name)
    last = next((word for word in reversed(words) if word not in _THE_NAME_OF), None)
    if last in _LABEL:
        return "label"
    if any(word in _OTHER for word in words):
        return "other"
    return "label" if any(word in _LABEL for word in words) else "none"


def names_an_id(name: str) -> bool:
    """Whether the name ends with a word for an id, and not for that of a label."""
    words = _words(name)
    return bool(words) and words[-1] in _IDS and not any(word in _LABEL for word in words)


def is_known_name(name: str) -> bool:
    """Whether columns are called so: a short name with a word for a text, a label or something else."""
    words = _words(name)
    return len(name.split()) <= _LONGEST_NAME and any(word in _LABEL | _OTHER | _TEXT for word in words)


def stem_of_numbered(name: str) -> str | None:
    """`tag` of a name such as `tag_3`; None for others."""
    found = _NUMBERED.fullmatch(name.strip())
    return found[1].rstrip(" _.-") if found else None


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(_CAMEL.sub(" ", name))]
