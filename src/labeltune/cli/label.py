"""`labeltune label`."""

from __future__ import annotations

import getpass
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.defaults import provider_of
from labeltune.cli.hints import task_words
from labeltune.cli.key_file import read_key
from labeltune.cli.options import (
    AllowHostOption,
    ApiKeyFileOption,
    DataArgument,
    HostOption,
    JsonOption,
    MaxCostOption,
    PortOption,
    ProviderOption,
    QuietOption,
    StateOption,
    TaskOption,
    YesOption,
)
from labeltune.cli.progress import RowStory
from labeltune.cli.reading import reads_tables
from labeltune.cli.sending import ForceOption
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.collect.label.writing import Labelled
    from labeltune.task import ReadOptions

__all__ = ["label"]

_OUTPUT, _HOST, _PORT = "labelled.csv", "127.0.0.1", 8001
"""Those of `collect.label.label`, which is imported when it is needed."""
_SHARE = 0.2


class _Order(StrEnum):
    uncertain = "uncertain"
    random = "random"
    given = "given"


@reads_tables
def label(
    data: DataArgument,
    out: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where the labelled rows go.")
    ] = _OUTPUT,
    annotator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Who labels. Without it the page has a field for the name, which begins with the user's.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="M", help="A model that suggests labels and ranks the rows."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="B",
            help="What is trained on the answers, beside the page: by default embed where it is installed, "
            "else linear.",
        ),
    ] = None,
    order: Annotated[
        _Order,
        typer.Option(
            metavar="uncertain|random|given",
            help="Which rows come first: those a model is unsure of, any, or the first.",
        ),
    ] = _Order.uncertain,
    random_share: Annotated[
        float,
        typer.Option(
            "--random-share",
            metavar="SHARE",
            min=0,
            max=1,
            help="How many of the rows are drawn by chance, whatever a model says: the honest test rows.",
        ),
    ] = _SHARE,
    suggestions: Annotated[
        bool | None,
        typer.Option(
            "--show-suggestions/--hide-suggestions",
            help="Whether the page shows what a model would say. By default with --model, but not on rows "
            "drawn by chance, which are measured.",
            show_default=False,
        ),
    ] = None,
    host: HostOption = _HOST,
    port: PortOption = _PORT,
    api_key_file: ApiKeyFileOption = None,
    allow_host: AllowHostOption = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    force: ForceOption = False,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    state: StateOption = Path(DEFAULT_STATE),
    max_cost: MaxCostOption = None,
    *,
    read: ReadOptions,
    yes: YesOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Label rows on a page of this machine; Ctrl-C ends it, the same command again goes on."""
    sink = output.configure(json_mode=json, quiet=quiet)
    from labeltune.task import read_task

    definition = read_task(task)
    from labeltune.collect.label.label import LabelOptions
    from labeltune.collect.label.label import label as run

    options = LabelOptions(
        annotator=annotator,
        default_name=_user(),
        model=model,
        provider=None if model is None else provider_of(provider, definition),
        max_cost=max_cost,
        yes=yes,
        order=order.value,
        random_share=random_share,
        suggest=suggestions,
        base=base,
        host=host,
        port=port,
        key=None if api_key_file is None else read_key(api_key_file),
        allow_hosts=tuple(allow_host or ()),
        force=force,
        read=read,
    )
    with ExitStack() as telling:
        story = telling.enter_context(RowStory(sink, yes=yes))

        def ready(address: str) -> None:
            telling.close()
            sink.note(f"label at {address}/ ; Ctrl-C ends it, and writes {out}")
            if open_page:
                import webbrowser

                webbrowser.open(f"{address}/")

        done = run(data, task=definition, output=out, options=options, state=state, story=story, ready=ready)
    _show(sink, done, task)


def _user() -> str:
    """The name of whoever runs this, where the system has one."""
    try:
        return getpass.getuser()[:100] or "me"
    except (OSError, KeyError, ImportError):
        return "me"


def _show(sink: Output, done: Labelled, task: Path) -> None:
    sink.note(
        f"{done.answered:,} of {counted(done.rows, 'row')} answered, "
        f"{done.skipped:,} skipped, {done.flagged:,} flagged"
    )
    if done.outdated:
        left_out = counted(done.outdated, "answer is", "answers are")
        sink.warn(f"{left_out} left out: the task no longer has their labels")
    if done.answers:
        sink.hint(f"labeltune check {pasted(done.output)}{task_words(task)}")
    sink.result(
        {
            "output": done.output if done.answers else None,
            "rows": done.rows,
            "answered": done.answered,
            "skipped": done.skipped,
            "flagged": done.flagged,
            "answers": done.answers,
            "outdated": done.outdated,
            "labels": done.labels,
        },
        *([done.output] if done.answers else []),
    )
