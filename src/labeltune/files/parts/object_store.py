"""Places in object stores (S3, Google Cloud Storage, and what speaks like them), by pyarrow's file systems.

A finished upload is the commit: a store shows an object when all of it has arrived, and not before.
Credentials are found by pyarrow as the cloud's own programs find them; none is read, kept or shown here.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from labeltune.errors import ConflictError, DiskError, SettingsError
from labeltune.files.parts.address import parse_address
from labeltune.files.parts.object_lock import ObjectLock
from labeltune.files.parts.place import Entry
from labeltune.files.writing import disk_errors, is_running, make_private_folder

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator, Sequence

    from labeltune.files.parts.address import Address

__all__ = ["ObjectPlace", "open_object_place"]

_CHUNK = 1 << 20
_SECOND_NS = 10**9
_LOOKS_AT_ONCE = 32
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
_HINTS = {
    "s3": "credentials are found as by the AWS programs: AWS_ACCESS_KEY_ID and its secret, ~/.aws, or the "
    "machine's role; AWS_ENDPOINT_URL names another server than Amazon's",
    "gs": "credentials are found as by Google's programs: GOOGLE_APPLICATION_CREDENTIALS, or the machine's "
    "account; gs://anonymous@… goes without",
}


def open_object_place(url: str) -> ObjectPlace:
    """The place at `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`; one for all who ask in this process, so that
    they know what is held.

    Raises `SettingsError` for a URL that cannot be used, or where pyarrow is not installed.
    """
    return _opened(parse_address(url))


@functools.cache
def _opened(address: Address) -> ObjectPlace:
    if find_spec("pyarrow") is None:
        raise SettingsError(f"{address.root}: needs pyarrow", hint="pip install 'labeltune[parquet]'")
    import pyarrow as pa
    from pyarrow import fs

    try:
        system, bucket = fs.FileSystem.from_uri(address.store)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SettingsError(f"{address.root}: {_clean(error)}", hint=_HINTS[address.scheme]) from None
    except OSError as error:
        raise DiskError(
            f"{address.root}: cannot be reached: {_clean(error)}", hint=_HINTS[address.scheme]
        ) from None
    return ObjectPlace(address, system, bucket.rstrip("/"))


class ObjectPlace:
    """What begins with a prefix in a bucket; made by `open_object_place`."""

    def __init__(self, address: Address, system: Any, bucket: str) -> None:
        self.root = self.shown = address.root
        self.url = address.url
        self._scheme, self._system = address.scheme, system
        self._base = f"{bucket}/{address.prefix}".rstrip("/")
        self._held: set[ObjectLock] = set()

    def list(self, enter: Callable[[str], bool]) -> Iterator[Entry]:
        """All objects below. The first level is looked at for itself, so that what `enter` refuses there is
        not listed; below that, a store lists a thousand objects at a time whatever their folders are.

        Of Google's store pyarrow tells no folder that is not an object of its own: there all is listed.
        """
        from pyarrow import fs

        if self._scheme != "s3":
            for info in self._infos("", recursive=True):
                folder, below, _ = self._name_of(info).partition("/")
                if info.type == fs.FileType.File and (not below or enter(folder)):
                    yield self._entry_of(info)
            return
        folders = []
        for info in self._infos("", recursive=False):
            if info.type == fs.FileType.File:
                yield self._entry_of(info)
            elif enter(self._name_of(info)):
                folders.append(self._name_of(info))
        for folder in folders:
            for info in self._infos(folder, recursive=True):
                if info.type == fs.FileType.File:
                    yield self._entry_of(info)

    def entry(self, name: str) -> Entry | None:
        """The object of that name."""
        from pyarrow import fs

        with self._errors(name, "cannot be looked at"):
            info = self._system.get_file_info(self._path(name))
        return self._entry_of(info) if info.type == fs.FileType.File else None

    def exact(self, entries: Sequence[Entry]) -> builtins.list[Entry]:
        """The same with the tag that S3 gives to what an object holds, a request for each: its times are
        whole seconds.
        """
        if self._scheme != "s3" or not entries:
            return [*entries]
        with ThreadPoolExecutor(min(_LOOKS_AT_ONCE, len(entries))) as pool:
            return [*pool.map(self._tagged, entries)]

    def _tagged(self, entry: Entry) -> Entry:
        """With the tag where the nanoseconds would be; one that has gone is as it was."""
        with self._errors(entry.name, "cannot be looked at"):
            try:
                with self._system.open_input_file(self._path(entry.name)) as handle:
                    told = handle.metadata() or {}
            except FileNotFoundError:
                return entry
        tag = told.get("ETag", told.get(b"ETag", b""))
        digest = hashlib.sha256(tag if isinstance(tag, bytes) else tag.encode()).digest()
        seconds = entry.modified - entry.modified % _SECOND_NS
        return replace(entry, modified=seconds + int.from_bytes(digest[:8]) % _SECOND_NS)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """An object's bytes, as they come."""
        with (
            self._errors(name, "cannot be read"),
            self._system.open_input_stream(self._path(name), compression=None) as handle,
        ):
            yield cast("IO[bytes]", handle)

    @contextmanager
    def as_file(self, name: str) -> Iterator[Path]:
        """A copy on this machine, whose name ends like the object's. Gone at the end of the block."""
        entry = self.entry(name)
        if entry is None:
            raise DiskError(f"{self.root}/{name}: is not there")
        folder = _folder_for_copies()
        try:
            path = folder / PurePosixPath(name).name
            with self.open(name) as source, disk_errors(path), path.open("wb") as target:
                while chunk := self._read(source, name):
                    target.write(chunk)
            if path.stat().st_size != entry.size:
                raise DiskError(f"{self.root}/{name}: only a part of it arrived", hint="run it again")
            yield path
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def commit(self, local: Path, name: str) -> Entry:
        """Upload it: the object is there, or replaced, when the last byte has arrived.

        Raises `ConflictError` where another command took over what this one held.
        """
        for lock in self._held:
            lock.check()
        import pyarrow as pa

        size = local.stat().st_size
        self.put(pa.memory_map(os.fspath(local)).read_buffer() if size else b"", name)
        found = self.entry(name)
        if found is None or found.size != size:
            raise DiskError(
                f"{self.root}/{name}: was written, and is not there", hint="is something else writing there?"
            )
        local.unlink()
        return found

    def put(self, content: Any, name: str) -> None:
        """Upload bytes, or a buffer of pyarrow's."""
        with self._errors(name, "cannot be written"):
            # A stream that is dropped is finished by pyarrow, not given up. With one write of all bytes there
            # is no moment at which an exception would leave the beginning of a file as the whole of it.
            stream = self._system.open_output_stream(self._path(name), compression=None)
            stream.write(content)
            stream.close()

    def exists(self, name: str) -> bool:
        """Whether there is an object of that name."""
        return self.entry(name) is not None

    def remove(self, name: str) -> None:
        """Remove an object."""
        with self._errors(name, "cannot be removed"), contextlib.suppress(FileNotFoundError):
            self._system.delete_file(self._path(name))

    def scratch(self, name: str) -> Path:
        """A folder for temporary files, the same each time, so that what a killed command left is found."""
        own = hashlib.sha256(f"{self.root}/{name}".encode()).hexdigest()[:16]
        folder = _home() / own
        make_private_folder(folder)
        return folder

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """A claim in the store that is renewed as long as this process lives; see `ObjectLock`."""
        lock = ObjectLock(self, name)
        if not lock.take():
            yield False
            return
        self._held.add(lock)
        try:
            yield True
        finally:
            self._held.discard(lock)
            lock.release()

    def list_folder(self, name: str) -> builtins.list[Entry]:
        """The objects in a folder, without those in folders below."""
        from pyarrow import fs

        found = self._infos(name, recursive=False)
        return [self._entry_of(info) for info in found if info.type == fs.FileType.File]

    # names

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def _name_of(self, info: Any) -> str:
        return cast("str", info.path).removeprefix(f"{self._base}/").rstrip("/")

    def _entry_of(self, info: Any) -> Entry:
        changed = info.mtime_ns or 0
        if self._scheme == "s3":
            # Some servers tell more than seconds in a listing, and none does of a single object.
            changed -= changed % _SECOND_NS
        return Entry(self._name_of(info), info.size, changed)

    def _read(self, source: IO[bytes], name: str) -> bytes:
        with self._errors(name, "cannot be read"):
            return source.read(_CHUNK)

    def _infos(self, folder: str, *, recursive: bool) -> builtins.list[Any]:
        from pyarrow import fs

        selector = fs.FileSelector(self._path(folder), recursive=recursive, allow_not_found=True)
        with self._errors(folder, "cannot be listed"):
            return cast("list[Any]", self._system.get_file_info(selector))

    @contextmanager
    def _errors(self, name: str, what: str) -> Iterator[None]:
        """Raise what the store says as `DiskError`."""
        try:
            yield
        except FileNotFoundError as error:
            raise DiskError(f"{self.root}/{name}: is not there: {_clean(error)}") from None
        except OSError as error:
            raise DiskError(
                f"{self.root}/{name}: {what}: {_clean(error)}", hint=_HINTS[self._scheme]
            ) from None


def _clean(error: Exception) -> str:
    """What the store's library says, in one line, without any credential that it may have put in."""
    text = " ".join(str(error).split())
    for variable in _SECRETS:
        if secret := os.environ.get(variable):
            text = text.replace(secret, "…")
    return text


def _home() -> Path:
    """Where this user's files are kept until they are uploaded, or as long as they are read."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    home = Path(tempfile.gettempdir()) / f"labeltune-{user}"
    make_private_folder(home)
    if hasattr(os, "getuid") and (home.is_symlink() or home.stat().st_uid != os.getuid()):
        raise ConflictError(f"{home}: is somebody else's", hint="name another folder with TMPDIR")
    return home


def _folder_for_copies() -> Path:
    """A new folder for one copy; those of processes that died are removed."""
    home = _home() / "read"
    make_private_folder(home)
    for left in home.iterdir():
        owner = left.name.split("-", 1)[0]
        if owner.isdigit() and not is_running(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    with disk_errors(home):
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=home))
