"""A stand-in for a large model, so that from_ten_rows.sh runs without a key: it answers from templates.

It is no model. It labels a text as the example in the prompt that shares most words with it, and "writes"
texts by joining halves of the rows that it was shown. What a real model would do, its answers do not tell.

    python examples/stand_in_teacher.py --url-file teacher.url

It listens on this machine only, writes its address into the file, and ends by itself after --seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OPENINGS = ("", "Hello,", "Hi there,", "Good morning,", "Dear team,", "Quick question:", "Once more:")
CLOSINGS = ("", "Thanks.", "Please answer soon.", "Any idea?", "Best wishes", "I am waiting.", "What now?")

PLAN = {
    "dimensions": [
        {"name": "length", "values": ["a few words", "one sentence", "several sentences"]},
        {"name": "tone", "values": ["calm", "annoyed", "in a hurry"]},
    ]
}

SEED = re.compile(r"^- \((?P<labels>.*?)\) (?P<text>.+)$", re.MULTILINE)
WANTED = re.compile(r"Write (?P<count>\d+) new texts .* rightly labelled: (?P<labels>.+)")


def words(text: str) -> set[str]:
    """The words of a text."""
    return set(re.findall(r"\w+", text.casefold()))


def likeness(one: str, other: str) -> float:
    """The share of all words that both have."""
    a, b = words(one), words(other)
    return len(a & b) / max(1, len(a | b))


def label(messages: list[dict[str, str]]) -> tuple[str, float]:
    """The answer of the example that is most like the text, and how sure that is."""
    text = messages[-1]["content"]
    turns = messages[1:-1]
    examples = [(turns[n]["content"], turns[n + 1]["content"]) for n in range(0, len(turns) - 1, 2)]
    if not examples:
        return "I was shown no example.", 0.5
    near, answer = max((likeness(text, example), answer) for example, answer in examples)
    return answer, 0.5 + near / 2


def write(request: str) -> dict[str, list[str]]:
    """Texts put together from the rows that the request shows; the same for the same request."""
    wanted = WANTED.search(request)
    if wanted is None:
        return {"texts": []}
    rows = [m["text"] for m in SEED.finditer(request) if m["labels"] == wanted["labels"].strip()]
    chance = random.Random(request)
    return {"texts": [join(rows, chance) for _ in range(int(wanted["count"])) if rows]}


def join(rows: list[str], chance: random.Random) -> str:
    """The first half of one row and the second half of another, between an opening and a closing."""
    first, second = chance.choice(rows).split(), chance.choice(rows).split()
    middle = [*first[: (len(first) + 1) // 2], *second[len(second) // 2 :]]
    return " ".join(filter(None, [chance.choice(OPENINGS), *middle, chance.choice(CLOSINGS)]))


def describe(request: str) -> dict[str, list[dict[str, str]]]:
    """A sentence for each label that the request lists, each on a line of its own, in quotes."""
    names = re.findall(r'^"(.+?)"', request, re.MULTILINE)
    return {"labels": [{"label": name, "sentence": f"The text is about: {name}."} for name in names]}


def answer(request: dict[str, Any]) -> tuple[str, float]:
    """What is answered, and how sure; what is asked for shows in the schema of the answer."""
    messages = request["messages"]
    schema = request.get("response_format", {}).get("json_schema", {}).get("schema", {})
    last, asked = messages[-1]["content"], set(schema.get("properties", {}))
    if asked == {"texts"}:
        return json.dumps(write(last), ensure_ascii=False), 1.0
    if asked == {"dimensions"}:
        return json.dumps(PLAN), 1.0
    if asked == {"labels"} and "sentence" in json.dumps(schema):
        return json.dumps(describe(last), ensure_ascii=False), 1.0
    return label(messages)


def completion(request: dict[str, Any]) -> dict[str, Any]:
    """A chat completion with its answer as one token."""
    text, sure = answer(request)
    token = {"token": text, "logprob": math.log(sure), "bytes": list(text.encode()), "top_logprobs": []}
    return {
        "id": "chatcmpl-stand-in",
        "object": "chat.completion",
        "created": 0,
        "model": request.get("model", "stand-in"),
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": {"content": [token]} if request.get("logprobs") else None,
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


class Handler(BaseHTTPRequestHandler):
    """Answers chat requests."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """A chat request, or a path that there is not."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/v1/chat/completions":
            self._send(200, completion(json.loads(body)))
        else:
            self._send(404, {"error": {"message": f"no such path: {self.path}", "code": "not_found"}})

    def _send(self, status: int, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until the time is over, or until it is stopped."""
    parser = argparse.ArgumentParser(description="A stand-in for a large model: it answers from templates.")
    parser.add_argument("--url-file", required=True, help="where its address is written")
    parser.add_argument("--seconds", type=float, default=1800, help="how long it lives at most")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    timer = threading.Timer(options.seconds, server.shutdown)
    timer.daemon = True
    timer.start()
    ready = Path(options.url_file)
    half = ready.with_name(f"{ready.name}.new")
    half.write_text(f"http://127.0.0.1:{server.server_address[1]}/v1\n", encoding="utf-8")
    half.replace(ready)
    server.serve_forever()


if __name__ == "__main__":
    main()
