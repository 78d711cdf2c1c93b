"""Reading the format of the answers from a training file."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from labeltune.errors import TrainingRefusedError
from labeltune.local.engines.common.answers import AnswerFormat, Head, LabelFormat, ListFormat, splits
from labeltune.local.engines.common.json_answers import STYLES, ObjectFormat, Slot, Style, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["format_from_json", "labels_of", "plain_label", "read_format"]

_SEPARATORS = (",", ";", "|", "\n", "\t")
"""What may part labels without the prompt saying which labels there are. Not what stands inside names: a
space, a dash or a slash would make lists of `card not working` and `card arrival`."""

_NONE_WORD = re.compile(
    r"none|no\b.*|n/?a|null|nil|nothing\b.*|neither\b.*|not\b.*|empty|clean|-+|\[\]", re.IGNORECASE
)

_RECURRING = 0.9
"""The share of the lists all of whose parts have to occur in other answers, too."""
_EXPECTED_TOGETHER = 5.0
"""So many times a label must have been expected beside others before never being there means something."""
_RELATED_BY_CHANCE, _RELATED_BY_SIZE = 0.5, 1.5
"""Two members depend on each other if at most this share of the pairs occurs that chance would bring, or
hardly more pairs than the larger one has values, as with children a few of which have several parents."""
_FEW_EXAMPLES = 2.0
"""There have to be so many examples per distinct answer, on average, for the answers to be labels."""

_CAN_LEARN = "this engine learns one label, a list of labels, or a JSON object of them or of true/false"
_HINT = "check that the assistant's messages of the training file hold labels, each in several examples"


def read_format(answers: Sequence[str], declared: Sequence[Sequence[str]] = ()) -> AnswerFormat:
    """The format that the answers of a training file have in common.

    `declared` are lists of labels found in the prompt: they confirm what is a label. Raises
    `TrainingRefusedError` if the answers are neither labels nor lists nor objects of them.
    """
    if not answers:
        raise TrainingRefusedError("there are no examples to learn from")
    values = [parse_object(answer) for answer in answers]
    objects = [value for value in values if value is not None]
    if len(objects) == len(answers):
        found = _read_objects(answers, objects)
        if found is not None:
            return found
    counts = Counter(answers)
    listed = _read_list(counts, declared)
    if listed is not None:
        return listed
    if _too_many(len(counts), len(answers)) and not any(counts.keys() <= set(labels) for labels in declared):
        raise TrainingRefusedError(
            f"{len(counts):,} of {len(answers):,} answers are different, so they are no labels: {_CAN_LEARN}",
            hint=_HINT,
        )
    return LabelFormat.of(_in_order(counts, declared))


def format_from_json(values: Mapping[str, Any]) -> AnswerFormat:
    """The inverse of every format's `to_json`."""
    kinds = {kind.kind: kind for kind in (LabelFormat, ListFormat, ObjectFormat)}
    return kinds[values["kind"]].from_json(values)


def labels_of(found: AnswerFormat) -> tuple[list[str], list[str]]:
    """The labels of a format as people write them, question by question, and the combinations of members that
    depend on each other, as parent and child do, as paths: `Orders > Cancel`.
    """
    if not isinstance(found, ObjectFormat):
        return [label for head in found.heads for label in head.labels], []
    labels: list[str] = []
    for slot in found.slots:
        values = (slot.key,) if slot.kind == "flag" else slot.values
        labels += dict.fromkeys(map(plain_label, values))
    members = Counter(slot.head for slot in found.slots if slot.kind == "value")
    together = (head for number, head in enumerate(found.heads) if members[number] > 1)
    return labels, [plain_label(label) for head in together for label in head.labels]


def plain_label(label: str) -> str:
    """A label as people write it: combinations of JSON strings, as heads of objects have, become a path."""
    parts, rest, decoder = [], label, json.JSONDecoder()
    while rest.startswith('"'):
        try:
            part, end = decoder.raw_decode(rest)
        except ValueError:
            return label
        parts.append(part)
        if end == len(rest):
            return " > ".join(parts)
        if rest[end] != " ":
            return label
        rest = rest[end + 1 :]
    return label


def _too_many(distinct: int, examples: int) -> bool:
    return distinct > 1 and distinct * _FEW_EXAMPLES > examples


def _in_order(labels: Counter[str], declared: Sequence[Sequence[str]]) -> list[str]:
    """The labels as the prompt declares them, or in their order of appearance."""
    for listed in declared:
        if labels.keys() <= set(listed):
            return [label for label in listed if label in labels]
    return list(labels)


# --- lists ------------------------------------------------------------


def _read_list(answers: Counter[str], declared: Sequence[Sequence[str]]) -> ListFormat | None:
    for labels in declared:
        separator = _declared_separator(answers, labels)
        if separator is not None:
            return _list_of(answers, separator, labels)
    if any(answers.keys() <= set(labels) for labels in declared):
        return None
    for bare in _SEPARATORS:
        separator = _spaced(answers, bare)
        if separator is not None and _is_list(answers, separator):
            return _list_of(answers, separator, ())
    return None


def _declared_separator(answers: Counter[str], labels: Sequence[str]) -> str | None:
    """What stands between declared labels in the answers, if they are lists of them."""
    label = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
    listed = re.compile(rf"(?:{label})(?:(\W*?[^\w]|\s*\w{{1,3}}\s+)(?:{label}))+")
    gap = re.compile(rf"(?:{label})((?:\W+?|\s+\w{{1,3}}\s+)(?=(?:{label})))")
    known = set(labels)
    gaps: Counter[str] = Counter()
    lists = others = 0
    for answer, count in answers.items():
        if answer in known:
            continue
        if listed.fullmatch(answer):
            lists += count
            gaps.update(dict.fromkeys(gap.findall(answer), count))
        elif answer and not _NONE_WORD.fullmatch(answer):
            others += count
    if not lists or others > 0.1 * lists or not gaps:
        return None
    separator = gaps.most_common(1)[0][0]
    parts = {part for answer in answers if answer not in known for part in splits(answer, separator)}
    odd = {part for part in parts - known if part and not _NONE_WORD.fullmatch(part)}
    return separator if len(odd) <= 0.1 * len(parts) else None


def _spaced(answers: Counter[str], bare: str) -> str | None:
    """The separator with the spaces that it commonly has, or None if it does not occur."""
    spaced: Counter[str] = Counter()
    around = re.compile(rf" ?{re.escape(bare)} ?" if bare.strip() else re.escape(bare))
    for answer, count in answers.items():
        for found in around.findall(answer):
            spaced[found] += count
    return spaced.most_common(1)[0][0] if spaced else None


def _is_list(answers: Counter[str], separator: str) -> bool:
    """Whether parts recur in several combinations, as labels do and parts of a label's name do not.

    Lists differ in length: `yes, please` and `no, thanks` are labels with a comma even where `yes, thanks`
    occurs.
    """
    parts = {answer: splits(answer, separator) for answer in answers if answer}
    lists = [found for found in parts.values() if len(found) > 1]
    if not lists or any(not all(found) or len(set(found)) < len(found) for found in lists):
        return False
    lengths = {len(found) for found in parts.values()}
    occurs = Counter(part for found in parts.values() for part in found)
    recurring = sum(all(occurs[part] > 1 for part in found) for found in lists)
    return len(lengths) > 1 and recurring >= _RECURRING * len(lists) and len(occurs) < len(parts) + 1


def _list_of(answers: Counter[str], separator: str, declared: Sequence[str]) -> ListFormat:
    sets = {tuple(splits(answer, separator)) if answer else (): count for answer, count in answers.items()}
    none = _none_word(sets, declared) if "" not in answers else ""
    if none is not None:
        sets.pop((none,), None)
        sets[()] = 1
    elif () in sets:
        none = ""
    labels = _listed_order(sets, declared)
    if _too_many(len(labels), sum(answers.values())) and not declared:
        raise TrainingRefusedError(
            f"{len(labels):,} different labels in {sum(answers.values()):,} answers: too few of each",
            hint=_HINT,
        )
    return ListFormat.of(labels, separator=separator, none=none or "", at_least_one=none is None)


def _none_word(sets: Mapping[tuple[str, ...], int], declared: Sequence[str]) -> str | None:
    """The word that is answered when no label applies: it stands alone, always, and reads like it."""
    alone: Counter[str] = Counter()
    together: Counter[str] = Counter()
    rows = several = 0
    for labels, count in sets.items():
        rows += count
        several += count * (len(labels) > 1)
        for label in labels:
            (together if len(labels) > 1 else alone)[label] += count
    share = several / max(rows, 1)
    for label, count in alone.most_common():
        if label in together or label in declared:
            continue
        if _NONE_WORD.fullmatch(label) or (declared and count * share >= _EXPECTED_TOGETHER):
            return label
    return None


def _listed_order(sets: Mapping[tuple[str, ...], int], declared: Sequence[str]) -> list[str]:
    """The labels in the order in which the answers list them.

    The next label is always the one that the fewest of the others precede more often than they follow it.
    Where the answers leave it open, the prompt's list decides, and then the order of appearance.
    """
    before: Counter[tuple[str, str]] = Counter()
    for labels, count in sets.items():
        before.update(dict.fromkeys(combinations(labels, 2), 0))
        for pair in combinations(labels, 2):
            before[pair] += count
    appeared = {label: place for place, label in enumerate(dict.fromkeys(part for s in sets for part in s))}
    place = {label: n for n, label in enumerate(declared)}
    rest = sorted(appeared, key=lambda label: (place.get(label, len(place)), appeared[label]))
    blockers = {
        label: {other for other in rest if before[(other, label)] > before[(label, other)]} for label in rest
    }
    ordered: list[str] = []
    while rest:
        best = min(rest, key=lambda label: len(blockers[label]))
        rest.remove(best)
        ordered.append(best)
        for label in rest:
            blockers[label].discard(best)
    return ordered


# --- objects ------------------------------------------------------------


def _read_objects(answers: Sequence[str], objects: Sequence[dict[str, Any]]) -> ObjectFormat | None:
    """The format of objects with the same keys, or None if keys or spelling differ too much."""
    orders = Counter(tuple(value) for value in objects)
    keys, _ = orders.most_common(1)[0]
    if not keys or any(set(order) != set(keys) for order in orders):
        return None
    style = _style_of(answers, objects)
    if style is None:
        return None
    kinds: dict[str, Literal["value", "array", "flag"]] = {
        key: _kind_of([value[key] for value in objects]) for key in keys
    }
    slots: dict[str, Slot] = {}
    heads: list[Head] = []
    for group in _related([key for key in keys if kinds[key] == "value"], objects):
        rows = [tuple(style.scalar(value[key]) for key in group) for value in objects]
        found = list(dict.fromkeys(rows))
        if _too_many(len(found), len(rows)):
            raise TrainingRefusedError(
                f"{len(found):,} of {len(rows):,} values of {', '.join(map(repr, group))} are different, "
                f"so they are no labels: {_CAN_LEARN}",
                hint=_HINT,
            )
        for place, key in enumerate(group):
            slots[key] = Slot(key, "value", len(heads), tuple(combination[place] for combination in found))
        heads.append(Head("choice", tuple(" ".join(combination) for combination in found)))
    for key in (key for key in keys if kinds[key] == "array"):
        slots[key], head = _array(key, [value[key] for value in objects], style, len(heads))
        heads.append(head)
    flags = [key for key in keys if kinds[key] == "flag"]
    if flags:
        for place, key in enumerate(flags):
            slots[key] = Slot(key, "flag", len(heads), label=place)
        some = all(any(value[key] is True for key in flags) for value in objects)
        heads.append(Head("subset", tuple(flags), some))
    return ObjectFormat(tuple(heads), tuple(slots[key] for key in keys), style)


def _array(key: str, values: Sequence[list[Any]], style: Style, head: int) -> tuple[Slot, Head]:
    sets = Counter(tuple(style.scalar(item) for item in value) for value in values)
    labels = tuple(_listed_order(sets, ()))
    if _too_many(len(labels), len(values)):
        raise TrainingRefusedError(
            f"{len(labels):,} different labels of {key!r} in {len(values):,} answers: too few of each",
            hint=_HINT,
        )
    return Slot(key, "array", head, labels), Head("subset", labels, () not in sets)


def _style_of(answers: Sequence[str], objects: Sequence[dict[str, Any]]) -> Style | None:
    """The style in which most answers are written."""
    most, best = 0, None
    for style in STYLES:
        same = sum(
            style.whole(value) == answer for answer, value in zip(answers[:500], objects[:500], strict=True)
        )
        if same > most:
            most, best = same, style
    return best if most > len(answers[:500]) / 2 else None


def _kind_of(values: Sequence[Any]) -> Literal["value", "array", "flag"]:
    if all(isinstance(value, bool) for value in values):
        return "flag"
    if all(isinstance(value, list) and all(isinstance(item, str) for item in value) for value in values):
        return "array"
    return "value"


def _related(keys: Sequence[str], objects: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Groups of members whose values depend on each other, as a child's on its parent's.

    Two members are related if one's value settles the other's, or if far fewer pairs occur than would by
    chance.
    """
    columns = {key: [repr(value[key]) for value in objects] for key in keys}
    groups = [[key] for key in keys]
    for left, right in combinations(keys, 2):
        if _depend(columns[left], columns[right]):
            a = next(group for group in groups if left in group)
            b = next(group for group in groups if right in group)
            if a is not b:
                a += b
                groups.remove(b)
    return [sorted(group, key=keys.index) for group in groups]


def _depend(left: Sequence[str], right: Sequence[str]) -> bool:
    pairs = set(zip(left, right, strict=True))
    lefts, rights = Counter(left), Counter(right)
    if len(lefts) == 1 or len(rights) == 1:
        return False
    if len(pairs) <= _RELATED_BY_SIZE * max(len(lefts), len(rights)):
        return True
    n = len(left)
    by_chance = sum(1 - (1 - a / n * b / n) ** n for a in lefts.values() for b in rights.values())
    return len(pairs) <= _RELATED_BY_CHANCE * by_chance
