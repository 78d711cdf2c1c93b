"""llama.cpp's own server, as it is installed from a registry, answers `predict`.

It runs in an environment of its own, whose interpreter `LABELTUNE_TEST_LLAMA` names.
"""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from servers.conftest import llama_serving
from tasks import intent_toml
from waiting import HANG_S

if TYPE_CHECKING:
    from faults.fault_folder import Folder

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "any-url.md"
ROWS = 12


def declared() -> str:
    """What stands after the # in the page's line for llama.cpp."""
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith("| **llama.cpp** |")]
    return line.split("`'")[1].split("'`")[0].partition("#")[2]


def ask(url: str, **fields: Any) -> Any:
    """One chat request as it is, without labeltune."""
    body = {"model": "any", "messages": [{"role": "user", "content": "x"}], "temperature": 0, **fields}
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=HANG_S) as reply:
        return json.load(reply)


@pytest.mark.parametrize("shape", ["as it is", "as the page has it"])
def test_rows_are_answered_with_confidence(folder: Folder, llama: str, shape: str) -> None:
    (folder.path / "task.toml").write_text(intent_toml("refund", "delivery", "card"))
    folder.table(ROWS)
    outcome = folder.predict(
        f"{llama}#{declared()}" if shape == "as the page has it" else llama, "--probabilities"
    )
    assert outcome.code == 0, outcome.stderr
    assert f"{ROWS} rows, {ROWS} with a valid answer" in outcome.stderr
    assert "no confidence" not in outcome.stderr
    for row in folder.predictions():
        assert (row["predicted_intent"], row["answer"], row["problem"]) == ("refund", "refund", "")
        assert 0.5 < float(row["confidence"]) < 1
        assert float(row["probability_refund"]) > 0.5 > float(row["probability_delivery"])


def test_a_schema_holds_a_model_that_knows_nothing(folder: Folder, llama: str) -> None:
    labels = ("Größe", "Müll", "日本")
    task = intent_toml(*labels).replace('format = "label"', 'format = "json"')
    (folder.path / "task.toml").write_text(task)
    folder.table(ROWS)
    outcome = folder.predict(f"{llama}#{declared()}")
    assert outcome.code == 0, outcome.stderr
    assert f"{ROWS} rows, {ROWS} with a valid answer" in outcome.stderr
    # The model fences its JSON, which the server takes off the text and leaves among the tokens.
    assert "no confidence" not in outcome.stderr
    for row in folder.predictions():
        assert json.loads(row["answer"]) == {"intent": row["predicted_intent"]}
        assert row["predicted_intent"] in labels
        assert 0 < float(row["confidence"]) < 0.1


def test_the_limit_holds_under_both_names(llama: str) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        reply = ask(llama, **{name: 3})
        assert reply["choices"][0]["message"]["content"] == "ref"
        assert reply["choices"][0]["finish_reason"] == "length"


def test_a_second_run_asks_nothing(folder: Folder, llama_python: str, tmp_path: Path) -> None:
    (folder.path / "task.toml").write_text(intent_toml("refund", "delivery"))
    folder.table(ROWS)
    (tmp_path / "server").mkdir()
    with llama_serving(llama_python, tmp_path / "server") as url:
        provider = f"{url}/v1#{declared()}"
        assert folder.predict(provider).code == 0
        first = folder.output.read_bytes()
        folder.output.unlink()
    # The server is gone: whatever is asked now is not answered.
    again = folder.predict(provider)
    assert again.code == 0, again.stderr
    assert folder.output.read_bytes() == first
    folder.table(ROWS + 1, name="more.csv")
    lost = folder.predict(provider, "-o", "more.out.csv", data="more.csv")
    assert lost.code == 5
    assert url.partition("://")[2] in lost.stderr
