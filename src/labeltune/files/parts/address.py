"""URLs of places: what they name, and what may not stand in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labeltune.errors import SettingsError

__all__ = ["Address", "file_path", "parse_address", "split_query"]

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(r"\?[A-Za-z_]+=[^?]*\Z")
"""What begins like a setting: a question mark of a pattern stands before other letters."""
_ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket, what all names in it begin with, and how it is reached."""

    scheme: str
    bucket: str
    prefix: str
    """without `/` at its ends; empty for all of the bucket"""
    query: str
    """`?region=eu-west-1`, or nothing"""
    anonymous: bool = False
    """`gs://anonymous@bucket`, as pyarrow has it: without credentials"""

    @property
    def root(self) -> str:
        """As it stands in messages and manifests: without its settings."""
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def url(self) -> str:
        """What names the same place again."""
        return self._begun + (f"/{self.prefix}" if self.prefix else "") + self.query

    @property
    def store(self) -> str:
        """What pyarrow is asked to open: the bucket, for names are taken as they are written."""
        return self._begun + self.query

    @property
    def _begun(self) -> str:
        return f"{self.scheme}://{_ANONYMOUS + '@' if self.anonymous else ''}{self.bucket}"


def split_query(data: str) -> tuple[str, str]:
    """A URL, or a pattern below one, and the settings at its end: none for a path."""
    found = _QUERY.search(data) if _URL.match(data) else None
    return (data, "") if found is None else (data[: found.start()], found[0])


def parse_address(url: str) -> Address:
    """A bucket's URL. Raises `SettingsError`, which does not show what may be a secret."""
    named, query = split_query(url)
    found = _URL.match(named)
    assert found is not None
    scheme = found["scheme"].lower()
    netloc, _, rest = found["rest"].partition("/")
    user, at, bucket = netloc.rpartition("@")
    anonymous = bool(at) and user == _ANONYMOUS and scheme != "s3"
    if (at and not anonymous) or "@" in query:
        raise SettingsError(
            f"{scheme}://…@{bucket}: a URL may not hold a key or a password: URLs are shown and kept",
            hint="leave them out; they are found as the cloud's own programs find them: in the environment, "
            "in its files, or by the machine's role",
        )
    if not bucket:
        raise SettingsError(f"{scheme}://: names no bucket", hint=f"expected {scheme}://BUCKET/PREFIX")
    prefix = "/".join(filter(None, rest.split("/")))
    return Address(scheme, bucket, prefix, query, anonymous)


def file_path(url: str) -> str:
    """The path that a `file://` URL names. Raises `SettingsError` for one on another machine."""
    rest = url[len("file://") :]
    from urllib.request import url2pathname

    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise SettingsError(f"{url}: names no file of this machine", hint="expected file:///FOLDER")
    return url2pathname(f"/{path}")
