"""L-BFGS for full batches: SciPy's, turned from a call with callbacks into a generator of iterations."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..core import tree
from ..core.errors import DTypeError, MissingError
from ..core.types import Array, is_float, type_of
from .conversation import Conversation
from .domains import Count, NonNegative, Settings
from .matching import array, paired

ValueAndGradient: TypeAlias = Callable[[tree.Tree], tuple[Any, tree.Tree]]
"""Of the parameters: the value to be minimised and its gradient, as cp.value_and_grad makes it."""

Iterations: TypeAlias = Generator[tuple[tree.Tree, float], None, str]
"""Yields the parameters and the value after each iteration; returns why it ended, in SciPy's words."""


@dataclass(frozen=True)
class LBFGS(Settings):
    """Newton's method with the curvature of the last few steps, and a line search: for all rows at once.

    Parameters
    ----------
    max_iterations : int, optional
        None means until it converges or the consumer stops.
    history_size : int
        How many steps the curvature is estimated from.
    tolerance_grad : float
        Converged when no element of the gradient is larger than this.
    tolerance_change : float
        Converged when the value falls by at most this, relative to max(|value|, 1).
    max_line_search : int
        Evaluations in one line search.
    max_evaluations : int, optional
        In all; checked after each iteration.

    Notes
    -----
    Liu, Nocedal: "On the limited memory BFGS method for large scale optimization" (1989), in SciPy's
    implementation, which the extra ``clearprop[lbfgs]`` brings. It computes in float64 and asks for values at
    parameters of their own dtypes: float64 parameters let it converge further. Mini-batches or dropout
    break it, since the value must be the same function at every call.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> def rosenbrock(w):
    ...     return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    >>> for w, value in LBFGS().iterate(cp.value_and_grad(rosenbrock), np.array([-1.2, 1.0])):
    ...     pass
    >>> np.round(w, 3)
    array([1., 1.])
    """

    _: KW_ONLY
    max_iterations: Count | None = None
    history_size: Count = 10
    tolerance_grad: NonNegative = 1e-5
    tolerance_change: NonNegative = 1e-9
    max_line_search: Count = 20
    max_evaluations: Count | None = None

    def iterate(self, function: ValueAndGradient, params: tree.Tree) -> Iterations:
        """Minimise a function of the parameters, one iteration at a time.

        Parameters
        ----------
        function : callable
            ``function(params)`` is (value, gradient); a parameter without a gradient stays as it is.
        params : nested structure of arrays
            Where to start; leaves that hold no floats stay as they are.

        Returns
        -------
        generator
            Yields (params, value) after each iteration, nothing if the start has no slope. Closing it early
            ends SciPy's thread. Its return value says why it ended.

        Raises
        ------
        ClearpropError
            If SciPy is not installed. What the function raises comes out of the generator, and ends it.
        """
        try:
            from scipy.optimize import minimize
        except ImportError:
            raise MissingError(
                "LBFGS needs SciPy, which is not installed; install it with: pip install clearprop[lbfgs]"
            ) from None
        return _iterations(minimize, self._options(), function, params)

    def _options(self) -> dict[str, Any]:
        return {
            "maxcor": self.history_size,
            "gtol": self.tolerance_grad,
            "ftol": self.tolerance_change,
            "maxls": self.max_line_search,
            "maxiter": self.max_iterations or sys.maxsize,
            "maxfun": self.max_evaluations or sys.maxsize,
        }


class _Iterated(NamedTuple):
    """What SciPy reports after an iteration."""

    x: Array
    value: float


def _iterations(
    minimize: Callable[..., Any], options: dict[str, Any], function: ValueAndGradient, params: tree.Tree
) -> Iterations:
    start = _packed(params)

    def solve(ask: Callable[[Any], Any]) -> str:
        def report(intermediate_result: Any) -> None:  # SciPy goes by the argument's name
            ask(_Iterated(intermediate_result.x, float(intermediate_result.fun)))

        outcome = minimize(ask, start, jac=True, method="L-BFGS-B", callback=report, options=options)
        return str(outcome.message)

    with Conversation(solve) as conversation:
        for question in conversation:
            if isinstance(question, _Iterated):
                yield _unpacked(question.x, params), question.value
                conversation.answer(None)
            else:
                conversation.answer(_value_and_slopes(function, _unpacked(question, params)))
        return conversation.result


def _value_and_slopes(function: ValueAndGradient, params: tree.Tree) -> tuple[float, Array]:
    value, gradients = function(params)
    slopes = [np.zeros(np.shape(p), p.dtype) if g is None else g for _, p, g in paired(params, gradients)]
    return float(value), _packed(slopes)


def _packed(params: tree.Tree) -> Array:
    """Return all floats of a tree as one float64 vector."""
    floats = [np.ravel(p) for p in map(array, tree.leaves(params)) if is_float(p.dtype)]
    if not floats:
        raise DTypeError("LBFGS: the parameters hold no float array, so there is nothing to minimise over")
    return np.concatenate(floats, dtype=np.float64)


def _unpacked(x: Array, params: tree.Tree) -> tree.Tree:
    """Return params with its floats taken from the vector, in their own dtypes."""
    position = 0

    def take(leaf: Array) -> Array:
        nonlocal position
        type = type_of(leaf)
        if not is_float(type.dtype):
            return leaf
        position += type.size
        return x[position - type.size : position].reshape(type.shape).astype(type.dtype)

    return tree.map(take, params)
