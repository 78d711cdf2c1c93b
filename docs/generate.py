"""Write the pages that are made from the code: `docs/reference/commands.md` and `findings.md`.

`python docs/generate.py` writes them; with `--check` it fails if they are not what the code says, or
if a link in any page leads nowhere.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import typer

from labeltune.cli.app import app
from labeltune.cli.examples import EXAMPLES
from labeltune.errors import ExitCode, LabeltuneError
from labeltune.prepare.check import CATALOGUE

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"

MEANINGS = {
    ExitCode.OK: "Done.",
    ExitCode.BUG: "A bug in labeltune; please report the traceback.",
    ExitCode.INVALID_ANSWERS: "Finished, but some rows have no valid answer.",
    ExitCode.SIGHUP: "The terminal was closed.",
    ExitCode.SIGINT: "Stopped by Ctrl-C.",
    ExitCode.CLOSED_PIPE: "Whoever read the output closed it.",
    ExitCode.SIGTERM: "Stopped by SIGTERM.",
}


def commands_page() -> str:
    """The reference of all commands, as Markdown."""
    root: Any = typer.main.get_command(app)
    parts = [
        "# Commands",
        "",
        "Generated from the command tree by `make docs`.",
        "",
        f"{root.help}",
        "",
        "Every command takes `--json` (exactly one JSON document on standard output) and `--quiet` (nothing",
        "on standard error but errors). Standard output carries the result and nothing else.",
        "",
    ]
    for name in root.list_commands(None):
        parts += _command(root.get_command(None, name), f"labeltune {name}", 2)
    parts += ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    parts += [f"| {int(code)} | {_meaning(code)} |" for code in ExitCode]
    return "\n".join(parts) + "\n"


def _meaning(code: ExitCode) -> str:
    if code in MEANINGS:
        return MEANINGS[code]
    return next(cls for cls in LabeltuneError.__subclasses__() if cls.exit_code == code).__doc__ or ""


def _command(command: Any, name: str, level: int) -> list[str]:
    if hasattr(command, "commands"):
        parts = [f"{'#' * level} `{name}`", "", _text(command.help), ""]
        for sub in command.list_commands(None):
            parts += _command(command.get_command(None, sub), f"{name} {sub}", level + 1)
        return parts
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [
        param for param in command.params if param.param_type_name == "option" and param.name != "help"
    ]
    usage = " ".join([name, *(_usage(argument) for argument in arguments), "[OPTIONS]"])
    parts = [f"{'#' * level} `{name}`", "", "```", usage, "```", "", _text(command.help), ""]
    if arguments or options:
        parts += ["| parameter | meaning |", "|---|---|"]
        parts += [f"| `{_usage(argument)}` | {_text(argument.help)} |" for argument in arguments]
        parts += [f"| {_names(option)} | {_text(option.help)}{_extras(option)} |" for option in options]
        parts.append("")
    return [*parts, "```sh", *EXAMPLES[name.removeprefix("labeltune ")], "```", ""]


def _usage(argument: Any) -> str:
    name = argument.metavar or (argument.name or "").upper()
    if argument.nargs == -1 and not name.endswith("…"):
        name += "…"
    return name if argument.required else f"[{name}]"


def _names(option: Any) -> str:
    metavar = "" if option.is_flag else f" {option.metavar or (option.name or '').upper()}"
    names = ", ".join([*option.opts, *option.secondary_opts])
    return f"`{names}{metavar}`".replace("|", "\\|")


def _extras(option: Any) -> str:
    extras = ""
    default = option.default() if callable(option.default) else option.default
    if default not in (None, False, "", (), []) and not option.is_flag:
        extras += f" Default: `{default}`."
    if option.is_flag and default is True:
        extras += f" Default: `{option.opts[0]}`."
    if option.envvar:
        extras += f" Environment: `{option.envvar}`."
    return extras


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


FINDINGS_HEAD = """\
# Findings of `labeltune check`

Generated from the catalogue of findings by `make docs`.

`labeltune check FILE…` looks at tables and chat files: train, validation and test, in this order. Each
finding has a code, which stays what it is, and a severity. An error ends the command with exit code 11: a
provider would refuse the file, the model would learn what is wrong, or the scores would not be true.
Warnings and infos do not. The first 20 errors, 5 warnings and 3 infos of each code and file are shown, with
`--all` up to a thousand, which `--json` always holds; `counts` there has the number of all.

Rows that cannot be read and labels that are wrong make `labeltune convert` refuse a table, with the same
codes. A table that has no rows, no usable header, or lacks a column of the task is refused as a whole, with
exit code 7.

`--fix OUT` writes a copy of one file where the mend is beyond doubt, says what it did, and checks the copy:
exact duplicates (rows that become the same record as an earlier one) and rows without text are left out,
space is taken off both ends of texts and labels, and empty lines of a chat file go, as do a byte order mark
and commas behind its records. All other rows keep their bytes. Of Parquet files rows are only left out.

A chat file that is none as a whole (UTF-16, a JSON array, objects over several lines) is one finding; its
lines are not looked at one by one.

Two texts are *nearly* the same if they are equal after case folding and without punctuation and extra
space, or if nine tenths of all words that occur in either occur in both; in scripts that set no words
apart, such as Chinese, Japanese and Thai, pairs of characters are compared. This is the rule by which
`labeltune split` keeps texts in one part ([why](../decisions/0003-near-duplicates.md)). The second kind is
looked for among up to 100,000 texts or 16 MB, with `--similar` among any number.

How tokens are counted, and what the figures cost, is in [Tokens and cost](../explanation/tokens.md).
"""


def findings_page() -> str:
    """The reference of all findings, as Markdown."""
    parts = [FINDINGS_HEAD]
    for severity in ("error", "warning", "info"):
        parts += [f"## {severity.capitalize()}s", "", "| code | meaning | what to do |", "|---|---|---|"]
        parts += [
            f"| `{code}` | {_text(kind.meaning)} | {_text(kind.advice)} |"
            for code, kind in CATALOGUE.items()
            if kind.severity == severity
        ]
        parts.append("")
    return "\n".join(parts)


_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def broken_links() -> list[str]:
    """Relative links of all pages that lead nowhere."""
    broken = []
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    pages += [*(ROOT / "data").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
    for page in pages:
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            path = target.partition("#")[0]
            if (
                path
                and "://" not in path
                and not path.startswith("mailto:")
                and not (page.parent / path).exists()
            ):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    return broken


PAGES = {"commands.md": commands_page, "findings.md": findings_page}


def main() -> int:
    """Write the pages, or check them."""
    pages = {REFERENCE / name: page() for name, page in PAGES.items()}
    if "--check" not in sys.argv[1:]:
        for path, content in pages.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            print(path.relative_to(ROOT))
        return 0
    problems = [f"broken link: {link}" for link in broken_links()]
    problems += [
        f"{path.relative_to(ROOT)} is not what the code says; run: make docs"
        for path, content in pages.items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    print("\n".join(problems) or "docs are what the code says")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
