"""Weights and reductions: from one number a sample to one number.

With lᵢ the losses and wᵢ the weights: "none" gives wᵢ lᵢ, "sum" Σ wᵢ lᵢ, "mean" Σ wᵢ lᵢ / Σ wᵢ. So an
integer weight counts as that many samples, a weight of 0 as none, and a batch without weight has the loss 0.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import ShapeError
from ..core.types import Array, type_of
from .inputs import as_array, like, require_choice


def weigh(weight: Array, losses: Array) -> Array:
    """Return w·l, and 0 where w is 0 and l infinite or NaN: what has no weight cannot spoil a sum."""
    return weight * np.where((weight == 0) & ~np.isfinite(losses), 0, losses)


def reduce(
    loss: str, losses: Array, sample_weight: Array | None, reduction: str, share: Array | None = None
) -> Array:
    """Weigh the losses and reduce them.

    Parameters
    ----------
    loss : str
        The name, for errors.
    losses : float[n, ...]
    sample_weight : array[n] or of more of the losses' leading axes, optional
    reduction : {"mean", "sum", "none"}
    share : array like losses, optional
        Weights that the losses contain already, such as those of their classes.
    """
    require_choice(loss, "reduction", reduction, ("mean", "sum", "none"))
    weight = None if sample_weight is None else _aligned(loss, sample_weight, losses)
    if weight is not None:
        losses = weigh(weight, losses)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return np.sum(losses)
    if losses.size == 0:
        raise ShapeError(f"{loss}: the mean of no samples is not defined: the losses are {type_of(losses)}")
    if weight is None and share is None:
        return np.mean(losses)
    weights = share if weight is None else weight if share is None else weight * share
    total: Array = np.sum(np.broadcast_to(weights, losses.shape))  # type: ignore[arg-type]  # one is not None
    return np.sum(losses) / np.where(total == 0, 1, total)


def _aligned(loss: str, sample_weight: Array, losses: Array) -> Array:
    """Return the weights in the losses' dtype, with axes of length 1 for those that they lack."""
    weight = as_array(sample_weight, f"{loss}: sample_weight")
    missing = losses.ndim - weight.ndim
    if weight.shape != losses.shape[: weight.ndim] or (weight.ndim == 0) != (losses.ndim == 0):
        raise ShapeError(
            f"{loss}: sample_weight is {type_of(weight)}, but there are losses {type_of(losses)}: "
            f"give one weight a sample, shape [{losses.shape[0] if losses.ndim else ''}]"
            + (", or one a loss" if losses.ndim > 1 else "")
        )
    return like(np.reshape(weight, (*weight.shape, *[1] * missing)), losses)
