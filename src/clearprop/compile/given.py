"""What a program is called with: arrays whose memory its code reads as it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DTypeError, ShapeError
from ..core.own_memory import is_own
from ..core.types import Type, native
from .kernels import Buffer

READABLE = 0x101  # of the flags of an array: contiguous in row order, and aligned


def fitted(value: Any, buffer: Buffer) -> np.ndarray[Any, Any]:
    """Return the array itself if code can read it in place of a buffer, or else a copy that it can.

    Raises
    ------
    ShapeError, DTypeError
        If it is not of the type that the code was made for.
    """
    type = buffer.type
    if not isinstance(value, np.ndarray):
        value = np.asarray(value)
    if value.dtype != type.dtype:
        value = native(value)
    require_fitting(value, buffer)
    return value if value.flags.num & READABLE == READABLE else np.require(value, requirements=["C", "A"])


def require_fitting(value: np.ndarray[Any, Any], buffer: Buffer) -> None:
    """Raise an error if an array is not of the type that the code was made for."""
    if value.shape != buffer.type.shape or value.dtype != buffer.type.dtype:
        raise _misfit(value, buffer)


def writable(array: np.ndarray[Any, Any]) -> bool:
    """Tell whether a result may stand in an array's memory: it is its own, and nobody has said no."""
    return type(array) is np.ndarray and array.flags.writeable and is_own(array)


def rows_fitted(value: np.ndarray[Any, Any], buffer: Buffer) -> np.ndarray[Any, Any]:
    """Return data of whose rows a buffer holds some.

    Raises
    ------
    ShapeError, DTypeError
        If the code was made for other rows.
    """
    if value.shape[1:] != buffer.type.shape[1:] or value.dtype != buffer.type.dtype:
        raise _misfit(value, buffer)
    return value


def _misfit(value: np.ndarray[Any, Any], buffer: Buffer) -> Exception:
    error = DTypeError if value.dtype != buffer.type.dtype else ShapeError
    given = Type(value.shape, value.dtype)
    return error(
        f"input {buffer.name or buffer.slot!r} was given {given}, but the code was made for {buffer.type}; make a "
        f"program of a graph that takes {given}, or convert the array"
    )
