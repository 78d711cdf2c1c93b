"""The published OpenAPI document, and replies held to it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]  # comes with openapi-core, without types

if TYPE_CHECKING:
    from pathlib import Path

_OURS = re.compile(r"/(files|uploads|fine_tuning/jobs|models|batches)")


@dataclass(frozen=True, slots=True)
class Published:
    """The part of the document that the local provider offers."""

    document: dict[str, Any]

    @classmethod
    def read(cls, shared_data: Path) -> Published:
        document: dict[str, Any] = json.loads((shared_data.parent / "openai-openapi.json").read_text())
        document["paths"] = {
            # Stored completions are not kept: the only thing of these paths that is not offered.
            path: {"post": methods["post"]} if path == "/chat/completions" else methods
            for path, methods in document["paths"].items()
            if _OURS.match(path) or path == "/chat/completions"
        }
        found = cls(document)
        # A known gap: jobs can be paused, but the document does not list what their status is then.
        found.schemas["FineTuningJob"]["properties"]["status"]["enum"] += ["pausing", "paused"]
        # Another: files may be uploaded for "evals", but the purposes of a file that is shown lack it.
        found.schemas["OpenAIFile"]["properties"]["purpose"]["enum"] += ["evals"]
        return found

    @property
    def schemas(self) -> dict[str, Any]:
        schemas: dict[str, Any] = self.document["components"]["schemas"]
        return schemas

    @property
    def operations(self) -> set[tuple[str, str]]:
        """Method and path of everything that is offered."""
        return {(m.upper(), path) for path, methods in self.document["paths"].items() for m in methods}

    def check(self, method: str, path: str, status: int, content: bytes) -> str:
        """Hold a reply to the document; returns the path as the document writes it, or "" for an error."""
        if status != 200:
            self._validate(json.loads(content), {"$ref": "#/components/schemas/ErrorResponse"})
            return ""
        template = self._template(path.removeprefix("/v1"))
        schemas = self.document["paths"][template][method.lower()]["responses"]["200"]["content"]
        if not template.endswith("/content"):
            self._validate(json.loads(content), schemas["application/json"]["schema"])
        return template

    def _template(self, path: str) -> str:
        found = [
            name for name in self.document["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", name), path)
        ]
        return str(min(found, key=lambda name: name.count("{")))

    def _validate(self, value: Any, schema: dict[str, Any]) -> None:
        whole = {**schema, "components": self.document["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)
