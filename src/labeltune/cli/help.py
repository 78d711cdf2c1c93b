"""How help reads: commands in groups, options in panels, each command with two examples.

Typer's own sections are for short lists; those of `predict` and `train` are long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from labeltune.cli.examples import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from typer.models import CommandFunctionType

__all__ = [
    "ALWAYS",
    "COST",
    "RESUME",
    "TABLE",
    "WHERE",
    "HelpfulApp",
    "HelpfulCommand",
    "HelpfulGroup",
    "write_commands",
]

WHERE, COST, RESUME, TABLE, ALWAYS = "Where", "Cost", "Resume", "Table format", "Output and help"
"""The panels besides `Options`, in their order."""

_PANELS = ("Options", WHERE, COST, RESUME, TABLE, ALWAYS)
_EVERYWHERE = ("--json", "--quiet", "--help")


_KIND = re.compile(r"<(\w+)[^>]*>")
_WORDS = {"int": "N", "float": "X"}


class HelpfulCommand(TyperCommand):
    """A command whose help has panels and examples."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The arguments by their names, those that may be left out in brackets."""
        return [*_argument_names(self.get_params(ctx)), "[OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The arguments, then the options by panel."""
        arguments: list[tuple[str, str]] = []
        panels: dict[str, list[tuple[str, str]]] = {panel: [] for panel in _PANELS}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            if param.param_type_name == "argument":
                arguments.append((_name(param), _plain(record[1])))
            else:
                panels[_panel(param)].append((_KIND.sub(_word, record[0]), _plain(record[1])))
        for title, records in (("Arguments", arguments), *panels.items()):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Two examples."""
        words = " ".join(ctx.command_path.split()[1:])
        examples = EXAMPLES.get(words, ())
        if examples:
            with formatter.section("Examples"):
                # Not wrapped: they are there to be pasted.
                formatter.write(
                    "".join(f"{'':>{formatter.current_indent}}{example}\n" for example in examples)
                )


class HelpfulGroup(TyperGroup):
    """A command with commands of its own, such as `jobs`."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands, each in one line."""
        names = self.list_commands(ctx)
        commands = [(name, self.get_command(ctx, name)) for name in names]
        write_commands(formatter, "Commands", {name: _first_line(one.help) for name, one in commands if one})


class HelpfulApp(typer.Typer):
    """An app whose commands and groups have that help."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            **{"rich_markup_mode": None, "add_completion": False, "cls": HelpfulGroup, **settings}
        )

    def command(
        self, name: str | None = None, **settings: Any
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """See `Typer.command`."""
        return super().command(name, **{"cls": HelpfulCommand, **settings})


def write_commands(formatter: Any, title: str, lines: Mapping[str, str]) -> None:
    """A section of commands and what each does, in one line."""
    with formatter.section(title):
        formatter.write_dl(list(lines.items()))


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0].removesuffix(".")


def _word(kind: re.Match[str]) -> str:
    """What stands for a value of which nothing but its type was said."""
    return _WORDS.get(kind[1], kind[1].upper())


def _panel(param: Any) -> str:
    if any(name in _EVERYWHERE for name in param.opts):
        return ALWAYS
    return param.rich_help_panel if param.rich_help_panel in _PANELS else "Options"


def _argument_names(params: Iterable[Any]) -> list[str]:
    arguments = [param for param in params if param.param_type_name == "argument"]
    return [_name(param) if param.required else f"[{_name(param).strip('[]')}]" for param in arguments]


def _name(argument: Any) -> str:
    name = (argument.metavar or (argument.name or "").upper()).strip("[]")
    return f"{name}…" if argument.nargs == -1 and not name.endswith("…") else name


_RANGES = (
    (re.compile(r"0<=x<=2147483647(; )?"), ""),
    (re.compile(r"([\d.]+)<=x<=([\d.]+)"), r"\1 to \2"),
    (re.compile(r"x>=([\d.]+)"), r"from \1 on"),
    (re.compile(r"(; )?required(?=\])"), ""),
    (re.compile(r"(; |  \[)(?=\])"), ""),
)
"""How bounds read; those of a seed, and that an argument without brackets is required, need not be said."""


def _plain(text: str) -> str:
    for pattern, words in _RANGES:
        text = pattern.sub(words, text)
    return text.removesuffix("]") if text.count("]") > text.count("[") else text
