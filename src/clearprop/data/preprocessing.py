"""What lies between a table and a network, kept with the model: scales, columns, names of classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from ..core.errors import DataError, ShapeError
from ..core.tree import Module
from ..ops.composite import softmax
from .copies import copies_in_table
from .table import CopyError, Table, is_number, listed

CLASSIFICATION, REGRESSION = "classification", "regression"
TASKS = (CLASSIFICATION, REGRESSION)

_MOST_CLASSES = 20
_ROWS_PER_CLASS = 5


class Standardizer(Module):
    """(x − mean)/scale, column by column: what training wants to see, and the way back.

    Attributes
    ----------
    mean, scale : f64[k]
        Mean and standard deviation of the columns; the scale of a constant column is 1.

    Examples
    --------
    >>> standard = Standardizer.of(np.array([[1.0, 7.0], [3.0, 7.0]]))
    >>> standard(np.array([[5.0, 7.0]]))
    array([[3., 0.]], dtype=float32)
    >>> standard.inverse(np.array([[3.0, 0.0]]))
    array([[5., 7.]])
    """

    mean: Any
    scale: Any

    @classmethod
    def of(cls, x: Any) -> Self:
        """Return the standardizer of the columns of float[n, k]."""
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or not len(x):
            raise ShapeError(f"Standardizer.of needs rows and columns, not an array of shape {list(x.shape)}")
        constant = x.min(axis=0) == x.max(axis=0)  # the deviation of 0.1, 0.1, 0.1 is rounded, not 0
        return cls(
            mean=np.where(constant, x[0], x.mean(axis=0)), scale=np.where(constant, 1.0, x.std(axis=0))
        )

    def __call__(self, x: Any) -> np.ndarray[Any, Any]:
        """Standardize: float[n, k] to f32[n, k]."""
        with np.errstate(over="ignore"):  # what lies too far away becomes infinite
            return np.asarray((np.asarray(x, np.float64) - self.mean) / self.scale, np.float32)

    def inverse(self, z: Any) -> np.ndarray[Any, Any]:
        """Return to the columns' own units: float[n, k] to f64[n, k]."""
        return np.asarray(np.asarray(z, np.float64) * self.scale + self.mean)


class TableMapping(Module):
    """How the rows of a table become inputs and targets, and outputs become predictions.

    Attributes
    ----------
    columns : tuple of str
        The columns that are inputs, in the order of the network's inputs.
    target : str
        The column that is learned.
    task : {"classification", "regression"}
    classes : tuple of str
        Names of the classes, in the order of the network's outputs; empty for regression.
    inputs : Standardizer
    output : Standardizer or None
        For regression, of the target.

    Examples
    --------
    >>> from clearprop.data.csv_file import parse_csv
    >>> table = parse_csv("size,kind\\n1,cat\\n2,cat\\n8,dog\\n9,dog\\n")
    >>> mapping = TableMapping.of(table, "kind")
    >>> mapping.task, mapping.classes, mapping.targets_of(table)
    ('classification', ('cat', 'dog'), array([0, 0, 1, 1]))
    >>> mapping.predictions(np.array([[2.0, 0.0]]))
    ['cat']
    """

    columns: tuple[str, ...]
    target: str
    task: str
    classes: tuple[str, ...]
    inputs: Standardizer
    output: Standardizer | None

    @classmethod
    def of(
        cls,
        table: Table,
        target: str,
        task: str = "auto",
        ignore: Iterable[str] = (),
        allow_copies: bool = False,
    ) -> Self:
        """Return the mapping that fits a table.

        Parameters
        ----------
        table : Table
        target : str
            The column to learn; the others are inputs.
        task : {"auto", "classification", "regression"}
            "auto" decides by the target, see `task_of`.
        ignore : iterable of str
            Columns to leave out.
        allow_copies : bool
            Take inputs that are the target under another name.

        Raises
        ------
        DataError
            If a column does not exist, no inputs are left, a cell cannot be used, or the target is the
            same in every row or has nearly as many classes as there are rows; or if in 20 rows or more, and
            beyond chance, a column equals the target or has one number for each class.
        """
        ignore = tuple(ignore)
        table.require((target, *ignore))
        if target in ignore:
            raise DataError(f"the column {target!r} cannot be both the target and ignored")
        columns = tuple(c for c in table.columns if c != target and c not in ignore)
        if not columns:
            raise DataError(
                f"{table.name} has no column to learn {target!r} from; it has {listed(table.columns)}"
            )
        task = task_of(table, target) if task == "auto" else task
        if task not in TASKS:
            raise DataError(f"task={task!r}: must be 'auto', {CLASSIFICATION!r} or {REGRESSION!r}")
        table.require_numeric(columns)
        classes = _classes(table, target) if task == CLASSIFICATION else ()
        numbers = table.numbers(columns)
        mapping = cls(
            columns=columns,
            target=target,
            task=task,
            classes=classes,
            inputs=Standardizer.of(numbers),
            output=None if task == CLASSIFICATION else _target_scale(table, target),
        )
        if not allow_copies:
            _require_no_copies(table, mapping, numbers)
        return mapping

    def standardized_on(self, table: Table) -> Self:
        """Return this mapping with the means and scales of other rows: those that are trained on."""
        return self.replace(
            inputs=Standardizer.of(table.numbers(self.columns)),
            output=self.output and Standardizer.of(table.numbers([self.target])),
        )

    @property
    def n_outputs(self) -> int:
        """How many outputs the network has: one for each class, or one number."""
        return len(self.classes) or 1

    def inputs_of(self, table: Table) -> np.ndarray[Any, Any]:
        """Return the inputs, f32[n, columns]; columns are found by name, others do not matter."""
        table.require(self.columns)
        return self.inputs(table.numbers(self.columns))

    def targets_of(self, table: Table) -> np.ndarray[Any, Any]:
        """Return the targets: classes as i64[n], or standardized numbers as f32[n, 1].

        Raises
        ------
        DataError
            If a cell is empty, no number, or none of the classes.
        """
        if self.output is not None:
            return self.output(table.numbers([self.target]))
        number = {name: i for i, name in enumerate(self.classes)}
        names = _class_names(table, self.target)
        for line, name in zip(table.lines, names, strict=True):
            if name not in number:
                raise DataError(
                    f"{table.name}, line {line}, column {self.target!r} holds {name!r}, which is none of "
                    f"the classes {listed(self.classes)}"
                )
        return np.array([number[name] for name in names], np.int64)

    def probabilities(self, outputs: Any) -> np.ndarray[Any, Any]:
        """Return the probability of each class, float[n, classes], from the network's outputs."""
        return np.asarray(softmax(np.asarray(outputs)))

    def predictions(self, outputs: Any) -> list[Any]:
        """Return the name of the most probable class, or the number in the target's unit, for each row."""
        if self.output is not None:
            return self.output.inverse(outputs)[:, 0].tolist()  # type: ignore[no-any-return]  # of floats
        return [self.classes[i] for i in np.argmax(np.asarray(outputs), axis=1)]


def _require_no_copies(table: Table, mapping: TableMapping, inputs: np.ndarray[Any, Any]) -> None:
    classes = mapping.task == CLASSIFICATION
    target = mapping.targets_of(table) if classes else table.numbers([mapping.target])[:, 0]
    copies = [mapping.columns[i] for i in copies_in_table(inputs, target, classes)]
    if copies:
        one = len(copies) == 1
        holds = "holds one number for each class of" if classes else "is the same as"
        if not one:
            holds = "each hold one number for each class of" if classes else "are the same as"
        raise CopyError(
            f"{table.name}: the target is among the inputs: the column{'' if one else 's'} {listed(copies)} {holds} "
            f"{mapping.target!r} in all {len(table):,} rows, so that there is nothing to learn but to copy it: leave "
            f"{'it' if one else 'them'} out, or say that it is meant"
        )


def task_of(table: Table, target: str) -> str:
    """Return what a target asks for.

    Classification if it is text, or if it holds integers of two different values, or of at most 20 with
    five rows or more for each on average. Anything else is regression.

    >>> from clearprop.data.csv_file import parse_csv
    >>> [task_of(parse_csv("y\\n" + "\\n".join(y)), "y") for y in ("0110", "abca", "12345678")]
    ['classification', 'classification', 'regression']
    """
    if not table.is_numeric(target):
        return CLASSIFICATION
    numbers = table.numbers([target])[:, 0]
    values = np.unique(numbers)
    few = len(values) == 2 or len(values) <= min(_MOST_CLASSES, len(numbers) / _ROWS_PER_CLASS)
    return CLASSIFICATION if few and np.array_equal(values, np.floor(values)) else REGRESSION


def _class_names(table: Table, target: str) -> list[str]:
    """Return the class of each row; numbers are written one way, so that 1 and 1.0 are one class."""
    cells = table.texts(target)
    if all(map(is_number, cells)):
        return [str(int(v)) if v == int(v) else repr(v) for v in map(float, cells)]
    return cells


def _classes(table: Table, target: str) -> tuple[str, ...]:
    table.require_values(target)
    names = _class_names(table, target)
    classes = sorted(set(names), key=lambda name: (float(name) if is_number(name) else 0.0, name))
    if len(classes) == 1:
        raise _nothing_to_learn(table, target, classes[0])
    if len(classes) > max(2, len(names) / 2):
        raise DataError(
            f"{table.name}, column {target!r} has {len(classes):,} different values in {len(names):,} rows: "
            f"too many classes to learn; choose another target, or regression if they are quantities"
        )
    return tuple(classes)


def _target_scale(table: Table, target: str) -> Standardizer:
    if not table.is_numeric(target):
        raise DataError(
            f"{table.name}, column {target!r} holds text such as {table.texts(target)[0]!r}: regression needs numbers, "
            f"classification does not"
        )
    numbers = table.numbers([target])
    if numbers.min() == numbers.max():
        raise _nothing_to_learn(table, target, f"{numbers[0, 0]:g}")
    return Standardizer.of(numbers)


def _nothing_to_learn(table: Table, target: str, value: str) -> DataError:
    if len(table) == 1:
        return DataError(
            f"{table.name} has a single row; training needs at least two, with different targets"
        )
    return DataError(f"{table.name}, column {target!r} is {value!r} in every row: there is nothing to learn")
