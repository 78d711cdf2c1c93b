"""What is in force here: versions, provider, folders, the way to the network; and what is wrong with it."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any

from labeltune.errors import AccessError, LabeltuneError
from labeltune.local.home import look_at_home
from labeltune.local.store import default_directory
from labeltune.providers.environment import certificates, check_headers, proxy_of

if TYPE_CHECKING:
    from labeltune.providers.profiles import Provider

__all__ = ["Diagnosis", "diagnose"]

_EXTRA = re.compile(r"""^([A-Za-z0-9._-]+).*;.*\bextra == ['"]([^'"]+)['"]""")
"""A requirement that belongs to an extra, as the package's metadata spells it."""


@dataclass(slots=True)
class Diagnosis:
    """Facts by name, in the order in which they are told, and what is wrong."""

    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def diagnose(provider: Provider | None) -> Diagnosis:
    """Look at everything that needs no network; without a provider, at all but the way to it."""
    found = Diagnosis(
        {
            "version": version("labeltune"),
            "python": platform.python_version(),
            "executable": sys.executable,
            "platform": platform.platform(),
        }
    )
    if provider is not None:
        _look_at_provider(provider, found)
    _look_at_home(found)
    found.facts["extras"] = _extras()
    _look_at_way(provider, found)
    return found


def _look_at_provider(provider: Provider, found: Diagnosis) -> None:
    found.facts["base_url"] = None if provider.local else provider.base_url
    found.facts["key_variable"] = provider.key_variable
    found.facts["key_is_set"] = bool(provider.key_variable and os.environ.get(provider.key_variable))
    try:
        provider.api_key()
    except AccessError as error:
        found.problems.append(_said(error))


def _look_at_home(found: Diagnosis) -> None:
    given = (
        "LABELTUNE_HOME" if os.environ.get("LABELTUNE_HOME") else "the platform's folder for a user's data"
    )
    try:
        directory = default_directory().absolute()
    except LabeltuneError as error:
        found.problems.append(_said(error))
        return
    home = look_at_home(directory)
    found.facts["home"] = {
        "path": str(directory),
        "chosen_by": given,
        "exists": home.exists,
        "bytes": home.bytes,
        "workers": [] if home.worker is None else [home.worker],
        "waiting": home.waiting,
    }
    if home.problem is not None:
        found.problems.append(home.problem)


def _extras() -> dict[str, dict[str, str | None]]:
    """The packages of each extra, with the version that is installed, or None."""
    found: dict[str, dict[str, str | None]] = {}
    for requirement in requires("labeltune") or ():
        match = _EXTRA.match(requirement)
        if match is not None:
            found.setdefault(match[2], {})[match[1]] = _version(match[1])
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _look_at_way(provider: Provider | None, found: Diagnosis) -> None:
    """The proxy, without its password, and the certificates that are in force."""
    proxy = None
    try:
        check_headers()
        if provider is not None and not provider.local:
            proxy = proxy_of(provider.base_url)
        certificates()
    except LabeltuneError as error:
        found.problems.append(_said(error))
    found.facts["proxy"] = None if proxy is None else _without_password(proxy)
    named = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
    found.facts["certificates"] = f"{named[0]}={os.environ[named[0]]}" if named else "the system's"


def _without_password(proxy: str) -> str:
    scheme, _, rest = proxy.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _said(error: LabeltuneError) -> str:
    return f"{error} ({error.hint})" if error.hint else str(error)
