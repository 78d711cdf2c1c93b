"""Refusals in OpenAI's form: a status and `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from labeltune.errors import LabeltuneError

__all__ = ["ApiError", "invalid", "not_found", "with_hint"]

_TYPES = {401: "invalid_request_error", 429: "requests", 500: "server_error", 507: "server_error"}


class ApiError(Exception):
    """A request that is answered with an error body. `retry_after` is in seconds."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The reply, as JSON."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> NoReturn:
    """Refuse the request with status 400."""
    raise ApiError(400, message, param=param, code=code)


def not_found(what: str, name: str, *, param: str, code: str | None = None) -> NoReturn:
    """Refuse the request with status 404, as OpenAI words it."""
    raise ApiError(404, f"No such {what}: {name}", param=param, code=code)


def with_hint(error: LabeltuneError) -> str:
    """One of our errors as a message, with what to do next."""
    return f"{error} ({error.hint})" if error.hint else str(error)
