"""Kinds of text on which the estimate of tokens is fitted and measured.

Generated here, written in `sentences.toml`, or read where they lie on this machine: data sets beside the
checkout, Python's own source, and the message catalogues that programs on Linux bring with them
(`/usr/share/locale`). What is not there is left out; nothing of it is copied. All choices come from
`random.Random(kind)`, so that every run sees the same texts.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import sysconfig
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from messages import LOCALES, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "data"
MANUALS = Path("/usr/share/man")
MOST = 60_000
"""Characters of a kind that are looked at."""
LEAST = 3_000
"""A catalogue with fewer says little about its language."""

Kinds = dict[str, list[str]]


def words(text: str) -> list[str]:
    """The words of a list that is written as one line after the other."""
    return text.split()


# ------------------------------------------------------------------------------------------------ generated

CITIES = words("boston denver atlanta dallas philadelphia pittsburgh baltimore oakland milwaukee charlotte")
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
AIRLINES = ["united", "delta", "american", "continental", "northwest", "lufthansa"]
FIRST = words(
    "Anna Bjorn Chloe Dmitri Elif Fatima Giovanni Hannah Ingrid Jamal Katarzyna Liam Mei Nikolai Olufemi "
    "Priya Quentin Rosa Siobhan Tomasz Ulrich Valentina Wei Ximena Yuki Zainab Aiden Beatriz Cormac Dagmar"
)
LAST = words(
    "Abernathy Bianchi Chaudhary Dvorak Eriksson Fitzgerald Gutierrez Haraldsson Ivanova Jankowski Kowalczyk "
    "Lindqvist MacAllister Nakamura Okonkwo Papadopoulos Quigley Rodriguez Schwarzenberg Takahashi Underwood "
    "Vasquez Wojciechowski Xu Yamamoto Zimmermann Oyelaran Subramanian Thistlethwaite Vandenberg"
)
WORDS = words(
    "order status item price shipped created customer address street note total count active error value "
    "name "
    "message time user delivery refund kettle blender quantity warehouse tracking updated region channel "
    "priority"
)
PLACES = words("shop blog docs static images archive search forum download account help news")
OPENINGS = (
    "show me flights from {a} to {b} on {day}",
    "what is the cheapest fare from {a} to {b} one way",
    "i would like to leave {a} on {day} morning and arrive in {b} before noon",
    "which airlines fly between {a} and {b}",
    "list all {airline} flights leaving {a} after six pm",
    "what type of aircraft does {airline} use from {a} to {b}",
    "is there ground transportation in {b} from the airport to downtown",
    "please find me a nonstop flight from {a} to {b} that serves dinner",
    "how much does a round trip ticket to {b} cost on {airline}",
    "what does fare code q mean",
)
ONSETS = words(
    "b br bl c ch cl d dr f fl fr g gl gr h j k kl l m n p pl pr qu r s sh sk sl sn sp st t th tr v w wr z"
)
NUCLEI = ["a", "e", "i", "o", "u", "ai", "ea", "ee", "oo", "ou"]
CODAS = [
    "",
    "",
    "",
    *[
        "b",
        "ck",
        "d",
        "f",
        "g",
        "l",
        "m",
        "mp",
        "n",
        "nd",
        "ng",
        "nk",
        "p",
        "r",
        "rt",
        "s",
        "sk",
        "st",
        "t",
        "x",
        "zz",
    ],
]
SUFFIXES = ["", "", "", *["er", "ing", "able", "ish", "tastic", "ify", "oid", "ment", "ness", "ity"]]


def flights(dice: random.Random) -> str:
    """A lower-case question without signs, as people ask on the telephone."""
    return dice.choice(OPENINGS).format(
        a=dice.choice(CITIES), b=dice.choice(CITIES), day=dice.choice(DAYS), airline=dice.choice(AIRLINES)
    )


def names(dice: random.Random) -> str:
    return ", ".join(f"{dice.choice(FIRST)} {dice.choice(LAST)}" for _ in range(dice.randint(1, 4)))


def made_up_word(dice: random.Random) -> str:
    """One to three syllables that could be English, and an ending."""
    syllables = (
        dice.choice(ONSETS) + dice.choice(NUCLEI) + dice.choice(CODAS) for _ in range(dice.randint(1, 3))
    )
    return "".join(syllables) + dice.choice(SUFFIXES)


def made_up(dice: random.Random) -> str:
    return " ".join(made_up_word(dice) for _ in range(dice.randint(4, 12)))


def keys_hit(dice: random.Random) -> str:
    """Letters at random: what falls on a keyboard."""
    return " ".join(
        "".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(3, 10)))
        for _ in range(dice.randint(3, 8))
    )


def identifiers(dice: random.Random) -> str:
    """Keys and hashes, hexadecimal and base 62."""
    some = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(dice.choices(dice.choice(some), k=dice.choice((8, 12, 16, 32, 40))))


def json_document(dice: random.Random) -> str:
    def value(depth: int) -> object:
        if depth and dice.random() < 0.3:
            return {dice.choice(WORDS): value(depth - 1) for _ in range(dice.randint(1, 4))}
        return dice.choice(
            (
                dice.randint(0, 99_999),
                round(dice.random() * 100, 2),
                " ".join(dice.choices(WORDS, k=3)),
                None,
                True,
                dice.choices(WORDS, k=2),
            )
        )

    document = {f"{dice.choice(WORDS)}_{dice.choice(WORDS)}": value(2) for _ in range(dice.randint(3, 8))}
    return json.dumps(document, indent=dice.choice((None, None, 2)))


def numbers(dice: random.Random) -> str:
    forms: tuple[Callable[[], str], ...] = (
        lambda: f"{dice.randint(1950, 2030)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}",
        lambda: f"{dice.randint(1, 12)}/{dice.randint(1, 28)}/{dice.randint(1950, 2030)}",
        lambda: f"{dice.randint(0, 23):02}:{dice.randint(0, 59):02}:{dice.randint(0, 59):02}",
        lambda: f"{dice.randint(0, 10**7):,}",
        lambda: f"{dice.uniform(-1000, 1000):.{dice.randint(1, 6)}f}",
        lambda: f"+{dice.randint(1, 99)} {dice.randint(100, 999)} {dice.randint(1000000, 9999999)}",
        lambda: f"${dice.randint(1, 999)}.{dice.randint(0, 99):02}",
        lambda: str(dice.randint(0, 10 ** dice.randint(1, 12))),
    )
    return " ".join(dice.choice(forms)() for _ in range(dice.randint(2, 8)))


def address(dice: random.Random) -> str:
    top = dice.choice(("com", "org", "net", "co.uk", "de", "io"))
    host = f"{dice.choice(PLACES)}.{made_up_word(dice)}.{top}"
    path = "/".join(dice.choices([*PLACES, *WORDS], k=dice.randint(0, 3)))
    query = f"?{dice.choice(WORDS)}={dice.randint(1, 99999)}&{dice.choice(WORDS)}={made_up_word(dice)}"
    end = dice.choice(("", "", query, f"/{dice.randint(1, 10**6)}.html"))
    return f"http{dice.choice(('', 's'))}://{host}/{path}{end}"


def log_line(dice: random.Random) -> str:
    return (
        f"2026-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}T"
        f"{dice.randint(0, 23):02}:{dice.randint(0, 59):02}:"
        f"{dice.randint(0, 59):02}.{dice.randint(0, 999):03}Z {dice.choice(('INFO', 'WARN', 'ERROR'))} "
        f"[{dice.choice(WORDS)}-{dice.randint(1, 20)}] {' '.join(dice.choices(WORDS, k=5))} "
        f"id={dice.randint(1, 10**8)}"
    )


def table_row(dice: random.Random) -> str:
    return "|" + "|".join(f" {dice.choice(WORDS)} {dice.randint(1, 9999)} " for _ in range(5)) + "|"


def page(dice: random.Random) -> str:
    inner = f"<b>{dice.choice(WORDS)}</b> {' '.join(dice.choices(WORDS, k=6))}"
    link = f'<a href="/{dice.choice(PLACES)}">{dice.choice(WORDS)}</a>'
    return f'<div class="{dice.choice(WORDS)}-{dice.choice(WORDS)}">\n  <p>{inner}</p>\n  {link}\n</div>'


EMOJI = ["😀", "😂", "❤️", "👍🏽", "🎉", "🔥", "😭", "🙏", "👀", "💯", "🤷\u200d♀️", "✨"]


def emoji(dice: random.Random) -> str:
    said = " ".join(dice.choices(WORDS, k=dice.randint(2, 8)))
    return f"{said} {''.join(dice.choices(EMOJI, k=dice.randint(1, 4)))}"


def reactions(dice: random.Random) -> str:
    return dice.choice(("lol ", "omg ", "", "so good ", "Congrats! ")) + "".join(
        dice.choices(EMOJI, k=dice.randint(1, 3))
    )


def open_syllables(dice: random.Random) -> str:
    """A consonant, a vowel, and so on."""
    words = (
        "".join(dice.choice("bdfgklmnprstvz") + dice.choice("aeiou") for _ in range(dice.randint(1, 5)))
        for _ in range(dice.randint(3, 10))
    )
    return " ".join(words)


def handles(dice: random.Random) -> str:
    """A short message to somebody, with tags."""
    words = [
        *dice.choices(WORDS, k=dice.randint(2, 6)),
        *dice.choices(["u", "ur", "omg", "smh", "idk", "gonna", "tbh", "pls", "thx"], k=2),
    ]
    tags = (f"#{dice.choice(WORDS).title()}{dice.choice(PLACES).title()}" for _ in range(dice.randint(0, 2)))
    return " ".join(
        (f"@{dice.choice(FIRST).lower()}{dice.choice(('_', ''))}{dice.randint(1, 999)}", *words, *tags)
    )


OFTEN = "eeeeeetttttaaaaaooooiiiinnnnssshhhrrrddllccuummwwffggyyppbbvkjxqz"


def jumbled(dice: random.Random) -> str:
    """Letters as often as in English, in no order."""
    return " ".join("".join(dice.choices(OFTEN, k=dice.randint(2, 9))) for _ in range(dice.randint(3, 10)))


GENERATED: dict[str, Callable[[random.Random], str]] = {
    "flights": flights,
    "names": names,
    "made-up words": made_up,
    "letters at random": keys_hit,
    "keys and hashes": identifiers,
    "JSON": json_document,
    "numbers and dates": numbers,
    "addresses": address,
    "log lines": log_line,
    "Markdown table": table_row,
    "HTML": page,
    "emoji": emoji,
    "reactions": reactions,
    "handles": handles,
    "open syllables": open_syllables,
    "letters jumbled": jumbled,
}


def generated() -> Kinds:
    """A few hundred texts of each kind that is made here."""
    kinds = {}
    for kind, make in GENERATED.items():
        dice = random.Random(kind)
        kinds[kind] = [make(dice) for _ in range(400)]
    return kinds


# ------------------------------------------------------------------------------------------ on this machine


def column(path: Path, name: str) -> list[str]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        texts = [row[name] for row in csv.DictReader(handle)]
    return random.Random(path.name).sample(texts, min(len(texts), 2_000))


def read_sets() -> Kinds:
    """The examples of the project, and the data sets beside the checkout."""
    data = HERE.parent / "data"
    return {
        "inquiries": column(data / "customer_inquiries.csv", "inquiry"),
        "comments": column(data / "comments.csv", "comment_text"),
        "banking77": column(SHARED / "banking77" / "train.csv", "text"),
        "goemotions": column(SHARED / "goemotions" / "train.csv", "text"),
        "jigsaw": column(SHARED / "jigsaw_sample" / "train.csv", "comment_text"),
    }


def files(paths: Iterable[Path], most: int = MOST) -> list[str]:
    """The beginnings of these files, until there are `most` characters."""
    texts: list[str] = []
    for path in paths:
        if sum(map(len, texts)) >= most:
            break
        texts.append(path.read_text(encoding="utf-8", errors="replace")[:6_000])
    return texts


def read_code() -> Kinds:
    """Source in several languages, and English prose: the project's own documentation."""
    paths = sysconfig.get_paths()
    root = HERE.parent
    return {
        "Python code": files(sorted(Path(paths["stdlib"]).glob("[a-f]*.py"))),
        "C code": files(sorted(Path(paths["include"]).rglob("*.h"))),
        "Perl code": files(sorted(Path("/usr/share/perl5").rglob("*.pm"))),
        "Vim code": files(sorted(Path("/usr/share/vim").glob("vim*/autoload/*.vim"))),
        "JavaScript": files(sorted(Path(paths["purelib"]).rglob("*.js"))),
        "English prose": files(sorted((root / "docs").rglob("*.md"))),
    }


CATALOGUES = (
    "glib20.mo",
    "gtk30.mo",
    "apt.mo",
    "dpkg.mo",
    "coreutils.mo",
    "Linux-PAM.mo",
    "gnupg2.mo",
    "software-properties.mo",
)


def catalogue(folder: Path) -> list[str]:
    """What programs say in one language: the translated messages that differ from the English ones."""
    texts: list[str] = []
    for name in CATALOGUES:
        texts += messages(folder / "LC_MESSAGES" / name)
    return random.Random(folder.name).sample(texts, len(texts))


def catalogues() -> Iterator[tuple[str, list[str]]]:
    """Each language's messages, told from one another by the language alone (`pt` and `pt_BR` are one)."""
    by_language: dict[str, list[str]] = {}
    for folder in sorted(LOCALES.iterdir()) if LOCALES.is_dir() else ():
        if "@" not in folder.name and not folder.name.startswith(("en", "zh_HK")):
            by_language.setdefault(folder.name.partition("_")[0], []).extend(catalogue(folder))
    for language, texts in by_language.items():
        if sum(map(len, texts)) >= LEAST:
            yield f"messages {language}", texts


def sentences() -> Kinds:
    """Paragraphs of this folder, sentence by sentence."""
    written = tomllib.loads((HERE / "sentences.toml").read_text(encoding="utf-8"))
    return {language: [text] for language, text in written.items()}


def manuals() -> Iterator[tuple[str, list[str]]]:
    """The translated manual pages of a machine, without the lines that set them."""
    by_language: dict[str, list[str]] = {}
    for path in sorted(MANUALS.glob("??*/man[1-8]/*.gz")):
        language = path.parts[len(MANUALS.parts)].partition("_")[0].partition(".")[0]
        texts = by_language.setdefault(language, [])
        if sum(map(len, texts)) < MOST:
            page = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
            lines = [line.replace("\\-", "-") for line in page.splitlines()]
            texts.append("\n".join(line for line in lines if line and line[0] not in ".'")[:6_000])
    for language, texts in by_language.items():
        if sum(map(len, texts)) >= LEAST:
            yield f"manual {language}", texts


CODES = {
    "Arabic": "ar", "Bengali": "bn", "Chinese": "zh", "Czech": "cs", "Dutch": "nl", "Finnish": "fi",
    "French": "fr", "German": "de", "Greek": "el", "Hebrew": "he", "Hindi": "hi", "Hungarian": "hu",
    "Indonesian": "id", "Italian": "it", "Japanese": "ja", "Korean": "ko", "Persian": "fa", "Polish": "pl",
    "Portuguese": "pt", "Romanian": "ro", "Russian": "ru", "Spanish": "es", "Swahili": "sw", "Swedish": "sv",
    "Tamil": "ta", "Thai": "th", "Turkish": "tr", "Ukrainian": "uk", "Vietnamese": "vi",
}  # fmt: skip


def language_of(kind: str) -> str | None:
    """The language, other than English, that all texts of a kind are in."""
    what, _, language = kind.partition(" ")
    return language if what in ("messages", "manual") else CODES.get(kind)


def shouted(texts: Iterable[str]) -> list[str]:
    return [text.upper() for text in texts]


def mistyped(texts: Iterable[str]) -> Iterator[str]:
    """With every fifteenth letter or so replaced, and as many lost."""
    dice = random.Random("mistyped")
    for text in texts:
        letters = (
            dice.choice((dice.choice(OFTEN), "")) if dice.random() < 0.13 else letter for letter in text
        )
        yield "".join(letters)


def without_signs(texts: Iterable[str]) -> Iterator[str]:
    """In lower case and without signs, as words are typed into a search."""
    for text in texts:
        yield " ".join(
            "".join(letter for letter in text.lower() if letter.isalnum() or letter == " ").split()
        )


def shortened(texts: Iterable[str]) -> Iterator[str]:
    left = MOST
    for text in texts:
        if left <= 0:
            break
        yield text[:left]
        left -= len(text)


def all_kinds() -> Kinds:
    """Every kind of text that can be had here, with its texts."""
    kinds = generated() | read_sets() | read_code() | sentences() | dict(catalogues()) | dict(manuals())
    kinds["upper case"] = shouted(kinds["inquiries"] + kinds["comments"])
    kinds["mistyped"] = list(mistyped(kinds["comments"]))
    kinds["without signs"] = list(without_signs(kinds["comments"]))
    return {kind: list(shortened(texts)) for kind, texts in kinds.items() if texts}
