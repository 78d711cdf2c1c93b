"""OUT: the folder that parts are committed to, for one command or several shards at a time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from labeltune.errors import ConflictError
from labeltune.files.parts.manifest import (
    FOLDER,
    MANIFEST,
    SUCCESS,
    Manifest,
    Receipt,
    receipt_name,
    total_of,
)
from labeltune.files.parts.place import name_in, open_place
from labeltune.files.parts.shard import WHOLE, Shard
from labeltune.files.writing import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from labeltune.files.parts.listing import Listing, Part
    from labeltune.files.parts.place import Place

__all__ = ["PartsOutput", "SeenOutput", "commit_part", "local_file", "look_at_output", "open_output"]

LOCK_SECONDS = 60.0
"""How long the moments are waited for in which another shard looks at, or writes, the manifest."""

_LOCKS, _SCRATCH = f"{FOLDER}/locks", f"{FOLDER}/scratch"
_LOCK = ".lock"
_EVERY_S = 0.05
_NAME_BYTES = 8
_SHOWN = 3


def commit_part(place: Place, receipt: Receipt, local: Path) -> None:
    """Put a finished part in its place: what was there goes, then comes its receipt, then the part. A kill in
    between leaves a part that is to be made.

    For any process: nothing else than the place and plain values is needed. Raises `DiskError`.
    """
    place.remove(receipt.part.output)
    _put(place, receipt_name(receipt.part), receipt.dump(), local.parent)
    place.commit(local, receipt.part.output)


@contextmanager
def local_file(scratch: Path, part: Part) -> Iterator[Path]:
    """Where a part is written before it is committed; its name ends like the part's. Gone at the end."""
    name = hashlib.sha256(part.output.encode()).hexdigest()[: 2 * _NAME_BYTES]
    local = scratch / (name + "".join(PurePosixPath(part.output).suffixes[-2:]))
    try:
        yield local
    finally:
        local.unlink(missing_ok=True)


@dataclass(slots=True)
class PartsOutput:
    """An output that is open; made by `open_output`."""

    place: Place
    manifest: Manifest
    shard: Shard
    scratch: Path
    """A folder of this machine for what is to be committed, of this command alone."""

    @property
    def parts(self) -> list[Part]:
        """The parts of this shard, in order."""
        return [*self.shard.own(self.manifest.parts)]

    def receipt(self, part: Part) -> Receipt | None:
        """What came of a part; None as long as it is to be made."""
        return _receipt(self.place, self.manifest, part)

    def pending(self) -> list[Part]:
        """The parts of this shard that are to be made."""
        return [part for part in self.parts if not _is_done(self.receipt(part))]

    def commit(self, part: Part, local: Path, counts: Mapping[str, int], *, complete: bool = True) -> Receipt:
        """Put a finished part in its place. Raises `DiskError`."""
        receipt = Receipt(self.manifest.run, part, local.stat().st_size, counts, complete)
        commit_part(self.place, receipt, local)
        return receipt

    def missing(self) -> list[Part]:
        """The parts that are to be made yet, by whichever shard."""
        return [part for part in self.manifest.parts if not _is_done(self.receipt(part))]

    def finish(self) -> dict[str, int] | None:
        """Write the totals and, last of all, `_SUCCESS`, if every part of every shard is there: returns the
        totals. None if some are missing; whoever makes the last one finishes.
        """
        with _gate(self.place):
            receipts = [self.receipt(part) for part in self.manifest.parts]
            done = [receipt for receipt in receipts if receipt is not None and receipt.complete]
            if len(done) < len(receipts):
                return None
            totals = total_of(done)
            whole = replace(self.manifest, totals=totals)
            _put(self.place, MANIFEST, whole.dump(), self.scratch)
            _put(self.place, SUCCESS, b"", self.scratch)
            return totals


@dataclass(frozen=True, slots=True)
class SeenOutput:
    """An output that is only looked at."""

    place: Place
    manifest: Manifest

    def is_done(self, part: Part) -> bool:
        """Whether a part is there, and complete."""
        return _is_done(_receipt(self.place, self.manifest, part))


def look_at_output(output: str, listing: Listing, settings: Mapping[str, Any], *, command: str) -> SeenOutput:
    """What `open_output` would find, with `force` and `accept_changes`; nothing is made, changed or held."""
    place = open_place(output)
    wanted = _wanted(listing, settings, command)
    return SeenOutput(place, _merged(_read_manifest(place, force=True), wanted))


@contextmanager
def open_output(
    output: str,
    listing: Listing,
    settings: Mapping[str, Any],
    *,
    command: str,
    shard: Shard = WHOLE,
    force: bool = False,
    accept_changes: bool = False,
    replaces: bool = False,
) -> Iterator[PartsOutput]:
    """The folder that the parts of a listing go to, held while the block runs.

    What is there of the same run is gone on with; new parts are added at the end. Raises `ConflictError`
    while another command works here (shards of as many work side by side), and where what is there is of
    another run or of inputs that have changed: `accept_changes` makes the parts of those again, `force`
    replaces whatever there is, and `replaces` whatever the same command may have left, unasked.
    """
    place = open_place(output)
    with ExitStack() as held:
        with _gate(place):
            _hold(place, shard, held)
            scratch = place.scratch(f"{_SCRATCH}/{shard.number}-of-{shard.of}")
            _sweep(scratch)
            wanted = _wanted(listing, settings, command)
            known = _read_manifest(place, force=force)
            if not force:
                _refuse(place, known, wanted, listing.place.shown, accept=accept_changes, replaces=replaces)
            manifest = _agreed(place, known, wanted, scratch)
        try:
            yield PartsOutput(place, manifest, shard, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _is_done(receipt: Receipt | None) -> bool:
    return receipt is not None and receipt.complete


def _receipt(place: Place, manifest: Manifest, part: Part) -> Receipt | None:
    """The receipt of a part that is there, of this run and of the input as it is."""
    found = place.entry(part.output)
    receipt = None if found is None else _read_receipt(place, part)
    if receipt is None or found is None:
        return None
    return receipt if (receipt.run, receipt.part, receipt.size) == (manifest.run, part, found.size) else None


def _read_receipt(place: Place, part: Part) -> Receipt | None:
    name = receipt_name(part)
    if not place.exists(name):
        return None
    with place.open(name) as handle:
        return Receipt.load(handle.read())


# --------------------------------------------------------------------------------------------------- locks


@contextmanager
def _gate(place: Place) -> Iterator[None]:
    """The moment for one alone, waited for. Raises `ConflictError` after `LOCK_SECONDS`."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        with place.lock(f"{_LOCKS}/gate.lock") as mine:
            if mine:
                yield
                return
        if time.monotonic() > deadline:
            raise ConflictError(f"{place.shown}: another command holds it", hint="wait for it, or stop it")
        time.sleep(_EVERY_S)


def _hold(place: Place, shard: Shard, held: ExitStack) -> None:
    """Take the shard's lock, if nobody has it, or that of a shard of another number. In the gate alone."""
    own = f"{_LOCKS}/{shard.number}-of-{shard.of}.lock"
    for entry in place.list(_LOCKS.startswith):
        # In a store, a claim to a lock has the lock's name and more behind it.
        name = entry.name.partition(_LOCK)[0] + _LOCK
        if not name.startswith(f"{_LOCKS}/") or name in (f"{_LOCKS}/gate.lock", own):
            continue
        if name.endswith(f"-of-{shard.of}.lock"):
            continue
        with place.lock(name) as mine:
            if not mine:
                raise _held(place, name)
    if not held.enter_context(place.lock(own)):
        raise _held(place, own)


def _held(place: Place, name: str) -> ConflictError:
    number, _, of = name.removeprefix(f"{_LOCKS}/").removesuffix(".lock").partition("-of-")
    who = "another command" if of == "1" else f"the shard {number}/{of}"
    return ConflictError(
        f"{place.shown}: {who} works here",
        hint="wait for it, or stop it; shards of one number may work side by side (--shard I/N)",
    )


def _sweep(scratch: Path) -> None:
    """Remove what a killed command of the same shard left: its lock is ours now, so nobody writes it."""
    for left in scratch.iterdir():
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                left.unlink()


# ------------------------------------------------------------------------------------------------ manifest


def _refuse(
    place: Place, known: Manifest | None, wanted: Manifest, read: str, *, accept: bool, replaces: bool
) -> None:
    """Raise `ConflictError` where what is there is not what may be gone on with; `read` is how the place is
    shown that is read.
    """
    if known is not None and known.command != wanted.command:
        raise ConflictError(f"{place.shown}: is the output of {known.command}", hint="name another --output")
    if replaces:
        return
    if known is not None:
        _refuse_other_run(place, known, wanted)
        _refuse_changes(place, known, wanted, read, accept=accept)
    _refuse_foreign(place, wanted)


def _agreed(place: Place, known: Manifest | None, wanted: Manifest, scratch: Path) -> Manifest:
    """The manifest to go by, on the disk: the one that is there, with the parts that are new."""
    manifest = _merged(known, wanted)
    if known is None or (known.run, known.parts) != (manifest.run, manifest.parts):
        place.remove(SUCCESS)
        _put(place, MANIFEST, manifest.dump(), scratch)
        outputs = {part.output for part in manifest.parts}
        for part in () if known is None else known.parts:
            if part.output not in outputs:
                place.remove(part.output)
                place.remove(receipt_name(part))
    return manifest


def _wanted(listing: Listing, settings: Mapping[str, Any], command: str) -> Manifest:
    # The settings as they come back from the disk: a tuple is a list then.
    return Manifest(command, listing.place.root, json.loads(json.dumps(settings)), listing.parts)


def _merged(known: Manifest | None, wanted: Manifest) -> Manifest:
    """The manifest that is wanted, its parts in the order of the one that is there, new ones behind."""
    now = {part.input: part for part in wanted.parts}
    before = [part.input for part in (() if known is None else known.parts) if part.input in now]
    return replace(wanted, parts=tuple(now[name] for name in dict.fromkeys([*before, *now])))


def _read_manifest(place: Place, *, force: bool) -> Manifest | None:
    if not place.exists(MANIFEST):
        return None
    with place.open(MANIFEST) as handle:
        text = handle.read()
    try:
        return Manifest.load(text, name_in(place, MANIFEST))
    except Exception:
        if force:
            return None
        raise


def _refuse_other_run(place: Place, known: Manifest, wanted: Manifest) -> None:
    if known.run == wanted.run:
        return
    names = sorted(known.settings.keys() | wanted.settings.keys())
    differing = [name for name in names if known.settings.get(name) != wanted.settings.get(name)]
    pieces = [_told(name, known.settings.get(name), wanted.settings.get(name)) for name in differing]
    raise ConflictError(
        f"{place.shown}: this run used {' and '.join(pieces)}",
        hint="another --output begins a run of its own; --force begins it here, and makes every part again",
    )


def _told(name: str, old: Any, new: Any) -> str:
    if isinstance(old, dict) or isinstance(new, dict):
        return f"another {name.replace('_', ' ')}"
    return f"{name.replace('_', ' ')} {old}, not {new}"


def _refuse_changes(place: Place, known: Manifest, wanted: Manifest, read: str, *, accept: bool) -> None:
    now = {part.input: part for part in wanted.parts}
    gone = [part.input for part in known.parts if part.input not in now]
    changed = [part.input for part in known.parts if part.input in now and now[part.input] != part]
    if accept or not (gone or changed):
        return
    pieces = [f"{_some(changed)} changed"] if changed else []
    pieces += [f"{_some(gone)} gone"] if gone else []
    raise ConflictError(
        f"{read}: {', '.join(pieces)} since {place.shown} was begun",
        hint="--accept-changes makes those parts again; another --output begins a run of its own",
    )


def _some(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest:,} more" if rest > 0 else "")


def _refuse_foreign(place: Place, wanted: Manifest) -> None:
    """Raise `ConflictError` where a part's place is taken by what this command did not write, or that was
    edited since.
    """
    for part in wanted.parts:
        found = place.entry(part.output)
        if found is None:
            continue
        receipt = _read_receipt(place, part)
        if receipt is None or receipt.size != found.size:
            what = "was not written by this command" if receipt is None else "was edited since it was written"
            raise ConflictError(
                f"{name_in(place, part.output)}: {what}",
                hint="-o names another output; --force replaces this one",
            )


def _put(place: Place, name: str, content: bytes, scratch: Path) -> None:
    """A small file, whole or not at all."""
    local = scratch / f"{secrets.token_hex(8)}.small"
    with atomic_write(local) as handle:
        handle.write(content)
    place.commit(local, name)
