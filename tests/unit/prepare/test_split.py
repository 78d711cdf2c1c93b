from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from labeltune.errors import DataError, SettingsError
from labeltune.files.tables import open_table
from labeltune.prepare.infer import Wishes, propose_task
from labeltune.prepare.split import Split, SplitOptions, split
from labeltune.task import parse_task
from labeltune.task.label_cells import LabelReader
from split_tables import LABELS, intents, options, rows_of, write_csv
from tasks import EMOTION, INQUIRY, INTENT, TOXIC, TOXIC_LABELS

# ------------------------------------------------------------------------------------------- how the rows are dealt


def test_a_single_field_by_its_label(tmp_path: Path) -> None:
    rows = [
        [f"text {'x' * n}", LABELS[0] if n < 50 else LABELS[1] if n < 80 else LABELS[2]] for n in range(100)
    ]
    done = split(write_csv(tmp_path / "data.csv", rows), INTENT, options(), folder=tmp_path)
    assert {name: (part.rows, tuple(part.labels.values())) for name, part in done.parts.items()} == {
        "train": (80, (40, 24, 16)),
        "validation": (10, (5, 3, 2)),
        "test": (10, (5, 3, 2)),
    }
    assert done.balance.max_deviation == 0
    assert (done.rows, done.unused, done.duplicates) == (100, 0, 0)
    for part in done.parts.values():
        found = Counter(label for _, label in rows_of(part.path))
        assert {label: found[label] for label in LABELS} == part.labels


def test_parent_and_child_by_their_path(tmp_path: Path) -> None:
    paths = [
        ("Order Management", "Cancellation"),
        ("Order Management", "Tracking"),
        ("Billing", "Refund"),
        ("Billing", "Cancellation"),
    ]
    rows = [[f"text {'x' * n}", *paths[min(n % 7, 3)]] for n in range(140)]
    data = write_csv(tmp_path / "data.csv", rows, ("inquiry", "category", "sub_category"))
    done = split(data, INQUIRY, options("train=0.5,test=0.5"), folder=tmp_path)
    for part in done.parts.values():
        found = Counter(tuple(row[1:]) for row in rows_of(part.path))
        assert found == {paths[0]: 10, paths[1]: 10, paths[2]: 10, paths[3]: 40}


def test_a_multi_field_by_combination(tmp_path: Path) -> None:
    rows = [[str(n), f"text {'x' * n}", *[str(n // 2**k % 2) for k in range(6)]] for n in range(640)]
    data = write_csv(tmp_path / "data.csv", rows, ("id", "comment_text", *TOXIC_LABELS))
    done = split(data, TOXIC, options(), folder=tmp_path)
    for part in done.parts.values():
        found = Counter(tuple(row[2:]) for row in rows_of(part.path))
        assert set(found.values()) == {part.rows // 64}
        assert len(found) == 64


TWO_FIELDS = parse_task(
    """\
version = 1
text = ["text"]

[[field]]
name = "tone"
type = "single"
column = "tone"
labels = ["good", "bad", "other"]

[[field]]
name = "topic"
type = "single"
column = "topic"
labels = ["food", "other"]

[answer]
format = "json"
"""
)


def test_several_fields_together(tmp_path: Path) -> None:
    rows = [
        [f"text {'x' * n}", TWO_FIELDS.labels[n % 3], TWO_FIELDS.labels[3 + n // 3 % 2]] for n in range(120)
    ]
    data = write_csv(tmp_path / "data.csv", rows, ("text", "tone", "topic"))
    done = split(data, TWO_FIELDS, options("a=0.5,b=0.5"), folder=tmp_path)
    # "other" is a label of both fields: its name says which.
    assert list(done.parts["a"].labels) == ["good", "bad", "tone.other", "food", "topic.other"]
    for part in done.parts.values():
        assert set(Counter(tuple(row[1:]) for row in rows_of(part.path)).values()) == {10}


def test_rows_without_a_label_are_a_combination_too(tmp_path: Path) -> None:
    rows = [[str(n), f"text {'x' * n}", "joy|anger" if n % 2 else ""] for n in range(100)]
    data = write_csv(tmp_path / "data.csv", rows, ("id", "text", "labels"))
    done = split(data, EMOTION, options(), folder=tmp_path)
    assert done.parts["test"].labels == {"joy": 5, "anger": 5, "neutral": 0}


def test_sizes_that_leave_rows_over(tmp_path: Path) -> None:
    done = split(
        write_csv(tmp_path / "data.csv", intents()), INTENT, options("a=30,b=5"), folder=tmp_path / "out"
    )
    assert [part.rows for part in done.parts.values()] == [30, 5]
    assert done.unused == 65
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "b.csv"]


def test_chance_alone(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", intents(400))
    one = split(data, INTENT, options("a=0.5,b=0.5", stratified=False), folder=tmp_path / "1")
    other = split(data, INTENT, options("a=0.5,b=0.5"), folder=tmp_path / "2")
    assert [part.rows for part in one.parts.values()] == [200, 200]
    assert one.balance.max_deviation > other.balance.max_deviation
    assert sum(part.labels[LABELS[0]] for part in one.parts.values()) == 134


def test_labels_that_occur_once_or_twice_are_told(tmp_path: Path) -> None:
    rows = [[f"text {'x' * n}", LABELS[0]] for n in range(97)]
    rows += [["one", LABELS[1]], ["two other words", LABELS[2]], ["three", LABELS[2]]]
    done = split(write_csv(tmp_path / "data.csv", rows), INTENT, options(), folder=tmp_path)
    assert done.balance.rare == {LABELS[1]: 1, LABELS[2]: 2}
    assert [part.rows for part in done.parts.values()] == [80, 10, 10]
    assert [done.balance.absent(place) for place in range(3)] == [[], [], []]
    assert done.balance.worst(1)[0].deviation == done.balance.max_deviation


def test_labels_absent_from_a_part_are_told(tmp_path: Path) -> None:
    rows = [[f"text {'x' * n}", LABELS[n < 3]] for n in range(100)]
    done = split(
        write_csv(tmp_path / "data.csv", rows), INTENT, options("train=0.9,test=0.1"), folder=tmp_path
    )
    assert done.parts["test"].labels[LABELS[1]] == 0
    assert [done.balance.absent(place) for place in range(2)] == [[], [LABELS[1]]]


# ------------------------------------------------------------------------------------ what stays together


def parts_by(done: Split, column: int) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, part in done.parts.items():
        for row in rows_of(part.path):
            found.setdefault(row[column], set()).add(name)
    return found


def test_equal_and_nearly_equal_texts_stay_together(tmp_path: Path) -> None:
    words = [[f"{'abcdefgh'[n % 8] * (n + 1)}{k}" for k in range(20)] for n in range(60)]
    rows = []
    for own in words:
        text = " ".join(own)
        rows += [[text, LABELS[0]], [f"{text.upper()}!", LABELS[1]], [" ".join([*own[:-1], "x"]), LABELS[2]]]
    data = write_csv(tmp_path / "data.csv", rows)
    done = split(data, INTENT, options("a=0.5,b=0.5"), folder=tmp_path)
    by_first_word: dict[str, set[str]] = {}
    for name, part in done.parts.items():
        for text, _ in rows_of(part.path):
            by_first_word.setdefault(text.split()[0].lower(), set()).add(name)
    assert all(len(names) == 1 for names in by_first_word.values())
    assert len(by_first_word) == 60
    assert done.duplicates == 120
    free = split(data, INTENT, options("a=0.5,b=0.5", keep_duplicates_together=False), folder=tmp_path)
    assert free.duplicates == 0
    assert free.balance.max_deviation == 0


def test_blank_texts_may_go_their_own_ways(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", [[" " * (n % 3), LABELS[0]] for n in range(10)])
    done = split(data, INTENT, options("a=0.5,b=0.5"), folder=tmp_path)
    assert (done.duplicates, done.parts["a"].rows) == (0, 5)


def test_a_group_stays_in_one_part(tmp_path: Path) -> None:
    rows = [[*row, f"customer {n // 4}" if n < 160 else ""] for n, row in enumerate(intents(300))]
    data = write_csv(tmp_path / "data.csv", rows, ("text", "label", "customer"))
    done = split(data, INTENT, options(group="customer"), folder=tmp_path)
    found = parts_by(done, 2)
    assert found.pop("") == {"train", "validation", "test"}  # no group is no group
    assert all(len(names) == 1 for names in found.values())
    assert len(found) == 40
    # Free rows make up for the groups: the sizes are exact.
    assert [part.rows for part in done.parts.values()] == [240, 30, 30]
    assert done.balance.max_deviation < 0.03


def test_groups_and_duplicates_are_merged(tmp_path: Path) -> None:
    # Customer n wrote a text that customer n + 1 wrote too, if n is even: always two customers go together.
    rows = []
    for n in range(40):
        rows += [
            [f"text {'x' * (n // 2)}", LABELS[n % 3], f"c{n}"],
            [f"own {'y' * n}", LABELS[n % 3], f"c{n}"],
        ]
    data = write_csv(tmp_path / "data.csv", rows, ("text", "label", "customer"))
    done = split(data, INTENT, options("a=0.5,b=0.5", group="customer"), folder=tmp_path)
    found = parts_by(done, 2)
    assert all(found[f"c{n}"] == found[f"c{n + 1}"] and len(found[f"c{n}"]) == 1 for n in range(0, 40, 2))


def test_of_too_many_words_only_equal_texts_stay_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeltune.prepare.duplicates.MOST_WORDS", 100)
    text = " ".join(f"w{n}" for n in range(20))
    rows = [[text, LABELS[0]], [text.upper(), LABELS[0]], [f"{text} more", LABELS[0]]]
    rows += [[f"{text} {n}", LABELS[0]] for n in range(20)]
    done = split(write_csv(tmp_path / "data.csv", rows), INTENT, options(), folder=tmp_path)
    assert done.duplicates == 1
    (warning,) = done.warnings
    assert warning.endswith("rows of equal texts stay together, similar ones were not looked for")


def test_rows_that_leave_nothing_for_a_part(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", [["always the same", LABELS[0]]] * 10)
    with pytest.raises(DataError, match='the part "validation" would be empty') as raised:
        split(data, INTENT, folder=tmp_path / "out")
    assert "--no-keep-duplicates-together" in (raised.value.hint or "")
    assert not (tmp_path / "out").exists()


# ----------------------------------------------------------------------------------------------------- folds


def test_folds(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", intents(50))
    done = split(data, INTENT, SplitOptions(folds=4), folder=tmp_path)
    assert list(done.parts) == [f"fold-{n}/{part}" for n in (1, 2, 3, 4) for part in ("train", "validation")]
    assert [part.rows for part in done.parts.values()] == [37, 13, 37, 13, 38, 12, 38, 12]
    every = sorted(rows_of(str(data)))
    held_out = []
    for fold in range(1, 5):
        train, validation = (
            rows_of(done.parts[f"fold-{fold}/{part}"].path) for part in ("train", "validation")
        )
        assert sorted(train + validation) == every
        held_out += validation
    assert sorted(held_out) == every
    assert Path(tmp_path, "fold-1", "train.csv").is_file()


@pytest.mark.parametrize(
    ("folds", "error", "message"),
    [
        (1, SettingsError, "expected 2 or more"),
        (0, SettingsError, "expected 2 or more"),
        (11, DataError, "11 folds are asked for, and there are 10 rows"),
    ],
)
def test_folds_that_are_none(tmp_path: Path, folds: int, error: type[Exception], message: str) -> None:
    data = write_csv(tmp_path / "data.csv", intents(10))
    with pytest.raises(error, match=message):
        split(data, INTENT, SplitOptions(folds=folds), folder=tmp_path)


# ---------------------------------------------------------------------------------------------------- real data


@pytest.mark.shared
@pytest.mark.parametrize("name", ["goemotions/train.csv", "banking77/train.csv", "jigsaw_sample/train.csv"])
def test_real_data(shared_data: Path, tmp_path: Path, name: str) -> None:
    data = shared_data / name
    with open_table(data) as table:
        task = propose_task(table, Wishes()).task
    done = split(data, task, options(), folder=tmp_path)
    with open_table(data) as table:
        rows = [tuple(values) for _, values in table]
        reader = LabelReader(task, table.header)
    parts = {part: [tuple(row) for row in rows_of(own.path)] for part, own in done.parts.items()}
    assert sum((Counter(own) for own in parts.values()), Counter()) == Counter(rows)
    assert [len(own) for own in parts.values()] == [part.rows for part in done.parts.values()]
    wanted = [len(rows) * share for share in (0.8, 0.1, 0.1)]
    assert all(abs(len(own) - size) <= 1 for own, size in zip(parts.values(), wanted, strict=True))
    for part, own in parts.items():
        found = Counter(label for row in own for field in reader.read(row) for label in field)
        assert +found == +Counter(done.parts[part].labels)
    # A row more or less is all that a common label is off; a duplicate's rows go together.
    assert done.balance.max_deviation <= (0.002 if len(rows) > 1000 else 0.02)
    texts = [{" ".join(row).casefold() for row in own} for own in parts.values()]
    assert sum(map(len, texts)) == len(set().union(*texts))
