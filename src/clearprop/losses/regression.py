"""Losses of predicted numbers: squares, absolute values, Huber's blend of both, and counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.types import Array
from .inputs import matched, positive, require_between
from .reduction import reduce


def mean_squared_error(
    prediction: Array, target: Any, *, sample_weight: Any = None, reduction: str = "mean"
) -> Array:
    """Return the mean of (a − y)² over all elements, with the slope 2(a − y)/N.

    Parameters
    ----------
    prediction : float[n, ...]
        a. The loss is computed in its dtype.
    target : array[n, ...]
        y, of the same shape; any dtype.
    sample_weight : array[n], optional
        w ≥ 0, one a sample, or one an element.
    reduction : {"mean", "sum", "none"}
        Over the N elements l = (a − y)²: "mean" Σ w l / Σ w, 0 if all weights are 0; "sum" Σ w l;
        "none" w l, shaped like prediction.

    Raises
    ------
    ShapeError
        If the shapes differ: [n,1] against [n] is not broadcast.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.losses.mean_squared_error(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    np.float64(2.5)
    """
    prediction, target = matched("mean_squared_error", prediction, target)
    return reduce("mean_squared_error", np.square(prediction - target), sample_weight, reduction)


def half_squared_error(
    prediction: Array, target: Any, *, sample_weight: Any = None, reduction: str = "mean"
) -> Array:
    """Return ½‖y − a‖², the mean over samples of half the sum over outputs, with the slope (a − y)/n.

    The quadratic cost C of Nielsen, "Neural Networks and Deep Learning" (2015), eq. 6, and of many
    derivations: the error of a linear output is a − y, without a factor.

    Parameters
    ----------
    prediction : float[n, ...] or float[]
        a. The first axis is samples, all others are outputs; of one axis, each element is a sample.
    target : array[n, ...]
        y, of the same shape; any dtype.
    sample_weight : array[n], optional
        w ≥ 0, one a sample.
    reduction : {"mean", "sum", "none"}
        Over the n samples l = ½‖y − a‖²: "mean" Σ w l / Σ w, 0 if all weights are 0; "sum" Σ w l;
        "none" w l, of shape [n].

    Raises
    ------
    ShapeError
        If the shapes differ: [n,1] against [n] is not broadcast.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.losses.half_squared_error(np.array([[1.0, 2.0], [0.0, 0.0]]), np.zeros((2, 2)))
    np.float64(1.25)
    """
    prediction, target = matched("half_squared_error", prediction, target)
    outputs = tuple(range(1, prediction.ndim))
    losses = 0.5 * np.sum(np.square(prediction - target), axis=outputs)
    return reduce("half_squared_error", losses, sample_weight, reduction)


def mean_absolute_error(
    prediction: Array, target: Any, *, sample_weight: Any = None, reduction: str = "mean"
) -> Array:
    """Return the mean of |a − y| over all elements, with the slope sign(a − y)/N: 0 where a = y.

    Parameters
    ----------
    prediction : float[n, ...]
        a. The loss is computed in its dtype.
    target : array[n, ...]
        y, of the same shape; any dtype.
    sample_weight : array[n], optional
        w ≥ 0, one a sample, or one an element.
    reduction : {"mean", "sum", "none"}
        Over the N elements l = |a − y|: "mean" Σ w l / Σ w, 0 if all weights are 0; "sum" Σ w l;
        "none" w l, shaped like prediction.

    Raises
    ------
    ShapeError
        If the shapes differ: [n,1] against [n] is not broadcast.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.losses.mean_absolute_error(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    np.float64(1.5)
    """
    prediction, target = matched("mean_absolute_error", prediction, target)
    return reduce("mean_absolute_error", np.abs(prediction - target), sample_weight, reduction)


def huber(
    prediction: Array, target: Any, *, delta: float = 1.0, sample_weight: Any = None, reduction: str = "mean"
) -> Array:
    """Return the mean of ½r² where |r| ≤ δ, else δ(|r| − ½δ), with r = a − y and the slope clip(r, −δ, δ)/N.

    Value and slope are continuous at |r| = δ; the second derivative falls there from 1 (taken at δ itself)
    to 0. Huber, "Robust estimation of a location parameter" (1964).

    Parameters
    ----------
    prediction : float[n, ...]
        a. The loss is computed in its dtype.
    target : array[n, ...]
        y, of the same shape; any dtype.
    delta : float
        δ > 0, in the units of the target.
    sample_weight : array[n], optional
        w ≥ 0, one a sample, or one an element.
    reduction : {"mean", "sum", "none"}
        Over the N elements l: "mean" Σ w l / Σ w, 0 if all weights are 0; "sum" Σ w l; "none" w l, shaped
        like prediction.

    Raises
    ------
    ShapeError
        If the shapes differ: [n,1] against [n] is not broadcast.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.losses.huber(np.array([1.0, 10.0]), np.array([0.0, 0.0]), reduction="none")
    array([0.5, 9.5])
    """
    prediction, target = matched("huber", prediction, target)
    delta = positive("huber", "delta", delta)
    residual = prediction - target
    slope = np.clip(residual, -delta, delta)
    return reduce("huber", slope * (residual - 0.5 * slope), sample_weight, reduction)


def poisson(
    prediction: Array,
    target: Any,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    sample_weight: Any = None,
    reduction: str = "mean",
) -> Array:
    """Return the mean of e^a − y·a, the negative log-likelihood of counts y at the rates e^a, less log y!.

    The slope is (e^a − y)/N: like that of cross_entropy, a mean minus an observation.

    Parameters
    ----------
    prediction : float[n, ...]
        a, the logarithms of the rates; with log_input=False the rates themselves.
    target : array[n, ...]
        y ≥ 0, counts, of the same shape; any dtype.
    log_input : bool
        False takes the loss a − y·log(a + eps) of rates a ≥ 0.
    full : bool
        Add Stirling's approximation of log y!, y·log y − y + ½ log(2πy), where y > 1. It does not depend on
        the prediction.
    eps : float
        Keeps the logarithm of a rate of 0 finite; no part in the loss with log_input=True.
    sample_weight : array[n], optional
        w ≥ 0, one a sample, or one an element.
    reduction : {"mean", "sum", "none"}
        Over the N elements l: "mean" Σ w l / Σ w, 0 if all weights are 0; "sum" Σ w l; "none" w l, shaped
        like prediction.

    Raises
    ------
    ShapeError
        If the shapes differ: [n,1] against [n] is not broadcast.
    DataError
        If a count, or a rate, is negative.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.losses.poisson(np.array([0.0, 0.0]), np.array([3, 0]))
    np.float64(1.0)
    >>> cp.losses.poisson(np.array([2.0]), np.array([2]), log_input=False).round(4)
    np.float64(0.6137)
    """
    prediction, target = matched("poisson", prediction, target)
    require_between(0, math.inf, target, "poisson: the target", "counts are not negative")
    if log_input:
        losses = np.exp(prediction) - target * prediction
    else:
        way = "rates are not negative; pass their logarithms with log_input=True, the default"
        require_between(0, math.inf, prediction, "poisson: the prediction", way)
        losses = prediction - target * np.log(prediction + positive("poisson", "eps", eps))
    if full:
        losses = losses + _stirling(target)
    return reduce("poisson", losses, sample_weight, reduction)


def _stirling(y: Array) -> Array:
    """Return y·log y − y + ½ log(2πy) where y > 1, else 0."""
    above = np.where(y > 1, y, 1)
    return np.where(y > 1, above * np.log(above) - above + 0.5 * np.log(2 * math.pi * above), 0)
