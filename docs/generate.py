"""Write the pages that are made from the code: `docs/reference/commands.md`.

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
from labeltune.errors import ExitCode, LabeltuneError

ROOT = Path(__file__).resolve().parent.parent
COMMANDS_PAGE = ROOT / "docs" / "reference" / "commands.md"

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
        parts += _command(root.commands[name], f"labeltune {name}", 2)
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
            parts += _command(command.commands[sub], f"{name} {sub}", level + 1)
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
    return parts


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


def main() -> int:
    """Write the pages, or check them."""
    page = commands_page()
    if "--check" not in sys.argv[1:]:
        COMMANDS_PAGE.parent.mkdir(parents=True, exist_ok=True)
        COMMANDS_PAGE.write_text(page, encoding="utf-8")
        print(COMMANDS_PAGE.relative_to(ROOT))
        return 0
    problems = [f"broken link: {link}" for link in broken_links()]
    if not COMMANDS_PAGE.exists() or COMMANDS_PAGE.read_text(encoding="utf-8") != page:
        problems.append(f"{COMMANDS_PAGE.relative_to(ROOT)} is not what the code says; run: make docs")
    print("\n".join(problems) or "docs are what the code says")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
