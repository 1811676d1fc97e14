"""What a model says of variants of one sample, all else alike: real forward passes, as many variants in one as fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.errors import SettingError
from ...core.types import Array, is_float
from ..record import Record
from .independence import coupled, predicted


def sample_number(record: Record, sample: int) -> int:
    """Return the number of a sample, counted from the front; 0 where the samples have no axis."""
    n = 1 if record.samples is None else record.samples
    if not isinstance(sample, (int, np.integer)) or not -n <= sample < n:
        raise SettingError(f"sample={sample!r}: there are {n} samples; give a number from 0 to {n - 1}")
    return int(sample) % n


def row(record: Record, array: Array, sample: int) -> np.ndarray[Any, Any]:
    """Return the row of one sample."""
    return np.asarray(array if record.samples is None else array[sample])


def require_float_inputs(record: Record, what: str) -> None:
    """Raise SettingError if the inputs are integers, along which nothing can be moved a little."""
    if not is_float(record.x.dtype):
        raise SettingError(
            f"{what} needs inputs that can be moved a little, and x holds {record.x.dtype}; ask for the "
            f'Jacobian to a layer\'s activations, as in jacobian(to="layers.0.a")'
        )


def output_index(record: Record, output: Any, sample: int) -> tuple[int, ...]:
    """Return which number of a sample's prediction is meant: given, or by default the largest one."""
    values = row(record, record.prediction, sample)
    if output is None:
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(values)), values.shape))
    index = tuple(output) if isinstance(output, (tuple, list)) else (output,) if values.ndim else ()
    fits = len(index) == values.ndim and all(-n <= i < n for i, n in zip(index, values.shape, strict=True))
    if not fits:
        raise SettingError(
            f"output={output!r}: the prediction for a sample has the shape {list(values.shape)}; give the index of "
            f"one number of it, or None for the largest"
        )
    return tuple(int(i) % n for i, n in zip(index, values.shape, strict=True))


def output_name(index: Sequence[int]) -> str:
    """Return how an output is called.

    >>> output_name((2,)), output_name(())
    ('ŷ[2]', 'ŷ')
    """
    return f"ŷ[{', '.join(map(str, index))}]" if len(index) else "ŷ"


def input_name(flat: int, shape: Sequence[int]) -> str:
    """Return how one number of a sample is called.

    >>> input_name(5, (2, 3))
    'x[1, 2]'
    """
    return f"x[{', '.join(str(i) for i in np.unravel_index(flat, tuple(shape)))}]" if len(shape) else "x"


def predictions(record: Record, sample: int, variants: Array) -> np.ndarray[Any, Any]:
    """Return the prediction for each variant of a sample.

    Parameters
    ----------
    record : Record
    sample : int
    variants : array[m, ...]
        Each like the sample's row of x.

    Returns
    -------
    float[m, ...]
    """
    size = _at_once(record, sample)
    found = []
    for start in range(0, len(variants), size):
        some = variants[start : start + size]
        if record.samples is None:
            found.append(predicted(record, some[0])[None])
            continue
        x = record.x.copy()
        if size == 1:
            x[sample] = some[0]
            found.append(predicted(record, x)[sample : sample + 1])
        else:
            x[: len(some)] = some
            found.append(predicted(record, x)[: len(some)])
    return np.concatenate(found)


def _at_once(record: Record, sample: int) -> int:
    """Return how many variants go into one forward pass: a row each if rows are alike and independent, else one."""
    n = record.samples
    if n is None or n < 2:
        return 1
    same = np.broadcast_to(record.x[sample], record.x.shape)
    alike = predicted(record, np.array(same))
    if alike.shape != record.prediction.shape:
        return 1
    room = 256 * np.finfo(alike.dtype).eps * (1 + np.max(np.abs(alike), initial=0))
    equal = np.allclose(alike, record.prediction[sample], rtol=0, atol=room, equal_nan=True)
    return n if equal and coupled(record) is None else 1
