"""Several processes learn a job together, from the shell as users of torchrun start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from protocol.harness import Provider, log_of, run
from unit.local.chat_models import chat_model
from unit.local.tiny_models import need_torch, single, tiny_encoder
from waiting import HANG_S, until

need_torch()

pytestmark = pytest.mark.slow

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


@pytest.fixture
def bases(tmp_path: Path) -> dict[str, str]:
    """Without dropout, which each process draws by itself."""
    return {
        "encoder": str(tiny_encoder(tmp_path / "bert", dropout=0.0)),
        "llm": str(chat_model(tmp_path / "chat")),
    }


def shell(folder: Path, *words: str, torchrun: bool = False) -> subprocess.CompletedProcess[str]:
    """Run labeltune in a folder, as it is typed."""
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)  # noqa: PTH100
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LABELTUNE_")}
    return subprocess.run(
        [sys.executable, *(TORCHRUN if torchrun else ()), "-m", "labeltune", *words],
        cwd=folder,
        env={
            **inherited,
            "PYTHONPATH": paths,
            "OMP_NUM_THREADS": "1",
            "LABELTUNE_PROVIDER": "local",
            "LABELTUNE_HOME": str(folder / "home"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def train(folder: Path, base: str, *, torchrun: bool) -> tuple[list[dict[str, Any]], list[str]]:
    """Train, and give the curve and what else the job told."""
    folder.mkdir()
    for name, rows in (("train", single(64)), ("valid", single(24, seed=1))):
        lines = (json.dumps({"messages": row}) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text("".join(lines))
    words = ("--model", base, "--epochs", "2", "--batch-size", "16", "--seed", "1")
    done = shell(folder, "train", "train.jsonl", "valid.jsonl", *words, torchrun=torchrun)
    log = folder / "home" / "worker.log"
    assert done.returncode == 0, done.stderr + (log.read_text() if log.is_file() else "")
    # One process prints the result: the model's name, once.
    (model,) = done.stdout.split()
    assert model.startswith("ft:")
    (job,) = json.loads(shell(folder, "jobs", "list", "--json", "-q").stdout)["jobs"]
    told = json.loads(shell(folder, "jobs", "events", job["id"], "--json", "-q").stdout)["events"]
    curve = sorted(
        (event["metrics"] for event in told if "train_loss" in event["metrics"]), key=lambda at: at["step"]
    )
    return curve, [event["message"] for event in told]


def test_under_torchrun_two_processes_learn_an_encoder_as_one_does(
    bases: dict[str, str], tmp_path: Path
) -> None:
    one, alone = train(tmp_path / "one", f"encoder:{bases['encoder']}", torchrun=False)
    two, together = train(tmp_path / "two", f"encoder:{bases['encoder']}", torchrun=True)
    assert "2 processes learn together" in together
    assert "2 processes learn together" not in alone
    assert "process 1 of 2 learns" in log_of(tmp_path / "two" / "home")
    assert len(one) == len(two) == 8
    for name in ("train_loss", "valid_loss"):
        assert [point.get(name) for point in two] == pytest.approx(
            [point.get(name) for point in one], abs=1e-4
        )


def test_under_torchrun_two_processes_learn_a_language_model(bases: dict[str, str], tmp_path: Path) -> None:
    one, _ = train(tmp_path / "one", f"llm:{bases['llm']}", torchrun=False)
    two, together = train(tmp_path / "two", f"llm:{bases['llm']}", torchrun=True)
    assert "2 processes learn together" in together
    # LoRA's matrices add nothing before the first step; after it, dropout is drawn in each process.
    assert two[0]["train_loss"] == pytest.approx(one[0]["train_loss"], abs=1e-4)
    assert two[-1]["full_valid_loss"] == pytest.approx(one[-1]["full_valid_loss"], abs=0.05)


def companion_of(job_id: str) -> int:
    """The process number of a job's companion."""
    deadline = time.monotonic() + HANG_S
    while True:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"labeltune.local.companion" in words and job_id.encode() in words:
                return int(path.parent.name)
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are looked up in /proc")
def test_a_companion_that_dies_ends_the_job_and_none_outlives_it(
    provider: Provider, bases: dict[str, str]
) -> None:
    rows = b"".join(json.dumps({"messages": row}).encode() + b"\n" for row in single(64))

    async def go() -> None:
        job = await provider.job(
            model=f"encoder:{bases['encoder']}#processes=2",
            training_file=await provider.upload(rows),
            hyperparameters={"n_epochs": 50, "batch_size": 1},
        )
        companion = companion_of(job.id)
        os.kill(companion, signal.SIGKILL)
        job = await provider.wait(job.id)
        assert job.status == "failed"
        assert job.error is not None
        assert "process 1 of those that learn together ended with exit code -9" in str(job.error.message)
        other = await provider.job(
            model=f"encoder:{bases['encoder']}#processes=2",
            training_file=await provider.upload(rows),
            hyperparameters={"n_epochs": 50, "batch_size": 1},
        )
        companion = companion_of(other.id)
        await provider.client.fine_tuning.jobs.cancel(other.id)
        await until(
            lambda: not os.path.exists(f"/proc/{companion}"),  # noqa: PTH110
            lambda: log_of(provider.directory),
        )

    run(go())


@pytest.mark.parametrize(
    ("environment", "words", "said"),
    [
        pytest.param({"LOCAL_WORLD_SIZE": "1"}, (), "those of one machine", id="machines"),
        pytest.param(
            {},
            ("--provider", "openai", "--model", "gpt-4.1-mini"),
            "trains on machines of its own",
            id="remote",
        ),
        pytest.param(
            {}, ("--model", "encoder:x#processes=3"), "the base model says processes=3", id="two sizes"
        ),
        pytest.param({}, ("--model", "linear"), "linear learns in one process", id="linear"),
    ],
)
def test_what_torchrun_cannot_do_is_said(
    environment: dict[str, str],
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elastic = {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2", **environment}
    for name, value in elastic.items():
        monkeypatch.setenv(name, value)
    lines = (json.dumps({"messages": row}) + "\n" for row in single(20))
    (tmp_path / "train.jsonl").write_text("".join(lines))
    done = shell(tmp_path, "train", "train.jsonl", *(words or ("--model", "encoder:x")))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("number", ["0", "two", "65", "-1"])
def test_a_number_of_processes_that_is_none_is_refused(number: str, bases: dict[str, str]) -> None:
    from labeltune.errors import SettingsError
    from labeltune.local.engines import Base, get_engine

    for engine in ("encoder", "llm"):
        with pytest.raises(SettingsError, match=f"processes={number}: expected a whole number"):
            get_engine(engine).check(Base(engine, bases[engine], {"processes": number}))
