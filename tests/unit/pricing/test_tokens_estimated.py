"""The estimate on texts that it was not fitted to: made here, and counted exactly by toktok."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from labeltune.pricing import pairs
from labeltune.pricing.tokens import BETWEEN_TEXTS, Estimator, JoinedTexts, token_counter

SENTENCES = {
    "German": "Die Bibliothek schließt heute schon um fünf, weil die Heizung ausgefallen ist. Bitte bringen Sie Ihre Bücher "
    "morgen zurück; wir verlangen dafür keine Gebühr. Meine Schwester sucht eine größere Wohnung in der Nähe des Bahnhofs.",
    "French": "La bibliothèque ferme aujourd'hui à cinq heures parce que le chauffage est en panne. Merci de rapporter vos livres "
    "demain, nous ne demanderons pas de frais. Ma sœur cherche un appartement plus grand près de la gare.",
    "Spanish": "La biblioteca cierra hoy a las cinco porque la calefacción se ha estropeado. Por favor, devuelvan sus libros "
    "mañana; no cobraremos nada. Mi hermana busca un piso más grande cerca de la estación.",
    "Polish": "Biblioteka zamyka się dziś o piątej, bo zepsuło się ogrzewanie. Proszę oddać książki jutro, nie pobierzemy "
    "za to opłaty. Moja siostra szuka większego mieszkania w pobliżu dworca.",
    "Ukrainian": "Бібліотека сьогодні зачиняється о п'ятій, бо зламалося опалення. Будь ласка, поверніть книжки завтра, "
    "ми не візьмемо за це плати. Моя сестра шукає більшу квартиру біля вокзалу.",
    "Hindi": "आज पुस्तकालय पाँच बजे बंद हो जाएगा क्योंकि हीटिंग खराब हो गई है। कृपया अपनी किताबें कल लौटा दें, हम कोई शुल्क नहीं "
    "लेंगे। मेरी बहन स्टेशन के पास एक बड़ा घर ढूँढ रही है और उसे जल्दी चाहिए।",
    "Chinese": "图书馆今天五点关门，因为暖气坏了。请明天把书还回来，我们不会收费。我姐姐正在火车站附近找一套更大的房子，她希望下个月就能搬进去。",
    "Korean": "도서관은 난방이 고장 나서 오늘 다섯 시에 문을 닫습니다. 책은 내일 반납해 주세요, 연체료는 받지 않겠습니다. "
    "제 언니는 역 근처에서 더 넓은 집을 찾고 있습니다.",
}


def questions(dice: random.Random) -> str:
    """Lower case and no signs."""
    what = dice.choice(
        ("table for two", "train ticket", "double room", "rental car", "seat by the window", "museum pass")
    )
    where = dice.choice(
        ("near the old harbor", "in the city center", "at the central station", "by the river")
    )
    ask = dice.choice(
        ("can i still get a", "i need a", "please book me a", "how much would i pay for a", "do you have a")
    )
    return f"{ask} {what} {where} {dice.choice(('tonight', 'for next week', 'before seven', 'on the third of may'))}"


def made_up(dice: random.Random) -> str:
    """Syllables that start with a group of consonants."""
    return " ".join(
        "".join(
            dice.choice(("gr", "bl", "tr", "v", "z", "fl", "sk", "m", "d", "qu", "sp", "n"))
            + dice.choice("aeiou")
            + dice.choice(("", "x", "rf", "nk", "lp", "m", "t"))
            for _ in range(dice.randint(2, 4))
        )
        for _ in range(dice.randint(3, 8))
    )


def posts(dice: random.Random) -> str:
    said = dice.choice(
        (
            "can't believe this game",
            "Best. Coffee. EVER",
            "why is it monday again",
            "this song tho",
            "I'm done",
        )
    )
    return f"{said}{dice.choice(('!!!', '...', ' lol', ' 😂😂', ' #nope', ' @someone_42'))} {dice.choice(('so tired', 'love it', 'wow'))}"


def records(dice: random.Random) -> str:
    return (
        f'{{"id": {dice.randint(1, 10**6)}, "city": "{dice.choice(("Oslo", "Lima", "Cairo"))}", '
        f'"open": {dice.choice(("true", "false"))}, "ratio": {dice.random():.3f}, "tags": ["new", "sale"]}}'
    )


def dates(dice: random.Random) -> str:
    return f"{dice.randint(1, 28):02}.{dice.randint(1, 12):02}.{dice.randint(1990, 2030)} {dice.randint(0, 23):02}:{dice.randint(0, 59):02}"


MADE = [questions, made_up, posts, records, dates]


WITHIN = 0.1
FARTHER = {"made_up": 0.12, "German": 0.18, "Korean": 0.18}
"""Those that miss it, and by how much at most; measured: 10.4, 16.3 and 15.0 %."""


def off_by(texts: list[str]) -> float:
    pytest.importorskip("toktok")
    return Estimator().total(texts) / token_counter(mode="exact").total(texts) - 1


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_kinds_made_here_are_within_their_bound(make: Callable[[random.Random], str]) -> None:
    dice = random.Random(make.__name__)
    assert abs(off_by([make(dice) for _ in range(200)])) <= FARTHER.get(make.__name__, WITHIN)


@pytest.mark.parametrize("language", SENTENCES)
def test_other_sentences_of_known_languages_are_within_their_bound(language: str) -> None:
    assert abs(off_by([SENTENCES[language]])) <= FARTHER.get(language, WITHIN)


def test_other_sentences_of_all_these_languages_are_within_a_tenth() -> None:
    assert abs(off_by(list(SENTENCES.values()))) <= WITHIN


MIXED = [
    "",
    "One two, THREE!",
    "Größe: 42",
    "你好，世界 😀",
    "नमस्ते",
    "\ud800 a",
    "\x00\x7f",
    "",
    "a" * 40,
    "12345678901234",
    "…“”—",
    "ｶ",
]


def test_few_and_many_texts_add_up_alike() -> None:
    estimator = Estimator()
    alone = sum(map(estimator.count, MIXED))
    assert estimator.total(MIXED) == pytest.approx(alone)
    many = MIXED * (3 * pairs.LARGE // len(BETWEEN_TEXTS.join(JoinedTexts(MIXED).encoded)))
    assert len(JoinedTexts(many).content) > 2 * pairs.LARGE
    assert estimator.total(many) == pytest.approx(alone * len(many) / len(MIXED))


def plain_class(character: str) -> int:
    """The class of one character by its code point."""
    code = ord(character)
    if code < 128:
        return {"\0": ord("\n")}.get(character, ord("0") if character.isdigit() else code)
    if code < 1 << 11:
        return 128 + (code >> 6)
    if code < 1 << 16:
        blocks = [place for place, (first, last, _) in enumerate(pairs._BLOCKS) if first <= code < last]
        return 160 + blocks[0] if blocks else 254
    return 250


def plain_estimate(text: str, *, single: bool) -> float:
    """The same sum, term by term; in `single` precision are the weights of pairs where they are many."""
    weights = pairs._weights()
    kinds = [0, *map(plain_class, text), 0]
    tokens, far, run = 0.0, 0, "edge"
    for before, kind in pairwise(kinds):
        weight = sum(weights.get(name, 0.0) for name in pairs.pair_terms(before, kind))
        tokens += float(np.float32(weight)) if single else weight
        far, run = (far + 1 if pairs._RUN_NAMES[kind] == run else 0), pairs._RUN_NAMES[kind]
        if run != "edge":
            tokens += weights.get(f"{run} {min(far, pairs.FARTHEST)}", 0.0)
    return tokens


@pytest.mark.parametrize("times", [1, 3_000])
def test_the_estimate_is_the_sum_of_its_weights(times: int) -> None:
    dice = random.Random(times)
    alphabet = "".join(map(chr, range(1, 128))) + "éßжשعกあ語한ह—“😀\ud800ﬁ" + "etaoin shrdlu" * 9
    texts = ["".join(dice.choices(alphabet, k=40)) for _ in range(20)]
    expected = sum(plain_estimate(text, single=times > 1) for text in texts) * times
    content = JoinedTexts(texts * times).content
    assert (len(content) >= pairs.LARGE) == (times > 1)
    assert pairs.estimate(content) == pytest.approx(expected, rel=1e-9)


def test_blocks_are_cut_between_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    many = MIXED * 2_000
    whole = Estimator().total(many)
    monkeypatch.setattr(pairs, "_BLOCK", 1_000)
    assert Estimator().total(many) == pytest.approx(whole)


@pytest.mark.parametrize("size", [0, pairs.LARGE])
def test_each_character_has_a_class(size: int) -> None:
    text = "aZ0 \n!é" + "я語한ह😀\ud800" + "." * size
    found = pairs.classes(text.encode("utf-8", "surrogatepass"))
    assert len(found) == len(text) + 2
    assert found[0] == found[-1] == 0
    assert 255 not in found
    assert len(set(found[8:13])) == 5
    assert pairs.classes(b"\xff") == bytes(3)
    # A number is a number, whichever its digits.
    assert len(set(pairs.classes(b"0123456789")[1:-1])) == 1


def test_runs_are_counted_by_position() -> None:
    width = pairs.FARTHEST + 1
    positions = pairs.run_positions(pairs.classes(b"abc 12 " + b"x" * 20)).tolist()
    letter, digit = (pairs.RUNS.index(run) * width for run in ("letter", "digit"))
    assert positions[letter : letter + 4] == [2, 2, 2, 1]
    assert positions[letter + pairs.FARTHEST] == 20 - pairs.FARTHEST
    assert positions[digit : digit + 3] == [1, 1, 0]


def test_no_estimate_is_below_nothing() -> None:
    for text in ("", "a", " ", "\n", "!", "0", "é", "語", "😀", "aaaaaaaaaaaaaaaaaaaaaaaa", "....", "    "):
        assert Estimator().count(text) >= 0, text


@pytest.mark.parametrize("times", [20, 20_000])
def test_there_are_no_fewer_tokens_than_words(times: int) -> None:
    assert times <= Estimator().count("word " * times) <= times * 1.1
