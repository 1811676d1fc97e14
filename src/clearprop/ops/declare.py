"""How an operation is declared: the body is its NumPy meaning, the decorator the kind of its derivative.

| kind         | you write                                             | vjp and jvp    |
|--------------|-------------------------------------------------------|----------------|
| elementwise  | the partials ∂y/∂xᵢ, as functions of y and the xs     | both follow    |
| linear       | the transpose in each argument; linear in all at once | both follow    |
| multilinear  | the transpose in each argument; linear in each        | both follow    |
| by_hand      | vjp and jvp                                           | as given       |
| constant     | nothing                                               | no path        |

``None`` in place of a partial or a transpose says zero by mathematics: no path leads there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any

import numpy as np

from ..core.errors import DTypeError
from ..core.frozen import frozen
from ..core.lowering import Lowering, Map
from ..core.primitive import Constant, Derivative, Params, Primitive
from ..core.traced import NUMPY, Traced
from ..core.types import Array, Type, broadcast_shapes, is_float, require_supported, shape_of

Rule = Callable[..., Any]
Decorator = Callable[[Callable[..., Any]], Primitive]

PRIMITIVES: dict[str, Primitive] = {}
"""Every operation that graphs are made of, by name."""


def declare(
    compute: Callable[..., Any],
    typed: Callable[..., Type],
    derivative: Derivative,
    lowering: Lowering,
    prepare: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None,
    name: str = "",
) -> Primitive:
    """Make a Primitive of a NumPy function and enter it into the table."""
    primitive = Primitive(
        name or compute.__name__, compute, typed, derivative, lowering, prepare, compute.__doc__ or ""
    )
    if primitive.name in PRIMITIVES:
        raise ValueError(f"an operation named {primitive.name} is declared already")
    PRIMITIVES[primitive.name] = primitive
    return primitive


# ---- elementwise


def chain(ct: Array, slope: Array) -> Array:
    """ct · slope, the product of the chain rule; a constant slope of ±1 needs no product."""
    if isinstance(slope, int) and slope == 1:
        return ct
    if isinstance(slope, int) and slope == -1:
        return -ct
    return PRIMITIVES["chain"](ct, slope)


@frozen
class Elementwise(Derivative):
    """y depends on each x in its own element only; the partials say how."""

    partials: tuple[Rule | None, ...]
    kind = "elementwise"

    def vjp(
        self, ct: Array, y: Array, xs: Sequence[Array], params: Params, wanted: Sequence[bool]
    ) -> list[Array | None]:
        """ct · ∂y/∂xᵢ."""
        return [
            chain(ct, partial(y, *xs, **params)) if partial and want else None
            for partial, want in zip(self.partials, wanted, strict=True)
        ]

    def jvp(self, ts: Sequence[Array | None], y: Array, xs: Sequence[Array], params: Params) -> Array | None:
        """Σ tᵢ · ∂y/∂xᵢ."""
        terms = [
            chain(t, partial(y, *xs, **params))
            for partial, t in zip(self.partials, ts, strict=True)
            if partial and t is not None
        ]
        return total(terms)


def total(terms: Sequence[Array | None]) -> Array | None:
    """Return the sum of the terms that are not None; None if none is left."""
    result = None
    for term in terms:
        if term is not None:
            result = term if result is None else result + term
    return result


def elementwise(
    *partials: Rule | None, like: np.ufunc | None = None, name: str = "", numpy: Any = ()
) -> Decorator:
    """Declare an elementwise operation by its partials, one for each argument.

    Parameters
    ----------
    *partials : function or None
        ``partial(y, *xs, **params)`` is ∂y/∂xᵢ, written with operations; ±1 for a constant slope.
    like : numpy ufunc, optional
        Whose dtype rules the operation follows; by default those of NumPy's function of its name.
    numpy : function or tuple of functions, optional
        NumPy's functions that this operation is, if not the one of its name.
    """

    def decorate(compute: Callable[..., Any]) -> Primitive:
        own = getattr(np, name or compute.__name__, None)
        ufunc = like or (own if isinstance(own, np.ufunc) else np.exp)
        derivative: Derivative = Elementwise(partials) if any(partials) else Constant()
        arity = len(partials)
        primitive = declare(
            compute,
            _elementwise_type(ufunc),
            derivative,
            Map(name or compute.__name__),
            broadcaster(ufunc, arity),
            name,
        )

        @wraps(compute)
        def on_traced(*args: Array) -> Array:  # without keywords: dtype= and where= are refused
            return primitive(*args)

        for function in numpy if isinstance(numpy, tuple) else (numpy,):
            NUMPY[function] = on_traced
        if own is not None and not numpy:
            NUMPY[own] = on_traced
        return primitive

    return decorate


@lru_cache(maxsize=4096)
def loop(ufunc: np.ufunc, *dtypes: Any) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes that NumPy's loop takes and, last, gives; Python's int and float adapt."""
    try:
        return ufunc.resolve_dtypes((*dtypes, *[None] * ufunc.nout))
    except TypeError:
        given = ", ".join(getattr(d, "__name__", str(d)) for d in dtypes)
        raise DTypeError(f"np.{ufunc.__name__} is not defined for {given}; convert with .astype") from None


def _elementwise_type(ufunc: np.ufunc) -> Callable[..., Type]:
    def typed(*types: Type, **params: Any) -> Type:
        dtype, last = loop(ufunc, *[t.dtype for t in types])[-1], types[-1]
        return last if dtype == last.dtype else Type(last.shape, dtype)

    return typed


def broadcaster(ufunc: np.ufunc, arity: int) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return what promotes the arguments as the ufunc does and broadcasts them to one shape."""

    def prepare(args: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(args) != arity:
            raise TypeError(f"np.{ufunc.__name__} takes {arity} arguments, not {len(args)}")
        dtypes = loop(ufunc, *map(weak_dtype, args))
        shape = broadcast_shapes([shape_of(a) for a in args], ufunc.__name__)
        return tuple([fit(a, dtype, shape) for a, dtype in zip(args, dtypes, strict=False)])

    return prepare


def weak_dtype(value: Any) -> Any:
    """Return what NumPy's promotion should see: Python's int or float itself, or the dtype."""
    if isinstance(value, Traced):
        return value.dtype
    if type(value) in (int, float):
        return type(value)
    dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
    require_supported(dtype, "An argument of a traced operation")
    return dtype


def as_array(value: Any) -> Array:
    """Return an array or a traced value as it is, lists and numbers as an array."""
    return value if hasattr(value, "dtype") and hasattr(value, "shape") else np.asarray(value)


def as_float(value: Array) -> Array:
    """Return the value as an array of floats; Python numbers, booleans and integers become float64."""
    array = as_array(value)
    return array if array.dtype.kind == "f" else array.astype(np.dtype(np.float64))


def fit(value: Array, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Return the value with this dtype and, made explicit, this shape; constants are converted at once."""
    if not isinstance(value, Traced):
        array = np.asarray(value, dtype)
        return array if array.shape == shape else np.broadcast_to(array, shape)
    if value.dtype != dtype:
        value = PRIMITIVES["astype"](value, dtype=dtype)
    if value.shape != shape:
        value = PRIMITIVES["broadcast_to"](value, shape=shape)
    return value


# ---- linear and multilinear


@frozen
class Linear(Derivative):
    """f is linear in all arguments that have a transpose, taken together: f(a + b) = f(a) + f(b)."""

    transposes: tuple[Rule | None, ...]
    call: Callable[..., Any]
    kind = "linear"

    def vjp(
        self, ct: Array, y: Array, xs: Sequence[Array], params: Params, wanted: Sequence[bool]
    ) -> list[Array | None]:
        """The transpose of f in xᵢ, applied to ct."""
        return [
            self.transpose(i, ct, xs, params) if want else None for i, want in enumerate(wanted[: len(xs)])
        ]

    def transpose(self, i: int, ct: Array, xs: Sequence[Array], params: Params) -> Array | None:
        """Apply the transpose in argument i; the last one serves all further arguments."""
        rule = self.transposes[min(i, len(self.transposes) - 1)]
        if rule is None:
            return None
        if len(self.transposes) < len(xs):
            return rule(i, ct, *xs, **params)
        return rule(ct, *xs, **params)

    def jvp(self, ts: Sequence[Array | None], y: Array, xs: Sequence[Array], params: Params) -> Array | None:
        """f(t), with zeros for the arguments that do not move."""
        movable = [
            is_float(x.dtype) and self.transposes[min(i, len(self.transposes) - 1)] is not None
            for i, x in enumerate(xs)
        ]  # an index stays what it is
        if not any(m and t is not None for m, t in zip(movable, ts, strict=True)):
            return None
        moved = [
            (np.zeros(x.shape, x.dtype) if t is None else t) if m else x
            for m, t, x in zip(movable, ts, xs, strict=True)
        ]
        return self.call(*moved, **params)


@frozen
class Multilinear(Linear):
    """f is linear in each argument while the others stay: a product."""

    kind = "multilinear"

    def jvp(self, ts: Sequence[Array | None], y: Array, xs: Sequence[Array], params: Params) -> Array | None:
        """Σᵢ f(x₁, ..., tᵢ, ...)."""
        return total(
            [
                self.call(*xs[:i], t, *xs[i + 1 :], **params)
                for i, (t, rule) in enumerate(zip(ts, self.transposes, strict=True))
                if rule is not None and t is not None
            ]
        )


def _linear(kind: type[Linear], transposes: tuple[Rule | None, ...], **options: Any) -> Decorator:
    def decorate(compute: Callable[..., Any]) -> Primitive:
        def call(*args: Any, **params: Any) -> Any:
            return primitive(*args, **params)

        primitive = declare(compute, derivative=kind(transposes, call), **options)
        return primitive

    return decorate


def linear(
    *transposes: Rule | None,
    typed: Callable[..., Type],
    lowering: Lowering,
    name: str = "",
    prepare: Any = None,
) -> Decorator:
    """Declare an operation linear in its arguments together; ``transpose(ct, *xs, **params)`` for each.

    If there are more arguments than transposes, one rule serves all: ``transpose(i, ct, *xs, **params)``.
    """
    return _linear(Linear, transposes, typed=typed, lowering=lowering, name=name, prepare=prepare)


def multilinear(
    *transposes: Rule | None,
    typed: Callable[..., Type],
    lowering: Lowering,
    name: str = "",
    prepare: Any = None,
) -> Decorator:
    """Declare an operation linear in each argument: ``transpose(ct, *xs, **params)`` for each."""
    return _linear(Multilinear, transposes, typed=typed, lowering=lowering, name=name, prepare=prepare)


# ---- the rest


@frozen
class ByHand(Derivative):
    """Both rules written out, for one argument."""

    reverse: Rule
    forward: Rule
    kind = "by hand"

    def vjp(
        self, ct: Array, y: Array, xs: Sequence[Array], params: Params, wanted: Sequence[bool]
    ) -> list[Array | None]:
        """The rule as given."""
        return [self.reverse(ct, y, *xs, **params)]

    def jvp(self, ts: Sequence[Array | None], y: Array, xs: Sequence[Array], params: Params) -> Array | None:
        """The rule as given."""
        return self.forward(ts[0], y, *xs, **params)


def by_hand(
    vjp: Rule, jvp: Rule, *, typed: Callable[..., Type], lowering: Lowering, name: str = ""
) -> Decorator:
    """Declare an operation of one argument by ``vjp(ct, y, x, **params)`` and ``jvp(t, y, x, **params)``."""

    def decorate(compute: Callable[..., Any]) -> Primitive:
        return declare(compute, typed, ByHand(vjp, jvp), lowering, name=name)

    return decorate


def constant(*, typed: Callable[..., Type], lowering: Lowering, name: str = "") -> Decorator:
    """Declare an operation through which no path leads."""

    def decorate(compute: Callable[..., Any]) -> Primitive:
        return declare(compute, typed, Constant(), lowering, name=name)

    return decorate


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as what NumPy's functions do on traced values."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for numpy_function in functions:
            NUMPY[numpy_function] = function
        return function

    return decorate
