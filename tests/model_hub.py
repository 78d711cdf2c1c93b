"""A hub of models on loopback: as much of one as its client asks for, with what can go wrong at it.

Large files are handed out as real hubs do: the hub names their hash and size and sends the client on to another
server, which needs no token.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".onnx", ".bin", ".pt", ".h5", ".gguf")
SIGNATURE = "let-me-in-for-an-hour"
"""What stands in the addresses of large files, and lets anyone in: it belongs into no log."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    server: str
    """`hub`, or `store` for large files"""
    method: str
    path: str
    authorization: str
    range: str


@dataclass(frozen=True)
class Reply:
    """What is sent instead of what would be."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: int | None = None
    """So many bytes of the body, then the connection breaks."""
    meanwhile: Callable[[], object] | None = None
    """What happens when half of the body is sent."""


Trouble = Callable[[Asked, Reply], Reply | None]
"""What goes wrong with a request whose right reply is the second: None for nothing."""


@dataclass
class ModelHub:
    """The models, by name and commit, what was asked, and what goes wrong."""

    models: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    trouble: Trouble = lambda _asked, _reply: None
    url: str = ""
    store_url: str = ""

    def put(self, name: str, folder: Path, *, branch: str = "main") -> str:
        """Publish a folder; returns the commit."""
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        return self.publish(name, files, branch=branch)

    def publish(self, name: str, files: Mapping[str, bytes], *, branch: str = "main") -> str:
        """Publish files; returns the commit."""
        told = json.dumps({path: _blob(content) for path, content in files.items()}, sort_keys=True)
        commit = hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()
        self.models.setdefault(name, {})[commit] = dict(files)
        self.branches.setdefault(name, {})[branch] = commit
        return commit

    @property
    def fetched(self) -> set[str]:
        """The names of the files that were handed out."""
        gets = (one.path for one in self.asked if one.method == "GET" and "/resolve/" in one.path)
        stored = (one.path for one in self.asked if one.method == "GET" and one.server == "store")
        return {path.split("/resolve/")[1].partition("/")[2] for path in gets} | {
            path.partition("?")[0].removeprefix("/store/").partition("/")[2] for path in stored
        }

    def answer(self, asked: Asked) -> Reply:
        """What is sent."""
        right = self._stored(asked) if asked.server == "store" else self._of_hub(asked)
        return self.trouble(asked, right) or right

    def _of_hub(self, asked: Asked) -> Reply:
        path = unquote(urlsplit(asked.path).path).strip("/")
        if path.startswith("api/models/"):
            return self._listing(path.removeprefix("api/models/"))
        name, _, rest = path.partition("/resolve/")
        revision, _, file = rest.partition("/")
        found = self._files(name, revision)
        if isinstance(found, Reply):
            return found
        commit, files = found
        commits = {"X-Repo-Commit": commit}
        if file not in files:
            return Reply(404, {"X-Error-Code": "EntryNotFound", **commits})
        content = files[file]
        if not file.endswith(LARGE):
            return Reply(200, {"ETag": f'"{_blob(content)}"', **commits}, content)
        digest = hashlib.sha256(content).hexdigest()
        linked = {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        place = f"{self.store_url}/store/{digest}/{file}?signature={SIGNATURE}"
        return Reply(302, {"Location": place, "ETag": f'"{_blob(content)}"', **linked, **commits})

    def _listing(self, path: str) -> Reply:
        for part in ("/tree/", "/revision/"):
            name, found, revision = path.partition(part)
            if found:
                break
        known = self._files(name, revision or "main")
        if isinstance(known, Reply):
            return known
        commit, files = known
        if found == "/tree/":
            entries = [_entry(file, content) for file, content in files.items()]
            return Reply(200, {"Content-Type": "application/json"}, json.dumps(entries).encode())
        siblings = []
        for entry in (_entry(file, content) for file, content in files.items()):
            sibling = {"rfilename": entry["path"], "size": entry["size"], "blobId": entry["oid"]}
            if "lfs" in entry:
                sibling["lfs"] = {**entry["lfs"], "sha256": entry["lfs"]["oid"]}
            siblings.append(sibling)
        about = {"id": name, "sha": commit, "siblings": siblings}
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(about).encode())

    def _files(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | Reply:
        if name not in self.models:
            return Reply(401, {"X-Error-Code": "RepoNotFound"}, b"{}")
        commit = self.branches[name].get(revision, revision)
        if commit not in self.models[name]:
            return Reply(404, {"X-Error-Code": "RevisionNotFound"}, b"{}")
        return commit, self.models[name][commit]

    def _stored(self, asked: Asked) -> Reply:
        _, digest, file = urlsplit(asked.path).path.strip("/").split("/", 2)
        every = (files for commits in self.models.values() for files in commits.values())
        content = next(
            files[file]
            for files in every
            if file in files and hashlib.sha256(files[file]).hexdigest() == digest
        )
        if not asked.range:
            return Reply(200, {"ETag": f'"{digest}"'}, content)
        start = int(asked.range.removeprefix("bytes=").partition("-")[0])
        told = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return Reply(206, told, content[start:])


def _blob(content: bytes) -> str:
    """Git's name for a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _blob(content)}
    if path.endswith(LARGE):
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
    return entry


@contextmanager
def serving_models() -> Iterator[ModelHub]:
    """A hub without models, on two ports of loopback."""
    hub = ModelHub()
    servers = {name: ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub, name)) for name in ("hub", "store")}
    hub.url = f"http://127.0.0.1:{servers['hub'].server_port}"
    hub.store_url = f"http://127.0.0.1:{servers['store'].server_port}"
    threads = []
    for server in servers.values():
        server.daemon_threads = True
        threads.append(threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}))
        threads[-1].start()
    try:
        yield hub
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def _handler(hub: ModelHub, server: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def go(self) -> None:
            authorization, range_ = self.headers.get("authorization", ""), self.headers.get("range", "")
            asked = Asked(server, self.command, self.path, authorization, range_)
            hub.asked.append(asked)
            reply = hub.answer(asked)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                body = reply.body[: reply.sent]
                half = len(body) // 2 if reply.meanwhile else 0
                self.wfile.write(body[:half])
                self.wfile.flush()
                if reply.meanwhile is not None:
                    reply.meanwhile()
                self.wfile.write(body[half:])
            if reply.sent is not None:
                self.close_connection = True

        do_GET = do_HEAD = go  # noqa: N815  # the names that the base class looks for

    return Handler
