"""`labeltune serve`: a process that any OpenAI client can talk to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cli.remote import ran, run, write_chat
from protocol.harness import stop_worker
from waiting import HANG_S

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-canary-0123456789"


def test_train_over_the_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    argv = [sys.executable, "-m", "labeltune", "serve", "--port", "0", "--dir", str(tmp_path / "there")]
    served = subprocess.Popen(
        [*argv, "--api-key-file", str(tmp_path / "key")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert served.stdout is not None
        url = served.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        monkeypatch.chdir(tmp_path)
        write_chat(tmp_path / "train.jsonl", 30)
        train = ("train", "train.jsonl", "--model", "linear", "--epochs", "2", "--provider", url)
        refused = run(*train)
        assert refused.exit_code == 4
        assert "rejected" in refused.stderr
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        model = ran(*train, "-q").stdout.strip()
        assert model.startswith("ft:linear:")
    finally:
        served.send_signal(signal.SIGTERM)
        stdout, stderr = served.communicate(timeout=HANG_S)
        stop_worker(tmp_path / "there")
    assert stdout == ""
    assert KEY not in stderr
    assert "POST /v1/fine_tuning/jobs 200" in stderr
    assert f"are kept in {tmp_path / 'there'};" in stderr.splitlines()[0]


@pytest.mark.parametrize("content", ["", "two\nlines", "\u2026"])
def test_a_key_file_without_a_key(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content, encoding="utf-8")
    result = run("serve", "--api-key-file", tmp_path / "key")
    assert result.exit_code == 2
    assert "expected one line" in result.stderr


def test_no_key_file(tmp_path: Path) -> None:
    result = run("serve", "--api-key-file", tmp_path / "missing")
    assert result.exit_code == 2
    assert f"{tmp_path / 'missing'}: the key cannot be read: No such file or directory\n" in result.stderr
    assert os.environ["LABELTUNE_HOME"]
