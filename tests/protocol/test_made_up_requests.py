"""Requests made up from the published document, right ones and wrong ones: each gets a reply of the document."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from protocol.harness import Provider
from protocol.published import Published

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = [pytest.mark.shared, pytest.mark.slow]

EXAMPLES = 12
"""Requests of each kind for each operation."""


async def _things(provider: Provider) -> dict[str, list[str]]:
    """What is there to be asked for, by the name that the document gives it, and what is not."""
    file = await provider.upload()
    job = await provider.trained(training_file=file)
    model = job.fine_tuned_model or ""
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": model}}
    batch_file = await provider.upload(json.dumps(line).encode(), purpose="batch")
    upload = await provider.client.uploads.create(bytes=4, filename="a", mime_type="a/b", purpose="user_data")
    with provider.without_worker():
        paused = await provider.job(training_file=file)
        await provider.client.fine_tuning.jobs.pause(paused.id)
        batch = await provider.client.batches.create(
            input_file_id=batch_file, endpoint="/v1/chat/completions", completion_window="24h"
        )
    spare = await provider.upload(b"to be deleted", purpose="user_data")
    return {
        "file_id": [spare, batch_file, "file-none"],
        "training_file": [file, "file-none"],
        "validation_file": [file],
        "input_file_id": [batch_file, file],
        "fine_tuning_job_id": [paused.id, job.id, "ftjob-none"],
        "batch_id": [batch.id, "batch_none"],
        "upload_id": [upload.id, "upload_none"],
        "model": [model, "tally", "none"],
    }


def _name(node: Any, things: Mapping[str, list[str]]) -> None:
    """Have the document name what is there wherever it asks for an id."""
    if isinstance(node, list):
        for item in node:
            _name(item, things)
    elif isinstance(node, dict):
        if node.get("in") == "path" and node["name"] in things:
            node["schema"] = {"type": "string", "enum": things[node["name"]]}
        for name, schema in node.get("properties", {}).items():
            # Not where a model or a file is told of: replies are checked by the document as it was.
            if name in things and schema.get("type") != "object":
                node["properties"][name] = {"type": "string", "enum": things[name]}
        for value in node.values():
            _name(value, things)


def _how_final(operation: Any) -> int:
    """What ends a thing comes after what needs it."""
    if operation.method.upper() == "DELETE":
        return 3
    return next((n for n, end in ((2, "/cancel"), (1, "/resume")) if operation.path.endswith(end)), 0)


def test_made_up_requests_get_replies_of_the_document(shared_data: Path, provider: Provider) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    mode = schemathesis.GenerationMode
    asking = Published.read(shared_data).document
    _name(asking, asyncio.run(_things(provider)))
    del asking["security"]
    asking["servers"] = [{"url": "/v1"}]
    schema = schemathesis.openapi.from_dict(asking)
    schema.app = provider.app
    published = Published.read(shared_data)
    statuses: dict[tuple[str, str], Counter[int]] = {}

    def ask(operation: Any, kind: Any) -> None:
        @given(case=operation.as_strategy(generation_mode=kind))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def once(case: Any) -> None:
            reply = case.call(headers={"Host": "local"})
            statuses.setdefault((operation.label, kind.value), Counter())[reply.status_code] += 1
            assert reply.status_code < 500, case.as_curl_command()
            if reply.status_code != 200:
                error = json.loads(reply.content)["error"]
                assert set(error) == {"message", "type", "param", "code"}, case.as_curl_command()
                assert error["message"], case.as_curl_command()
            assert reply.headers["x-request-id"][0].startswith("req_")
            published.check(operation.method, operation.path, reply.status_code, reply.content)

        once()

    with provider.without_worker():
        operations = [found.ok() for found in schema.get_all_operations()]
        for operation in sorted(operations, key=_how_final):
            ask(operation, mode.POSITIVE)
            if operation.body or operation.query:
                ask(operation, mode.NEGATIVE)
    assert {label for label, _ in statuses} == {f"{method} {path}" for method, path in published.operations}
    # Those that need no more than the id of something that is there were all right once: the others may have
    # been asked for what is not offered.
    simple = [f"{op.method.upper()} {op.path}" for op in operations if not op.body and not op.query]
    assert len(simple) >= 10
    # No worker ends the batches that were made, so the model that they ask is in use.
    in_use = {"DELETE /models/{model}": 409}
    for label in simple:
        assert statuses[label, "positive"][in_use.get(label, 200)], label
