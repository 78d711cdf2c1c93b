"""What the pages share: one look, one set of templates, and a policy that lets nothing else in.

The report, the page of `serve` and the page of `label` are each a template that extends `page.html.j2`, drawn
in the colours and forms of `look.css`. A page is one file: its style and its scripts stand in it, and its
Content Security Policy knows them by their hashes (W3C CSP 3, "hash source"), so that nothing else runs.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import jinja2

__all__ = ["policy", "render"]


def render(
    name: str,
    values: Mapping[str, Any],
    *,
    parts: Sequence[str] = (),
    filters: Mapping[str, Callable[..., Any]] | None = None,
    served: bool = False,
) -> str:
    """The page of the template `NAME.html.j2`, with `NAME.css` and `NAME.js` after what all pages share, and
    then the script of each of `parts`.

    Whatever comes from data is escaped, or stands in a block of JSON. A page that is `served` may ask the
    server that it came from, and no other.
    """
    style, scripts = _assets(name, parts)
    environment = _environment()
    if filters:
        environment = environment.overlay()
        environment.filters = {**environment.filters, **filters}
    return environment.get_template(f"{name}.html.j2").render(
        values, style=style, scripts=scripts, policy=policy(name, parts=parts, served=served)
    )


def policy(name: str, *, parts: Sequence[str] = (), served: bool = False) -> str:
    """The Content Security Policy of a page: its style, its scripts, and nothing else."""
    style, scripts = _assets(name, parts)
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {' '.join(map(_hash, scripts))}",
            *(["connect-src 'self'"] if served else []),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _assets(name: str, parts: Sequence[str]) -> tuple[str, list[str]]:
    """The style and the scripts of a page."""
    scripts = ["look.js", f"{name}.js", *(f"{part}.js" for part in parts)]
    return _asset("look.css") + _asset(f"{name}.css"), list(map(_asset, scripts))


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("labeltune.pages", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _asset(name: str) -> str:
    return files("labeltune.pages").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
