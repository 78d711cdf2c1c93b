"""The engine of the how-to is installed, trained, paused by saving, and asked, as it stands on the page."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import tomllib
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from labeltune.cli.app import app
from labeltune.errors import ModelDamagedError, SettingsError, TrainingRefusedError
from labeltune.local.engines import ENTRY_POINTS, Base, Hyperparameters, get_engine
from labeltune.local.stored_models import base_models
from protocol.harness import stop_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.local.engines import Engine, Record

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-an-engine.md"


def block(language: str) -> str:
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return str(found)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Engine]]:
    """The page's code as an installed package: a module and its metadata on the import path."""
    site = tmp_path / "site"
    information = site / "bayes_engine-1.dist-info"
    information.mkdir(parents=True)
    (site / "bayes_engine.py").write_text(block("python"), encoding="utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: bayes-engine\nVersion: 1\n")
    offered = tomllib.loads(block("toml"))["project"]["entry-points"]
    assert list(offered) == [ENTRY_POINTS]
    lines = [f"[{ENTRY_POINTS}]", *(f"{name} = {target}" for name, target in offered[ENTRY_POINTS].items())]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))
    importlib.invalidate_caches()
    base_models.cache_clear()
    yield get_engine("bayes")
    base_models.cache_clear()
    sys.modules.pop("bayes_engine", None)


BASE = Base("bayes")


def records(n: int = 250) -> list[Record]:
    about = {"refund": "money back please", "delivery": "parcel is late"}
    pairs = [(f"{about[label]} {i}", label) for i in range(n) for label in [("refund", "delivery")[i % 2]]]
    return [
        [{"role": "user", "content": text}, {"role": "assistant", "content": label}] for text, label in pairs
    ]


def test_it_trains_goes_on_and_answers(engine: type[Engine], tmp_path: Path) -> None:
    auto: Any = Hyperparameters()
    whole = engine.fit(records(), [], auto, base=BASE, seed=1)
    steps = list(whole)
    assert [step.step for step in steps] == [1, 2, 3]
    assert steps[-1].epoch_end
    assert steps[-1].train_accuracy == 1.0
    whole.save(tmp_path / "whole")
    first = engine.fit(records(), [], auto, base=BASE, seed=1)
    assert list(islice(iter(first), 2)) == steps[:2]
    first.save(tmp_path / "half")
    second = engine.fit(records(), [], auto, base=BASE, seed=1, resume=tmp_path / "half")
    assert list(second) == steps[2:]
    second.save(tmp_path / "half")
    state = tmp_path / "whole" / "state.json"
    assert (tmp_path / "half" / "state.json").read_bytes() == state.read_bytes()
    (answer,) = engine.load(tmp_path / "whole").answer(
        [[{"role": "user", "content": "my money"}]], top_logprobs=2
    )
    assert answer.text == "refund" == "".join(token.token for token in answer.tokens)
    assert [text for text, _ in answer.tokens[0].top] == ["refund", "delivery"]
    state.write_bytes(state.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(ModelDamagedError):
        engine.load(tmp_path / "whole")
    with pytest.raises(TrainingRefusedError):
        engine.fit(records()[::2], [], auto, base=BASE, seed=1)


def test_it_takes_no_option_that_it_does_not_know(engine: type[Engine]) -> None:
    engine.check(BASE)
    with pytest.raises(SettingsError, match="bayes has no option 'smoothing'"):
        engine.check(Base.parse("bayes#smoothing=2"))


@pytest.mark.usefixtures("engine")
def test_the_command_of_the_page_trains_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"messages": record}) for record in records(30)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines) + "\n")
    program, *argv = block("sh").split()
    assert program == "labeltune"
    try:
        result = CliRunner().invoke(app, argv)
    finally:
        stop_worker(Path(os.environ["LABELTUNE_HOME"]))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("ft:bayes:local:")
