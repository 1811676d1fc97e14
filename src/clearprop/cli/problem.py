"""What is to be learned: inputs and targets, split in three, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import DataError, SettingError
from ..data import TableMapping, digits, read_csv, split
from ..data.copies import lines_through
from ..data.digit_images import digits_mapping
from ..data.preprocessing import CLASSIFICATION
from ..data.table import CellError, CopyError, Table, listed
from ..ops.random import fold_in, key
from .choices import fraction

Part = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

_WAYS_OUT = {
    CellError: "--ignore leaves out columns, --skip-incomplete rows that lack a value",
    CopyError: "--ignore leaves out columns, --allow-copies keeps them",
}

TRAINING, VALIDATION, TEST = "training", "validation", "test"


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be learned.

    Attributes
    ----------
    name : str
        Of the data, for people.
    mapping : TableMapping
        How rows become inputs and outputs become predictions.
    parts : dict of str to (x, y)
        "training" and, where rows were set aside for them, "validation" and "test".
    notes : tuple of str
        What was decided on the way, worth saying.
    """

    name: str
    mapping: TableMapping
    parts: dict[str, Part]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shares:
    """How much of the rows is set aside, and the seed of the choice."""

    test: float
    validation: float
    seed: int

    def __post_init__(self) -> None:
        fraction("--test-fraction", self.test)
        fraction("--validation-fraction", self.validation)
        if self.test + self.validation >= 1:
            raise SettingError(
                f"--test-fraction {self.test:g} and --validation-fraction {self.validation:g} leave no rows to train on"
            )

    @property
    def fewest(self) -> int:
        """How many rows it takes for each part to have one."""
        return 1 + bool(self.test) + bool(self.validation)

    def rows(self, n: int, classes: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Return the indices of each part; classes are spread evenly if there are any."""
        rest, aside = np.arange(n), {}
        sizes = {TEST: self.test, VALIDATION: self.validation / (1 - self.test)}
        for number, (name, share) in enumerate(sizes.items()):
            if share:
                labels = None if classes is None else classes[rest]
                kept, chosen = split(len(rest), share, fold_in(key(self.seed), number), labels)
                rest, aside[name] = rest[kept], rest[chosen]
        return {TRAINING: rest, **dict(reversed(aside.items()))}


def digits_problem(shares: Shares) -> Problem:
    """Return the problem of reading the handwritten digits that come with the package."""
    x, y = digits()
    parts = {name: (x[rows], y[rows]) for name, rows in shares.rows(len(y), y).items()}
    return Problem("digits", digits_mapping(), parts)


def table_problem(
    path: str,
    target: str | None,
    task: str,
    ignore: Sequence[str],
    skip_incomplete: bool,
    allow_copies: bool,
    shares: Shares,
) -> Problem:
    """Return the problem of learning a column of a CSV file from its other columns.

    Raises
    ------
    FileError, DataError
        If the file cannot be read, or the table cannot be learned from.
    """
    table = read_csv(path)
    if target is None:
        raise DataError(
            f"--target is missing: which column of {path} is to be learned? It has {listed(table.columns)}."
            f"{table.no_header()}"
        )
    notes = []
    if skip_incomplete:
        table.require((target, *ignore))
        whole = table.complete(c for c in table.columns if c not in ignore)
        if not len(whole):
            raise DataError(f"{path} has no complete row: in each one a value is missing")
        if len(whole) < len(table):
            notes.append(f"{len(table) - len(whole):,} of {len(table):,} rows lack a value and are skipped")
        table = whole
    try:
        mapping = TableMapping.of(table, target, task, ignore, allow_copies)
    except (CellError, CopyError) as error:
        raise DataError(f"{error}\n{_WAYS_OUT[type(error)]}") from None
    if task == "auto":
        kind = f"{len(mapping.classes)} classes" if mapping.classes else "numbers"
        notes.append(f"{target!r} holds {kind}, so this is {mapping.task} (change it with --task)")
    notes += [] if mapping.classes or allow_copies else _lines(table, mapping)
    if len(table) < shares.fewest:
        raise DataError(
            f"{path} has {len(table)} rows, too few to set some aside: add rows, or train on all of them with "
            f"--validation-fraction 0 --test-fraction 0"
        )
    y = mapping.targets_of(table)
    rows = shares.rows(len(table), y if mapping.task == CLASSIFICATION else None)
    mapping = mapping.standardized_on(table.take(rows[TRAINING]))
    x, y = mapping.inputs_of(table), mapping.targets_of(table)
    return Problem(path, mapping, {name: (x[r], y[r]) for name, r in rows.items()}, tuple(notes))


def _lines(table: Table, mapping: TableMapping) -> list[str]:
    """Return a note if the target is a column in another unit, which may be right, or what was to be learned."""
    found = lines_through(table.numbers(mapping.columns), table.numbers([mapping.target])[:, 0])
    columns = [mapping.columns[i] for i in found]
    if not columns:
        return []
    return [
        f"{mapping.target!r} follows from {listed(columns)} by a straight line in every row: if that will not be known "
        f"when predictions are made, leave it out with --ignore"
    ]
