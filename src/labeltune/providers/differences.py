"""What may stand after a provider's URL: one table of the differences that a user can declare.

`http://host:8000/v1#top_logprobs=5&chat.chat_template_kwargs.enable_thinking=false`: names and values joined
by `&`, never sent. A name with a dot speaks of a field of a request: `body.` of every job's, `chat.` of every
chat request's, `rename.` of what a chat field is called there.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from labeltune.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CHAT_FIELDS", "LIMITS", "declared_changes"]

CHAT_FIELDS = ("temperature", "max_completion_tokens", "logprobs", "top_logprobs", "response_format")
"""The fields of a chat request that are labeltune's own choice, so that they may be dropped or renamed."""

LIMITS = ("max_completion_tokens", "max_tokens")
"""What the most tokens of an answer go by; one of them is sent."""

_NEVER = ("model", "messages", "stream", "stream_options", "n")
"""Fields without which a reply is not the answer to a row."""

_ELSEWHERE = {"logprobs": "drop=logprobs, or --no-confidence", "top_logprobs": "top_logprobs=N"}

_MOST_TOKENS, _MOST_ALTERNATIVES = 1_000_000, 1_000


@dataclass(frozen=True, slots=True)
class _Difference:
    """One name: the attribute of `Provider` that it sets, what is expected, and how it is read.

    `read` raises `ValueError` for what was not expected; its text, if it has one, says more.
    """

    attribute: str
    expected: str
    read: Callable[[str], Any]


def _one_of(values: Mapping[str, Any]) -> Callable[[str], Any]:
    def read(value: str) -> Any:
        if value not in values:
            raise ValueError
        return values[value]

    return read


def _number(most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit()) or len(value) > len(str(most)) or int(value) > most:
            raise ValueError
        return int(value)

    return read


def _text(value: str) -> str:
    if not value:
        raise ValueError
    return value


def _fields(value: str) -> frozenset[str]:
    names = [name.strip() for name in value.split(",")]
    for name in names:
        if name not in CHAT_FIELDS:
            raise ValueError(did_you_mean(name, CHAT_FIELDS))
    # Alternatives without log-probabilities are refused.
    return frozenset([*names, "top_logprobs"] if "logprobs" in names else names)


def _choice(attribute: str, *values: str) -> _Difference:
    return _Difference(attribute, " or ".join(values), _one_of({value: value for value in values}))


def _switch(attribute: str) -> _Difference:
    return _Difference(attribute, "yes or no", _one_of({"yes": True, "no": False}))


_SWITCHES = (
    "metadata",
    "events",
    "checkpoints",
    "uploads",
    "deployments",
    "strict_answers",
    "schema_pairs",
    "self_hosted",
)
_DIFFERENCES: Mapping[str, _Difference] = {
    "like": _Difference("like", "the name of a provider", str),
    "key": _Difference("key_variable", "the name of an environment variable", _text),
    **{name: _switch(name) for name in _SWITCHES},
    "hyperparameters": _choice("hyperparameters", "method", "top_level"),
    "learning_rate": _choice("learning_rate", "multiplier", "absolute"),
    "top_logprobs": _Difference(
        "top_logprobs",
        f"a whole number of alternatives, 0 to {_MOST_ALTERNATIVES:,}",
        _number(_MOST_ALTERNATIVES),
    ),
    "thinking": _Difference(
        "thinking", f"a whole number of tokens, 0 to {_MOST_TOKENS:,}", _number(_MOST_TOKENS)
    ),
    "drop": _Difference("dropped", f"some of {', '.join(CHAT_FIELDS)}; joined by commas", _fields),
}
_PREFIXES = ("body.", "chat.", "rename.")


def declared_changes(fragment: str) -> dict[str, Any]:
    """The attributes of `Provider` that a fragment sets; `like` besides.

    Raises `SettingsError` for a name that is not known or stands there twice, and for a value that is not
    what was expected.
    """
    changes: dict[str, Any] = {}
    body: dict[str, str] = {}
    chat: dict[str, Any] = {}
    renamed: dict[str, str] = {}
    seen: set[str] = set()
    for given, value in parse_qsl(fragment, keep_blank_values=True):
        prefix, dot, rest = given.partition(".")
        # `self-hosted` and `self_hosted` are one name; a field of a request is as the server spells it.
        name = given if dot else given.replace("-", "_")
        if name in seen:
            raise SettingsError(f"#{given}={value}: stands there twice", hint="give each difference once")
        seen.add(name)
        match prefix, bool(rest):
            case "body", True:
                body[rest] = value
            case "chat", True:
                _put(chat, rest.split("."), _json(given, value), given)
            case "rename", True:
                renamed[_own_field(given, rest)] = _new_name(given, value)
            case _:
                difference = _DIFFERENCES.get(name)
                if difference is None:
                    raise _unknown(given, value)
                changes[difference.attribute] = _read(difference, given, value)
    _check_limits(chat, changes, renamed)
    for attribute, mapping in (("extra_body", body), ("chat", chat), ("renamed", renamed)):
        if mapping:
            changes[attribute] = MappingProxyType(mapping)
    return changes


def _read(difference: _Difference, name: str, value: str) -> Any:
    try:
        return difference.read(value)
    except ValueError as error:
        raise SettingsError(f"#{name}={value}: expected {difference.expected}{error}") from None


def _unknown(name: str, value: str) -> SettingsError:
    known = [*_DIFFERENCES, *(f"{prefix}NAME" for prefix in _PREFIXES)]
    meant = did_you_mean(name, _DIFFERENCES)
    prefix, dot, _ = name.partition(".")
    if dot:
        # `chta.x`: the prefix is misspelt. `chat_template_kwargs.x`: it is missing.
        near = did_you_mean(f"{prefix}.", _PREFIXES)
        meant = near or f' (did you mean "chat.{name}"?)'
    elif name in (*CHAT_FIELDS, *LIMITS):
        meant = f' (did you mean "chat.{name}"?)'
    return SettingsError(
        f"#{name}={value}: is no known difference{meant}",
        hint=f"after # a provider may declare: {', '.join(known)}; joined by &",
    )


# ------------------------------------------------------------------------------------ fields of chat requests


def _json(name: str, value: str) -> Any:
    """A value as JSON; what is no JSON is text, so that most values need no quotes."""
    import orjson

    if not value:
        raise SettingsError(
            f"#{name}=: has no value", hint='#drop=NAME leaves a field out; an empty text is ""'
        )
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _put(chat: dict[str, Any], path: list[str], value: Any, name: str) -> None:
    """Enter a value under a dotted name."""
    field = path[0]
    # That an answer comes whole may be said: some servers stream unless it is.
    if field in _NEVER and not (path == ["stream"] and value is False):
        raise SettingsError(f"#{name}: {field} is what makes a request one of labeltune's; it stays as it is")
    if field in _ELSEWHERE:
        raise SettingsError(f"#{name}: is said elsewhere", hint=f"expected {_ELSEWHERE[field]}")
    if not all(path):
        raise SettingsError(f"#{name}: a part of the name is empty", hint="chat.NAME or chat.NAME.PART")
    place: Any = chat
    for part in path[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            break
    if not isinstance(place, dict) or path[-1] in place:
        raise SettingsError(
            f"#{name}: is set twice, once as a value and once by its parts", hint="give one of the two"
        )
    place[path[-1]] = value


def _own_field(name: str, field: str) -> str:
    if field not in CHAT_FIELDS:
        raise SettingsError(
            f"#{name}: labeltune sends no such field{did_you_mean(field, CHAT_FIELDS)}",
            hint=f"expected rename.NAME, one of {', '.join(CHAT_FIELDS)}",
        )
    return field


def _new_name(name: str, value: str) -> str:
    if not value or value in (*_NEVER, *CHAT_FIELDS):
        raise SettingsError(f"#{name}={value}: expected a name that no other field has")
    return value


def _check_limits(chat: Mapping[str, Any], changes: Mapping[str, Any], renamed: Mapping[str, str]) -> None:
    whole = [name for name in LIMITS if name in chat]
    if len(whole) > 1:
        raise SettingsError(f"#chat.{whole[0]}, chat.{whole[1]}: two names for one limit", hint="give one")
    if whole and (changes.get("thinking") or "max_completion_tokens" in renamed):
        other = "thinking" if changes.get("thinking") else "rename.max_completion_tokens"
        raise SettingsError(
            f"#chat.{whole[0]}: is the whole limit, which leaves nothing to {other}",
            hint="give one of the two",
        )
    if len(set(renamed.values())) < len(renamed):
        raise SettingsError("#rename: two fields get the same name", hint="give each a name of its own")
