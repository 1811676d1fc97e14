"""The entries of a ledger: a path, and the partial derivatives on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Factor:
    """One partial derivative on a path.

    Attributes
    ----------
    above, below : str
        ∂above/∂below: ``"z²[0]"``, ``"a¹[0]"``.
    value : float
    means : str
        What the number is, where that is known: ``"W²[0,0]"``, ``"sigmoid′(z²[0])"``; else "".
    """

    above: str
    below: str
    value: float
    means: str = ""

    @property
    def symbol(self) -> str:
        """∂above/∂below."""
        return f"∂{self.above}/∂{self.below}"


@dataclass(frozen=True)
class Path:
    """One way from an element to the loss.

    Attributes
    ----------
    stops : tuple of str
        What lies on it, from the element to L.
    factors : tuple of Factor
        One for each step.
    product : float
        Of the factors: what this path adds to the gradient.
    """

    stops: tuple[str, ...]
    factors: tuple[Factor, ...]
    product: float

    def __str__(self) -> str:
        numbers = " · ".join(f"{factor.value:.6g}" for factor in self.factors)
        return f"{' → '.join(self.stops)}\n    {numbers} = {self.product:+.6g}"
