"""A model that is carried to another process is the one that was sent off."""

from __future__ import annotations

import csv
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

import labeltune as lt
import tasks
from labeltune.errors import AccessError, ModelDamagedError
from labeltune.local.carrying import CarriedModel, pack_model, unpack_model
from labeltune.providers import resolve_provider

WORDS = {"alpha": "apple arrow", "beta": "bear ball", "gamma": "goat gate"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A local provider's folder, and its model."""
    path = tmp_path_factory.mktemp("carrying")
    with (path / "train.csv").open("w", newline="") as handle:
        rows = [[f"{WORDS[label]} {number}", label] for number in range(20) for label in WORDS]
        csv.writer(handle).writerows([["text", "label"], *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELTUNE_HOME", str(path / "home"))
        model = lt.train(
            path / "train.csv",
            task=lt.parse_task(tasks.intent_toml(*WORDS)),
            model="linear",
            provider="local",
            state=path / "state",
        ).model
    assert model is not None
    return path / "home", model


@pytest.fixture(params=[1 << 30, 0], ids=["as bytes", "by its folder"])
def carried(trained: tuple[Path, str], request: pytest.FixtureRequest) -> CarriedModel:
    made = pack_model(*trained, largest=request.param)
    assert bool(made.content) == (request.param > 0)
    # As it is sent.
    found: CarriedModel = pickle.loads(pickle.dumps(made))
    return found


def test_it_answers_there_as_here(
    trained: tuple[Path, str], carried: CarriedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack_model(carried, tmp_path / "there")
    task = lt.parse_task(tasks.intent_toml(*WORDS))
    texts = ["an apple", "a goat and a ball", "nothing known"]
    answers = []
    for home in (trained[0], tmp_path / "there"):
        monkeypatch.setenv("LABELTUNE_HOME", str(home))
        answers.append(lt.classify(texts, model=trained[1], task=task, provider=resolve_provider("local")))
    assert answers[0] == answers[1]
    assert answers[0][0].labels == ("alpha",)


def test_the_same_model_has_the_same_hash(trained: tuple[Path, str]) -> None:
    assert pack_model(*trained).sha256 == pack_model(*trained).sha256
    assert pack_model(*trained).sha256 != pack_model(*trained, largest=0).sha256


def test_other_bytes_are_refused(trained: tuple[Path, str], tmp_path: Path) -> None:
    made = pack_model(*trained)
    other = replace(made, content=made.content[:-1] + b"!")
    with pytest.raises(ModelDamagedError, match="is not the model that was sent off"):
        unpack_model(other, tmp_path / "there")
    by_folder = pack_model(*trained, largest=0)
    with pytest.raises(ModelDamagedError, match="is not the model that was sent off"):
        unpack_model(replace(by_folder, sha256="0" * 64), tmp_path / "elsewhere")
    with pytest.raises(ModelDamagedError, match="cannot be seen from here"):
        unpack_model(replace(by_folder, folder=str(tmp_path / "none")), tmp_path / "third")


def test_a_name_does_not_leave_the_folder(trained: tuple[Path, str], tmp_path: Path) -> None:
    import hashlib
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../escaped.json", "{}")
    content = buffer.getvalue()
    bad = replace(pack_model(*trained), content=content, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelDamagedError, match="is no file of a model"):
        unpack_model(bad, tmp_path / "there")
    assert not [*tmp_path.rglob("escaped.json")]


def test_an_unknown_model_is_said(trained: tuple[Path, str]) -> None:
    with pytest.raises(AccessError, match="does not exist"):
        pack_model(trained[0], "ft:linear:local::nothere")
