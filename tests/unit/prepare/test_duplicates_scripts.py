"""Texts that say the same in other scripts and other spellings of one sign."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from labeltune.prepare.check import CheckOptions, check
from labeltune.prepare.check.neighbours import plain_forms
from labeltune.prepare.duplicates import duplicate_groups, encoded_words, plain, words_of
from labeltune.prepare.split import SplitOptions, parse_sizes, split
from labeltune.pricing.tokens import JoinedTexts

if TYPE_CHECKING:
    from pathlib import Path

LONG = {
    "Chinese": "快递太慢了要求退款质量很好下次还会购买客服态度不错包装也很好就是价格有点贵希望以后能便宜一些总体来说比较满意推荐给大家",
    "Japanese": "荷物が届きません返金してくださいログインできませんでした請求書が間違っています配送先の住所を変更したいのですがどうすればよいですか",
    "Thai": "พัสดุมาช้ามากขอเงินคืนเข้าสู่ระบบไม่ได้ต้องการเปลี่ยนที่อยู่จัดส่งสินค้าชำรุดเสียหาย",
    "Khmer": "កញ្ចប់មកដល់យឺតណាស់ខ្ញុំចង់បានប្រាក់មកវិញហើយខ្ញុំមិនអាចចូលគណនីបានទេ",
    "mixed": "iPhone 15 的 电池 质量很好下次还会购买客服态度不错包装也很好就是价格有点贵希望以后能便宜一些 very good",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_data_64_near_duplicates_where_no_words_are_set_apart(text: str) -> None:
    middle = len(text) // 2
    other = text[:middle] + text[middle + 1 :]
    groups = duplicate_groups([text + "一", text + "二", other, text[::-1], text[: len(text) // 2]])
    assert groups[:3] == [0, 0, 0]
    assert len(set(groups)) == 3


def test_data_64_words_are_pairs_of_characters_in_such_scripts_only() -> None:
    assert words_of("質量 ok good한국어 한국어") == ["質量", "ok", "good한국어", "한국어"]
    assert words_of("質量很 iphone好用") == ["質量", "量很", "iphone", "好用"]
    assert words_of("好") == ["好"]
    assert words_of("naïve café ’s") == ["naïve", "café", "’s"]


@given(st.text(st.sampled_from("ab é’한국一二好くพั😀 "), max_size=12))
def test_words_of_bytes_are_those_of_the_text(text: str) -> None:
    form = plain(text)
    found = [word.decode() for word in encoded_words(form.encode())] if form else []
    assert found == words_of(form)


SAME = ["café crème, s'il vous plaît", "ＦＲＥＥ　ｐｈｏｎｅ", "ﬁne ½ Åse", "한국어 텍스트"]


@pytest.mark.parametrize("text", SAME)
@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_data_15_spellings_of_one_text_are_duplicates(text: str, form: str) -> None:
    other = unicodedata.normalize(form, text)  # type: ignore[arg-type]  # one of the four
    assert duplicate_groups([text, other, "something else"]) == [0, 0, 1]


@given(st.lists(st.text(st.sampled_from("aAé\u0301\u0308e Ａ１ﬁ한.ㄱ"), max_size=8), max_size=5))
def test_data_15_many_texts_at_once_are_made_plain_alike(texts: list[str]) -> None:
    assert plain_forms(JoinedTexts(texts)) == [plain(text).encode() for text in texts]


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        ("Le café de l'été", unicodedata.normalize("NFD", "Le café de l'été"), "overlap"),
        ("a free phone", "ａ ｆｒｅｅ ｐｈｏｎｅ", "near_overlap"),
        (LONG["Chinese"] + "一", LONG["Chinese"] + "二", "near_overlap"),
    ],
)
def test_data_15_64_check_finds_them_in_another_part(tmp_path: Path, one: str, other: str, code: str) -> None:
    parts = [tmp_path / "train.csv", tmp_path / "test.csv"]
    for path, text in zip(parts, (one, other), strict=True):
        path.write_text(
            f"text,label\n{text},lost card\nof {path.stem} alone,card_arrival\n", encoding="utf-8"
        )
    done = check(parts, tasks.INTENT, CheckOptions(tokens="estimate"))
    assert [(one.code, one.where.line) for one in done.findings if "overlap" in one.code] == [(code, 2)]


def test_data_15_64_split_keeps_them_together(tmp_path: Path) -> None:
    texts = [f"{LONG['Chinese'][n:]}{end}" for n in range(0, 40, 4) for end in "一二"]
    texts += [
        unicodedata.normalize(form, f"déjà vu n° {n} " * 3) for n in range(10) for form in ("NFC", "NFD")
    ]
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "".join(f"{text},lost card\n" for text in texts), encoding="utf-8")
    options = SplitOptions(sizes=parse_sizes("a=0.5,b=0.5"), stratified=False)
    done = split(path, tasks.INTENT, options, folder=tmp_path)
    assert done.duplicates >= 20
    parts = [(tmp_path / name).read_text(encoding="utf-8") for name in ("a.csv", "b.csv")]
    for first, second in zip(texts[::2], texts[1::2], strict=True):
        assert (
            len({place for place in (0, 1) for text in (first, second) if f"\n{text}," in parts[place]}) == 1
        )
