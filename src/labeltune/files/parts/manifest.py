"""What a run over parts is, and what came of each of its parts, as JSON beside them.

`_labeltune.json` says what the run is: written before the first part, and once more with the totals after the
last. A part's receipt, in `_labeltune/receipts/`, is written before the part itself: a part that is there has
one. A receipt names the run and the input that the part was made of, so that one of another model, or of a
file that has changed since, counts for nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from labeltune.errors import DiskError, SettingsError
from labeltune.files.parts.listing import Part
from labeltune.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FOLDER", "MANIFEST", "SUCCESS", "Manifest", "Receipt", "receipt_name", "total_of"]

MANIFEST, SUCCESS, FOLDER = "_labeltune.json", "_SUCCESS", "_labeltune"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of one part: of which run and input it is, its bytes, and how many of what are in it.

    `counts` are whole numbers under any names, which totals add up; `rows` is one of them. One that is not
    `complete` is made again by the next run: only its first rows are there, or answers were lost.
    """

    run: str
    part: Part
    size: int
    counts: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True

    def dump(self) -> bytes:
        """As JSON."""
        return _json(asdict(self))

    @classmethod
    def load(cls, text: bytes) -> Receipt | None:
        """What `dump` gave; None for anything else."""
        try:
            document = json.loads(text)
            return cls(**{**document, "part": Part(**document["part"])})
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run over parts is.

    `settings` are plain values by name (task, model, request…); another value of any of them is another run.
    The order of `parts` says which shard has which: new ones go to the end.
    """

    command: str
    input: str
    settings: Mapping[str, Any]
    parts: tuple[Part, ...]
    totals: Mapping[str, int] | None = None

    @property
    def run(self) -> str:
        """What the run is known by: a hash of what it is, without its parts."""
        told = json.dumps([self.command, self.settings], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def dump(self) -> bytes:
        """As JSON."""
        told: dict[str, Any] = {"version": VERSION, "made_by": f"labeltune {__version__}", **asdict(self)}
        return _json(told)

    @classmethod
    def load(cls, text: bytes, name: str) -> Manifest:
        """What `dump` gave. Raises `DiskError` for anything else, `SettingsError` for a newer version's."""
        try:
            document = json.loads(text)
            version, made_by = document.pop("version"), document.pop("made_by")
            if version == VERSION:
                parts = tuple(Part(**part) for part in document.pop("parts"))
                return cls(**document, parts=parts)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DiskError(
                f"{name}: is damaged: {error}", hint="--force begins the run anew; another --output does, too"
            ) from error
        raise SettingsError(f"{name}: made by {made_by}, this is {__version__}", hint="use that version")


def receipt_name(part: Part) -> str:
    """Where a part's receipt is."""
    return f"{FOLDER}/receipts/{part.output}.json"


def total_of(receipts: Iterable[Receipt]) -> dict[str, int]:
    """The counts of all parts, added up; `parts` is how many there are."""
    totals = {"parts": 0, "rows": 0}
    for receipt in receipts:
        totals["parts"] += 1
        for name, count in receipt.counts.items():
            totals[name] = totals.get(name, 0) + count
    return totals


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
