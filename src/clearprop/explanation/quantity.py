"""A quantity: an array that says what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..core.types import Type, type_of


@dataclass(frozen=True, eq=False)
class Quantity(NDArrayOperatorsMixin):
    """An array with its name, its symbol, what its axes count and of what it is taken.

    It may stand wherever NumPy takes an array; results are plain arrays.

    Attributes
    ----------
    name : str
        ``"layers.0.delta"``.
    symbol : str
        As textbooks write it: ``"δ¹"``.
    value : array
    axes : tuple of str
        What each axis counts: ``("sample", "neuron")``.
    says : str
        Whether it is per sample, a sum or a mean, in words.

    Examples
    --------
    >>> q = Quantity("layers.0.a", "a¹", np.array([[0.5, 1.0]]), ("sample", "neuron"), "a row for each sample")
    >>> q
    a¹ layers.0.a: f64[1,2] (sample, neuron), a row for each sample
    [[0.5 1. ]]
    >>> q[0] + 1
    array([1.5, 2. ])
    """

    name: str
    symbol: str
    value: np.ndarray[Any, Any]
    axes: tuple[str, ...]
    says: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(self.value.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""
        return self.type.dtype

    @property
    def type(self) -> Type:
        """Shape and dtype."""
        return type_of(self.value)

    def __getitem__(self, index: Any) -> Any:
        return self.value[index]

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.value, dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        """Compute with the numbers; the result is a plain array."""
        return getattr(ufunc, method)(*_numbers(args), **kwargs)

    def __repr__(self) -> str:
        axes = f" ({', '.join(self.axes)})" if self.axes else ""
        return f"{self.symbol} {self.name}: {self.type}{axes}, {self.says}\n{self.value}"


def _numbers(args: Sequence[Any]) -> list[Any]:
    return [a.value if isinstance(a, Quantity) else a for a in args]
