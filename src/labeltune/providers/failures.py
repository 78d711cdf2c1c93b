"""The one map from the errors of the SDK and the network to ours."""

from __future__ import annotations

import json
import os
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labeltune.errors import (
    AccessError,
    BudgetError,
    ConflictError,
    DataError,
    DiskError,
    LabeltuneError,
    RemoteError,
    SettingsError,
    TemporaryError,
)
from labeltune.providers.environment import proxy_way_on
from labeltune.providers.refusals import refusal_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    import openai

    from labeltune.providers.profiles import Provider

__all__ = [
    "NOT_THE_API",
    "TRAINING_CLOSED",
    "api_errors",
    "redact",
    "shown_place",
    "shown_start",
    "status_of",
    "tls_failure",
    "translate",
]

NOT_THE_API = "the answer is not from the API"
_SHOWN = 80

QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "insufficient_user_quota",
        "insufficient_balance",
        "billing_hard_limit_reached",
        "billing_not_active",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
    }
)
"""Refusals with status 403 or 429 that waiting does not mend."""

TRAINING_CLOSED = "training_not_available"
"""What a provider says that takes no more jobs from someone."""

MODEL_CODES = frozenset(
    {"model_not_found", "model_not_available", "model_decommissioned", "invalid_model", "DeploymentNotFound"}
)
"""Refusals of a model that is not there."""

_OPTION = "invalid_option"
"""The local provider's: the model is there, but an option after its name is wrong."""
_IN_USE = frozenset({"model_in_use", "file_in_use"})
"""The local provider's: what unfinished work still needs is not deleted."""
_FILE_PARAMS = frozenset({"training_file", "validation_file", "file", "input_file_id"})
PROXY_KEY = "put them into the proxy's variable: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
_RETRYABLE = frozenset({408, 409, 423, 424, 425, 429, 499})


@contextmanager
def api_errors(provider: Provider) -> Iterator[None]:
    """Turn every failure of a call to `provider` inside the block into one of ours."""
    import httpx2
    import openai

    try:
        yield
    except (openai.OpenAIError, httpx2.HTTPError, json.JSONDecodeError) as error:
        raise translate(error, provider) from error
    except ValueError as error:
        # The SDK builds no address from a name such as `..`, which is that of nothing.
        if _NO_NAME not in str(error):
            raise
        raise RemoteError(
            f"{provider.host}: there is nothing of that name", hint="see: labeltune jobs list"
        ) from error


_NO_NAME = "dot-segment"
"""What the SDK says of such a name."""


def translate(error: Exception, provider: Provider) -> LabeltuneError:
    """What a failure of the SDK or the network means, with the exit code and what to do about it.

    | failure | error |
    |---|---|
    | 401, 403, unknown model, a call that the provider does not have | `AccessError` |
    | used-up quota, 402 | `BudgetError` |
    | other 429, 408, 409, 425, 5xx, network, time-out, not the API's answer | `TemporaryError` |
    | 413, a refused training file | `DataError` |
    | unknown file, job or batch | `RemoteError` |
    | other 400 and 422 | `SettingsError` |

    Never shows a key, even where the provider's message does.
    """
    import httpx2
    import openai

    if isinstance(error, LabeltuneError):
        return error
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, provider)
    if isinstance(error, openai.APIResponseValidationError):
        return TemporaryError(f"{NOT_THE_API}: {shown_start(error.response.text)}")
    if isinstance(error, json.JSONDecodeError):
        return TemporaryError(f"{NOT_THE_API}: {shown_start(error.doc)}", hint="run the same command again")
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        return _of_connection(error, provider)
    return RemoteError(redact(f"{provider.host}: {error}"))


def status_of(error: BaseException | None) -> int | None:
    """The status with which the provider refused, if it answered at all."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def redact(text: str) -> str:
    """The text without any key that the environment holds."""
    for name, value in os.environ.items():
        if name.upper().endswith(("_API_KEY", "_ADMIN_KEY", "_TOKEN")) and len(value.strip()) >= 8:
            text = text.replace(value.strip(), f"[{name}]")
    return text


def shown_place(address: str) -> str:
    """An address without what may be a secret in it: its query and its user."""
    bare = address.partition("?")[0].partition("#")[0]
    scheme, mark, rest = bare.rpartition("://")
    host, slash, path = rest.partition("/")
    return shown_start(f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}")


def shown_start(text: str) -> str:
    """The first 80 characters, on one line."""
    line = " ".join(text[: 4 * _SHOWN].split())
    return redact(line[:_SHOWN] + ("…" if len(line) > _SHOWN else "")) or "(empty)"


# ------------------------------------------------------------------------------------ refused by the provider


def _of_status(error: openai.APIStatusError, provider: Provider) -> LabeltuneError:
    status, code = error.status_code, error.code or ""
    said = f"{provider.host}: {_message(error)}"
    if code in _IN_USE:
        return ConflictError(said, hint="run the same command again when it is over")
    if status == 402 or code in QUOTA_CODES or error.type in QUOTA_CODES:
        return BudgetError(said, hint="top up or raise the limit, then run the same command again")
    if status in (401, 403, 407):
        return _of_access(error, provider, said)
    if status == 507 and provider.local:
        return DiskError(said, hint="free some space, then run the same command again")
    if status in _RETRYABLE or status > 501 or status == 500:
        return TemporaryError(f"{said} (status {status})", hint="run the same command again later")
    return _of_request(error, said)


def _is_page(error: openai.APIStatusError) -> bool:
    """Whether a refusal is a page: of a firewall or a proxy, which know nothing of keys."""
    return isinstance(error.body, str) and error.body.lstrip()[:1] == "<"


def _of_access(error: openai.APIStatusError, provider: Provider, said: str) -> LabeltuneError:
    if error.code == TRAINING_CLOSED:
        return _training_closed(said)
    if error.status_code == 407:
        return AccessError(f"{said} (status 407: the proxy wants a user and a password)", hint=PROXY_KEY)
    if error.status_code == 403 and _is_page(error):
        return TemporaryError(
            f"{said} (status 403): a page, not the API", hint="is there a proxy or a portal to log in to?"
        )
    if error.status_code == 401:
        return AccessError(f"{said} (the key was rejected)", hint=f"check {provider.key_variable}")
    return AccessError(said, hint="the key may not do this: check its project, role and permissions")


def _of_request(error: openai.APIStatusError, said: str) -> LabeltuneError:
    """A 4xx that says what is wrong with what was asked for."""
    status, code, param = error.status_code, error.code or "", error.param or ""
    if code in MODEL_CODES or (param == "model" and status in (400, 404) and code != _OPTION):
        return AccessError(
            said, hint="see which models there are: labeltune models list, or the provider's pages"
        )
    if status in (405, 501) or code == "unknown_url" or (status == 404 and not _says_what(error.body)):
        return AccessError(
            f"{said} (no such call: {error.request.method} {error.request.url.path})",
            hint="the provider does not offer this, or its base URL is not right",
        )
    if status == 404 or code == "file_not_found":
        return RemoteError(
            said, hint="it may have been deleted or have expired, or belong to another provider"
        )
    if status == 413:
        return DataError(said, hint="send less at once")
    if code.startswith("invalid_file") or code == "invalid_n_examples" or param in _FILE_PARAMS:
        return DataError(said, hint="look at the file with: labeltune check FILE")
    return SettingsError(f"{said} (status {status})", hint=_declared(error))


def _declared(error: openai.APIStatusError) -> str | None:
    """What to declare after the provider's URL so that it takes a job that it refused."""
    found = refusal_in(error.body)
    said = f"{found.get('message', '')} {found.get('param', '')}".lower()
    if not error.request.url.path.endswith("/fine_tuning/jobs"):
        return None
    if "metadata" in said:
        return "this provider's jobs take no metadata: declare #metadata=no after its URL"
    if "method" in said:
        return (
            "this provider takes hyperparameters elsewhere: declare #hyperparameters=top_level after its URL"
        )
    return None


def _says_what(body: object) -> bool:
    """Whether a 404 is about a thing that is gone. `{"detail": "Not Found"}` is what servers answer that know
    no such path.
    """
    return isinstance(body, dict) and bool(body.get("message") or body.get("code"))


def _message(error: openai.APIStatusError) -> str:
    """What the provider says, without the SDK's wrapping."""
    text = refusal_in(error.body).get("message") if isinstance(error.body, dict | list) else None
    if text:
        if error.code and error.code not in text:
            text = f"{text} [{error.code}]"
        return redact(text)
    try:
        text = error.response.text
    except Exception:  # noqa: BLE001  # a streamed body may be gone, and there is an error to tell already
        text = str(error)
    return shown_start(text)


def _training_closed(said: str) -> AccessError:
    return AccessError(
        f"{said}\n"
        "OpenAI closes its self-serve fine-tuning: since 2026-05-07 organisations that never fine-tuned "
        "cannot create jobs, since 2026-07-02 nor can those idle for 60 days, from 2027-01-06 nobody can.",
        hint="the same files train elsewhere, for instance on this machine: "
        "labeltune train FILE --provider local --model linear",
    )


# ------------------------------------------------------------------------------------------------ not reached


def _of_connection(error: Exception, provider: Provider) -> LabeltuneError:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, LabeltuneError):
            return cause
    text = redact(" ".join(str(cause) for cause in causes))
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or "CERTIFICATE_VERIFY_FAILED" in text:
        what, hint = tls_failure(text)
        return TemporaryError(f"{provider.host}: {what}: {redact(str(causes[-1]))}", hint=hint)
    if any(isinstance(cause, socket.gaierror) for cause in causes) or "getaddrinfo" in text:
        return TemporaryError(
            f"{provider.host}: cannot be found: no network, or a mistyped address",
            hint="check the network, then run the same command again",
        )
    if any("timeout" in type(cause).__name__.lower() for cause in causes):
        return TemporaryError(
            f"{provider.host}: did not answer in time", hint="run the same command again later"
        )
    return TemporaryError(
        f"{provider.host}: cannot be reached: {redact(str(causes[-1])) or type(causes[-1]).__name__}",
        hint=proxy_way_on(provider.base_url)
        or "check the network and the address, then run the same command again",
    )


def tls_failure(text: str) -> tuple[str, str]:
    """What a failure of TLS with these words is, and what to do about it."""
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER" in text or "UNKNOWN_PROTOCOL" in text:
        return "does not speak TLS on this port", "is it http://?"
    if "has expired" in text or "not yet valid" in text:
        return "its certificate does not hold today", "is this machine's clock right? Else tell who runs it"
    if "Hostname mismatch" in text or "IP address mismatch" in text:
        return "its certificate is that of another name", "give --provider the name that it was made for"
    if "CERTIFICATE" in text:
        hint = (
            "behind a company proxy, set SSL_CERT_FILE to a file with the proxy's certificates; for a server "
            "with a certificate of its own, to that"
        )
        return "its certificate is not trusted here", hint
    return "no secure connection came about", "is the address that of the server itself?"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those it came from, as far as they are known."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
