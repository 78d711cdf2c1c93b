"""What a reply to a chat request is: an answer, a refusal, a lost answer, or a reason to wait or to stop."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from labeltune.providers.failures import (
    MODEL_CODES,
    NOT_THE_API,
    QUOTA_CODES,
    redact,
    shown_place,
    shown_start,
)
from labeltune.providers.hidden_errors import hidden_error
from labeltune.providers.refusals import is_loading, refusal_in

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BAD_RESPONSE",
    "MODEL_DAMAGED",
    "REJECTED",
    "STREAMED",
    "Reply",
    "Verdict",
    "answer_of",
    "as_kept",
    "choice_of",
    "has_thought",
    "is_completion",
    "judge",
    "judge_document",
    "read_json",
    "shown_answer",
    "text_of",
    "usage_of",
    "write_json",
]

Verdict = Literal[
    "answer", "bad_response", "rejected", "lost", "limited", "server_error", "quota", "access", "foreign"
]
"""`answer` and `bad_response` are kept, `rejected` ends one row, `lost` may have been billed, `limited` and
`server_error` were not taken up, `quota` and `access` end the run, `foreign` is not from the API."""

REJECTED, BAD_RESPONSE = "rejected", "bad_response"

MODEL_DAMAGED = "model_damaged"
"""The local provider's code for a model whose files are not what was saved: waiting does not mend it."""

STREAMED = "streamed"
"""Our own code for a reply in pieces, which nobody asked for."""

_READ = 1024
"""Bytes of a strange reply that are looked at for a message."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A judged reply; `said` is what the provider said about it, for messages."""

    verdict: Verdict
    said: str = ""
    code: str = ""
    document: Any = None
    status: int = 200
    """The status, or what the error in a success stands for."""
    param: str = ""
    """What of the request a refusal is about, if it says so."""


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """What a complete reply means."""
    if 300 <= status < 400:
        # It is not followed: the key would go along to wherever it leads.
        to = shown_place(headers.get("location", "")) if headers.get("location") else "elsewhere"
        return Reply("foreign", f"redirects to {to} (status {status})", str(status), status=status)
    try:
        document = read_json(body)
    except ValueError:
        return _broken(headers, body) if _succeeded(status) else _refusal(status, {}, body)
    return judge_document(status, document)


def judge_document(status: int, document: Any) -> Reply:
    """What a complete reply means whose body is this JSON document."""
    if _succeeded(status):
        hidden = hidden_error(document)
        if hidden is not None:
            meant, said = hidden
            # An error of no kind that is known is not from a chat endpoint: a server that knows no such path.
            return _not_an_answer(said) if meant is None else _refusal(meant, said, b"")
        if choice_of(document) is None:
            return Reply("bad_response", redact(_start(write_json(document))), document=document)
        return Reply("answer", document=document)
    return _refusal(status, refusal_in(document), write_json(document))


def _not_an_answer(error: Mapping[str, Any]) -> Reply:
    said = redact(str(error.get("message") or error))
    return Reply("foreign", f"instead of an answer: {said}", code=str(error.get("code") or "error"))


def _succeeded(status: int) -> bool:
    return 200 <= status < 300


def _refusal(status: int, error: Mapping[str, Any], body: bytes) -> Reply:
    code = redact(str(error.get("code") or error.get("type") or ""))
    said = redact(str(error.get("message") or (_start(body) if body else f"status {status}")))
    verdict = _verdict(status, {code, str(error.get("type"))}, said)
    if verdict == "access" and status == 403 and body.lstrip()[:1] == b"<":
        # A page: of a firewall or a proxy, which know nothing of keys.
        verdict, said = "foreign", f"{NOT_THE_API} (status 403): {said}"
    return Reply(verdict, said, code or str(status), status=status, param=str(error.get("param") or ""))


_NOT_NOW = (408, 409, 423, 424, 425, 429, 499)
"""Statuses of refusals that another try may not meet, beside those of server errors."""


def _verdict(status: int, names: set[str], said: str) -> Verdict:
    """What a refusal with this status means that goes by these names."""
    if MODEL_DAMAGED in names or (names & MODEL_CODES and 400 <= status < 429):
        return "access"
    if status == 402 or (status in (403, 429) and names & QUOTA_CODES):
        return "quota"
    if status in _NOT_NOW or status >= 500:
        limited = status == 429 or names & {"slow_down", "rate_limit_exceeded"}
        return "limited" if limited else "server_error"
    if status == 404 and is_loading(said):
        return "server_error"
    if status == 404 and "requested parameters" in said:
        return "rejected"  # OpenRouter: nobody behind it heeds a field of the request
    return "access" if status in (401, 403, 404, 405, 407, 410) else "rejected"


def _broken(headers: Mapping[str, str], body: bytes) -> Reply:
    """What a success means whose body is not JSON."""
    kind = headers.get("content-type", "")
    bare = body.removeprefix(codecs.BOM_UTF8).lstrip()
    if _is_stream(bare):
        return Reply("foreign", f"a stream of pieces came instead of one answer: {_start(bare)}", STREAMED)
    # A body that begins like our JSON and breaks off was on its way from the API; a page was not.
    if bare[:1] in (b"{", b"") and ("json" in kind or not kind):
        return Reply("lost", f"the answer broke off: {_start(bare)}" if bare else "the answer is empty")
    return Reply("foreign", f"{NOT_THE_API}: {_start(body)}")


def _is_stream(body: bytes) -> bool:
    """Whether a body is a stream of events, or of JSON documents, one on each line."""
    if body.startswith((b"data:", b"event:")):
        return True
    first, _, rest = body.partition(b"\n")
    try:
        return bool(rest.strip()) and isinstance(read_json(first), dict)
    except ValueError:
        return False


def as_kept(reply: Reply, raw: bytes) -> bytes:
    """The bytes of a reply as they may lie on the disk: a refusal can repeat the key that it refuses."""
    if reply.verdict == "answer":
        return raw
    return redact(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def read_json(text: bytes) -> Any:
    """A JSON document as servers write it: with `NaN` and `Infinity`, whole numbers of any size, a byte order
    mark, in UTF-16, and bytes that are no text or halves of characters, which become a sign that says so.
    Raises `ValueError`.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return _writable(json.loads(_decoded(text), parse_int=_whole))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _decoded(text: bytes) -> str:
    return text.decode(json.detect_encoding(text), "replace")


def _writable(value: Any) -> Any:
    """A document in whose texts no half of a character (a lone surrogate) is left: no file can hold it."""
    if isinstance(value, dict):
        return {_writable(name): _writable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return list(map(_writable, value))
    return (
        value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if isinstance(value, str)
        else value
    )


_MOST_DIGITS = 300
"""More digits than any number of use has, and than a float can hold."""


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float("inf")


def write_json(document: Any) -> bytes:
    """What `read_json` reads back."""
    try:
        return orjson.dumps(document)
    except TypeError:
        return json.dumps(document, ensure_ascii=False).encode()


_THOUGHTS = {
    **{f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "reasoning", "seed:think")},
    re.escape("[THINK]"): re.escape("[/THINK]"),
    "◁think▷": "◁/think▷",
    re.escape("<|begin_of_thought|>"): re.escape("<|end_of_thought|>"),
    r"(<\|start\|>assistant)?<\|channel\|>": r"<\|channel\|>final\b[^<]*(<\|constrain\|>[^<]*)?<\|message\|>",
}
_THOUGHT = [(re.compile(rf"\s*{begin}"), re.compile(end)) for begin, end in _THOUGHTS.items()]
"""How models begin and end what they think before an answer, each with the words of its own template."""

_ENDS = ("</think>", "[/THINK]", "◁/think▷", "</seed:think>")
"""Of thoughts that a template opens itself, so that their end alone is in what the model writes."""

_LEFT_OVER = re.compile(r"(?:\s*(?:<\|[^<>|\s]{1,40}\|>|</s>|<eos>|<end_of_turn>))+\s*\Z")
"""The tokens that end a message, where a server leaves them in its text."""


def text_of(choice: Mapping[str, Any]) -> str:
    """The text of a choice's message: its text parts."""
    content = choice["message"].get("content")
    if isinstance(content, list):
        return "".join(map(_text_of_part, content))
    if isinstance(content, int | float):
        return write_json(content).decode()  # a label that is a number, from a server that reads answers
    return _text_of_part(content)


def shown_answer(choice: Mapping[str, Any]) -> str:
    """What the column `answer` shows: the text as it came, else the words of a refusal."""
    refusal = choice["message"].get("refusal")
    return text_of(choice) or (refusal if isinstance(refusal, str) else "")


def answer_of(choice: Mapping[str, Any]) -> str:
    """The text of a choice's message, without what the model thought before it."""
    return _LEFT_OVER.sub("", _without_thought(text_of(choice)))


def _without_thought(text: str) -> str:
    for begin, end in _THOUGHT:
        if begin.match(text):
            over = end.search(text)
            text = "" if over is None else text[over.end() :].lstrip()
    for mark in _ENDS:
        text = text.rpartition(mark)[2].lstrip() if mark in text else text
    return text


def has_thought(choice: Mapping[str, Any]) -> bool:
    """Whether the model thought before it answered, and showed it."""
    apart = choice["message"].get("reasoning_content") or choice["message"].get("reasoning")
    return bool(apart) or _without_thought(text_of(choice)) != text_of(choice)


def _text_of_part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in ("text", "output_text"):
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def choice_of(document: Any) -> dict[str, Any] | None:
    """The first choice of a chat completion, if it has one with a message; one of an older completion has its
    text.
    """
    try:
        choice = document["choices"][0]
        if isinstance(choice.get("text"), str) and choice.get("message") is None:
            return {**choice, "message": {"content": choice["text"]}}
        return choice if isinstance(choice["message"], dict) else None
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


def is_completion(document: Any) -> bool:
    """Whether a document without an answer is at least what a chat endpoint sends: one with `choices`."""
    return isinstance(document, dict) and "choices" in document


def usage_of(document: Any) -> tuple[int, int]:
    """Tokens read and written, as the provider counted them; 0 where it does not say."""
    usage = document.get("usage") if isinstance(document, dict) else None
    if not isinstance(usage, dict):
        return 0, 0
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return _count(read), _count(written)


_MOST_TOKENS = 1 << 40


def _count(tokens: Any) -> int:
    """A number of tokens; 0 for what is none."""
    is_one = isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens <= _MOST_TOKENS
    return tokens if is_one else 0


def _start(body: bytes) -> str:
    return shown_start(body[:_READ].decode("utf-8", "replace"))
