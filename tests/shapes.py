"""Tables in the shape of well-known public data sets: their headers and kinds of values, with rows made here."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

__all__ = ["SHAPES", "Shape"]

ROWS = 240
WORDS = [
    "parcel",
    "invoice",
    "refund",
    "courier",
    "login",
    "password",
    "delivery",
    "charge",
    "account",
    "screen",
    "garden",
    "window",
    "river",
    "summer",
    "music",
    "evening",
    "teacher",
    "bicycle",
    "kitchen",
    "market",
    "station",
    "letter",
    "ticket",
    "winter",
    "coffee",
    "engine",
    "harbour",
]

Row = Sequence[object]
Fields = dict[str, tuple[str, int]]


def text(i: int, low: int = 8, high: int = 20) -> str:
    """A text of its own for each row."""
    rng = random.Random(i * 31 + low)
    return f"{' '.join(rng.choices(WORDS, k=rng.randint(low, high)))} {i}."


def pick(i: int, values: Sequence[str], salt: int = 0) -> str:
    """One of the values, by chance and always the same."""
    return random.Random(f"{i}.{salt}").choice(values)


def flag(i: int, salt: int, share: float = 0.2) -> int:
    return int(random.Random(f"{i}/{salt}").random() < share)


@dataclass(frozen=True)
class Shape:
    """A header, a maker of rows, and what a reader of the table would say that it holds."""

    header: tuple[str, ...]
    row: Callable[[int], Row]
    text: tuple[str, ...]
    fields: Fields
    """Of each field the type and the number of labels."""
    id: str | None = None
    parents: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    """Some of the columns that are told as neither text nor labels."""
    separator: str = ","
    names: bool = True
    """Whether the names stand in the file; without, columns are called column_1 and so on."""

    def rows(self, count: int = ROWS) -> list[list[str]]:
        made = [[str(value) for value in self.row(i)] for i in range(count)]
        return [list(self.header), *made] if self.names else made


SENTIMENTS = ("negative", "neutral", "positive")
JIGSAW = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
EMOTIONS = tuple(f"{stem}{end}" for stem in ("joy", "anger", "fear", "pride", "grief", "love", "relief", "awe", "envy")
                 for end in ("", "_mild", "_strong"))  # fmt: skip
INTENTS = tuple(f"{verb}_{thing}" for verb in ("open", "close", "move", "find", "send", "book", "cancel", "change",
                                               "check", "lose") for thing in WORDS[:15])  # fmt: skip
CARD_INTENTS = INTENTS[:77]
BOARDS = ("comp.graphics", "sci.space", "rec.autos", "talk.politics.misc", "misc.forsale")
TREC = {"ABBR": ("exp", "abb"), "NUM": ("date", "count", "money"), "LOC": ("city", "country", "state"),
        "HUM": ("ind", "gr")}  # fmt: skip


def _trec(i: int) -> Row:
    coarse = pick(i, tuple(TREC))
    return coarse, f"{coarse}:{pick(i, TREC[coarse], 1)}", f"what {text(i, 4, 9)[:-1]} ?"


def _airline(i: int) -> Row:
    mood = pick(i, SENTIMENTS)
    reason = pick(i, ("Late Flight", "Bad Service", "Lost Luggage"), 1) if mood == "negative" else ""
    gold = mood if i == 7 else ""
    return (
        570_000_000_000 + i * 7919, mood, f"{0.3 + i % 60 / 100:.4f}", reason, "0.6842" if reason else "",
        pick(i, ("North Air", "Blue Wings", "Skyline"), 2), gold, pick(i, [f"user{k}" for k in range(90)], 3), "",
        i % 4, f"@NorthAir {text(i)}", "[0.0, 0.0]" if i % 40 == 0 else "",
        f"2015-02-24 11:{i % 60:02d}:52 -0800", pick(i, ("", "London", "New York, NY", "somewhere"), 4),
        pick(i, ("Eastern Time (US & Canada)", "Pacific Time (US & Canada)", ""), 5),
    )  # fmt: skip


def _ticket(i: int) -> Row:
    tags = random.Random(i).sample(
        ["Bug", "Login", "Billing", "Network", "Account", "Outage", "Sales", "Hardware"], 8
    )
    return (
        f"T-{1000 + i}", f"{text(i, 3, 5)}", f"Dear team,\n\n{text(i, 20, 40)}\n", f"Hello, {text(i + 500, 10, 18)}",
        pick(i, ("Incident", "Request", "Problem", "Change")),
        pick(i, ("Technical Support", "Billing and Payments", "Product Support", "Returns"), 1),
        pick(i, ("low", "medium", "high"), 2), pick(i, ("en", "de"), 3), i % 3 + 50,
        *(tag if n < 2 + i % 7 else "" for n, tag in enumerate(tags)),
    )  # fmt: skip


SHAPES: dict[str, Shape] = {
    "news": Shape(
        ("class", "title", "description"),
        lambda i: (pick(i, "1234"), text(i, 4, 7), text(i, 15, 30)),
        ("description",), {"class": ("single", 4)}, left_out=("title",),
    ),
    "airline tweets": Shape(
        ("tweet_id", "airline_sentiment", "airline_sentiment_confidence", "negativereason",
         "negativereason_confidence", "airline", "airline_sentiment_gold", "name", "negativereason_gold",
         "retweet_count", "text", "tweet_coord", "tweet_created", "tweet_location", "user_timezone"),
        _airline, ("text",), {"airline_sentiment": ("single", 3)}, id="tweet_id",
        left_out=("airline_sentiment_gold", "negativereason_gold", "tweet_created", "tweet_coord",
                  "airline_sentiment_confidence", "airline", "negativereason"),
    ),
    "toxic comments": Shape(
        ("id", "comment_text", *JIGSAW),
        lambda i: (f"{i * 2654435761 % 2**64:016x}", text(i), *(flag(i, n, 0.1) for n in range(6))),
        ("comment_text",), {"labels": ("multi", 6)}, id="id",
    ),
    "text messages": Shape(
        ("v1", "v2", "Unnamed: 2", "Unnamed: 3", "Unnamed: 4"),
        lambda i: (pick(i, ("ham", "ham", "ham", "spam")), text(i), "and a very long remainder of a text that was "
                   "cut at its commas, longer than any message" if i == 9 else "", "", ""),
        ("v2",), {"v1": ("single", 2)}, left_out=("Unnamed: 2", "Unnamed: 3", "Unnamed: 4"),
    ),
    "bank intents": Shape(
        ("text", "category"), lambda i: (text(i, 5, 10), CARD_INTENTS[i % 77]),
        ("text",), {"category": ("single", 77)},
    ),
    "150 intents, a row or two of each": Shape(
        ("text", "intent"), lambda i: (text(i, 5, 10), INTENTS[i % 150]),
        ("text",), {"intent": ("single", 150)},
    ),
    "emotions": Shape(
        ("text", "id", "author", "subreddit", "link_id", "parent_id", "created_utc", "rater_id",
         "example_very_unclear", *EMOTIONS),
        lambda i: (text(i), f"ee{i:05x}", pick(i, [f"user_{k}" for k in range(80)]), pick(i, ("askit", "films"), 1),
                   f"t3_{i // 3:05x}", f"t1_{i // 2:05x}", f"{1548381039 + i * 61}.0", i % 20, i % 11 == 0,
                   *(flag(i, n, 0.06) for n in range(27))),
        ("text",), {"labels": ("multi", 27)}, id="id",
        left_out=("created_utc", "rater_id", "author", "subreddit", "example_very_unclear"),
    ),
    "newsgroups": Shape(
        ("Unnamed: 0", "content", "target", "target_names"),
        lambda i: (i, f"From: someone\nSubject: {text(i, 3, 5)}\n\n{text(i, 40, 60)}", i % 5, BOARDS[i % 5]),
        ("content",), {"target_names": ("single", 5)}, left_out=("target",),
    ),
    "restaurant reviews": Shape(
        ("review_id", "user_id", "business_id", "stars", "useful", "funny", "cool", "text", "date"),
        lambda i: (f"r{i * 7919:06d}Xq", f"u{i % 50:04d}", f"b{i % 12:03d}Zk", f"{1 + i % 5}.0", i % 7, i % 3, i % 4,
                   text(i, 20, 40), f"2018-07-{1 + i % 28:02d} 22:09:11"),
        ("text",), {"stars": ("single", 5)}, id="review_id",
        left_out=("user_id", "business_id", "useful", "funny", "cool", "date"),
    ),
    "product reviews": Shape(
        ("Id", "ProductId", "UserId", "ProfileName", "HelpfulnessNumerator", "HelpfulnessDenominator", "Score",
         "Time", "Summary", "Text"),
        lambda i: (i + 1, f"B{i % 9:03d}E4KFG", f"A{i * 97:06d}", f"reader {pick(i, [str(k) for k in range(60)])}", i % 4, i % 5, 1 + i * 7 % 5,
                   1303862400 + i * 86400, text(i, 2, 5), text(i, 20, 40)),
        ("Text",), {"Score": ("single", 5)}, id="Id", left_out=("Time", "ProductId", "HelpfulnessNumerator"),
    ),
    "film reviews": Shape(
        ("id", "sentiment", "review"), lambda i: (f"{i * 37}_{i % 9}", i % 2, text(i, 30, 60)),
        ("review",), {"sentiment": ("single", 2)}, id="id", separator="\t",
    ),
    "hate speech": Shape(
        ("Unnamed: 0", "count", "hate_speech", "offensive_language", "neither", "class", "tweet"),
        lambda i: (i, pick(i, ("3", "3", "6", "9")), i % 3, i * 5 % 4, i * 7 % 4, i % 3, f"!!! RT @user: {text(i)}"),
        ("tweet",), {"class": ("single", 3)}, left_out=("count", "hate_speech", "neither"),
    ),
    "questions, labels first": Shape(
        ("label-coarse", "label-fine", "text"), _trec,
        ("text",), {"label-coarse": ("single", 4), "label-fine": ("single", 10)},
        parents={"label-fine": "label-coarse"},
    ),
    "support tickets": Shape(
        ("ticket id", "subject", "body", "answer", "type", "queue", "priority", "language", "version",
         *(f"tag_{n}" for n in range(1, 9))),
        _ticket, ("body",), {"type": ("single", 4), "queue": ("single", 4), "priority": ("single", 3)},
        id="ticket id", left_out=("language", "version", "tag_1", "tag_8", "subject", "answer"),
    ),
}  # fmt: skip
