"""Traced values: what a function sees in place of an array while it is being recorded.

A traced value answers NumPy: its ufuncs and functions (through ``NUMPY``, which the operations fill),
its operators, its indexing and its methods. What only a number can answer raises a TraceError that
names the user's line and says what to write instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .errors import ClearpropError, TraceError
from .graph import Location, Var
from .types import Array, Type

NUMPY: dict[Any, Callable[..., Any]] = {}
"""NumPy's functions, ufuncs and ufunc methods such as ``(np.add, "reduce")``, and what does them here."""

_OURS = str(Path(__file__).resolve().parents[1])
_NUMPY = str(Path(np.__file__).resolve().parent)


@lru_cache
def _is_users(file: str) -> bool:
    return not file.startswith((_OURS, _NUMPY))


def user_location() -> Location | None:
    """Return the innermost line that belongs neither to clearprop nor to NumPy."""
    frame = sys._getframe(1)
    while frame is not None:
        if _is_users(frame.f_code.co_filename):
            return Location(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    return None


def refuse(problem: str, instead: str) -> NoReturn:
    """Raise the TraceError for code that cannot be traced."""
    where = user_location()
    at = f"\n  at {where}" if where else ""
    raise TraceError(f"{problem}{at}\n  {instead}")


def placed(error: ClearpropError, where: Location | None) -> ClearpropError:
    """Return the error with the user's line in its message."""
    return error if where is None or "\n  at " in str(error) else type(error)(f"{error}\n  at {where}")


def _ask(function: Any, name: str) -> Callable[..., Any]:
    try:
        return NUMPY[function]
    except KeyError:
        refuse(
            f"{name} has no derivative rule here, so a traced value cannot go through it.",
            "docs/numpy-coverage.md lists what is covered. If its arguments do not depend on the inputs, "
            "compute it outside the traced function.",
        )


def _call(function: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    if kwargs:
        out = kwargs.get("out")
        if any(o is not None for o in (out if isinstance(out, tuple) else (out,))):
            refuse(
                f"{name}(..., out=...) or an operator such as += would change an array in place; "
                "a traced value cannot be changed.",
                "Write x = x + y instead of x += y, and drop out=.",
            )
        kwargs = {k: v for k, v in kwargs.items() if v is not np._NoValue and k != "out"}
    ours = _ask(function, name)
    try:
        return ours(*args, **kwargs)
    except ClearpropError as error:
        raise placed(error, user_location()) from None
    except TypeError as error:
        if "argument" not in str(error) or error.__traceback__ is None:
            raise
        if error.__traceback__.tb_next is not None:  # raised inside, not by the call itself
            raise
        said = str(error).partition("() ")[2] or error
        refuse(f"{name} was called in a way that is not covered: it {said}.", "Leave that argument out.")


class Traced(NDArrayOperatorsMixin):
    """A value of the graph that is being recorded; made by tracing, never by users."""

    __slots__ = ("recording", "variable")
    __hash__ = None  # type: ignore[assignment]  # == compares element by element

    def __init__(self, variable: Var, recording: Any) -> None:
        self.variable = variable
        self.recording = recording

    # what is known of it

    @property
    def type(self) -> Type:
        """Shape and dtype together."""
        return self.variable.type

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.variable.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self.variable.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.variable.type.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.variable.type.size

    @property
    def T(self) -> Array:
        """All axes reversed."""
        return np.transpose(self)

    @property
    def mT(self) -> Array:
        """The last two axes swapped."""
        return np.swapaxes(self, -1, -2)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<traced {self.type}>"

    def __pow__(self, exponent: Array) -> Array:
        number = type(exponent) is int or (type(exponent) is float and self.dtype.kind == "f")
        if number and exponent == 2:  # as NumPy's ** does
            return np.square(self)
        if number and exponent == 0.5:
            return np.sqrt(self)
        return np.power(self, exponent)

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        """Answer a NumPy ufunc, or one of its methods."""
        if method == "__call__":
            out = kwargs.get("out", (None,))[0]
            if isinstance(out, Traced) and out is args[0] and out.ndim == 0:
                del kwargs["out"]  # NumPy's scalars are immutable: s += 1 makes a new one
            return _call(ufunc, f"np.{ufunc.__name__}", args, kwargs)
        kwargs.setdefault("axis", 0)  # of reduce and accumulate
        return _call((ufunc, method), f"np.{ufunc.__name__}.{method}", args, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Answer a NumPy function."""
        module = function.__module__.replace("numpy", "np", 1)
        return _call(function, f"{module}.{function.__name__}", args, kwargs)

    def __getitem__(self, index: Any) -> Array:
        return _call("getitem", "x[index]", (self, index), {})

    # what only numbers can answer

    def _number(self, asked: str, instead: str) -> NoReturn:
        refuse(
            f"{asked} needs a number, but this value, a traced {self.type}, has none yet: the function is "
            "being recorded, not computed.",
            instead,
        )

    def __bool__(self) -> bool:
        self._number(
            "A Python condition (if, while, and, or, not, assert)",
            "Choose with np.where(condition, a, b), combine with & | ~, or branch on the shape.",
        )

    def __float__(self) -> float:
        self._number(
            "float(x), or a function of Python's math module",
            "Leave float() out; use NumPy's function of the same name.",
        )

    def __int__(self) -> int:
        self._number("int(x)", "Use x.astype(int), or np.floor; give sizes as Python numbers.")

    def __index__(self) -> int:
        self._number(
            "A Python index, range or size",
            "Index an array with cp.gather(array, x); give sizes as Python numbers.",
        )

    def __complex__(self) -> complex:
        self._number("complex(x)", "Compute with real and imaginary parts.")

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        self._number(
            "np.array(x), np.asarray(x), array[x] or another conversion to an array",
            "Leave the conversion out; make an array of traced values with np.stack or np.concatenate; "
            "index an array with cp.gather(array, x).",
        )

    def __setitem__(self, index: Any, value: Any) -> None:
        refuse(
            f"x[i] = v would change an array in place; a traced {self.type} cannot be changed.",
            "Choose elements with np.where(mask, v, x), or build the array with np.concatenate or np.stack.",
        )

    def __contains__(self, item: Any) -> bool:
        self._number("item in x", "Use (x == item).any().")

    def item(self, *args: Any) -> NoReturn:
        """Refuse: there is no number yet."""
        self._number("x.item()", "Use the value itself, or x[i].")

    def tolist(self) -> NoReturn:
        """Refuse: there are no numbers yet."""
        self._number("x.tolist()", "Use the value itself.")

    def __format__(self, spec: str) -> str:
        if spec:
            self._number(f"f'{{x:{spec}}}'", "Print x itself to see its type; return it to see its value.")
        return repr(self)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self._number("Pickling or saving x", "Return it from the function, and save what comes out.")

    # methods, each the NumPy function of its name

    def __copy__(self) -> Array:
        return self

    def __deepcopy__(self, memo: Any) -> Array:
        return self

    def astype(self, dtype: Any, copy: bool = True) -> Array:
        """Convert to another dtype."""
        return _call("astype", "astype", (self, dtype), {})

    def copy(self, order: str = "C") -> Array:
        """Return the value itself: it cannot change."""
        return self

    def reshape(self, *shape: Any, order: str = "C") -> Array:
        """As np.reshape; the shape as one tuple or as several numbers."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)  # type: ignore[call-overload]  # not an array

    def transpose(self, *axes: Any) -> Array:
        """As np.transpose; the axes as one tuple or as several numbers."""
        order = None if not axes else axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return np.transpose(self, order)

    def flatten(self, order: str = "C") -> Array:
        """All elements on one axis."""
        return np.reshape(self, -1, order=order)  # type: ignore[call-overload]  # not an array

    def fill(self, value: Any) -> NoReturn:
        """Refuse: a traced value cannot be changed."""
        self[...] = value
        raise AssertionError

    def sort(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a traced value cannot be changed."""
        refuse("x.sort() would sort in place.", "Write x = np.sort(x).")


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def method(self: Traced, *args: Any, **kwargs: Any) -> Array:
        return function(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"As np.{name}."
    return method


for _name in (
    *("sum", "mean", "var", "std", "prod", "max", "min", "argmax", "argmin", "any", "all", "cumsum"),
    *(
        "argsort",
        "clip",
        "round",
        "squeeze",
        "swapaxes",
        "ravel",
        "take",
        "repeat",
        "diagonal",
        "dot",
        "trace",
    ),
):
    setattr(Traced, _name, _method(_name))
