"""JSON in and out: request bodies read field by field, pages, and replies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from labeltune.local.errors import ApiError, invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from starlette.requests import Request

    from labeltune.local.store import Store

__all__ = ["Fields", "json_fields", "json_reply", "listing", "page_of", "read_body", "seq_of"]

MAX_JSON = 16 << 20
"""Bytes of a JSON body; more is answered with 413."""

_MAX_METADATA = 16
_MAX_METADATA_KEY = 64
_MAX_METADATA_VALUE = 512


def json_reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as a JSON reply."""
    return Response(orjson.dumps(value), status, headers, media_type="application/json")


async def read_body(request: Request, limit: int = MAX_JSON) -> bytes:
    """The body of a request, refused with 413 as soon as it is longer than `limit` bytes."""
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise ApiError(413, f"The request body is larger than {limit:,} bytes.")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def json_fields(request: Request) -> Fields:
    """The JSON object in the request's body."""
    return Fields.of_json(await read_body(request))


class Fields:
    """One JSON object of a request, read field by field; every refusal names the field.

    A field that is absent or null reads as None. `done` refuses the fields that were never asked for.
    """

    __slots__ = ("_asked", "_values", "_where")

    def __init__(self, values: dict[str, Any], where: str = "") -> None:
        self._values = values
        self._where = where
        self._asked: set[str] = set()

    @classmethod
    def of_json(cls, body: bytes) -> Fields:
        """Parse a JSON object. Raises `ApiError` (400) for anything else."""
        try:
            values = orjson.loads(body)
        except orjson.JSONDecodeError:
            values = None
        if not isinstance(values, dict):
            invalid(
                "We could not parse the JSON body of your request: the API expects one JSON object in UTF-8."
            )
        return cls(values)

    def take(self, name: str, kind: type | tuple[type, ...], expected: str, *, required: bool = False) -> Any:
        """The value of a field, which is of `kind` (a boolean is no number), or None."""
        self._asked.add(name)
        value = self._values.get(name)
        if value is None:
            if required:
                invalid(
                    f"Missing required parameter: '{self._where}{name}'.",
                    param=self._where + name,
                    code="missing_required_parameter",
                )
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(name, f"expected {expected}, but got {_kind_of(value)} instead", "invalid_type")
        return value

    def refuse(self, name: str, why: str, code: str = "invalid_value") -> None:
        """Refuse the request because of one field."""
        kind = "type" if code == "invalid_type" else "value"
        invalid(f"Invalid {kind} for '{self._where}{name}': {why}.", param=self._where + name, code=code)

    def text(
        self, name: str, *, required: bool = False, least: int = 0, most: int | None = None
    ) -> str | None:
        """A string of `least` to `most` characters."""
        value: str | None = self.take(name, str, "a string", required=required)
        if value is not None:
            if most is not None and len(value) > most:
                self.refuse(
                    name,
                    f"expected at most {most} characters, but got {len(value)}",
                    "string_above_max_length",
                )
            if len(value) < least:
                self.refuse(name, f"expected at least {least} characters", "string_below_min_length")
        return value

    def needed_text(self, name: str, *, least: int = 1, most: int | None = None) -> str:
        """A string that must be there."""
        value = self.text(name, required=True, least=least, most=most)
        assert value is not None
        return value

    def integer(
        self, name: str, *, least: int | None = None, most: int | None = None, required: bool = False
    ) -> int | None:
        """An integer between `least` and `most`."""
        value: int | None = self.take(name, int, "an integer", required=required)
        if value is not None:
            self._between(name, value, least, most, "integer")
        return value

    def number(self, name: str, *, least: float | None = None, most: float | None = None) -> float | None:
        """A number between `least` and `most`."""
        value: float | None = self.take(name, (int, float), "a number")
        if value is not None:
            self._between(name, value, least, most, "decimal")
        return value

    def _between(self, name: str, value: float, least: float | None, most: float | None, kind: str) -> None:
        if least is not None and value < least:
            self.refuse(name, f"expected a value >= {least}, but got {value}", f"{kind}_below_min_value")
        if most is not None and value > most:
            self.refuse(name, f"expected a value <= {most}, but got {value}", f"{kind}_above_max_value")

    def is_auto(self, name: str) -> bool:
        """Whether the choice is left to us; the field is read with `integer` or `number` otherwise."""
        self._asked.add(name)
        return self._values.get(name) in (None, "auto")

    def flag(self, name: str) -> bool:
        """A boolean; False if absent."""
        return bool(self.take(name, bool, "a boolean"))

    def choice(self, name: str, choices: Collection[str], *, required: bool = False) -> str | None:
        """One of a few strings."""
        value = self.text(name, required=required)
        if value is not None and value not in choices:
            supported = ", ".join(f"'{choice}'" for choice in choices)
            self.refuse(name, f"supported values are: {supported}")
        return value

    def part(self, name: str) -> Fields | None:
        """A nested object."""
        value = self.take(name, dict, "an object")
        return None if value is None else Fields(value, f"{self._where}{name}.")

    def items(self, name: str, *, required: bool = False) -> list[Any] | None:
        """An array."""
        value: list[Any] | None = self.take(name, list, "an array", required=required)
        return value

    def skip(self, names: Collection[str]) -> None:
        """Accept fields that change nothing here."""
        self._asked.update(names)

    def metadata(self) -> dict[str, str] | None:
        """At most 16 pairs of strings."""
        pairs: dict[str, Any] | None = self.take("metadata", dict, "an object")
        if pairs is None:
            return None
        if len(pairs) > _MAX_METADATA:
            self.refuse("metadata", f"expected at most {_MAX_METADATA} pairs, but got {len(pairs)}")
        for key, value in pairs.items():
            if not isinstance(value, str):
                self.refuse(
                    f"metadata.{key}", f"expected a string, but got {_kind_of(value)}", "invalid_type"
                )
            if len(key) > _MAX_METADATA_KEY:
                self.refuse("metadata", f"keys have at most {_MAX_METADATA_KEY} characters")
            if len(value) > _MAX_METADATA_VALUE:
                self.refuse(f"metadata.{key}", f"values have at most {_MAX_METADATA_VALUE} characters")
        return pairs

    def expiry(self, name: str) -> int | None:
        """Seconds after creation, from `{"anchor": "created_at", "seconds": …}`."""
        part = self.part(name)
        if part is None:
            return None
        part.choice("anchor", ("created_at",), required=True)
        seconds = part.integer("seconds", least=3600, most=2592000, required=True)
        part.done()
        return seconds

    def done(self) -> None:
        """Refuse what was not asked for."""
        for name in self._values:
            if name not in self._asked:
                where = self._where + name
                invalid(f"Unknown parameter: '{where}'.", param=where, code="unknown_parameter")


def _kind_of(value: object) -> str:
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "an array"}
    return names.get(type(value), "an object")


def page_of(request: Request, *, default: int, most: int) -> tuple[str | None, int]:
    """The `after` and `limit` of a list request."""
    written = request.query_params.get("limit")
    try:
        limit = default if written is None else int(written)
    except ValueError:
        invalid(
            "Invalid type for 'limit': expected an integer, but got a string instead.",
            param="limit",
            code="invalid_type",
        )
    bounds = Fields({"limit": limit})
    bounds.integer("limit", least=1, most=most)
    return request.query_params.get("after"), limit


def seq_of(store: Store, table: str, after: str | None) -> int | None:
    """The position of the last item that the client has; `table` is a name of this package."""
    if after is None:
        return None
    row = store.row(f"SELECT seq FROM {table} WHERE id = ?", after)  # noqa: S608  (see above)
    if row is None:
        invalid(f"Invalid value for 'after': there is no {after!r}.", param="after", code="invalid_value")
    position: int = row["seq"]
    return position


def listing(items: Sequence[dict[str, Any]], *, more: bool, ends: str | None = None) -> dict[str, Any]:
    """A list object. `ends` is what `first_id` and `last_id` are when there is nothing."""
    value: dict[str, Any] = {"object": "list", "data": items, "has_more": more}
    value["first_id"] = items[0]["id"] if items else ends
    value["last_id"] = items[-1]["id"] if items else ends
    return value
