"""A gradient checker for users' own functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import GradientError, SettingError
from ..core.types import type_of
from .arguments import Arguments, function_name
from .gradients import jvp, vjp

Leaves = list[np.ndarray[Any, Any]]


def check_grads(
    function: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("rev", "fwd"),
    eps: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    rng: int = 0,
) -> None:
    """Compare derivatives with finite differences in random directions; return if they agree.

    Parameters
    ----------
    function : callable
        Of nested structures of float arrays, to the like, smooth near args.
    args : sequence
        Where to check. In float64 the check is sharp; in float32 it is coarse.
    order : int
        1 checks the derivative, 2 the derivative's derivative too, and so on.
    modes : sequence of {"rev", "fwd"}
        Reverse mode, forward mode, or both.
    eps : float, optional
        Step of the differences, by default 1e-3 (float64) or 3e-2 (float32); fourth-order central.
    rtol, atol : float, optional
        Tolerances, by default 1e-6 in float64 and 1e-2 in float32.
    rng : int
        Seed of the directions.

    Raises
    ------
    GradientError
        If they differ; it names the argument and the element where they differ most.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.check_grads(lambda x: np.sin(x) * x, (np.array([0.3, 1.2]),))
    """
    unknown = set(modes) - {"rev", "fwd"}
    if unknown:
        raise SettingError(f"check_grads(modes={modes!r}): a mode is 'rev' or 'fwd'")
    call = Arguments(function, args, {}, tuple(range(len(args))))
    call.require_floats("check_grads")
    _Check(call, tuple(modes), eps, rtol, atol, np.random.default_rng(rng)).run(order)


class _Check:
    def __init__(
        self,
        call: Arguments,
        modes: tuple[str, ...],
        eps: float | None,
        rtol: float | None,
        atol: float | None,
        rng: np.random.Generator,
    ) -> None:
        coarse = any(leaf.dtype.itemsize < 8 for leaf in call.leaves)
        self.call, self.modes, self.rng = call, modes, rng
        self.given = eps, rtol, atol
        self.eps = eps or (3e-2 if coarse else 1e-3)
        self.rtol = (1e-2 if coarse else 1e-6) if rtol is None else rtol
        self.atol = (1e-2 if coarse else 1e-6) if atol is None else atol
        self.x: Leaves = [np.asarray(leaf) for leaf in call.leaves]
        self.outputs = [np.asarray(y) for y in tree.leaves(call.call(self.x))]
        self.weights = [self._direction(y) if y.dtype.kind == "f" else None for y in self.outputs]

    def run(self, order: int) -> None:
        """Check all modes, then the gradient's own derivative."""
        direction = [self._direction(x) for x in self.x]
        numeric = self._difference(direction)
        for mode in self.modes:
            analytic = self._reverse(direction) if mode == "rev" else self._forward(direction)
            if not np.isclose(analytic, numeric, rtol=self.rtol, atol=self.atol):
                raise GradientError(self._report(mode))
        if order > 1:
            inner = Arguments(self._gradient, self.x, {}, tuple(range(len(self.x))))
            inner.function = _named(self._gradient, f"the gradient of {function_name(self.call.function)}")
            inner.names = self.call.names
            _Check(inner, self.modes, *self.given, self.rng).run(order - 1)

    def _direction(self, like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.asarray(self.rng.standard_normal(like.shape), like.dtype)

    def _outputs(self, *leaves: Any) -> list[Any]:
        results = tree.leaves(self.call.call(leaves))
        return [y for y, w in zip(results, self.weights, strict=True) if w is not None]

    def _kept_weights(self) -> list[Any]:
        return [w for w in self.weights if w is not None]

    def _value(self, leaves: Leaves) -> float:
        ys = self._outputs(*leaves)
        return float(
            sum(np.sum(np.asarray(y, np.float64) * w) for y, w in zip(ys, self._kept_weights(), strict=True))
        )

    def _gradient(self, *leaves: Any) -> Any:
        return vjp(self._outputs, *leaves)[1](self._kept_weights())

    def _reverse(self, direction: Leaves) -> float:
        shares = self._gradient(*self.x)
        return float(
            sum(np.sum(np.asarray(g, np.float64) * d) for g, d in zip(shares, direction, strict=True))
        )

    def _forward(self, direction: Leaves) -> float:
        _, moved = jvp(self._outputs, self.x, direction)
        return float(
            sum(
                np.sum(np.asarray(t, np.float64) * w)
                for t, w in zip(moved, self._kept_weights(), strict=True)
            )
        )

    def _difference(self, direction: Leaves) -> float:
        """(8(f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))) / 12h, right to h⁴."""

        def at(h: float) -> float:
            return self._value([(x + h * d).astype(x.dtype) for x, d in zip(self.x, direction, strict=True)])

        h = self.eps
        return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)

    def _report(self, mode: str) -> str:
        """Return what differs most, element by element."""
        worst: tuple[float, str] = (-1.0, "")
        for n, (name, x) in enumerate(zip(self.call.names, self.x, strict=True)):
            for index in list(np.ndindex(x.shape))[:5000]:
                unit = [np.zeros_like(leaf) for leaf in self.x]
                unit[n][index] = 1
                numeric = self._difference(unit)
                analytic = self._reverse(unit) if mode == "rev" else self._forward(unit)
                gap = abs(analytic - numeric)
                if not gap <= worst[0]:
                    place = f"{name}[{', '.join(map(str, index))}]" if index else name
                    worst = (
                        np.inf if np.isnan(gap) else gap,
                        f"argument {name!r}, {type_of(x)}, differs most at {place}: "
                        f"{'reverse' if mode == 'rev' else 'forward'} mode gives {analytic:.9g}, "
                        f"finite differences give {numeric:.9g}",
                    )
        return (
            f"check_grads of {function_name(self.call.function)}: {worst[1]}\n"
            f"  (step {self.eps:g}, rtol {self.rtol:g}, atol {self.atol:g}). At a kink or a jump finite "
            f"differences are wrong; elsewhere the derivative is."
        )


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def named(*args: Any) -> Any:
        return function(*args)

    named.__name__ = name
    return named
