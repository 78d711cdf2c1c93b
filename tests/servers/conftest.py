"""The servers that others wrote, and a folder to work in."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from faults.fault_folder import Folder
from waiting import HANG_S, wait_until

MUST_RUN = bool(os.environ.get("LABELTUNE_TEST_ALL"))
LLAMA = os.environ.get("LABELTUNE_TEST_LLAMA", "")
PROGRAM = Path(__file__).with_name("llama_server.py")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.chdir(tmp_path)
    made = Folder(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="session")
def llama_python() -> str:
    """The interpreter of the environment that has llama.cpp's server."""
    if not LLAMA:
        pytest.skip("LABELTUNE_TEST_LLAMA names no Python that has xllamacpp and gguf")
    command = [LLAMA, "-c", "import gguf, xllamacpp"]
    try:
        lacks = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False).stderr
    except OSError as error:
        lacks = str(error)
    if lacks:
        assert not MUST_RUN, f"{LLAMA}, and this test may not skip: {lacks}"
        pytest.skip(f"LABELTUNE_TEST_LLAMA={LLAMA}: {lacks.splitlines()[-1]}")
    return LLAMA


def _healthy(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/health", timeout=HANG_S) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


@contextmanager
def llama_serving(python: str, folder: Path) -> Iterator[str]:
    """The address of a llama.cpp server that answers; it ends with the block."""
    log = folder / "llama.log"
    # Nothing of this environment's packages.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with log.open("wb") as told:
        child = subprocess.Popen(
            [python, str(PROGRAM), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
            env=environment,
        )
        try:
            assert child.stdout is not None
            url = child.stdout.readline().strip()
            assert url, log.read_text(errors="replace")
            wait_until(lambda: _healthy(url), lambda: log.read_text(errors="replace"))
            yield url
        finally:
            child.kill()
            child.communicate(timeout=HANG_S)


@pytest.fixture(scope="module")
def llama(llama_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a llama.cpp server."""
    with llama_serving(llama_python, tmp_path_factory.mktemp("llama")) as url:
        yield f"{url}/v1"
