"""What `Dockerfile` says can be held without Docker: what it copies is there, nothing unlocked is installed, not root."""

from __future__ import annotations

import fnmatch
import re
import shlex

from setup.locks import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LINES = [
    line for line in re.sub(r"\\\n\s*", "", DOCKERFILE).splitlines() if line and not line.startswith("#")
]
STEPS = [(line.partition(" ")[0], line.partition(" ")[2]) for line in LINES]


def of(instruction: str) -> list[str]:
    return [text for name, text in STEPS if name == instruction]


def sent(path: str) -> bool:
    """Whether `.dockerignore` lets a path of the project through; the last line that matches decides."""
    through = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split():
        pattern = line.removeprefix("!")
        if fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/"):
            through = line.startswith("!")
    return through


def test_what_it_copies_is_there_and_is_sent() -> None:
    copied = [word for text in of("COPY") if "--from" not in text for word in shlex.split(text)[:-1]]
    assert "src" in copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert sent(name), name
    assert not any(map(sent, (".git", ".venv", "tests", "demo", "task.toml", ".labeltune")))


def test_it_installs_what_the_lock_names() -> None:
    installs = [text for text in of("RUN") if "pip" in text]
    assert len(installs) == 2
    for text in installs:
        words = shlex.split(text)
        assert "--no-deps" in words
        assert ("--require-hashes" in words) != ("--no-build-isolation" in words)


def test_it_is_not_root_and_keeps_its_state_in_the_volume() -> None:
    last = [name for name, _ in STEPS].index("FROM", 1)
    own = dict(STEPS[last:])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", own["USER"])
    assert [name for name, _ in STEPS[last:]].index("USER") < [name for name, _ in STEPS[last:]].index(
        "ENTRYPOINT"
    )
    assert own["ENTRYPOINT"] == '["labeltune"]'
    settings = {word.partition("=")[0]: word.partition("=")[2] for word in shlex.split(own["ENV"])}
    assert own["VOLUME"] == settings["HOME"]
    assert settings["LABELTUNE_HOME"].startswith(own["VOLUME"] + "/")
