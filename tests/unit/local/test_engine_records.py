"""Taking the prompt's fixed words off."""

from __future__ import annotations

import pytest

from labeltune.local.engines.common.records import Frame, Template


def user(*contents: str) -> list[list[dict[str, str]]]:
    return [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
        for content in contents
    ]


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        pytest.param(["Comment: hello. labels", "Comment: bye. labels"], ["hello", "bye"], id="both ends"),
        pytest.param(["unhappy man", "untidy room"], ["unhappy man", "untidy room"], id="half a word stays"),
        pytest.param(["singing", "dancing"], ["singing", "dancing"], id="half a word at the end stays"),
        pytest.param(["T: a\nB: c", "T: d\nB: e"], ["a\nB: c", "d\nB: e"], id="two varying parts"),
        pytest.param(["aa x aa", "aa aa"], ["x aa", "aa"], id="a word may be the text's"),
        pytest.param(["Text: ", "Text: full"], ["", "full"], id="an empty text"),
    ],
)
def test_what_varies_is_the_text(contents: list[str], expected: list[str]) -> None:
    conversations = user(*contents)
    template = Template.of(conversations)
    assert [template.text(conversation) for conversation in conversations] == expected


def test_a_message_that_does_not_fit_counts_with_all_its_words() -> None:
    template = Template.of(user("Comment: one!", "Comment: two!"))
    assert template.text(user("Something else")[0]) == "Something else"
    assert template.text([{"role": "user", "content": "Comment: three!"}]) == "three"
    assert template.text([{"role": "system", "content": "Be long."}]) == "Be long."
    # Prefix and suffix may not share characters.
    assert Frame("ab ", " c").varying("ab c") == "ab c"


def test_content_parts_and_missing_content() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    template = Template.of([])
    assert template.text([{"role": "user", "content": parts}, {"role": "user", "content": None}]) == "a\nb"


def test_several_turns_are_matched_from_the_end() -> None:
    def turns(text: str, *more: str) -> list[dict[str, str]]:
        earlier = [{"role": "user", "content": word} for word in more]
        return [*earlier, {"role": "user", "content": f"Classify: {text}"}]

    template = Template.of([turns("a"), turns("b", "hi"), turns("c", "well")])
    assert [template.text(t) for t in (turns("d"), turns("e", "so"))] == ["d", "so\ne"]


def test_lists_of_labels_in_the_prompt() -> None:
    template = Template.of(user("Say ['a', \"it's\"] of [x]: one", "Say ['a', \"it's\"] of [x]: two"))
    assert template.declared_labels() == (("a", "it's"),)


def test_a_template_survives_being_saved() -> None:
    template = Template.of(user("Comment: one!", "Comment: two!"))
    assert Template.from_json(template.to_json()) == template
