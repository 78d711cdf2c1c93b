"""A hub's models brought onto this disk: only files that are read here, each held against what the hub says
of it, and told of while they come.

They lie where every program keeps what it fetched from a hub (`HF_HOME`), so nothing is fetched twice.
"""

from __future__ import annotations

import glob
import logging
import threading
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import AccessError, LabeltuneError
from labeltune.files.writing import disk_errors, sha256_of
from labeltune.local.engines.common.hub import endpoint, hub, is_commit, is_offline, name_and_revision
from labeltune.wording import counted, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    Weights = Callable[[str, Collection[str]], Sequence[str]]
    Tell = Callable[[str], None]

__all__ = ["READING", "SMALL", "fetch", "files_in", "on_this_disk"]

READING = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "additional_chat_templates/*.jinja",
)
"""By what texts and conversations become tokens: files that a folder may have or not."""

SMALL = (
    "README.md",
    "config.json",
    "generation_config.json",
    *READING,
    "model.safetensors.index.json",
    "modules.json",
    "sentence_bert_config.json",
    "*_Pooling/config.json",
    "*StaticEmbedding/tokenizer.json",
)
"""What is fetched of every model, whatever its engine, beside the weights: nothing in it can run."""

_LOOK_EVERY_S = 0.5
_TENTHS = 10

_log = logging.getLogger("labeltune.local.worker")

_CLIENTS = ("huggingface_hub", "httpx", "httpx2", "httpcore", "httpcore2", "hf_xet")
"""Whose messages hold addresses, and in these may stand what lets anyone in for a while."""


def fetch(
    source: str,
    weights: Weights,
    *,
    look: Callable[[Path], None] = lambda _: None,
    tell: Tell | None = None,
) -> Path:
    """The folder, named after the commit, of a hub's model `OWNER/NAME` or `OWNER/NAME@REVISION`.

    `weights` chooses the files of the weights among a model's files, and raises `AccessError` where there are
    none; it is given the source, too. `look` looks at the small files, which come first, and may raise.
    What is here already at the commit that is asked for is not asked for again.

    Raises `AccessError` with what to do next, `DiskError`.
    """
    name, revision = name_and_revision(source)
    tell = tell or _log.info
    with _told(source), _discreet():
        folder = _snapshot(name, revision, SMALL)
        held = _holds(folder, weights)
        if held and (is_commit(revision) or is_offline()):
            look(folder)
            return folder
        try:
            listed = _listed(name, folder.name)
        except Exception:
            if not held:
                raise
            tell(f"{hub()} does not give {source}: what was fetched before is used")
            look(folder)
            return folder
        chosen = weights(source, listed)
        look(folder)
        tell(f"{name} is at revision {folder.name}")
        _bring(name, folder, {path: listed[path].size or 0 for path in chosen}, tell)
        _verify(source, folder, listed, chosen)
    return folder


def on_this_disk(source: str) -> Path | None:
    """The folder of what was fetched of a hub's model, whole or not; nothing is asked of the hub."""
    try:
        from huggingface_hub import snapshot_download

        name, revision = name_and_revision(source)
        return Path(snapshot_download(name, revision=revision, local_files_only=True, allow_patterns=[]))
    except (ImportError, OSError, ValueError):
        return None


def files_in(folder: Path) -> set[str]:
    """The names of all files in a folder, however deep."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _holds(folder: Path, weights: Weights) -> bool:
    try:
        return bool(weights(str(folder), files_in(folder)))
    except AccessError:
        return False


def _snapshot(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import constants, snapshot_download

    with disk_errors(constants.HF_HUB_CACHE):
        found = snapshot_download(
            name,
            revision=revision,
            allow_patterns=list(patterns),
            endpoint=endpoint(),
            local_files_only=is_offline(),
            tqdm_class=_no_bar(),
        )
    return Path(found)


def _no_bar() -> Any:
    """A bar that nobody sees: the worker has no terminal, and what comes is told of as events."""
    from huggingface_hub.utils import tqdm

    class Unseen(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})

    return Unseen


def _listed(name: str, commit: str) -> dict[str, Any]:
    """What the hub says of each file of a commit, by name: `size`, and of large ones `lfs`, their hash."""
    from huggingface_hub import HfApi

    # Unlike a listing of the tree this is asked once, so that nobody waits for a hub that is down.
    told = HfApi(endpoint=endpoint()).model_info(name, revision=commit, files_metadata=True)
    return {file.rfilename: file for file in told.siblings or ()}


def _bring(name: str, folder: Path, sizes: dict[str, int], tell: Tell) -> None:
    """Fetch the weights, by the names of their files, and tell of it."""
    missing = {path: size for path, size in sizes.items() if not (folder / path).exists()}
    if not missing:
        return
    total = sum(missing.values())
    tell(f"Fetching {name}: {counted(len(missing), 'file')} of weights, {sized(total)}")
    whole = folder.parent.parent
    before = _bytes_in(whole)
    download = _Download(name, folder.name, [glob.escape(path) for path in missing])
    download.start()
    told = 0
    while download.is_alive():
        download.join(_LOOK_EVERY_S)
        got = _bytes_in(whole) - before
        tenths = min(_TENTHS - 1, _TENTHS * got // max(1, total))
        if tenths > told and download.is_alive():
            told = tenths
            tell(f"Fetched {sized(got)} of {sized(total)}")
    if download.error is not None:
        raise download.error
    tell(f"Fetched {name}: {sized(total)}")


class _Download(threading.Thread):
    """A download beside the thread that tells of it."""

    def __init__(self, name: str, commit: str, patterns: Sequence[str]) -> None:
        super().__init__(name="download", daemon=True)
        self._what = (name, commit, patterns)
        self.error: BaseException | None = None

    def run(self) -> None:
        """Fetch; what goes wrong is for the other thread to raise."""
        try:
            _snapshot(*self._what)
        except BaseException as error:  # noqa: BLE001  (it is raised by who waits)
            self.error = error


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() and not path.is_symlink() else 0
        except FileNotFoundError:  # renamed meanwhile
            continue
    return total


def _verify(source: str, folder: Path, listed: dict[str, Any], chosen: Sequence[str]) -> None:
    """Hold what was fetched against the hub's list: the client looks at sizes alone, and once.

    Raises `AccessError`; the file is gone then, so that the next time it is fetched anew.
    """
    small = {name for name in listed if any(fnmatchcase(name, pattern) for pattern in SMALL)}
    # The folder may hold what another program fetched.
    for name in sorted(files_in(folder) & {*small, *chosen}):
        path, file = folder / name, listed[name]
        right = file.size in (None, path.stat().st_size)
        if right and file.lfs is not None:
            right = sha256_of(path) == file.lfs.sha256
        if not right:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise AccessError(
                f"{source}: {name} did not arrive as the hub has it: its size or its SHA-256 is another",
                hint="train again: it is fetched anew; if that does not help, look at what HF_ENDPOINT names",
            )


@contextmanager
def _discreet() -> Iterator[None]:
    """Within it the hub's client logs errors alone."""
    loggers = [logging.getLogger(name) for name in _CLIENTS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _told(source: str) -> Iterator[None]:
    """Whatever the hub's client raises becomes an `AccessError`, without the addresses in its messages."""
    try:
        yield
    except (LabeltuneError, MemoryError):
        raise
    except Exception as error:
        # The errors of the library that the client sends by are among these, and that library has changed.
        raise _refusal(source, error) from error


def _refusal(source: str, error: Exception) -> AccessError:
    from huggingface_hub import errors

    name, revision = name_and_revision(source)
    if is_offline():
        return AccessError(
            f"{source}: is no folder here, nor whole on this disk, and HF_HUB_OFFLINE forbids to fetch it",
            hint="fetch it once without HF_HUB_OFFLINE, or give its folder",
        )
    # The first that fits counts: a model that is gated is one that is not found, too.
    refusals: dict[type[Exception], tuple[str, str]] = {
        errors.GatedRepoError: (
            "is gated: its owner gives it to those who have accepted the terms",
            f"accept them at {hub()}/{name}, set HF_TOKEN to a token of that account, and train again",
        ),
        errors.RepositoryNotFoundError: (
            f"is no folder here, and {hub()} has no model of this name, or keeps it from you",
            "check the name; a private model needs a token that may read it in HF_TOKEN",
        ),
        errors.RevisionNotFoundError: (
            f"the model has no revision {revision or 'main'!r}",
            "give a branch, a tag or the 40 digits of a commit behind the @",
        ),
        errors.HFValidationError: ("is no folder here, and no name in a hub", "check the name"),
    }
    for kind, (why, hint) in refusals.items():
        if isinstance(error, kind):
            return AccessError(f"{source}: {why}", hint=hint)
    status = _status(error)
    if status is None:
        return _broken(source, error)
    if status in (401, 403):
        return AccessError(
            f"{source}: {hub()} refuses to hand it out ({status})",
            hint="set HF_TOKEN to a token that may read it, or give the folder of the model",
        )
    return AccessError(f"{source}: {hub()} answers with {status}", hint="train again later")


def _broken(source: str, error: Exception) -> AccessError:
    """For what is none of the hub's own refusals."""
    from huggingface_hub import errors

    no_hub = (errors.FileMetadataError, ValueError, TypeError, KeyError, AssertionError)
    if any(isinstance(one, no_hub) for one in _chain(error)):
        return AccessError(
            f"{source}: what answers at {hub()} is no hub",
            hint="look at HF_ENDPOINT and at the proxy, or give the folder of the model",
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return AccessError(
            f"{source}: is no folder here, and {hub()} cannot be reached",
            hint="look at the network, HF_ENDPOINT and the proxy, or give the folder of the model",
        )
    return AccessError(
        f"{source}: did not arrive whole from {hub()} ({type(error).__name__})",
        hint="train again: files that did arrive are not fetched twice",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: Exception) -> int | None:
    """The status that the hub answered with, if that is what lies behind an error."""
    replies = (getattr(one, "response", None) for one in _chain(error))
    return next((int(reply.status_code) for reply in replies if reply is not None), None)
