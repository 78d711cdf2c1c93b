"""Names of base models: engine, source and options."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeltune.errors import SettingsError
from labeltune.local.engines import Base


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("linear", Base("linear")),
        ("embed:all-MiniLM", Base("embed", "all-MiniLM")),
        ("encoder:org/name", Base("encoder", "org/name")),
        ("llm:/models/a b#rank=16&lora=all", Base("llm", "/models/a b", {"rank": "16", "lora": "all"})),
        ("linear#class_weight=balanced", Base("linear", "", {"class_weight": "balanced"})),
        ("llm:C:/models/x", Base("llm", "C:/models/x")),
    ],
)
def test_a_name_has_parts_and_is_written_as_it_was(name: str, base: Base) -> None:
    assert Base.parse(name) == base
    assert str(base) == name
    assert Base.parse(str(base)) == base


@pytest.mark.parametrize("name", ["llm:", "llm:#rank=1", "linear#rank", "linear#", "linear#rank=1&rank=2"])
def test_a_name_that_has_no_parts_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=name.partition("#")[0]):
        Base.parse(name)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("linear", "linear"),
        ("linear#class_weight=balanced", "linear"),
        ("encoder:/models/My Base (v2)/", "encoder-My-Base-v2"),
        ("embed:org/Name-1.5", "embed-Name-1.5"),
        ("llm:/", "llm"),
    ],
)
def test_the_short_name_is_fit_for_the_name_of_a_model(name: str, short: str) -> None:
    assert Base.parse(name).short == short


def test_a_folder_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Base.parse("llm:base#rank=4").located() == Base("llm", str(tmp_path / "base"), {"rank": "4"})
    assert Base.parse("llm:org/name").located() == Base("llm", "org/name")
    assert Base.parse("linear").located() == Base("linear")


def test_an_unknown_option_is_told_with_the_known_ones() -> None:
    with pytest.raises(
        SettingsError, match=r"""llm has no option 'rnak' \(did you mean "rank"\?\)"""
    ) as caught:
        Base.parse("llm:x#rnak=1").check_options({"rank": "", "lora": ""})
    assert caught.value.hint == "it has: rank, lora"
