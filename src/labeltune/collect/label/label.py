"""The use case: read the table, put the page on a port, and write what was labelled."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.collect.label.app import Settings, create_app
from labeltune.collect.label.desk import Desk
from labeltune.collect.label.journal import journal_path, open_journal
from labeltune.collect.label.learner import Learner
from labeltune.collect.label.order import UNCERTAIN, Order
from labeltune.collect.label.rows import read_rows
from labeltune.collect.label.suggesting import ask_model
from labeltune.collect.label.writing import Writer, check_output
from labeltune.errors import ConflictError, SettingsError
from labeltune.files.writing import STANDARD_STREAM
from labeltune.local.engines import Base, get_engine
from labeltune.local.engines.embed.extra import is_installed
from labeltune.local.guard import Allowed, is_loopback, new_token
from labeltune.local.serving import run_app
from labeltune.prediction.options import PredictOptions
from labeltune.prediction.story import Silence
from labeltune.task import NOTHING_TOLD
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from labeltune.collect.label.journal import Journal
    from labeltune.collect.label.order import OrderName
    from labeltune.collect.label.ranking import Ranking
    from labeltune.collect.label.rows import Rows
    from labeltune.collect.label.writing import Labelled
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import ReadOptions, Task

__all__ = ["DEFAULT_OUTPUT", "DEFAULT_PORT", "LabelOptions", "label"]

DEFAULT_OUTPUT = "labelled.csv"
DEFAULT_PORT = 8001
DEFAULT_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOptions:
    """How rows are labelled.

    `annotator` None: whoever labels may say a name on the page, and is `default_name` until then. `model`
    suggests and ranks the rows; it is asked at `provider`. `suggest` None: where a model is given, but not on
    rows of the random sample. `key` is what the page asks for; without one only this machine may use it.
    """

    annotator: str | None = None
    default_name: str = "me"
    model: str | None = None
    provider: Provider | None = None
    max_cost: float | None = None
    yes: bool = False
    order: OrderName = UNCERTAIN
    random_share: float = 0.2
    suggest: bool | None = None
    base: str | None = None
    """What is trained beside the page: an engine and its source."""
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    key: str | None = None
    allow_hosts: tuple[str, ...] = ()
    force: bool = False
    read: ReadOptions = NOTHING_TOLD


_DEFAULT = LabelOptions()


def label(
    data: str,
    *,
    task: Task,
    output: str = DEFAULT_OUTPUT,
    options: LabelOptions = _DEFAULT,
    state: Path,
    story: Story | None = None,
    ready: Callable[[str], None],
) -> Labelled:
    """Serve the page until SIGINT or SIGTERM, and write what was labelled; `ready` gets its address.

    The same call again goes on where the first stopped. Raises the errors of this package before the page is
    there; after it, `ConflictError` or `DiskError` if the output cannot be written: the journal has it all.
    """
    out = Path(output)
    story = story or Silence()
    check_output(data, out)
    if options.key is None and not is_loopback(options.host):
        raise SettingsError(
            f"--host {options.host}: other machines can reach it, so the page needs a key",
            hint="--api-key-file F: a file with one line, which whoever labels types in once",
        )
    base = Base.parse(options.base or ("embed" if is_installed() else "linear")).located()
    get_engine(base.engine).check(base)
    allowed = Allowed.at(options.host, options.allow_hosts)
    rows = read_rows(data, task, options.read)
    if rows.repeated:
        story.note(
            f"{rows.source}: {counted(rows.repeated, 'row repeats', 'rows repeat')} another one, "
            "which is asked about once"
        )
    path = journal_path(state, out)
    with open_journal(path, _name(data)) as journal:
        _check_same(journal, data, options, out)
        writer = Writer(task, rows, journal, out, force=options.force)
        writer.protect()
        given = _given(rows, task, options, state, path, story)
        order = Order(options.order, [row.key for row in rows.rows], options.random_share)
        learner = Learner(task, rows, order, journal, str(base), given)
        settings = Settings(
            title=rows.source,
            annotator=options.annotator or options.default_name,
            fixed=options.annotator is not None,
            suggest=given is not None if options.suggest is None else options.suggest,
            suggest_measured=bool(options.suggest),
            token=new_token(),
            key=options.key,
            write=lambda: asdict(writer.write()),
        )
        app = create_app(Desk(task, rows, order, journal), learner, settings, allowed)
        learner.start()
        try:
            run_app(app, options.host, options.port, started=ready, signal_is_end=True)
        finally:
            learner.stop()
            labelled = writer.write()
    return labelled


def _name(data: str) -> str:
    return data if data == STANDARD_STREAM else str(Path(data).absolute())


def _check_same(journal: Journal, data: str, options: LabelOptions, output: Path) -> None:
    """Raise `ConflictError` where the output is another table's."""
    before = journal.data
    if before != _name(data) and not options.force:
        raise ConflictError(
            f"{output}: holds the labels of {before}",
            hint="-o names another output; --force replaces this one",
        )
    journal.begin_anew(_name(data))


def _given(
    rows: Rows, task: Task, options: LabelOptions, state: Path, path: Path, story: Any
) -> Ranking | None:
    if options.model is None:
        return None
    assert options.provider is not None
    return ask_model(
        rows,
        task,
        options.model,
        options.provider,
        state=state,
        journal=path,
        asked=PredictOptions(max_cost=options.max_cost, yes=options.yes),
        story=story,
    )
