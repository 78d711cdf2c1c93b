"""Each profile against the local provider switched to behave like it: files up, a model, predictions."""

from __future__ import annotations

import csv
import json
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import tasks
from cli.remote import document, here, ran, run
from labeltune.providers import profiles, resolve_provider
from labeltune.tuning.ledger import open_ledger
from protocol.switched import LikeAzure, LikeNebius, LikeOpenAI, LikeProxy, switched

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["here"]

FILES = ("train.jsonl", "valid.jsonl")
PROXY = "#events=no&checkpoints=no&uploads=no&body.custom_llm_provider=openai"


@pytest.fixture(autouse=True)
def _quick_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job here takes a second: hosted providers are looked at more rarely than that."""
    quick = {name: replace(one, poll_seconds=(0.05, 0.2)) for name, one in profiles.PROFILES.items()}
    monkeypatch.setattr(profiles, "PROFILES", quick)


@pytest.fixture
def table(here: Path) -> Path:
    """Rows to predict, in the training file's words."""
    rows = [[f"about my {label} please", label] for label in tasks.INTENT.labels]
    with (here / "test.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["text", "label"], *rows])
    return here


def predictions(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def predicted(table: Path, model: str, *argv: str) -> None:
    """Predict the table, and see that a model answered that has learned."""
    ran("predict", "test.csv", "--model", model, *argv)
    rows = predictions(table)
    assert [row["predicted_intent"] for row in rows] == [row["label"] for row in rows]
    assert all(0 < float(row["confidence"]) <= 1 for row in rows)


def test_openai(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with switched(LikeOpenAI, tmp_path / "openai") as (there, address):
        monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", there.key)
        at = ("--provider", "openai")
        ids = ran("upload", *FILES, *at).stdout.split()
        argv = ("train", *FILES, "--model", "linear", "--epochs", "2", "--seed", "7", "--suffix", "mine", *at)
        model = ran(*argv).stdout.strip()
        assert ran(*argv).stdout.strip() == model
        predicted(table, model, *at)
        # The fingerprint went with the job: elsewhere, without this folder's ledger, another task is refused.
        shutil.rmtree(".labeltune")
        (table / "task.toml").write_text(tasks.INTENT_TOML.replace("Name the intent.", "Name it."))
        other = run("predict", "test.csv", "--model", model, "-o", "other.csv", *at)
        assert (other.exit_code, other.stdout) == (9, "")
        assert f"{model} was trained with another task ({tasks.INTENT.fingerprint})" in other.stderr
        assert "--accept-changes" in other.stderr
        ran("predict", "test.csv", "--model", model, "-o", "other.csv", "--accept-changes", *at)
    (job,) = there.jobs
    assert job.pop("metadata")["labeltune_task"] == tasks.INTENT.fingerprint
    assert job == {
        "model": "linear",
        "training_file": ids[0],
        "validation_file": ids[1],
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
        "seed": 7,
        "suffix": "mine",
    }
    assert there.calls.count("POST /files") == 2
    assert {chat["model"] for chat in there.chats} == {model}
    assert {(chat["temperature"], chat["logprobs"]) for chat in there.chats} == {(0, True)}


def test_azure(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with switched(LikeAzure, tmp_path / "azure") as (there, address):
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", address)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", there.key)
        at = ("--provider", "azure")
        done = ran("train", *FILES, "--model", "linear", "--epochs", "2", *at)
        model = done.stdout.strip()
        assert f"deploy {model}" in done.stderr
        # Nobody answers under the model's own name: it must be deployed, and is called by that name.
        undeployed = run("predict", "test.csv", "--model", model, "-o", "undeployed.csv", *at)
        assert undeployed.exit_code == 4
        assert "deployment" in undeployed.stderr
        there.deployments["intents"] = model
        predicted(table, "intents", *at)
        other = ran(
            "train", *FILES, "--model", "linear", "--provider", "azure#body.trainingType=developerTier"
        )
        assert other.stdout.strip() != model
        refused = run("train", *FILES, "--model", "linear", "--provider", "azure#body.trainingType=cheap")
        assert refused.exit_code == 2
        assert "Unknown training type: cheap" in refused.stderr
    assert [job["trainingType"] for job in there.jobs] == ["standard", "developerTier", "cheap"]
    assert there.jobs[0]["method"]["supervised"]["hyperparameters"] == {"n_epochs": 2}
    # The first upload was pending, then running.
    file_id = there.jobs[0]["training_file"]
    assert there.calls.count(f"GET /files/{file_id}") >= 2


def test_nebius(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with switched(LikeNebius, tmp_path / "nebius") as (there, address):
        monkeypatch.setenv("NEBIUS_BASE_URL", f"{address}/v1")
        monkeypatch.setenv("NEBIUS_API_KEY", there.key)
        at = ("--provider", "nebius")
        argv = ("train", *FILES, "--model", "linear", "--epochs", "2", "--learning-rate", "2e-5", *at)
        model = ran(*argv).stdout.strip()
        assert ran(*argv).stdout.strip() == model
        predicted(table, model, *at)
        # The bounds are known here, before anything is sent.
        calls = len(there.calls)
        for option, value, expected in (
            ("--epochs", "21", "expected 1 to 20"),
            ("--batch-size", "33", "expected 1 to 32"),
            ("--learning-rate", "1.5", "the rate itself"),
        ):
            result = run(*argv, option, value)
            assert (result.exit_code, result.stdout) == (2, "")
            assert expected in result.stderr
        assert len(there.calls) == calls
        # Jobs have no metadata there: the ledger knows which task a model was trained with.
        (table / "task.toml").write_text(tasks.INTENT_TOML.replace("Name the intent.", "Name it."))
        other = run("predict", "test.csv", "--model", model, *at, "-o", "other.csv")
        assert other.exit_code == 9
        assert "another task" in other.stderr
    (job,) = there.jobs
    assert job["hyperparameters"] == {"n_epochs": 2, "learning_rate": 2e-5}
    assert not {"method", "metadata", "trainingType"} & job.keys()


def test_a_url_with_declared_differences(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with switched(LikeProxy, tmp_path / "proxy") as (there, address):
        monkeypatch.setenv("MY_PROXY_KEY", there.key)
        at = ("--provider", f"{address}/v1{PROXY}&key=MY_PROXY_KEY")
        done = ran("train", *FILES, "--model", "linear", "--epochs", "2", *at)
        predicted(table, done.stdout.strip(), *at)
        job_id = document(ran("jobs", "list", "--json", *at))["jobs"][0]["id"]
        assert ran("jobs", "show", job_id, *at).exit_code == 0
        for what in ("events", "checkpoints"):
            missing = run("jobs", what, job_id, *at)
            assert (missing.exit_code, missing.stdout) == (4, "")
            assert f"lists no {what}" in missing.stderr
            assert f"labeltune jobs show {job_id} --provider 'http" in missing.stderr
        paused = run("jobs", "pause", job_id, *at)
        assert paused.exit_code == 4
        assert "no such call" in paused.stderr
    assert there.jobs[0]["custom_llm_provider"] == "openai"
    assert not any(call.endswith(("/events", "/checkpoints")) for call in there.calls)


def test_a_url_of_which_nothing_is_declared(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a provider lacks shows when it is asked: no events is no reason to stop, a refused request is."""
    with switched(LikeProxy, tmp_path / "proxy") as (there, address):
        monkeypatch.setenv("OPENAI_API_KEY", there.key)
        refused = run("train", *FILES, "--model", "linear", "--provider", f"{address}/v1")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "custom_llm_provider is required" in refused.stderr
        at = ("--provider", f"{address}/v1#body.custom_llm_provider=openai")
        done = ran("train", *FILES, "--model", "linear", "--epochs", "2", *at)
        assert "lists no events" in done.stderr
        predicted(table, done.stdout.strip(), *at)
    assert sum(call.endswith("/events") for call in there.calls) == 1


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (LikeNebius, "{address}/v1", "Unknown parameter"),
        (LikeAzure, "{address}/openai/v1", "Unknown training type: None"),
        (LikeOpenAI, "{address}/v1#like=azure", "Unknown parameter: 'trainingType'"),
        (LikeOpenAI, "{address}/v1#like=nebius", "Unknown parameter: 'hyperparameters'"),
    ],
    ids=["nebius", "azure", "openai as azure", "openai as nebius"],
)
def test_another_profile_is_refused(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, given: str, said: str
) -> None:
    """The switches are on: what is meant for one provider does not pass at another."""
    with switched(kind, tmp_path / "other") as (there, address):
        monkeypatch.setenv("OPENAI_API_KEY", there.key)
        provider = given.format(address=address)
        result = run("train", *FILES, "--model", "linear", "--epochs", "2", "--provider", provider)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


# ---------------------------------------------------------------------------------- OpenAI's end, and the way on


@pytest.fixture
def openai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with switched(LikeOpenAI, tmp_path / "openai") as (there, address):
        monkeypatch.setenv("LABELTUNE_PROVIDER", "openai")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", there.key)
        yield there


ELSEWHERE = "labeltune train train.jsonl valid.jsonl --provider local --model linear"


def test_training_that_is_not_available_and_the_command_that_does_it_elsewhere(
    here: Path, openai: Any
) -> None:
    openai.closed = True
    result = run("train", *FILES, "--model", "linear")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "Fine-tuning is not available to your organization" in result.stderr
    for date in ("2026-05-07", "2026-07-02", "2027-01-06"):
        assert date in result.stderr
    assert ELSEWHERE in result.stderr
    # Nothing stays in doubt, and the command that was named does it.
    with open_ledger() as ledger:
        assert ledger._jobs(resolve_provider("openai").identity) == []
    assert ran(*ELSEWHERE.split()[1:], "-q").stdout.startswith("ft:linear:local:")


def test_a_model_that_has_stopped_and_the_command_that_does_it_elsewhere(here: Path, openai: Any) -> None:
    openai.shutdown_date = "2024-01-04"
    result = run("train", *FILES, "--model", "linear", "--epochs", "1")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "linear has stopped" in result.stderr
    assert "2024-01-04" in result.stderr
    assert ELSEWHERE in result.stderr
    assert openai.calls == ["GET /models/linear"], "nothing is uploaded for a job that cannot be"


def test_a_model_that_stops_soon_is_a_warning(here: Path, openai: Any) -> None:
    openai.shutdown_date = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86400))
    result = ran("train", *FILES, "--model", "linear", "--epochs", "1", "--no-wait")
    assert f"linear stops on {openai.shutdown_date}" in result.stderr
    assert result.stdout.startswith("ftjob-")


def test_the_dry_run_shows_each_provider_its_own_request(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com")
    requests = {}
    for name in ("openai", "azure", "nebius"):
        monkeypatch.setenv(f"{name.upper()}_API_KEY", "sk-canary-0123456789")
        result = ran("train", "train.jsonl", "--model", "m", "--epochs", "2", "--provider", name, "--dry-run")
        requests[name] = json.loads(result.stdout)
        assert "canary" not in result.stdout + result.stderr
        assert requests[name]["headers"] == {"Authorization": "Bearer ***"}
        assert "nothing was sent" in result.stderr
    assert requests["openai"]["url"] == "https://api.openai.com/v1/fine_tuning/jobs"
    assert requests["azure"]["url"] == "https://mine.openai.azure.com/openai/v1/fine_tuning/jobs"
    assert requests["azure"]["body"]["trainingType"] == "standard"
    assert requests["nebius"]["body"]["hyperparameters"] == {"n_epochs": 2}
    assert "metadata" not in requests["nebius"]["body"]
    assert not (here / ".labeltune").exists()
