"""Conversations as the model's own chat template and tokenizer write them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from labeltune.errors import AccessError
from labeltune.local.engines.common.records import Frame, content_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from labeltune.local.engines import Message
    from labeltune.local.engines.common.records import Template

    Ids = tuple[int, ...]

__all__ = ["Chat", "check_template"]

_MARK = "Zq7Zq"
"""Stands where a message would, to see what a template puts around it."""
_CUT = " … "
_CHARACTERS = 16
"""More characters than so many times the window are never looked at: the rest is cut before tokens are
counted."""

_NO_TEMPLATE = "has no chat template, so that nobody knows how it was taught to converse"
_NO_TEMPLATE_HINT = (
    "take the model's instruct or chat variant, or put its chat_template.jinja into the folder"
)


def check_template(folder: Path) -> None:
    """Raise `AccessError` if a model's folder has no chat template."""
    if (folder / "chat_template.jinja").is_file():
        return
    try:
        settings = (folder / "tokenizer_config.json").read_text(encoding="utf-8")
    except (OSError, ValueError):
        settings = ""
    if '"chat_template"' not in settings:
        raise AccessError(f"{folder}: {_NO_TEMPLATE}", hint=_NO_TEMPLATE_HINT)


class Chat:
    """A tokenizer and its template. Nothing that a text holds is taken as one of the template's marks."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        check_template(folder)
        try:
            found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AccessError(
                f"{folder}: its tokenizer cannot be read ({type(error).__name__})",
                hint="copy or fetch the model again",
            ) from error
        if not found.chat_template:
            raise AccessError(f"{folder}: {_NO_TEMPLATE}", hint=_NO_TEMPLATE_HINT)
        self.tokenizer: Any = found
        # A text is as long as it is; how much of it the model reads is decided here.
        found.model_max_length = 1 << 60
        self._marks = sorted(map(str, found.all_special_tokens), key=len, reverse=True)
        added = (str(token) for token in found.added_tokens_decoder.values() if token.special)
        self._marks = sorted({*self._marks, *added} - {""}, key=len, reverse=True)
        try:
            self._tail, self._end_text = self._around_answers()
        except _template_errors() as error:
            raise AccessError(
                f"{folder}: its chat template cannot be used: {str(error).partition(chr(10))[0]}",
                hint=_NO_TEMPLATE_HINT,
            ) from error
        self.end = self._end()
        self.pad = found.pad_token_id if found.pad_token_id is not None else self.end[-1]

    def plain(self, text: str) -> str:
        """The same text, with a space in what a template would take as one of its marks."""
        for mark in self._marks:
            if mark in text:
                text = text.replace(mark, f"{mark[0]} {mark[1:]}" if len(mark) > 1 else " ")
        return text

    def render(self, conversation: Sequence[Message]) -> str:
        """A conversation up to where the answer begins. A template without a system message gets its words
        at the beginning of the next one; one that refuses this order of messages, all in one of the user's.
        """
        messages = [
            {"role": str(message.get("role", "user")), "content": self.plain(content_of(message))}
            for message in conversation
        ]
        for form in (messages, _without_system(messages)):
            with suppress(*_template_errors()):
                return self._apply(form)
        return self._apply([{"role": "user", "content": _in_one(messages)}])

    def _apply(self, messages: list[dict[str, str]], *, answered: bool = False) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=not answered,
                # Templates of models that can think aloud know this; to others it is nothing.
                enable_thinking=False,
            )
        )

    def _around_answers(self) -> tuple[str, str]:
        """What the template writes between the user's text and the answer, and after the answer."""
        asked = [{"role": "user", "content": _MARK}]
        prompt = self._apply(asked)
        tail = prompt[prompt.rfind(_MARK) + len(_MARK) :] if _MARK in prompt else ""
        answer = _MARK[::-1]
        whole = self._apply([*asked, {"role": "assistant", "content": answer}], answered=True)
        end = whole[whole.rfind(answer) + len(answer) :] if answer in whole else ""
        return tail, end

    def _end(self) -> Ids:
        """The tokens that end an answer: up to the first of the template's marks, or the tokenizer's end."""
        ids = self.tokens(self._end_text)
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        for place, token in enumerate(ids):
            if token in special:
                return ids[: place + 1]
        if self.tokenizer.eos_token_id is None:
            raise AccessError(
                "the chat template sets no mark after an answer, and the tokenizer has no end of a text",
                hint="set eos_token in the model's tokenizer_config.json",
            )
        return (*ids, int(self.tokenizer.eos_token_id))

    def tokens(self, text: str) -> Ids:
        """The tokens of a text in which the template's marks are such."""
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def spell(self, before: str, text: str) -> Ids:
        """The tokens of a piece of an answer, as they are behind `before` where an answer begins.

        Where the tokenizer would join the piece with what stands before it, those of the piece alone.
        """
        text = self.plain(text)
        ahead = self.tokens(self._tail + self.plain(before))
        whole = self.tokens(self._tail + self.plain(before) + text)
        return whole[len(ahead) :] if whole[: len(ahead)] == ahead else self.tokens(text)

    def whole(self, answer: str) -> Ids:
        """The tokens of a whole answer, and its end, as the tokenizer writes them."""
        return (*self.spell("", answer), *self.end)

    def prompt(self, conversation: Sequence[Message], limit: int, template: Template) -> tuple[Ids, bool]:
        """The tokens of a conversation, at most `limit`, and whether the last user's text lost its middle.

        If its other words alone are too many, the last `limit` tokens are what is left.
        """
        conversation = list(conversation)
        place = max((n for n, m in enumerate(conversation) if m.get("role") == "user"), default=-1)
        content = content_of(conversation[place]) if place >= 0 else ""
        if len(content) <= _CHARACTERS * limit:
            ids = self.tokens(self.render(conversation))
            if len(ids) <= limit:
                return ids, False
        if place < 0:
            return ids[-limit:], True
        frame = template.frames.get(("user", 1), Frame())
        text = frame.varying(content)
        start = content.find(text) if text and text != content else 0
        head, foot = content[:start], content[start + len(text) :]

        def shortened(kept: int) -> Ids:
            middle = text[: (kept + 1) // 2] + _CUT + text[len(text) - kept // 2 :]
            conversation[place] = {**conversation[place], "content": head + middle + foot}
            return self.tokens(self.render(conversation))

        low, high, best = 0, min(len(text), _CHARACTERS * limit), shortened(0)
        while low < high:
            kept = (low + high + 1) // 2
            ids = shortened(kept)
            if len(ids) <= limit:
                low, best = kept, ids
            else:
                high = kept - 1
        return best[-limit:], True


def _template_errors() -> tuple[type[Exception], ...]:
    """What a template raises that is broken, or that refuses a conversation; no message at all is refused
    by a `ValueError`.
    """
    from jinja2.exceptions import TemplateError

    return TemplateError, ValueError, TypeError


def _in_one(messages: list[dict[str, str]]) -> str:
    return "\n\n".join(message["content"] for message in messages)


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    told = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    others = [dict(message) for message in messages if message["role"] != "system"]
    if told and others:
        others[0]["content"] = f"{told}\n\n{others[0]['content']}"
    return others
