"""Make the two example data sets from the phrases in phrases/.

    python data/generate.py            write customer_inquiries.csv and comments.csv
    python data/generate.py --check    exit with 1 if they are not, byte for byte, what this script makes

Only `random.random()` is used of the random module: it is the one method whose sequence for a seed is
promised to stay the same, so every Python from 3.11 on makes the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import random
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")

HERE = Path(__file__).parent
SEED = "labeltune 1"

INQUIRIES_PER_TOPIC = 25
INQUIRY_COLUMNS = ("inquiry", "category", "sub_category")
MISTAKEN = 0.03
"""Share of inquiries that are written about a neighbouring topic: what a hurried agent files wrongly."""
VAGUE = 0.02
"""Share of inquiries that hardly say what they want."""

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
COMMENT_COLUMNS = ("id", "comment_text", *LABELS)
COMPANY = (0.2, 0.35, 0.3, 0.15)
"""Chances that a comment with 0, 1, 2, … ordinary sentences goes with what it is about."""


class Dice:
    """Choices from a seed, the same on every machine."""

    def __init__(self, *seed: object) -> None:
        self._random = random.Random("/".join(map(str, seed))).random

    def hit(self, chance: float) -> bool:
        """Whether an event of this chance happens."""
        return self._random() < chance

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1."""
        return int(self._random() * limit)

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all alike."""
        return options[self.below(len(options))]

    def weighted(self, weights: Sequence[float]) -> int:
        """The index of one of the weights, the heavier the likelier."""
        point = self._random() * sum(weights)
        for index, weight in enumerate(weights):
            point -= weight
            if point < 0:
                return index
        return len(weights) - 1

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """The items in another order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(len(rest))]


class Grammar:
    """Phrases to expand.

    `[a|b]` is one of the two, `{name}` a phrase of that rule, `~` a digit, `¶` a line break.
    """

    def __init__(self, rules: Mapping[str, str]) -> None:
        self.rules = {name: block.split("\n")[:-1] for name, block in rules.items()}

    def expand(self, phrase: str, dice: Dice, said: dict[str, str]) -> str:
        """The phrase in full. `said` remembers what each rule gave, so that one text speaks of one thing."""
        while "[" in phrase:
            phrase = re.sub(r"\[([^\[\]]*)\]", lambda m: dice.pick(m[1].split("|")), phrase)

        def rule(match: re.Match[str]) -> str:
            name = match[1]
            if name not in said:
                said[name] = self.expand(dice.pick(self.rules[name]), dice, said)
            return said[name]

        phrase = re.sub(r"\{(\w+)\}", rule, phrase)
        phrase = re.sub(
            r"~+", lambda m: str(10 ** (len(m[0]) - 1) + dice.below(9 * 10 ** (len(m[0]) - 1))), phrase
        )
        phrase = re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", phrase)
        return phrase.replace("¶", "\n")


def capitalised(sentence: str) -> str:
    """The sentence with a capital where it begins; `capitalize` would lower the rest."""
    return sentence[:1].upper() + sentence[1:]


def bare(text: str) -> str:
    """What is left to compare when case, punctuation and space do not count."""
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


# --- What people do to a text: each takes a text and gives another -----------------------------------------


def typos(text: str, dice: Dice) -> str:
    """Swap, drop or double a letter in some of the longer words."""

    def slip(match: re.Match[str]) -> str:
        word = match[0]
        if not dice.hit(0.16):
            return word
        at = 1 + dice.below(len(word) - 2)
        return dice.pick(
            (
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
            )
        )

    return re.sub(r"[a-z]{4,}", slip, text)


def lower(text: str, dice: Dice) -> str:
    """No capitals, and often no apostrophes nor a final stop."""
    text = text.lower()
    return text.replace("'", "").rstrip(".") if dice.hit(0.6) else text


def maybe_lower(text: str, dice: Dice) -> str:
    """`lower`, for one in two."""
    return lower(text, dice) if dice.hit(0.5) else text


def shout(text: str, dice: Dice) -> str:
    """Capitals for one sentence of an angry text, and more exclamation marks."""
    sentences = re.split(r"(?<=[.!?]) ", text)
    at = dice.below(len(sentences))
    if dice.hit(0.4):
        sentences[at] = sentences[at].upper()
    text = " ".join(sentences)
    return text.replace("!", "!!!") if dice.hit(0.4) else text


def replaced(text: str, words: Mapping[str, str], dice: Dice, chance: float) -> str:
    """The text with some of its words in another form."""
    pattern = r"\b(" + "|".join(map(re.escape, words)) + r")\b"
    return re.sub(pattern, lambda m: words[m[1]] if dice.hit(chance) else m[1], text)


# --- Customer inquiries ----------------------------------------------------------------------------------


class Inquiries:
    """Writes what customers write: a topic of the shop in one of several styles."""

    def __init__(self, phrases: Mapping[str, Any]) -> None:
        self.grammar = Grammar(phrases["rules"])
        self.styles = list(phrases["style"].values())
        self.topics = {
            topic["sub_category"]: {
                part: lines.split("\n")[:-1] if part in {"core", "short", "detail", "aside"} else lines
                for part, lines in topic.items()
            }
            for topic in phrases["topic"]
        }
        self.marks: dict[str, Callable[[str, Dice], str]] = {
            "typos": typos,
            "lower": lower,
            "maybe_lower": maybe_lower,
            "shout": shout,
            "shorthand": lambda text, dice: replaced(text, phrases["shorthand"], dice, 0.7),
            "learner": lambda text, dice: re.sub(
                r"\b([Tt]he|an?) ",
                lambda m: "" if dice.hit(0.6) else m[0],
                replaced(text, phrases["learner"], dice, 0.8),
            ),
            "emoji": lambda text, dice: (
                f"{text} {dice.pick(self.grammar.rules['emoji'])}" if dice.hit(0.4) else text
            ),
        }

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The rows in an order in which the topics are mixed, no text twice."""
        seen: set[str] = set()
        rows = []
        for name, topic in self.topics.items():
            dice = Dice(SEED, name)
            for _ in range(INQUIRIES_PER_TOPIC):
                while bare(text := self.inquiry(name, dice)) in seen:
                    pass
                seen.add(bare(text))
                rows.append((text, topic["category"], name))
        yield from Dice(SEED, "order of inquiries").shuffled(rows)

    def inquiry(self, name: str, dice: Dice) -> str:
        """One message about the topic."""
        topic = self.topics[name]
        if dice.hit(MISTAKEN):
            topic = self.topics[dice.pick(topic["near"])]
        # Some questions are asked more often than others.
        core = topic["core"][min(dice.below(len(topic["core"])) for _ in range(2))]
        if dice.hit(VAGUE):
            core = f"{dice.pick(self.grammar.rules['vague'])} {dice.pick(topic['detail'])}"
        style = self.styles[dice.weighted([style["weight"] for style in self.styles])]
        other = self.topics[dice.pick([t for t in self.topics if self.topics[t] is not topic])]
        phrases = {
            "core": core,
            "short": dice.pick(topic["short"]),
            "subject": f"{dice.pick(topic['short'])}¶",
            "detail": dice.pick(topic["detail"]),
            "aside": dice.pick(other["aside"]),
            "second": f"{dice.pick(self.grammar.rules['linker'])} {dice.pick(other['core'])}",
        }
        said: dict[str, str] = {}
        parts = [
            self.grammar.expand(phrases.get(part) or dice.pick(self.grammar.rules[part]), dice, said)
            for part, chance in style["parts"].items()
            if dice.hit(chance)
        ]
        text = re.sub(r" *\n *", "\n", " ".join(map(capitalised, parts)))
        for mark in style["marks"]:
            text = self.marks[mark](text, dice)
        return text


# --- Comments --------------------------------------------------------------------------------------------


def comments(phrases: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The rows in an order in which the kinds are mixed, no text twice."""
    grammar = Grammar(phrases["rules"])
    seen: set[str] = set()
    rows = []
    for number, kind in enumerate(phrases["kind"]):
        flags = tuple("1" if label in kind["labels"] else "0" for label in LABELS)
        dice = Dice(SEED, "comments", number)
        for _ in range(kind["count"]):
            while bare(text := comment(grammar, kind["says"], dice)) in seen:
                pass
            seen.add(bare(text))
            rows.append((hashlib.sha256(text.encode()).hexdigest()[:16], text, *flags))
    yield from Dice(SEED, "order of comments").shuffled(rows)


def comment(grammar: Grammar, says: Sequence[str], dice: Dice) -> str:
    """One comment with a sentence of each rule in `says` among ordinary ones."""
    ordinary = max(dice.weighted(COMPANY), 0 if says else 1)
    pool = dice.shuffled(grammar.rules["plain"])
    phrases = dice.shuffled([*(dice.pick(grammar.rules[rule]) for rule in says), *pool[:ordinary]])
    said: dict[str, str] = {}
    said["body"] = " ".join(capitalised(grammar.expand(phrase, dice, said)) for phrase in phrases)
    if dice.hit(0.06):
        mood = "frown" if "toxic" in says else "smile"
        said["body"] += f" {dice.pick(grammar.rules[mood])}"
    text = capitalised(grammar.expand(dice.pick(grammar.rules["layout"]), dice, said))
    if dice.hit(0.08):
        text = typos(text, dice)
    if dice.hit(0.08):
        text = lower(text, dice)
    elif dice.hit(0.03):
        text = text.upper()
    return text


# --- Files -----------------------------------------------------------------------------------------------


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """The bytes of a CSV file: UTF-8, quotes only where needed, lines that end in a line feed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue().encode()


def phrases(name: str) -> dict[str, Any]:
    """The content of a file in phrases/."""
    return tomllib.loads((HERE / "phrases" / name).read_text(encoding="utf-8"))


def main() -> int:
    """Write the files, or compare them with what would be written."""
    parser = argparse.ArgumentParser(description="Make the example data sets.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 if a file differs")
    check = parser.parse_args().check
    made = {
        HERE / "customer_inquiries.csv": table(INQUIRY_COLUMNS, Inquiries(phrases("inquiries.toml")).rows()),
        HERE / "comments.csv": table(COMMENT_COLUMNS, comments(phrases("comments.toml"))),
    }
    if not check:
        for path, content in made.items():
            path.write_bytes(content)
        return 0
    differing = [path for path, content in made.items() if not path.is_file() or path.read_bytes() != content]
    for path in differing:
        print(f"{path}: not what data/generate.py makes; run it without --check", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
