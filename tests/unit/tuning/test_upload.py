"""Large files, in parts: the local provider's /uploads behind a port that loses answers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.remote import write_chat
from labeltune.errors import DataError
from labeltune.providers import connect, resolve_provider, run
from labeltune.tuning.ledger import open_ledger
from labeltune.tuning.upload import LocalFile, Uploaded, Uploader
from protocol.switched import LikeNebius, Switched, switched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.providers import Provider

LIMIT, PART = 1000, 700


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Switched, str]]:
    monkeypatch.chdir(tmp_path)
    with switched(Switched, tmp_path / "provider") as (provider, address):
        monkeypatch.setenv("OPENAI_API_KEY", provider.key)
        yield provider, f"{address}/v1"


async def _no_sleep(_: float) -> None:
    await asyncio.sleep(0)


def uploaded(provider: Provider, *, state: str = ".labeltune", told: list[str] | None = None) -> Uploaded:
    """Upload 30 records, with a limit that they are above."""
    file = LocalFile.read(write_chat(Path("train.jsonl"), 30), None, provider)
    assert file.bytes > LIMIT

    async def work() -> Uploaded:
        with open_ledger(state) as ledger:
            async with connect(provider) as client:
                uploader = Uploader(
                    client,
                    provider,
                    ledger,
                    note=(told if told is not None else []).append,
                    sleep=_no_sleep,
                    single_limit=LIMIT,
                    part_size=PART,
                )
                done = await uploader.upload(file)
                content = (await client.files.content(done.id)).read()
                assert content == file.path.read_bytes()
                return done

    return run(work())


def test_a_large_file_goes_up_in_parts_and_is_found_again(there: tuple[Switched, str]) -> None:
    provider = resolve_provider(there[1])
    told: list[str] = []
    done = uploaded(provider, told=told)
    parts = -(-done.bytes // PART)
    sent = [call for call in there[0].calls if call.endswith("/parts")]
    assert len(sent) == parts > 1
    assert "POST /files" not in there[0].calls
    assert told[-1] == f"train.jsonl: {done.bytes:,} of {done.bytes:,} bytes sent"
    # Not even without its ledger is it sent twice: the name holds its hash.
    again = uploaded(provider, state="elsewhere", told=told)
    assert (again.id, again.reused) == (done.id, True)
    assert f"found {done.id}, uploaded earlier" in told[-1]
    assert len([call for call in there[0].calls if call.endswith("/parts")]) == parts


def test_a_part_that_is_lost_is_sent_again_and_not_the_file(there: tuple[Switched, str]) -> None:
    there[0].breaks = {"POST /uploads/*/parts": 2}
    done = uploaded(resolve_provider(there[1]))
    sent = [call for call in there[0].calls if call.endswith("/parts")]
    assert len(sent) == -(-done.bytes // PART) + 2
    assert there[0].calls.count("POST /uploads") == 1


def test_an_end_whose_answer_is_lost_is_the_end_all_the_same(there: tuple[Switched, str]) -> None:
    there[0].breaks = {"POST /uploads/*/complete": 1}
    uploaded(resolve_provider(there[1]))
    assert there[0].calls.count("POST /uploads") == 1


def test_a_provider_without_parts_gets_the_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with switched(LikeNebius, tmp_path / "provider") as (there, address):
        monkeypatch.setenv("OPENAI_API_KEY", there.key)
        uploaded(resolve_provider(f"{address}/v1#like=nebius"))
    assert there.calls.count("POST /files") == 1
    assert not any("/uploads" in call for call in there.calls)


def test_the_limit_of_an_example_is_that_of_other_peoples_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_chat(Path("train.jsonl"), 10)
    record = json.loads(path.read_text().splitlines()[0])
    record["messages"][1]["content"] = "word " * 200_000
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")
    assert LocalFile.read(path, None, resolve_provider("local")).bytes > 1_000_000
    with pytest.raises(DataError, match="the answer would be cut off"):
        LocalFile.read(path, None, resolve_provider("openai"))
