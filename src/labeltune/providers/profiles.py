"""Providers as data: where they are, which variable holds their key, and the few differences."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from labeltune.defaults import DEFAULT_PROVIDER
from labeltune.errors import AccessError, SettingsError, did_you_mean
from labeltune.providers.differences import declared_changes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["DEFAULT_PROVIDER", "PROFILES", "Provider", "resolve_provider"]

Place = Literal["method", "top_level"]
Rate = Literal["multiplier", "absolute"]


@dataclass(frozen=True)
class Provider:
    """Where files, jobs and models live, and what is special there.

    `hyperparameters` says where a job's request holds them, `learning_rate` whether it is a multiplier of the
    provider's own choice or the rate itself. `extra_body` goes with every job; without `metadata` jobs take
    none. With `lists_models` a model that is not listed does not exist. Without `events` or `checkpoints`
    the provider has no such list; without `uploads` large files cannot come in parts. With `deployments` a
    tuned model answers only after it was deployed, under the deployment's name. `strict_answers` says that a
    strict JSON schema holds answers to the label set, `schema_pairs` that such a schema may have alternatives
    at its root, `top_logprobs` how many alternatives come with a token. `thinking` is the room, in tokens,
    that a model gets beside its answer; of a chat request's fields `dropped` are left out, `renamed` have
    another name there, and `chat` are added or take the place of ours. With `self_hosted` it is a server of
    the user's own: what it does costs nothing. `poll_seconds` are the shortest and the longest pause between
    two looks at a job.
    """

    name: str
    base_url: str
    key_variable: str | None = "OPENAI_API_KEY"
    hyperparameters: Place = "method"
    learning_rate: Rate = "multiplier"
    max_epochs: int = 50
    max_batch_size: int = 256
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    metadata: bool = True
    lists_models: bool = False
    events: bool = True
    checkpoints: bool = True
    uploads: bool = True
    deployments: bool = False
    strict_answers: bool = True
    schema_pairs: bool = False
    top_logprobs: int = 20
    thinking: int = 0
    dropped: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    chat: Mapping[str, Any] = field(default_factory=dict)
    self_hosted: bool = False
    poll_seconds: tuple[float, float] = (1.0, 30.0)
    directory: Path | None = None
    """The local provider's folder; None for the others."""
    given: str = DEFAULT_PROVIDER
    """How the user named it."""

    @property
    def flag(self) -> str:
        """What a suggested command needs to mean this provider: ` --provider NAME`, or nothing."""
        return "" if self.given == DEFAULT_PROVIDER else f" --provider {shlex.quote(self.given)}"

    @property
    def local(self) -> bool:
        """Whether it is reached in this process, without a port and a key."""
        return self.directory is not None

    @property
    def free(self) -> bool:
        """Whether nobody sends a bill for what it does."""
        return self.local or self.self_hosted

    @property
    def identity(self) -> str:
        """What the ledger calls it: file ids and job ids mean something only there."""
        return f"local:{self.directory}" if self.local else self.base_url.rstrip("/")

    @property
    def host(self) -> str:
        """For messages."""
        return "the local provider" if self.local else urlsplit(self.base_url).netloc.rpartition("@")[2]

    def api_key(self) -> str:
        """The key, from the environment. Raises `AccessError` that names the variable and other ways on."""
        if self.key_variable is None:
            return "local"
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            if self.self_hosted or _is_loopback(self.base_url):
                return "none"
            raise AccessError(
                f"{self.key_variable} is not set, and {self.host} answers nobody without a key",
                hint=f"set {self.key_variable}, or work on this machine with: --provider local",
            )
        if not (key.isascii() and key.isprintable()) or set(key) & _IN_NO_KEY:
            raise AccessError(
                f"{self.key_variable} holds characters that stand in no key: was it pasted whole?",
                hint="quotes, spaces, the name of the variable and what begins with $ are no part of it: "
                "docker's --env-file and the Windows command `set` keep them",
            )
        return key


_IN_NO_KEY = frozenset(" \"'`$<>{}")
"""What quotes, templates and other words bring along; none of it stands in a token (RFC 6750, 2.1)."""

PROFILES: Mapping[str, Provider] = MappingProxyType(
    {
        "openai": Provider("openai", "https://api.openai.com/v1", lists_models=True),
        "azure": Provider(
            "azure",
            "",
            key_variable="AZURE_OPENAI_API_KEY",
            extra_body=MappingProxyType({"trainingType": "standard"}),
            deployments=True,
        ),
        "nebius": Provider(
            "nebius",
            "https://api.tokenfactory.nebius.com/v1",
            key_variable="NEBIUS_API_KEY",
            hyperparameters="top_level",
            learning_rate="absolute",
            max_epochs=20,
            max_batch_size=32,
            metadata=False,
            uploads=False,
        ),
        "local": Provider(
            "local",
            "http://local/v1",
            key_variable=None,
            strict_answers=False,
            poll_seconds=(0.1, 1.0),
            lists_models=True,
        ),
    }
)
"""The providers that are known by name. A new one is one entry here."""

_HOSTS = {
    ".openai.azure.com": "azure",
    ".services.ai.azure.com": "azure",
    "tokenfactory.nebius.com": "nebius",
}
"""Where a URL leads to a provider known by name: how its host ends."""

_BASE_URL_VARIABLES = {
    "openai": "OPENAI_BASE_URL",
    "azure": "AZURE_OPENAI_ENDPOINT",
    "nebius": "NEBIUS_BASE_URL",
}


def resolve_provider(name_or_url: str) -> Provider:
    """The provider of that name, or at that URL.

    What a provider does differently may be declared after a `#`, which is never sent: `differences` has the
    names and what they may be.

    Raises `SettingsError` if it is neither or declares nonsense. Needs no key and reaches nothing.
    """
    address, _, declared = name_or_url.strip().partition("#")
    changes = declared_changes(declared)
    like = changes.pop("like", None)
    if "://" in address:
        provider = _at_url(address, like)
    elif address in PROFILES:
        if like is not None:
            raise SettingsError(
                f"#like={like}: {address} is a provider itself", hint="give a URL, or leave it out"
            )
        provider = _named(address)
    else:
        raise SettingsError(
            f'"{name_or_url}" is no provider{did_you_mean(address, PROFILES)}',
            hint=_with_scheme(address)
            or f"give one of {', '.join(PROFILES)}, or a base URL such as https://host/v1",
        )
    if "extra_body" in changes:
        changes["extra_body"] = MappingProxyType({**provider.extra_body, **changes["extra_body"]})
    return replace(provider, **changes, given=name_or_url.strip())


def _with_scheme(address: str) -> str | None:
    """The hint for an address without its http:// or https://; None for what is none."""
    if not re.fullmatch(r"[\w.-]+(:\d{1,5}(/.*)?|\.[a-z]{2,}/.*)|\[[\da-f:]+\].*", address, re.ASCII):
        return None
    scheme = "http" if _is_loopback(f"http://{address}") else "https"
    return f"a URL begins with http:// or https://: --provider {shlex.quote(f'{scheme}://{address}')}"


def _named(name: str) -> Provider:
    provider = PROFILES[name]
    if name == "local":
        from labeltune.local import default_directory

        return replace(provider, directory=default_directory().absolute())
    variable = _BASE_URL_VARIABLES[name]
    base_url = os.environ.get(variable, "").strip() or provider.base_url
    if not base_url:
        raise SettingsError(
            f"{variable} is not set: which resource is meant?",
            hint="set it to https://RESOURCE.openai.azure.com, or give that URL as --provider",
        )
    return replace(provider, base_url=_checked_url(base_url, name, f"{variable}="))


def _at_url(address: str, like: str | None) -> Provider:
    host = urlsplit(address).hostname or ""
    if like is None:
        like = next((name for end, name in _HOSTS.items() if host.endswith(end)), "")
    elif like not in _BASE_URL_VARIABLES:
        raise SettingsError(
            f"like={like}: no provider of that name{did_you_mean(like, _BASE_URL_VARIABLES)}",
            hint=f"give one of {', '.join(_BASE_URL_VARIABLES)}",
        )
    profile = PROFILES[like] if like else Provider("url", "")
    # A proxy that only behaves like a provider has a key of its own, in the variable for URLs.
    key_variable = profile.key_variable if any(host.endswith(end) for end in _HOSTS) else "OPENAI_API_KEY"
    return replace(profile, base_url=_checked_url(address, like), key_variable=key_variable)


def _checked_url(address: str, like: str, given_as: str = "") -> str:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        # `urlsplit` passes over line ends, which no server's address holds.
        usable = usable and address.isprintable() and " " not in address
        (parts.hostname or "").encode("idna")  # a name with an empty part, or one of more than 63 letters
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            f"{given_as}{_printable(address)}: is no URL of an API",
            hint="expected a base URL such as https://host/v1",
        )
    if parts.query:
        base = (
            address.partition("?")[0].removesuffix("/chat/completions").partition("/openai/deployments/")[0]
        )
        raise SettingsError(
            f"{given_as}{base}?…: a base URL has no query: paths are put at its end",
            hint=f"leave it out: {shlex.quote(base)}",
        )
    if parts.username or parts.password:
        raise SettingsError(
            f"{parts.scheme}://…@{parts.hostname}: a URL may not hold a password: URLs are shown and kept",
            hint="put the key into OPENAI_API_KEY",
        )
    if like == "azure" and parts.path.strip("/") == "":
        # The endpoint as Azure's portal shows it, without the path of the API.
        return f"{address.rstrip('/')}/openai/v1"
    return address.rstrip("/")


def _printable(address: str) -> str:
    return address if address.isprintable() else repr(address)


def _is_loopback(url: str) -> bool:
    import ipaddress

    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
