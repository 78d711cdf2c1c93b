"""Batches as files: requests as lines of an input file, and what the lines of an output file mean.

A request goes by the hash of its content, in hexadecimal: the answers come in any order.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, Final

import orjson

from labeltune.errors import DataError
from labeltune.files.writing import disk_errors
from labeltune.prediction.plan import PATH
from labeltune.prediction.replies import Reply, as_kept, judge_document, read_json, write_json
from labeltune.providers.failures import redact
from labeltune.providers.lenient import whole_number
from labeltune.providers.refusals import refusal_in

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
    found = _response_of(line)
    if found is not None:
        reply = judge_document(*found)
        return BatchLine(digest, reply, as_kept(reply, write_json(found[1])))
    refusal = refusal_in(line.get("error"))
    code = redact(str(refusal.get("code") or "no_response"))
    return BatchLine(digest, Reply("server_error", redact(refusal.get("message", "")), code), b"")


def _response_of(line: dict[str, Any]) -> tuple[int, Any] | None:
    """The status and the body of a response, as servers write them; None where there was none.

    The status may be missing or be a text, the body may be a text that holds it, or be the response itself.
    Where there is no body, the error beside it says why.
    """
    response = line.get("response")
    if not isinstance(response, dict):
        return None
    body = response if "choices" in response or "error" in response else response.get("body")
    if isinstance(body, str):
        with suppress(ValueError):
            body = read_json(body.encode("utf-8", "surrogatepass"))
    error = line.get("error")
    if body is None and error:
        body = {"error": error}
    status = whole_number(response.get("status_code"))
    if status is None:
        # An answer or an error speaks for itself.
        return (200, body) if isinstance(body, dict) and ("choices" in body or "error" in body) else None
    return status, body
