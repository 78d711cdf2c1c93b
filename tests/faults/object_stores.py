"""Object stores on loopback, each in a process of its own: moto's, which speaks S3, and one that speaks as
Google's does.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "ACCESS",
    "BUCKET",
    "NEEDS_GOOGLES",
    "NEEDS_IT",
    "SECRET",
    "Store",
    "started_googles",
    "started_store",
]

MUST_RUN = bool(os.environ.get("LABELTUNE_TEST_ALL"))
"""Set where what the tests need was installed for them: then they do not skip."""
HAS_IT = find_spec("moto") is not None and find_spec("flask") is not None and find_spec("pyarrow") is not None
NEEDS_IT = pytest.mark.skipif(not (HAS_IT or MUST_RUN), reason="needs moto[server] and pyarrow")
NEEDS_GOOGLES = pytest.mark.skipif(
    not ((find_spec("gcp_storage_emulator") and find_spec("pyarrow")) or MUST_RUN),
    reason="needs gcp-storage-emulator and pyarrow",
)
BUCKET = "tables"
ACCESS, SECRET = "AKIACANARYACCESS", "canary-secret-key-that-nobody-may-see"
_RUNNING = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")


class Store:
    """A bucket as its owner sees it, and the environment in which commands reach it."""

    def __init__(self, url: str) -> None:
        from pyarrow import fs

        self.url = url
        self.environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._files: Any = fs.S3FileSystem(
            access_key=ACCESS,
            secret_key=SECRET,
            region="us-east-1",
            endpoint_override=url.removeprefix("http://"),
            scheme="http",
            allow_bucket_creation=True,
        )
        self._selector = fs.FileSelector
        self._files.create_dir(BUCKET)

    def put(self, name: str, content: bytes) -> None:
        with self._files.open_output_stream(f"{BUCKET}/{name}", compression=None) as stream:
            stream.write(content)

    def get(self, name: str) -> bytes:
        with self._files.open_input_stream(f"{BUCKET}/{name}", compression=None) as stream:
            return bytes(stream.read())

    def clear(self) -> None:
        self._files.delete_dir_contents(BUCKET)

    def names(self, prefix: str) -> list[str]:
        """The objects that begin so, without the rest of a run: locks and receipts."""
        found = self._files.get_file_info(
            self._selector(f"{BUCKET}/{prefix}", recursive=True, allow_not_found=True)
        )
        return sorted(info.path.removeprefix(f"{BUCKET}/{prefix}/") for info in found if info.is_file)


@contextmanager
def started_store(folder: Path) -> Iterator[Store]:
    """The server, with an empty bucket; it has ended when the block has."""
    log = folder / "moto.log"
    with log.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=subprocess.DEVNULL,
            stderr=told,
            env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true"},
        )
        try:
            wait_until(lambda: process.poll() is not None or _RUNNING.search(log.read_text()), log.read_text)
            found = _RUNNING.search(log.read_text())
            assert found is not None, log.read_text()
            yield Store(found[1])
        finally:
            process.kill()
            process.wait()


@contextmanager
def started_googles(folder: Path) -> Iterator[str]:
    """Google's store, with an empty bucket: the settings that stand behind a URL which leads there."""
    # It cannot choose a port by itself.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "googles.log"
    with log.open("wb") as told:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gcp_storage_emulator", "start", "--in-memory"),
                *("--host=127.0.0.1", f"--port={port}", f"--default-bucket={BUCKET}"),
            ],
            stdout=told,
            stderr=told,
        )
        try:
            wait_until(lambda: process.poll() is not None or answers(port), log.read_text)
            assert process.poll() is None, log.read_text()
            yield f"?scheme=http&endpoint_override=127.0.0.1:{port}&retry_limit_seconds=30"
        finally:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
