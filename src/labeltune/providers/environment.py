"""What the environment says of the way to a provider: proxies, certificates, headers.

It is read here and nowhere else, for the SDK and for the channel of predictions alike, and looked at before
the first request: a variable that cannot be obeyed is an error with its name.
"""

from __future__ import annotations

import os
import re
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from labeltune.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["certificates", "check_headers", "proxy_of", "proxy_way_on"]

PROXY_SCHEMES = ("http", "https")
"""Of proxies that both of our HTTP clients can use."""

HEADER_VARIABLES = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
"""Their values are headers of every request of the SDK."""

CUSTOM_HEADERS = "OPENAI_CUSTOM_HEADERS"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, section 5.1: a token."""


# ---------------------------------------------------------------------------------------------------- proxies


def proxy_of(url: str) -> str | None:
    """The URL of the proxy for an address, None where it is reached directly.

    `HTTPS_PROXY` or `HTTP_PROXY`, by the address' scheme, else `ALL_PROXY`, unless `NO_PROXY` names the host;
    in lower case they come first. Without them the settings of macOS or Windows. Raises `SettingsError` for
    a proxy that cannot be used.
    """
    from urllib.request import getproxies, proxy_bypass

    address = urlsplit(url)
    hosts = (address.hostname or "", address.netloc.rpartition("@")[2])
    known = getproxies()
    if any(proxy_bypass(host) for host in hosts) or _in_a_network(hosts[0], known.get("no", "")):
        return None
    scheme = next((scheme for scheme in (address.scheme, "all") if known.get(scheme, "").strip()), None)
    if scheme is None:
        return None
    return _usable(known[scheme].strip(), _variable(f"{scheme}_proxy"), hosts[0])


def proxy_way_on(url: str) -> str | None:
    """What to do where an address is not reached and a proxy stands before it; None where none does."""
    proxy = proxy_of(url)
    if proxy is None:
        return None
    shown, host = _without_password(_split(proxy), proxy), urlsplit(url).hostname
    return f"it was asked through the proxy {shown}: unset its variable, or add {host} to NO_PROXY"


def _in_a_network(host: str, exempt: str) -> bool:
    """Whether `NO_PROXY` names a network that an address is in, such as 10.0.0.0/8; urllib knows none."""
    import ipaddress

    for entry in exempt.split(","):
        with suppress(ValueError):
            if "/" in entry and ipaddress.ip_address(host) in ipaddress.ip_network(
                entry.strip(), strict=False
            ):
                return True
    return False


def _variable(name: str) -> str:
    """The spelling that stands in the environment; lower case wins, as in `getproxies`."""
    given = [other for other in os.environ if other.lower() == name and os.environ[other].strip()]
    return name if name in given else next(iter(given), "the system's proxy")


def _usable(value: str, variable: str, host: str) -> str:
    proxy = value if "://" in value else f"http://{value}"
    parts = _split(proxy)
    shown = f"{variable}={_without_password(parts, value)}"
    way_on = f"unset it, add {host} to NO_PROXY, or name an http:// proxy"
    if parts is not None and parts.scheme.startswith("socks"):
        raise SettingsError(f"{shown}: a SOCKS proxy is not supported", hint=way_on)
    if parts is None or parts.scheme not in PROXY_SCHEMES:
        raise SettingsError(f"{shown}: expected a proxy such as http://host:3128", hint=way_on)
    return proxy


def _split(url: str) -> SplitResult | None:
    """The parts of a URL with a host; None where it is none."""
    try:
        parts = urlsplit(url)
        whole = bool((parts.hostname or "").encode("idna")) and (parts.port or 1) > 0
    except ValueError:
        return None
    return parts if whole and url.isascii() and url.isprintable() and " " not in url else None


def _without_password(parts: SplitResult | None, value: str) -> str:
    if parts is None:
        return repr(value.rpartition("@")[2])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


# ----------------------------------------------------------------------------------------------- certificates


def certificates() -> ssl.SSLContext:
    """What certificates are trusted: those of `SSL_CERT_FILE` or `SSL_CERT_DIR`, else the system's.

    Raises `SettingsError` where a variable names what is not there, cannot be read or holds no certificate.
    """
    import httpx2

    _check_file()
    _check_folder()
    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        # The one other file that is opened here is the log that `ssl` keeps of a session's secrets.
        log = os.environ.get("SSLKEYLOGFILE")
        if not log:
            raise SettingsError(f"the system's certificates cannot be read: {error}", hint=_MEND) from error
        raise SettingsError(
            f"SSLKEYLOGFILE names {log}, which cannot be written: {error.strerror or error}",
            hint="correct or unset it",
        ) from error


_MEND = "correct or unset it; the system's certificates are used without it"


def _check_file() -> None:
    name = os.environ.get("SSL_CERT_FILE")
    if not name:
        return
    try:
        Path(name).open("rb").close()
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=name)
    except FileNotFoundError:
        why = "which does not exist"
    except ssl.SSLError:
        why = "which holds no certificate (PEM)"
    except OSError as error:
        why = f"which cannot be read: {error.strerror or error}"
    else:
        return
    raise SettingsError(f"SSL_CERT_FILE names {_shown(name)}, {why}", hint=_MEND)


def _check_folder() -> None:
    name = os.environ.get("SSL_CERT_DIR")
    if not name or os.environ.get("SSL_CERT_FILE"):  # the file wins, as in `httpx2`
        return
    reasons = [_nothing_in(Path(folder)) for folder in name.split(os.pathsep) if folder]
    if not reasons or all(reasons):
        why = next(filter(None, reasons), "which is no folder")
        raise SettingsError(f"SSL_CERT_DIR names {_shown(name)}, {why}", hint=_MEND)


def _nothing_in(folder: Path) -> str | None:
    """Why no certificate can come from a folder; None if one may."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return "which does not exist"
    except OSError as error:
        return f"which cannot be read: {error.strerror or error}"
    # OpenSSL looks for certificates by their hash, as `openssl rehash` names them.
    hashed = any(re.fullmatch(r"[0-9a-fA-F]{8}\.\d+", name) for name in names)
    return None if hashed else "which holds no certificate under its hash (see: openssl rehash)"


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)


# ---------------------------------------------------------------------------------------------------- headers


def check_headers() -> None:
    """Look at the variables that the SDK sends as headers.

    Raises `SettingsError` where one can be no header: a line end, or letters beyond ASCII.
    """
    for name in HEADER_VARIABLES:
        value = os.environ.get(name, "")
        if value != value.strip() or not _is_header_value(value):
            raise SettingsError(
                f"{name} holds a line end, or other characters that can be in no header: {value!r}",
                hint="set it again without them, or unset it",
            )
    for line in _header_lines():
        name, colon, value = line.partition(":")
        if not (colon and _HEADER_NAME.fullmatch(name.strip()) and _is_header_value(value.strip())):
            raise SettingsError(
                f"{CUSTOM_HEADERS} holds a line that is no header: {name.strip()!r}",
                hint="expected lines such as X-Team: classifiers",
            )


def _header_lines() -> Iterator[str]:
    return filter(str.strip, os.environ.get(CUSTOM_HEADERS, "").split("\n"))


def _is_header_value(text: str) -> bool:
    return text.isascii() and (not text or text.replace("\t", " ").isprintable())
