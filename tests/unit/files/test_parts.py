"""A folder of tables as parts, and the folder that they are committed to."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labeltune.errors import ConflictError, DataError, DiskError, LabeltuneError, SettingsError
from labeltune.files.parts import (
    WHOLE,
    LocalPlace,
    Part,
    Receipt,
    Shard,
    commit_part,
    list_parts,
    names_parts,
    open_output,
    open_place,
    parse_shard,
    receipt_name,
    split_output,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from labeltune.files.parts import PartsOutput

SETTINGS = {"model": "a", "request": {"temperature": 0}}
FUTURE_NS = 4_102_444_800 * 10**9  # the year 2100


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def inputs(data: str, output: str = "out") -> list[str]:
    return [part.input for part in list_parts(data, output).parts]


def outputs(data: str, ending: str) -> list[str]:
    return [part.output for part in list_parts(data, "out", ending=ending).parts]


# ------------------------------------------------------------------------------------------------- the list


def test_all_kinds_in_order_with_their_folders() -> None:
    make("in/b.csv", "in/a.tsv", "in/year=2026/month=02/x.parquet", "in/year=2026/month=01/x.parquet")
    make("in/c.jsonl.gz", "in/d.ndjson", "in/e.json", "in/F.CSV.GZ")
    listing = list_parts("in", "out")
    assert [part.input for part in listing.parts] == [
        *("F.CSV.GZ", "a.tsv", "b.csv", "c.jsonl.gz", "d.ndjson", "e.json"),
        *("year=2026/month=01/x.parquet", "year=2026/month=02/x.parquet"),
    ]
    assert all(part.output == part.input for part in listing.parts)
    assert listing.parts[2].size == len("in/b.csv")
    assert listing.parts[2].modified == Path("in/b.csv").stat().st_mtime_ns


def test_hidden_files_and_those_of_other_programs_are_left_out() -> None:
    make("in/a.csv", "in/.hidden.csv", "in/_SUCCESS", "in/_labeltune.json", "in/_temporary/0/part.csv")
    make("in/.git/x.csv", "in/readme.md", "in/x.csv.crc")
    listing = list_parts("in", "out")
    assert [part.input for part in listing.parts] == ["a.csv"]
    assert listing.left_out == ("readme.md", "x.csv.crc")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("in/*.csv", ["a.csv", "b.csv"]),
        ("in/year=*/x.csv", ["year=1/x.csv", "year=2/x.csv"]),
        ("in/year=[2-9]*", ["year=2/x.csv", "year=2/y.csv"]),
        ("in/**/x.csv", ["year=1/x.csv", "year=2/x.csv"]),
        ("in/**", ["a.csv", "b.csv", "year=1/x.csv", "year=2/x.csv", "year=2/y.csv"]),
        ("i?/a.csv", ["in/a.csv"]),
        ("in/year=2/?.csv", ["x.csv", "y.csv"]),
    ],
)
def test_globs(pattern: str, found: list[str]) -> None:
    make("in/a.csv", "in/b.csv", "in/year=1/x.csv", "in/year=2/x.csv", "in/year=2/y.csv", "other/a.csv")
    assert inputs(pattern) == found


def test_a_glob_looks_into_no_folder_that_it_does_not_name(monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.csv", "in/deep/er/b.csv")
    seen = []
    walk = os.walk

    def watched(top: Path, **options: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        for step in walk(str(top), **options):
            seen.append(Path(step[0]).name)
            yield step

    monkeypatch.setattr("labeltune.files.parts.place.os.walk", watched)
    assert inputs("in/*.csv") == ["a.csv"]
    assert "er" not in seen


def test_links_are_followed_and_circles_are_not(here: Path) -> None:
    make("elsewhere/a.csv", "in/b.csv")
    (here / "in/linked").symlink_to(here / "elsewhere", target_is_directory=True)
    (here / "elsewhere/circle").symlink_to(here / "elsewhere", target_is_directory=True)
    (here / "in/gone.csv").symlink_to(here / "nowhere.csv")
    assert inputs("in") == ["b.csv", "linked/a.csv"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("empty", "an empty folder"),
        ("in/*.tsv", "nothing matches"),
        ("notes", "no table among what is there (readme.md)"),
    ],
)
def test_nothing_there(data: str, said: str, here: Path) -> None:
    make("in/a.csv", "notes/readme.md")
    (here / "empty").mkdir()
    with pytest.raises(DataError) as caught:
        list_parts(data, "out")
    assert said in str(caught.value)
    assert caught.value.hint


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(SettingsError, match="there is no such folder"):
        list_parts("nowhere/*.csv", "out")


@pytest.mark.parametrize(
    ("data", "output"),
    [
        ("in", "in"),
        ("in", "in/out"),
        ("in", "."),
        ("in", "link"),
        ("in/**/*.csv", "in/out"),
        ("in/*/x.csv", "in/out"),
        ("in/*", "in/out"),
    ],
)
def test_the_output_lies_outside_of_the_input(data: str, output: str, here: Path) -> None:
    make("in/a.csv", "in/year=1/x.csv")
    (here / "link").symlink_to(here / "in", target_is_directory=True)
    with pytest.raises(SettingsError, match="must lie outside"):
        list_parts(data, output)


@pytest.mark.parametrize(("data", "output"), [("in/*.csv", "in/out"), ("*.csv", "out"), ("in", "in-out")])
def test_what_is_not_read_may_be_written_to(data: str, output: str) -> None:
    make("in/a.csv", "a.csv")
    assert inputs(data, output) == ["a.csv"]


def test_two_parts_of_one_name_are_refused() -> None:
    make("in/a.csv", "in/a.parquet", "in/b.csv")
    assert outputs("in/*.csv", ".jsonl") == ["a.jsonl", "b.jsonl"]
    with pytest.raises(DataError, match=r"a\.csv and a\.parquet would both become a\.jsonl"):
        outputs("in", ".jsonl")


def test_names_that_differ_in_capitals_are_refused() -> None:
    make("in/a.csv", "in/A.csv")
    if len(list(Path("in").iterdir())) == 1:
        pytest.skip("this file system does not tell them apart itself")
    with pytest.raises(DataError, match="would both become"):
        list_parts("in", "out")


def test_what_names_many_tables() -> None:
    make("in/a.csv", "odd[1].csv")
    assert [names_parts(name) for name in ("in", "in/", "in/*.csv", Path("in"), "in/[ab].csv")] == [True] * 5
    assert [names_parts(name) for name in ("in/a.csv", "odd[1].csv", "-", "gone.csv", None)] == [False] * 5


def test_how_the_parts_of_an_output_end() -> None:
    assert split_output("out/") == ("out/", None)
    assert split_output("a/out/*.parquet") == ("a/out", ".parquet")
    assert split_output("*.csv.gz") == (".", ".csv.gz")
    for wrong in ("out/*.xlsx", "out/*", "o*t/*.csv", "out/part-*.csv", "-"):
        with pytest.raises(SettingsError):
            split_output(wrong)


def test_a_scheme_that_is_not_known() -> None:
    with pytest.raises(SettingsError, match="no place that is known"):
        open_place("ftp3://host/x")


# ---------------------------------------------------------------------------------------------------- shards


def test_shards_take_every_part_once() -> None:
    parts = list(range(11))
    taken = [list(Shard(number, 3).own(parts)) for number in (1, 2, 3)]
    assert taken == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8]]


def test_a_shard_counts_from_one() -> None:
    assert parse_shard("2/4") == Shard(2, 4)
    for wrong in ("0/4", "5/4", "2", "a/b", "1/0", "-1/4"):
        with pytest.raises(SettingsError) as caught:
            parse_shard(wrong)
        assert "count from 1" in str(caught.value.hint)


# ---------------------------------------------------------------------------------------------------- output


def open_run(
    *, settings: Mapping[str, object] = SETTINGS, shard: Shard = WHOLE, **options: bool
) -> AbstractContextManager[PartsOutput]:
    return open_output("out", list_parts("in", "out"), settings, command="predict", shard=shard, **options)


def finish_part(run: PartsOutput, part: Part, content: str = "x", **options: bool) -> None:
    local = run.scratch / "made.csv"
    local.write_text(content)
    run.commit(part, local, {"rows": 2, "invalid": 1}, **options)
    assert not local.exists()


def names(run: PartsOutput) -> list[str]:
    return [part.input for part in run.pending()]


def test_a_run_from_its_start_to_its_end() -> None:
    make("in/a.csv", "in/b/c.csv")
    with open_run() as run:
        assert not Path("out/_SUCCESS").exists()
        manifest = json.loads(Path("out/_labeltune.json").read_text())
        assert manifest["settings"] == SETTINGS
        assert [part["input"] for part in manifest["parts"]] == ["a.csv", "b/c.csv"]
        finish_part(run, run.parts[0])
        assert names(run) == ["b/c.csv"]
        assert run.finish() is None
        assert not Path("out/_SUCCESS").exists()
    with open_run() as run:
        assert names(run) == ["b/c.csv"]
        finish_part(run, run.parts[1])
        assert run.finish() == {"parts": 2, "rows": 4, "invalid": 2}
    assert Path("out/_SUCCESS").read_bytes() == b""
    assert json.loads(Path("out/_labeltune.json").read_text())["totals"]["rows"] == 4
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "_SUCCESS", "_labeltune", "_labeltune.json", "a.csv", "b",
    ]  # fmt: skip
    assert not any(Path("out/_labeltune/scratch").iterdir())
    with open_run() as run:
        assert names(run) == []
    assert Path("out/_SUCCESS").exists()


def test_a_part_that_is_not_complete_is_made_again() -> None:
    make("in/a.csv")
    with open_run() as run:
        finish_part(run, run.parts[0], "half", complete=False)
        assert run.finish() is None
    with open_run() as run:
        assert names(run) == ["a.csv"]
        finish_part(run, run.parts[0], "the whole")
        assert run.finish() is not None
    assert Path("out/a.csv").read_text() == "the whole"


@pytest.mark.parametrize("stops_at", [1, 2, 3])
def test_a_kill_within_a_commit_leaves_a_part_to_be_made(
    stops_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the old part is gone, after the receipt, or before anything: it is never taken for done."""
    make("in/a.csv")
    with open_run() as run:
        finish_part(run, run.parts[0], "first rows", complete=False)
    steps = [0]

    class Killed(BaseException):
        pass

    def killed(method: str) -> Callable[..., object]:
        real = getattr(LocalPlace, method)

        def step(*arguments: object) -> object:
            steps[0] += 1
            if steps[0] == stops_at:
                raise Killed
            return real(*arguments)

        return step

    with open_run() as run, pytest.raises(Killed), monkeypatch.context() as patch:
        for method in ("remove", "commit"):
            patch.setattr(LocalPlace, method, killed(method))
        finish_part(run, run.parts[0], "longer than before")
    with open_run() as again:
        assert names(again) == ["a.csv"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({**SETTINGS, "model": "b"}, "this run used model a, not b"),
        ({**SETTINGS, "request": {"temperature": 1}}, "this run used another request"),
    ],
)
def test_another_run_is_refused(settings: dict[str, object], said: str) -> None:
    make("in/a.csv", "in/b.csv")
    with open_run() as run:
        for part in run.parts:
            finish_part(run, part)
        run.finish()
    with pytest.raises(ConflictError, match=said) as caught, open_run(settings=settings):
        pass
    assert "--force" in str(caught.value.hint)
    with open_run() as run:
        assert names(run) == []
    with open_run(settings=settings, force=True) as run:
        assert names(run) == ["a.csv", "b.csv"]
        assert not Path("out/_SUCCESS").exists()
        finish_part(run, run.parts[0])
    # Killed, say, and begun again: what the new run made stays, what the old one left counts for nothing.
    with open_run(settings=settings, force=True) as run:
        assert names(run) == ["b.csv"]
    with open_run(settings=settings) as run:
        assert names(run) == ["b.csv"]


def test_the_output_of_another_command_is_refused() -> None:
    make("in/a.csv")
    with open_run():
        pass
    listing = list_parts("in", "out")
    with (
        pytest.raises(ConflictError, match="is the output of predict"),
        open_output("out", listing, SETTINGS, command="convert"),
    ):
        pass


def test_an_input_that_changed_is_refused() -> None:
    make("in/a.csv", "in/b.csv")
    with open_run() as run:
        for part in run.parts:
            finish_part(run, part)
        run.finish()
    Path("in/b.csv").write_text("changed since")
    with pytest.raises(ConflictError, match=r"b\.csv changed since") as caught, open_run():
        pass
    assert "--accept-changes" in str(caught.value.hint)
    with open_run(accept_changes=True) as run:
        assert names(run) == ["b.csv"]
        assert not Path("out/_SUCCESS").exists()
    with open_run() as run:
        assert names(run) == ["b.csv"]


def test_an_input_that_is_gone_is_refused_and_its_part_goes_with_it() -> None:
    make("in/a.csv", "in/b.csv")
    with open_run() as run:
        for part in run.parts:
            finish_part(run, part)
    Path("in/a.csv").unlink()
    with pytest.raises(ConflictError, match=r"a\.csv gone since"), open_run():
        pass
    with open_run(accept_changes=True) as run:
        assert names(run) == []
        assert run.finish() == {"parts": 1, "rows": 2, "invalid": 1}
    assert not Path("out/a.csv").exists()


def test_new_inputs_are_added_behind_the_others() -> None:
    make("in/b.csv", "in/c.csv")
    with open_run(shard=Shard(2, 2)) as run:
        assert names(run) == ["c.csv"]
    make("in/a.csv")
    with open_run(shard=Shard(2, 2)) as run:
        assert names(run) == ["c.csv"]
    with open_run(shard=Shard(1, 2)) as run:
        assert names(run) == ["b.csv", "a.csv"]


def test_times_in_the_future_are_times_like_others() -> None:
    """A clock that is wrong makes nothing old or new: times are compared with what they were."""
    make("in/a.csv", "in/b.csv")
    os.utime("in/a.csv", ns=(FUTURE_NS, FUTURE_NS))
    with open_run() as run:
        for part in run.parts:
            finish_part(run, part)
        os.utime("out/a.csv", ns=(0, 0))
        os.utime("out/b.csv", ns=(FUTURE_NS, FUTURE_NS))
    with open_run() as run:
        assert names(run) == []
    os.utime("in/a.csv", ns=(FUTURE_NS - 1, FUTURE_NS - 1))
    with pytest.raises(ConflictError, match=r"a\.csv changed"), open_run():
        pass


@pytest.mark.parametrize(("content", "said"), [(None, "was not written"), ("edited", "was edited")])
def test_what_this_command_did_not_write_is_not_replaced(content: str | None, said: str) -> None:
    make("in/a.csv")
    if content is None:
        make("out/a.csv")
    else:
        with open_run() as run:
            finish_part(run, run.parts[0])
        Path("out/a.csv").write_text(content)
    with pytest.raises(ConflictError, match=said), open_run():
        pass
    with open_run(force=True) as run:
        assert names(run) == ["a.csv"]
        finish_part(run, run.parts[0])
        assert run.finish() is not None


def test_two_commands_exclude_each_other_and_shards_of_one_number_do_not() -> None:
    make("in/a.csv", "in/b.csv", "in/c.csv")
    with open_run(), pytest.raises(ConflictError, match="another command works here"), open_run():
        pass
    with open_run(), pytest.raises(ConflictError, match="another command"), open_run(shard=Shard(1, 2)):
        pass
    with open_run(shard=Shard(1, 2)) as one, open_run(shard=Shard(2, 2)) as two:
        assert names(one) == ["a.csv", "c.csv"]
        assert names(two) == ["b.csv"]
        for other in (Shard(1, 2), Shard(2, 3), Shard()):
            with pytest.raises(ConflictError, match="the shard"), open_run(shard=other):
                pass
        for part in one.parts:
            finish_part(one, part)
        assert one.finish() is None
        finish_part(two, two.parts[0])
        assert two.finish() is not None
        assert one.finish() is not None


def test_what_a_killed_command_left_is_swept_and_what_another_shard_writes_is_not() -> None:
    make("in/a.csv", "in/b.csv")
    with open_run(shard=Shard(1, 2)) as one:
        (one.scratch / "half.csv").write_text("being written")
        left = one.scratch.with_name("2-of-2")
        left.mkdir()
        (left / "half.csv").write_text("left by a killed one")
        with open_run(shard=Shard(2, 2)) as two:
            assert [*two.scratch.iterdir()] == []
        assert (one.scratch / "half.csv").exists()


def test_a_damaged_manifest_is_told() -> None:
    make("in/a.csv")
    with open_run():
        pass
    Path("out/_labeltune.json").write_text('{"version": 1')
    with pytest.raises(DiskError, match="is damaged"), open_run():
        pass
    Path("out/_labeltune.json").write_text('{"version": 99, "made_by": "labeltune 9"}')
    with pytest.raises(SettingsError, match="made by labeltune 9"), open_run():
        pass
    with open_run(force=True) as run:
        assert names(run) == ["a.csv"]


def test_a_damaged_receipt_counts_for_nothing() -> None:
    make("in/a.csv")
    with open_run() as run:
        finish_part(run, run.parts[0])
        Path("out", receipt_name(run.parts[0])).write_text("{}")
        assert names(run) == ["a.csv"]


def test_an_output_that_is_a_file(here: Path) -> None:
    make("in/a.csv", "out")
    with pytest.raises(LabeltuneError) as caught, open_run():
        pass
    assert caught.value.exit_code == 8
    assert (here / "out").read_text() == "out"


def test_a_part_is_committed_from_another_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    make("in/a.csv")
    replace = Path.replace

    def other_device(self: Path, target: Path) -> Path:
        if self.name == "made.csv":
            raise OSError(errno.EXDEV, "other device")
        return replace(self, target)

    with open_run() as run:
        monkeypatch.setattr(Path, "replace", other_device)
        finish_part(run, run.parts[0], "content")
        assert run.finish() is not None
    assert Path("out/a.csv").read_text() == "content"
    assert [path.name for path in Path("out").iterdir() if path.name.startswith(".")] == []


def test_a_receipt_reads_back() -> None:
    part = Part("a.csv", "a.jsonl", 3, 4)
    receipt = Receipt("r", part, 7, {"rows": 2}, complete=False)
    assert Receipt.load(receipt.dump()) == receipt
    assert Receipt.load(b"[]") is None


def test_any_process_can_commit(tmp_path: Path) -> None:
    make("in/a.csv")
    with open_run() as run:
        local = tmp_path / "elsewhere.csv"
        local.write_text("done")
        commit_part(open_place("out"), Receipt(run.manifest.run, run.parts[0], 4, {"rows": 1}), local)
        assert names(run) == []
