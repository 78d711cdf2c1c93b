"""`labeltune doctor`: what is in force, and what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.remote import document, here, ran, run
from labeltune import __version__
from labeltune.local.store import Store

__all__ = ["here"]

KEY = "sk-canary-1f1f1f1f"


def test_all_is_well(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = here / "fresh"
    monkeypatch.setenv("LABELTUNE_HOME", str(home))
    result = ran("doctor")
    assert f"labeltune {__version__}, Python 3." in result.stdout
    assert "provider: local, chosen by LABELTUNE_PROVIDER" in result.stdout
    assert f"LABELTUNE_HOME: {home}, not there yet" in result.stdout
    assert not home.exists(), "looking makes nothing"
    assert result.stderr == ""
    found = document(ran("doctor", "--json"))
    assert found["problems"] == []
    assert found["home"]["workers"] == []
    assert found["extras"]["excel"].keys() == {"python-calamine"}
    assert "models" not in found


def test_who_chose_the_provider(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(*argv: str) -> object:
        return document(run("doctor", "--json", "-q", *argv))["provider"]

    assert chosen("--provider", "local") == {"name": "local", "chosen_by": "--provider"}
    monkeypatch.delenv("LABELTUNE_PROVIDER")
    assert chosen() == {"name": "openai", "chosen_by": "the default"}
    with Path("task.toml").open("a") as task:
        task.write('\n[defaults]\nprovider = "local"\n')
    where = chosen()
    assert isinstance(where, dict)
    assert where["name"] == "local"
    assert where["chosen_by"].startswith("task.toml:")


def test_the_key_is_told_of_but_never_shown(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = run("doctor", "--provider", "openai")
    assert missing.exit_code == 2
    assert "key: OPENAI_API_KEY is not set" in missing.stdout
    assert "wrong: OPENAI_API_KEY is not set" in missing.stdout
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{KEY}@proxy.example:3128")
    told = run("doctor", "--provider", "openai")
    assert told.exit_code == 0, told.output
    assert "key: OPENAI_API_KEY is set" in told.stdout
    assert "proxy: http://proxy.example:3128" in told.stdout
    assert KEY not in told.output
    assert KEY not in run("doctor", "--provider", "openai", "--json").output


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SSL_CERT_FILE", "missing.pem", "SSL_CERT_FILE names missing.pem"),
        ("OPENAI_PROJECT_ID", "a\nb", "OPENAI_PROJECT_ID holds a line end"),
        ("LABELTUNE_PROVIDER", "opnai", "did you mean"),
        ("LABELTUNE_HOME", "file", "is no folder"),
    ],
)
def test_what_is_wrong(
    here: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    Path("file").write_text("")
    monkeypatch.setenv(variable, value)
    result = run("doctor")
    assert result.exit_code == 2
    assert said in result.stdout
    assert said in result.stderr
    assert said in str(document(run("doctor", "--json", "-q"))["problems"])


def test_a_damaged_home(here: Path) -> None:
    home = Path(os.environ["LABELTUNE_HOME"])
    Store(home).close()
    (home / "labeltune.db").write_bytes(b"no database at all" * 500)
    (home / "labeltune.db-wal").unlink(missing_ok=True)
    result = run("doctor")
    assert result.exit_code == 2
    assert "labeltune.db" in result.stderr


def test_online_asks_for_the_models(here: Path) -> None:
    model = ran("train", "train.jsonl", "--model", "linear", "--epochs", "1", "-q").stdout.strip()
    found = document(ran("doctor", "--online", "--json"))
    assert {"linear", model} <= set(found["models"])
    assert found["home"]["bytes"] > 1000
    assert model in ran("doctor", "--online").stdout
    gone = run("doctor", "--online", "--provider", "http://127.0.0.1:9/v1")
    assert gone.exit_code == 2
    assert "127.0.0.1:9" in gone.stderr
