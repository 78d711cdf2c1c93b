"""The whole way from a table to a report: its steps, each a command, and what of them is done.

A step is done if the same command ended well before, on the same bytes, and what it wrote is still there as
it was. That is kept in `run.json`, beside what the steps write.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import SettingsError
from labeltune.files.writing import STANDARD_STREAM, atomic_write, sha256_of
from labeltune.prepare.convert import default_output
from labeltune.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["DEFAULT_FOLDER", "DEFAULT_SIZES", "TEST", "TRAIN", "VALIDATION", "Done", "Log", "Step", "Way"]

DEFAULT_FOLDER = "run"
DEFAULT_SIZES = "train=0.7,validation=0.1,test=0.2"
TRAIN, VALIDATION, TEST = "train", "validation", "test"

_LOG = "run.json"
_TELLING = ("ft:linear:", "ft:embed")
"""How the names of models begin that know which words decided."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command: its words, what it reads, and what it writes."""

    words: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    names_files: bool = False
    """Whether its result names the files that it wrote."""


@dataclass(frozen=True, slots=True)
class Way:
    """The steps for one table; `shared` are words that several commands take, such as how to read a table."""

    data: str
    folder: Path
    task: Path
    sizes: str
    read: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    budget: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = [part.partition("=")[0].strip() for part in self.sizes.split(",")]
        if TRAIN not in parts or TEST not in parts:
            raise SettingsError(
                f"--sizes {self.sizes}: expected a part {TRAIN} to learn from and a part {TEST} to measure",
                hint=f"--sizes {DEFAULT_SIZES} is the default",
            )
        if self.data == STANDARD_STREAM:
            raise SettingsError("run reads its table again and again, so it takes no standard input")

    @property
    def page(self) -> str:
        """Where the report is."""
        return str(self.folder / "report.html")

    @property
    def document(self) -> str:
        """Where its numbers are."""
        return str(self.folder / "report.json")

    @property
    def predictions(self) -> str:
        """Where the rows of the test part are with their predictions."""
        return str(self.folder / "predictions.csv")

    def init(self) -> Step:
        """Propose the task."""
        words = ("init", self.data, "-o", str(self.task), *self.read)
        return Step(words, (self.data,), (str(self.task),))

    def split(self) -> Step:
        """Make the parts; what they are called is known when that is done."""
        words = ("split", self.data, "-o", str(self.folder), "--sizes", self.sizes)
        return Step((*words, *self._described, *self.read), (self.data, str(self.task)), names_files=True)

    def convert(self, part: str) -> Step:
        """Make the chat file of a part."""
        chat = default_output(part)
        # A part in JSON Lines would be overwritten by the chat file that bears its name.
        elsewhere = () if chat != part else ("-o", str(Path(part).with_suffix(".chat.jsonl")))
        words = ("convert", part, *elsewhere, *self._described, *self.read)
        return Step(words, (part, str(self.task)), names_files=True)

    def check(self, chats: Sequence[str]) -> Step:
        """Look for what would cost a training."""
        return Step(("check", *chats, *self._described), (*chats, str(self.task)))

    def train(self, chats: Sequence[str], model: str | None) -> Step:
        """Train, or find the job of before: that is known by its provider, not here."""
        base = () if model is None else ("--model", model)
        words = ("train", *chats, *base, *self.place, *self.budget, *self._described)
        return Step(words, (*chats, str(self.task)))

    def predict(self, part: str, model: str) -> Step:
        """Ask the model about the test part."""
        words = ("predict", part, "--model", model, "-o", self.predictions, *self.place, *self.budget)
        return Step((*words, *self._described, *self.read), (part, str(self.task)), (self.predictions,))

    def evaluate(self, model: str) -> Step:
        """Measure, with the words that decided where the model can tell them."""
        why = ("--why",) if model.startswith(_TELLING) and "--no-texts" not in self.shown else ()
        words = ("evaluate", self.predictions, "--html", self.page, *why, *self.shown, *self._described)
        return Step(words, (self.predictions, str(self.task)), (self.page, self.document))

    @property
    def _described(self) -> tuple[str, ...]:
        return ("--task", str(self.task))


@dataclass(frozen=True, slots=True)
class Done:
    """A step that ended well: what it was, what it said, and the bytes that it left, by their hashes."""

    key: str
    exit_code: int
    result: list[str]
    document: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)

    def holds(self) -> bool:
        """Whether everything is still there as it was."""
        return all(_hash(path) == digest for path, digest in self.files.items())


class Log:
    """What is done of a way, by the name of the step; kept in its folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _LOG
        self._steps = self._read()

    def _read(self) -> dict[str, Done]:
        try:
            kept = json.loads(self._path.read_bytes())
            if kept["version"] != __version__:
                return {}
            return {name: Done(**values) for name, values in kept["steps"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # It only saves work: without it all is done again, to the same end.
            return {}

    def done(self, name: str, step: Step) -> Done | None:
        """What came of a step, if it is done."""
        entry = self._steps.get(name)
        return entry if entry is not None and entry.key == _key(step) and entry.holds() else None

    def knows(self, name: str) -> bool:
        """Whether such a step was done before, be it with something else."""
        return name in self._steps

    def record(
        self, name: str, step: Step, *, exit_code: int, result: Iterable[str], document: Mapping[str, Any]
    ) -> Done:
        """A step has ended well."""
        result = list(result)
        files = {path: _hash(path) for path in (*step.writes, *(result if step.names_files else ()))}
        entry = Done(_key(step), exit_code, result, json.loads(json.dumps(document, default=str)), files)
        self._steps[name] = entry
        steps = {known: asdict(one) for known, one in self._steps.items()}
        with atomic_write(self._path) as handle:
            handle.write(json.dumps({"version": __version__, "steps": steps}, indent=1).encode())
        return entry


def _key(step: Step) -> str:
    return hashlib.sha256(json.dumps([step.words, [_hash(path) for path in step.reads]]).encode()).hexdigest()


def _hash(path: str) -> str:
    try:
        return sha256_of(path)
    except OSError:
        return ""
