"""Random numbers from counters: the same key gives the same numbers, today and in every later version.

Philox-4x32 with ten rounds (J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). A key
is two 32-bit words. The stream of a key is the encryption of 0, 1, 2, ...; ``fold_in`` makes new keys.

>>> from clearprop import random
>>> random.uniform(random.key(0), (2,))
array([0.39904642, 0.88052016], dtype=float32)
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from ..core.errors import DTypeError, ShapeError
from ..core.lowering import Draw
from ..core.traced import Traced
from ..core.types import Array, Type, type_of
from .declare import PRIMITIVES, constant

__all__ = ["bernoulli", "bits", "fold_in", "key", "normal", "permutation", "split", "uniform"]

_ROUNDS = 10
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_MASK = 0xFFFFFFFF


def philox(counter: tuple[Array, ...], key: tuple[int, int]) -> tuple[Array, ...]:
    """Encrypt counters of four 32-bit words, held in uint64 arrays or Python's integers, with a key of two."""
    a, b, c, d = counter
    for r in range(_ROUNDS):
        k0, k1 = ((word + r * weyl) & _MASK for word, weyl in zip(key, _WEYL, strict=True))
        p, q = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (q >> 32) ^ b ^ k0, q & _MASK, (p >> 32) ^ d ^ k1, p & _MASK
    return a, b, c, d


def _bits_type(key: Type, word: Type, *, shape: tuple[int, ...], domain: int) -> Type:
    if key != Type((2,), np.uint32):
        raise DTypeError(f"a random key is u32[2], as cp.random.key(seed) makes it, not {key}")
    return Type(shape, np.uint32)


@constant(typed=_bits_type, lowering=Draw())
def random_bits(key: Array, word: Array, *, shape: tuple[int, ...], domain: int) -> Array:
    """32 random bits an element: element 4n + i is word i of the encrypted counter (n, word, domain)."""
    if type_of(key) != Type((2,), np.uint32):
        _bits_type(type_of(key), type_of(word), shape=shape, domain=domain)
    size = math.prod(shape)
    # few are quicker as Python's integers
    block = np.arange((size + 3) // 4, dtype=np.uint64) if size > 4 else 0
    counter = (block & _MASK, block >> 32, int(word) & _MASK, domain)
    words = philox(counter, (int(key[0]), int(key[1])))
    return np.stack(words, axis=-1).reshape(-1)[:size].reshape(shape).astype(np.uint32)


# ---- keys


def key(seed: int) -> np.ndarray[Any, Any]:
    """Return the key of a seed, an integer of at most 64 bits.

    Returns
    -------
    u32[2]

    >>> key(7)
    array([7, 0], dtype=uint32)
    """
    number = int(seed) & 0xFFFFFFFFFFFFFFFF
    return np.array([number & _MASK, number >> 32], np.uint32)


def as_key(rng: Any) -> Array:
    """Return the key that an ``rng`` argument means: a seed, a key itself, or a NumPy Generator's draw."""
    loaded = sys.modules.get("numpy.random")  # it takes long to load, and without it there is no Generator
    if loaded is not None and isinstance(rng, loaded.Generator):
        return key(int(rng.integers(2**63)))
    return key(rng) if np.ndim(rng) == 0 else rng


def fold_in(key: Array, number: Array) -> Array:
    """Return another key, made of a key and a 32-bit integer: for a layer, a step, an epoch.

    >>> bool((fold_in(key(0), 1) == fold_in(key(0), 2)).any())
    False
    """
    return random_bits(key, number, shape=(2,), domain=1)


def split(key: Array, n: int = 2) -> list[Array]:
    """Return n independent keys."""
    return [fold_in(key, i) for i in range(n)]


# ---- distributions


def bits(key: Array, shape: tuple[int, ...] = ()) -> Array:
    """Return random bits, as u32[shape]."""
    return random_bits(key, np.uint32(0), shape=_shape(shape), domain=0)


def _shape(shape: Any) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in shape) if isinstance(shape, (tuple, list)) else (int(shape),)
    if any(n < 0 for n in sizes):
        raise ShapeError(f"random numbers of shape {list(sizes)}: sizes cannot be negative")
    return sizes


def uniform(
    key: Array, shape: tuple[int, ...] = (), low: float = 0.0, high: float = 1.0, dtype: Any = np.float32
) -> Array:
    """Return numbers spread evenly over [low, high): as many random bits each as the dtype holds.

    >>> x = uniform(key(1), (1000,), -1, 1)
    >>> bool((x >= -1).all() and (x < 1).all())
    True
    """
    target, sizes = np.dtype(dtype), _shape(shape)
    if target == np.float64:
        words = bits(key, (*sizes, 2))
        high_part = np.astype(np.floor_divide(words[..., 0], np.uint32(2**5)), target)
        low_part = np.astype(np.floor_divide(words[..., 1], np.uint32(2**6)), target)
        unit = (high_part * 2.0**26 + low_part) * 2.0**-53
    elif target.kind == "f" and target.itemsize < 8:
        digits = np.finfo(target).nmant + 1
        words = np.floor_divide(bits(key, sizes), np.uint32(2 ** (32 - digits)))
        unit = np.astype(words, target) * 2.0**-digits
    else:
        raise DTypeError(f"uniform(dtype={target}): must be a float dtype")
    return _moved(unit, low, high - low)


def _moved(unit: Array, by: Array, scale: Array) -> Array:
    """Return by + scale · unit, where it is not unit itself; both may be arrays and traced."""
    is_unit = all(isinstance(n, (int, float)) for n in (by, scale)) and (by, scale) == (0, 1)
    return unit if is_unit else by + scale * unit


def normal(
    key: Array, shape: tuple[int, ...] = (), mean: float = 0.0, std: float = 1.0, dtype: Any = np.float32
) -> Array:
    """Return numbers of the normal distribution (Box and Muller, 1958): √(−2 log u)·cos 2πv.

    >>> float(abs(normal(key(1), (100000,)).mean())) < 0.01
    True
    """
    sizes = _shape(shape)
    pairs = uniform(key, (*sizes, 2), dtype=dtype)
    radius = np.sqrt(-2 * np.log(1 - pairs[..., 0]))
    unit = radius * np.cos(2 * math.pi * pairs[..., 1])
    return _moved(unit, mean, std)


def bernoulli(key: Array, p: Array = 0.5, shape: tuple[int, ...] = ()) -> Array:
    """Return True with probability p, as bool[shape].

    >>> float(bernoulli(key(0), 0.25, (100000,)).mean()).__round__(2)
    0.25
    """
    return np.less(uniform(key, shape), p)


def permutation(key: Array, n: int) -> Array:
    """Return 0 ... n − 1 in random order, as i64[n].

    >>> permutation(key(0), 5)
    array([4, 0, 3, 1, 2])
    """
    words = bits(key, (n, 2))
    wide = np.astype(words, np.dtype(np.uint64))
    order = wide[:, 0] * np.uint64(2**32) + wide[:, 1]
    return (
        PRIMITIVES["argsort"](order, axis=0) if isinstance(order, Traced) else np.argsort(order, stable=True)
    )
