"""What the engines on torch share: batches, rates, devices, memory, base models, several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from labeltune.errors import AccessError, SettingsError, TrainingRefusedError
from labeltune.local.engines import Base
from labeltune.local.engines.neural.base_model import find_base
from labeltune.local.engines.neural.batches import epoch_batches, learning_rate, micro_batches
from labeltune.local.engines.neural.device import Device, Need, free_memory, precision_of
from labeltune.local.engines.neural.extra import need_torch as check_torch
from unit.local.tiny_models import need_torch, tiny_encoder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("n", "size"), [(1, 4), (10, 3), (100, 16), (1_000, 7)])
def test_an_epoch_has_every_example_once(n: int, size: int) -> None:
    lengths = [number * 7919 % 50 for number in range(n)]
    batches = epoch_batches(lengths, size=size, seed=3, epoch=2)
    assert sorted(number for batch in batches for number in batch) == list(range(n))
    assert len(batches) == -(-n // size)
    assert max(map(len, batches)) <= size
    assert batches == epoch_batches(lengths, size=size, seed=3, epoch=2)
    assert n < 10 or batches != epoch_batches(lengths, size=size, seed=3, epoch=3)


def test_batches_hold_examples_of_like_length() -> None:
    lengths = [number * 7919 % 50 + 1 for number in range(1_000)]
    batches = epoch_batches(lengths, size=8, seed=0, epoch=0)
    padded = sum(max(lengths[number] for number in batch) * len(batch) for batch in batches)
    assert padded < 1.2 * sum(lengths)


def test_micro_batches_stay_below_their_tokens_unless_one_example_is_longer() -> None:
    lengths = [5, 100, 3, 40, 4, 5, 30]
    parts = micro_batches(range(7), lengths, 60)
    assert sorted(number for part in parts for number in part) == list(range(7))
    assert parts[0] == [1]
    assert all(len(part) * max(lengths[number] for number in part) <= 60 for part in parts[1:])


@pytest.mark.parametrize("decay", ["linear", "cosine"])
@pytest.mark.parametrize("total", [1, 2, 10, 1_000])
def test_the_rate_rises_to_one_and_falls(decay: Any, total: int) -> None:
    rates = [learning_rate(step, total, warm_up=0.1, decay=decay) for step in range(total)]
    top = rates.index(max(rates))
    assert max(rates) == 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert all(0 < rate <= 1 for rate in rates)


def test_a_micro_batch_is_cut_to_the_memory_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    need = Need(1_000_000, 1_000_000, hidden=384, layers=6)
    fixed = 16_000_000
    free = 10**12
    monkeypatch.setattr("labeltune.local.engines.neural.device.free_memory", lambda: free)
    device = Device("cpu")
    assert need.micro_tokens(device, most=4_096, least=100, advice="") == 4_096
    free = int((fixed + 1_000 * 2 * 34 * 384 * 6) / 0.9)
    tokens = need.micro_tokens(device, most=4_096, least=100, advice="")
    assert 100 <= tokens <= 1_000 < 2 * tokens
    free = fixed
    with pytest.raises(TrainingRefusedError, match=r"about .* MB of memory, and 16 MB are free") as caught:
        need.micro_tokens(device, most=4_096, least=100, advice="buy some")
    assert caught.value.hint == "buy some"


def test_adapters_need_less_than_all_weights() -> None:
    whole = Need(22_000_000, 22_000_000, 384, 6, kept=1)
    adapted = Need(22_000_000, 300_000, 384, 6, kept=1)
    assert adapted.bytes(1_000, half=False) < whole.bytes(1_000, half=False) / 1.5


def test_there_is_memory_and_a_device() -> None:
    need_torch()
    assert 1 << 20 < free_memory() < 1 << 62
    with pytest.raises(SettingsError, match="precision=fp8"):
        precision_of(Base("llm", "x", {"precision": "fp8"}))


def test_a_base_is_known_by_its_content_and_says_its_licence(tmp_path: Path) -> None:
    need_torch()
    first, second, other = (
        find_base(Base("encoder", str(tiny_encoder(tmp_path / name, dropout=dropout))))
        for name, dropout in (("a", 0.1), ("b", 0.1), ("c", 0.2))
    )
    assert first.sha256() == second.sha256() != other.sha256()
    assert first.licence == "apache-2.0"
    (tmp_path / "a" / "README.md").unlink()
    assert first.licence == ""


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "labeltune.local.engines.neural.extra.find_spec",
        lambda name: None if name in ("torch", "peft") else name,
    )
    with pytest.raises(AccessError, match="encoder needs torch and peft, which are not installed") as caught:
        check_torch("encoder")
    assert 'pip install "labeltune[torch]"' in str(caught.value.hint)
    assert "https://download.pytorch.org/whl/cpu" in str(caught.value.hint)


def test_the_engine_is_imported_without_torch() -> None:
    program = (
        "import sys; from labeltune.local.engines import get_engine; get_engine('encoder');"
        "print([name for name in ('torch', 'transformers', 'peft', 'tokenizers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


_SEVERAL = """
import sys
from pathlib import Path
import torch
from labeltune.local.engines import Base, Hyperparameters
from labeltune.local.engines.encoder.engine import Encoder
from unit.local.tiny_models import single

run = Encoder.fit(
    single(), single(40, seed=1), Hyperparameters(n_epochs=3, batch_size=16),
    base=Base("encoder", sys.argv[1]), seed=1,
)
steps = list(run)
run.save(Path(sys.argv[2]))
distributed = torch.distributed.is_initialized()
size, rank = (torch.distributed.get_world_size(), torch.distributed.get_rank()) if distributed else (1, 0)
if rank == 0:
    print("RESULT", size, *(step.train_loss for step in steps), steps[-1].full_valid_loss)
if distributed:
    torch.distributed.destroy_process_group()
"""


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    need_torch()
    # Dropout is drawn in each process by itself.
    folder = tiny_encoder(tmp_path / "bert", dropout=0.0)
    program = tmp_path / "several.py"
    program.write_text(_SEVERAL)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)  # noqa: PTH100
    found = {}
    for size, start in ((1, []), (2, launcher)):
        done = subprocess.run(
            [sys.executable, *start, str(program), str(folder), str(tmp_path / f"model-{size}")],
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
        told, *numbers = line.split()[1:]
        assert int(told) == size
        found[size] = [float(number) for number in numbers]
        assert (tmp_path / f"model-{size}" / "manifest.json").is_file()
    assert len(found[1]) == 3 * 8 + 1
    assert found[2] == pytest.approx(found[1], abs=1e-4)
