"""DataFrames as files, and files as DataFrames."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from labeltune.task import Task

__all__ = ["as_file", "frame_of", "is_frame", "with_predictions"]


def is_frame(data: object) -> bool:
    """Whether it is no path: a table that is there already."""
    return not isinstance(data, str | os.PathLike)


def as_file(data: str | os.PathLike[str] | pd.DataFrame, folder: str, name: str) -> str:
    """A DataFrame as a file, its values as labeltune reads them; a path as it is."""
    if isinstance(data, str | os.PathLike):
        return os.fspath(data)
    from labeltune.files.tables import open_table, write_table

    path = Path(folder) / f"{name}.csv"
    with open_table(data) as table:
        write_table(os.fspath(path), table.header, (values for _, values in table))
    return os.fspath(path)


def frame_of(path: Path) -> pd.DataFrame:
    """A table as a DataFrame, its values of the types that they have."""
    import pandas as pd

    from labeltune.files.tables import open_table
    from labeltune.files.tables.cells import plain_value

    with open_table(path) as table:
        rows = [[plain_value(cell) for cell in values] for _, values in table]
        return pd.DataFrame(rows, columns=list(table.header))


def with_predictions(frame: pd.DataFrame, path: Path, task: Task, *, probabilities: bool) -> pd.DataFrame:
    """The frame with the predicted columns of a file, typed."""
    import pandas as pd

    from labeltune.files.tables import open_table
    from labeltune.task.columns import CONFIDENCE, added_columns, predicted_columns, probability_columns

    with open_table(os.fspath(path)) as table:
        places = {
            column: table.header.index(column) for column in added_columns(task, probabilities=probabilities)
        }
        rows = [values for _, values in table]
    result = frame.iloc[: len(rows)].copy()
    numbers = {CONFIDENCE, *(probability_columns(task) if probabilities else ())}
    labels = {
        columns[0]: field.labels
        for field, columns in zip(task.fields, predicted_columns(task), strict=True)
        if field.type == "single"
    }
    flags = {column for columns in predicted_columns(task) for column in columns} - set(labels)
    for column, place in places.items():
        cells = pd.Series([values[place] for values in rows], index=result.index, dtype=object)
        if column in labels:
            result[column] = pd.Categorical(cells.where(cells != "", None), categories=list(labels[column]))
        elif column in flags:
            result[column] = pd.to_numeric(cells.where(cells != "", None)).astype("Int8")
        elif column in numbers:
            result[column] = pd.to_numeric(cells.where(cells != "", None)).astype("float64")
        else:
            result[column] = cells
    return result
