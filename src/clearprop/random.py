"""Random numbers from counters: the same seed, the same numbers, in every version and on every processor."""

from .ops.random import bernoulli, bits, fold_in, key, normal, permutation, split, uniform

__all__ = ["bernoulli", "bits", "fold_in", "key", "normal", "permutation", "split", "uniform"]
