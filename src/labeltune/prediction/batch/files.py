"""Batches as files: requests as lines of an input file, and what the lines of an output file mean.

A request goes by the hash of its content, in hexadecimal: the answers come in any order.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, Final

import orjson

from labeltune.errors import DataError
from labeltune.files.writing import disk_errors
from labeltune.prediction.plan import PATH
from labeltune.prediction.replies import Reply, as_kept, judge_document, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labeltune.prediction.plan import Ask

__all__ = [
    "DOWNLOAD",
    "ENDPOINT",
    "MOST_BYTES",
    "MOST_REQUESTS",
    "UPLOAD",
    "BatchLine",
    "read_line",
    "temporary",
    "write_input_file",
]

ENDPOINT: Final = "/v1/chat/completions"
assert ENDPOINT.endswith(PATH)

MOST_REQUESTS = 50_000
MOST_BYTES = 190_000_000
"""Of one input file; the protocol's limit is 200 MB, however it counts them."""

UPLOAD, DOWNLOAD = ".upload", ".download"
"""How the files beside the journal end while they go up and come down."""


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A line of an output or error file: the request's hash, what came of it, and the reply's bytes.

    A verdict other than `answer`, `bad_response` and `rejected` means that the request was not answered;
    `reply.code` then says why.
    """

    digest: bytes
    reply: Reply
    raw: bytes


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """A file for its owner only, gone at the end; what a killed process left of it is dropped."""
    with disk_errors(path):
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_input_file(
    handle: IO[bytes],
    asks: Iterator[Ask],
    *,
    most_requests: int = MOST_REQUESTS,
    most_bytes: int = MOST_BYTES,
) -> tuple[list[int], Iterator[Ask]]:
    """Write the lines of an input file, as many as one batch takes; the first may be as long as it likes.

    Returns the requests that it holds, in its order, and those that are left. Raises `DataError` if two of
    them go by the same name.
    """
    requests: list[int] = []
    names: set[bytes] = set()
    size = 0
    for ask in asks:
        line = _input_line(ask.digest, ask.body)
        size += len(line)
        if requests and size > most_bytes:
            return requests, chain([ask], asks)
        if ask.digest in names:
            raise DataError(f"two requests of a batch go by the same custom_id, {ask.digest.hex()}")
        names.add(ask.digest)
        handle.write(line)
        requests.append(ask.request)
        if len(requests) == most_requests:
            break
    return requests, asks


def _input_line(digest: bytes, body: bytes) -> bytes:
    document = {"custom_id": digest.hex(), "method": "POST", "url": ENDPOINT, "body": orjson.Fragment(body)}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def read_line(text: bytes) -> BatchLine | None:
    """What a line of an output or error file says; None if it is none, or of none of our requests."""
    try:
        line = read_json(text)
        digest = bytes.fromhex(line["custom_id"])
    except (ValueError, KeyError, TypeError):
        return None
    response = line.get("response")
    if isinstance(response, dict) and isinstance(response.get("status_code"), int):
        body = response.get("body")
        reply = judge_document(response["status_code"], body)
        return BatchLine(digest, reply, as_kept(reply, write_json(body)))
    error: Any = line.get("error")
    code, said = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
    return BatchLine(digest, Reply("server_error", str(said or ""), str(code or "no_response")), b"")
