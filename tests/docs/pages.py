"""The pages of the documentation, and the code in them.

A page that says so ("executed by the tests") has its `sh` and `python` blocks run as they stand; the README's
run too. Every other command that a page names is at least a command that there is, with options that it has.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

EXECUTED = re.compile(r"executed\s+by\s+the\s+tests")
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(labeltune [^`\n]+)`")
_COMMAND = re.compile(r"(?:^|[\s(])labeltune (.*)")
_ENDS = ("||", "&&", "|", ";", ">", "<")

# What sets up an environment is what `make` and `pip` do before any test runs.
_SETS_UP = re.compile(r"^(make|pip) .*$", re.MULTILINE)


def pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    return sorted(page for page in found if page.name != "CHANGELOG.md")


def executed_pages(language: str) -> list[str]:
    """The pages with blocks of the language that are run, relative to the clone."""
    return [
        str(page.relative_to(ROOT))
        for page in pages()
        if page != ROOT / "CONTRIBUTING.md"
        and (page == ROOT / "README.md" or EXECUTED.search(page.read_text(encoding="utf-8")))
        and blocks(page, language)
    ]


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of these languages; '' is a block without one."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [content for language, content in found if language in languages]


def shell_script(page: Path) -> str:
    """All shell blocks of a page as one script."""
    return _SETS_UP.sub("", "\n".join(blocks(page, "sh")))


@dataclass(frozen=True, slots=True)
class Named:
    """A command that a page names: its arguments, and where."""

    page: str
    arguments: tuple[str, ...]


def named_commands() -> Iterator[Named]:
    """Every `labeltune …` in the pages' blocks and in their running text, and in the examples."""
    sources = [(page, blocks(page, "", "sh", "console", "yaml")) for page in pages()]
    sources += [
        (path, [path.read_text(encoding="utf-8")])
        for path in (ROOT / "examples").iterdir()
        if path.suffix in (".sh", ".yml")
    ]
    for path, texts in sources:
        name = str(path.relative_to(ROOT))
        lines = [line for text in texts for line in text.replace("\\\n", " ").splitlines()]
        lines = [line for line in lines if not line.lstrip().startswith("#")]
        if path.suffix == ".md":
            lines += _INLINE.findall(path.read_text(encoding="utf-8"))
        for line in lines:
            found = _COMMAND.search(line)
            # Usage lines such as `labeltune COMMAND [OPTIONS]` and abbreviations are no commands.
            if found is not None and not re.search(r"…|\[|COMMAND", found[1]):
                yield Named(name, tuple(_arguments(found[1], inside=f"$({found[0].strip(' (')}" in line)))


def _arguments(text: str, *, inside: bool) -> Iterator[str]:
    """The words of a command line up to where the command ends."""
    if inside:
        text = text.partition(")")[0]
    for word in shlex.split(text.replace("$(cat $(OUT)/model)", "M"), comments=True):
        if word.startswith(_ENDS) or word == "2>&1":
            return
        yield word.rstrip(",;")
