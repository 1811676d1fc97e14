"""The Primitive: an operation that graphs are made of. A call computes now or records.

The kinds of derivative live with the operations; here is only what every kind must answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .frozen import frozen
from .lowering import Lowering
from .trace import record
from .traced import Traced
from .types import Array, Type

Params = Mapping[str, Any]


class Derivative(ABC):
    """How an operation y = f(x₁, x₂, ...) is differentiated, in both modes.

    ``None`` as a cotangent, a tangent or a result is zero *by mathematics*: no path leads there.
    """

    kind: str

    @abstractmethod
    def vjp(
        self, ct: Array, y: Array, xs: Sequence[Array], params: Params, wanted: Sequence[bool]
    ) -> list[Array | None]:
        """Return ctᵀ ∂y/∂xᵢ for each wanted input (reverse mode)."""

    @abstractmethod
    def jvp(self, ts: Sequence[Array | None], y: Array, xs: Sequence[Array], params: Params) -> Array | None:
        """Return Σᵢ ∂y/∂xᵢ tᵢ (forward mode)."""


class Constant(Derivative):
    """No path: comparisons, argmax, rounding, random bits."""

    kind = "constant"

    def vjp(
        self, ct: Array, y: Array, xs: Sequence[Array], params: Params, wanted: Sequence[bool]
    ) -> list[Array | None]:
        """No input gets a share."""
        return [None] * len(xs)

    def jvp(self, ts: Sequence[Array | None], y: Array, xs: Sequence[Array], params: Params) -> Array | None:
        """Nothing moves."""
        return None


@frozen(eq=False)
class Primitive:
    """An operation with one result.

    Attributes
    ----------
    name : str
        As graphs print it.
    compute : callable
        The meaning, on NumPy arrays: ``compute(*arrays, **params)``.
    typed : callable
        The type rule: ``typed(*types, **params)`` is the Type of the result.
    derivative : Derivative
        Of which kind the derivative is, with its rules.
    lowering : Lowering
        Of which kind the operation is for a compiler.
    prepare : callable or None
        Brings the arguments of a recorded call to what the type rule expects: dtypes promoted,
        broadcasting made explicit.
    """

    name: str
    compute: Callable[..., Any]
    typed: Callable[..., Type]
    derivative: Derivative
    lowering: Lowering
    prepare: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None
    __doc__: str = __doc__

    def __call__(self, *args: Array, **params: Any) -> Array:
        """Compute the result, or record the equation if an argument is traced."""
        for a in args:
            if isinstance(a, Traced):
                return record(self, args, params)
        return self.compute(*args, **params)

    def __repr__(self) -> str:
        return f"<operation {self.name}>"
