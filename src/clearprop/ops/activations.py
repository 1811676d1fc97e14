"""Activation functions, for arrays and in networks alike. All keep shape and dtype of floats."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..core.errors import SettingError
from ..core.traced import Traced
from ..core.types import Array
from .declare import as_float
from .pointwise import with_slope
from .special import elu_of, erf_of, leaky_relu_of, relu_of, sigmoid_of, softplus_of


def identity(x: Array) -> Array:
    """Return x itself: the activation of a linear layer.

    >>> identity(3.0)
    3.0
    """
    return x


def sigmoid(x: Array) -> Array:
    """Return σ(x) = 1/(1 + e⁻ˣ), with σ′ = σ(1 − σ).

    Right to the last digits for any x: σ(−1e4) is 0, σ(1e4) is 1.

    >>> sigmoid(0.0)
    np.float64(0.5)
    """
    return sigmoid_of(as_float(x))


def log_sigmoid(x: Array) -> Array:
    """Return log σ(x) = −log(1 + e⁻ˣ), exact where σ(x) underflows.

    >>> log_sigmoid(-1000.0)
    np.float64(-1000.0)
    """
    return -softplus_of(-as_float(x))


def softplus(x: Array) -> Array:
    """Return log(1 + eˣ), the smooth ReLU, with slope σ(x).

    >>> softplus(1000.0)
    np.float64(1000.0)
    """
    return softplus_of(as_float(x))


def tanh(x: Array) -> Array:
    """Return tanh x, with slope 1 − y². The same as np.tanh.

    >>> tanh(0.0)
    np.float64(0.0)
    """
    return np.tanh(as_float(x))


def relu(x: Array) -> Array:
    """Return max(x, 0), with slope 1 for x > 0 and 0 for x ≤ 0.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return relu_of(as_float(x))


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """Return x for x > 0 and negative_slope·x for x ≤ 0.

    Maas, Hannun, Ng: "Rectifier nonlinearities improve neural network acoustic models" (2013).

    >>> leaky_relu(np.array([-1.0, 2.0]), 0.1)
    array([-0.1,  2. ])
    """
    return leaky_relu_of(as_float(x), negative_slope=float(negative_slope))


def elu(x: Array, alpha: float = 1.0) -> Array:
    """Return x for x > 0 and α(eˣ − 1) for x ≤ 0.

    Clevert, Unterthiner, Hochreiter: "Fast and accurate deep network learning by ELUs" (2016), eq. 15.

    >>> elu(np.array([-100.0, 2.0]))
    array([-1.,  2.])
    """
    return elu_of(as_float(x), alpha=float(alpha))


def silu(x: Array) -> Array:
    """Return x·σ(x), also named swish.

    >>> silu(0.0)
    np.float64(0.0)
    """
    x = as_float(x)
    s = sigmoid_of(x)
    return _given(x * s, x, lambda: s + x * (s * (1 - s)))


def erf(x: Array) -> Array:
    """Return the error function 2/√π ∫₀ˣ e^(−t²) dt.

    >>> erf(np.array([0.0, 1.0]))
    array([0.        , 0.84270079])
    """
    return erf_of(as_float(x))


def gelu(x: Array, approximate: str = "none") -> Array:
    """Return x·Φ(x), with Φ the normal distribution function.

    Hendrycks, Gimpel: "Gaussian error linear units" (2016).

    Parameters
    ----------
    x : float[...]
    approximate : {"none", "tanh"}
        "none" computes Φ by erf; "tanh" as ½(1 + tanh(√(2/π)(x + 0.044715x³))).

    >>> gelu(np.array([1.0])), gelu(np.array([1.0]), "tanh")
    (array([0.84134475]), array([0.84119199]))
    """
    x = as_float(x)
    if approximate == "none":
        phi = 0.5 * (1 + erf_of(x * math.sqrt(0.5)))
        return _given(x * phi, x, lambda: phi + x * (np.exp(-0.5 * x * x) * math.sqrt(0.5 / math.pi)))
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    raise SettingError(f"gelu(approximate={approximate!r}): must be 'none' or 'tanh'")


def _given(y: Array, x: Array, slope: Callable[[], Array]) -> Array:
    """Return y, a function of x, with its slope: one array to keep for the error, where the parts would be several."""
    return with_slope(y, x, slope()) if isinstance(x, Traced) else y
