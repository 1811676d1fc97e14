"""Set some samples aside, at random but repeatably."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..ops.random import as_key, fold_in, permutation

Arrays = tuple[Any, ...]


def split(
    data: int | Sequence[Any], fraction: float = 0.2, rng: Any = 0, stratify: Any = None
) -> tuple[Any, Any]:
    """Set a fraction of the samples aside.

    Parameters
    ----------
    data : int or sequence of arrays
        The number of samples n, or arrays with n samples on the first axis.
    fraction : float
        How much to set aside, between 0 and 1; at least one sample stays on either side.
    rng : int, key or numpy Generator
        The same seed gives the same parts, on any machine and in any version.
    stratify : int[n], optional
        Classes: the fraction is set aside of each, so that the parts are composed alike. A class of a
        single sample is not set aside.

    Returns
    -------
    kept, aside : i64[...] or tuple of arrays
        Indices in increasing order if data is a number; else the arrays' samples.

    Raises
    ------
    DataError
        If the arrays differ in length, or there is nothing to split.

    Examples
    --------
    >>> split(6, 0.5, rng=0)
    (array([1, 2, 3]), array([0, 4, 5]))
    >>> x, y = np.arange(10.0)[:, None], np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    >>> (x_train, y_train), (x_test, y_test) = split((x, y), 0.5, stratify=y)
    >>> int(y_train.sum()), int(y_test.sum())
    (1, 1)
    """
    arrays = None if isinstance(data, (int, np.integer)) else [np.asarray(a) for a in data]
    n = _length(data, arrays)
    if not 0 < fraction < 1:
        raise DataError(f"split(fraction={fraction!r}): must be between 0 and 1")
    if n < 2:
        raise DataError(f"{n} sample{'' if n == 1 else 's'} cannot be split; at least 2 are needed")
    aside = _choose(n, fraction, as_key(rng), stratify)
    kept = np.setdiff1d(np.arange(n), aside)
    if arrays is None:
        return kept, aside
    return tuple(a[kept] for a in arrays), tuple(a[aside] for a in arrays)


def _length(data: Any, arrays: list[Any] | None) -> int:
    if arrays is None:
        return int(data)
    lengths = [len(a) if a.ndim else 0 for a in arrays]
    if len(set(lengths)) != 1:
        raise DataError(
            f"split: the arrays must have equally many samples, not {', '.join(map(str, lengths))}"
        )
    return lengths[0]


def _choose(n: int, fraction: float, key: Any, stratify: Any) -> np.ndarray[Any, Any]:
    """Return the indices to set aside, in increasing order."""
    order = permutation(key, n)
    wanted = min(max(round(n * fraction), 1), n - 1)
    if stratify is None:
        return np.sort(order[:wanted])
    labels = np.asarray(stratify)
    if labels.shape != (n,):
        raise DataError(
            f"split: stratify must be {n} classes, one a sample, not an array of shape {list(labels.shape)}"
        )
    groups = [order[labels[order] == label] for label in np.unique(labels)]
    counts = _shares([len(g) for g in groups], fraction, wanted)
    if not sum(counts):
        return _choose(n, fraction, fold_in(key, 1), None)  # all classes are of one sample
    return np.sort(np.concatenate([g[:c] for g, c in zip(groups, counts, strict=True)]))


def _shares(sizes: list[int], fraction: float, wanted: int) -> list[int]:
    """Return how many of each class to set aside: rounded down, then up where the remainder is largest."""
    exact = [size * fraction for size in sizes]
    counts = [min(int(e), size - 1) for e, size in zip(exact, sizes, strict=True)]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_remainder:
        if sum(counts) < wanted and counts[i] < sizes[i] - 1:
            counts[i] += 1
    return counts
