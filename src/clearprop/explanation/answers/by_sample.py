"""The gradient, sample by sample: what flows to a parameter through the prediction for each sample.

L depends on the parameters through the predictions ŷᵢ alone, so ∂L/∂w = Σᵢ gᵢ with gᵢ = Σⱼ ∂L/∂ŷᵢⱼ · ∂ŷᵢⱼ/∂w,
exactly, for every loss. Of one weight, a single forward sweep gives ∂ŷ/∂w of all samples. Of a whole array, the
backward sweep is split where the array meets the samples; a sweep with random weights proves that split, and
where it does not hold, sweeps one at a time take its place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import SettingError
from ...core.graph import Atom, Eqn, Var
from ...core.interpret import read
from ...core.lowering import Contract, View
from ...core.types import Array, is_float
from ...transform.forward import pushforward
from ...transform.reverse import pullback, reached, sweep
from ..record import Record, X
from .independence import model_graph, require_independent

_MOST_BYTES = 4 << 30


def parameter_of(record: Record, name: str) -> Var:
    """Return the variable of a parameter.

    Raises
    ------
    SettingError
        If there is no such parameter, or it holds no floats.
    """
    if name not in record.inputs or name == X:
        names = ", ".join(record.parameters) or "none"
        raise SettingError(f"there is no parameter {name!r}; the parameters are {names}")
    var = record.inputs[name]
    if not is_float(var.type.dtype):
        raise SettingError(f"{name} is {var.type}, which has no gradient")
    return var


def element_of(record: Record, name: str, index: Any) -> tuple[Var, tuple[int, ...]]:
    """Return the variable of a parameter and the index of one element, counted from the front."""
    var = parameter_of(record, name)
    given = () if index is None else tuple(index) if isinstance(index, (tuple, list)) else (index,)
    shape = var.type.shape
    if len(given) != len(shape) or any(not -n <= i < n for i, n in zip(given, shape, strict=True)):
        raise SettingError(
            f"{name} is {var.type}, and {given} is no element of it; give an index with one number for each of its "
            f"{len(shape)} axes, such as {tuple(n - 1 for n in shape)}"
        )
    return var, tuple(int(i) % n for i, n in zip(given, shape, strict=True))


def of_element(record: Record, name: str, index: Any) -> np.ndarray[Any, Any]:
    """Return gᵢ of one element of a parameter: float[n], by one forward sweep."""
    var, place = element_of(record, name, index)
    require_independent(record, f"the gradients of {name} by sample")
    unit = np.zeros(var.type.shape, var.type.dtype)
    unit[place] = 1
    return _paired(record, _rows(record, record.error(record.graph.outputs[1])), var, unit)


def of_array(record: Record, name: str, seed: Array | None = None) -> np.ndarray[Any, Any]:
    """Return gᵢ of a whole parameter: float[n, ...].

    Parameters
    ----------
    record : Record
    name : str
        Of the parameter.
    seed : array like the prediction, optional
        In place of ∂L/∂ŷ: with ones in a column, the result is ∂ŷᵢⱼ/∂w.

    Raises
    ------
    SettingError
        If samples are not independent, or if the result would take more than 4 GiB.
    """
    var = parameter_of(record, name)
    require_independent(record, f"the gradients of {name} by sample")
    n, type = record.samples or 1, var.type
    if n * type.size * type.dtype.itemsize > _MOST_BYTES:
        gib = n * type.size * type.dtype.itemsize / 2**30
        raise SettingError(
            f"the gradients of {name}, {type}, for {n} samples would take {gib:.0f} GiB; ask for one weight, "
            f'as in samples("{name}", (0, 0)), or explain fewer samples'
        )
    seed = record.error(record.graph.outputs[1]) if seed is None else seed
    if n == 1:
        return _back(record, var, seed)[None]
    split = _Split(record, var, seed).result()
    if split is not None and _holds(record, var, seed, split):
        return split
    return _one_at_a_time(record, var, seed)


def _rows(record: Record, array: Array) -> Array:
    return array if record.samples is not None else array[None]


def _paired(record: Record, seed: Array, var: Var, unit: Array) -> np.ndarray[Any, Any]:
    """Return Σⱼ seedᵢⱼ · ∂ŷᵢⱼ/∂w in a direction: float[n]."""
    with np.errstate(all="ignore"):
        moved = pushforward(model_graph(record), record.values, {var: unit})[0]
    if moved is None:
        return np.zeros(len(seed), unit.dtype)
    products = np.asarray(seed * _rows(record, moved))
    return np.asarray(np.sum(products.reshape(len(seed), -1), axis=1))


def _back(record: Record, var: Var, seed: Array) -> np.ndarray[Any, Any]:
    """Return what one backward sweep from the prediction brings to the parameter."""
    with np.errstate(all="ignore"):
        share = pullback(model_graph(record), record.values, [seed], [var])[0]
    return np.zeros(var.type.shape, var.type.dtype) if share is None else np.asarray(share)


def _holds(record: Record, var: Var, seed: Array, split: Array) -> bool:
    """Tell whether Σ cᵢgᵢ is, for random c, what a sweep brings whose errors are multiplied by c."""
    c = np.random.default_rng(0).uniform(0.5, 1.5, len(split)).astype(split.dtype)
    along = (len(c), *[1] * (seed.ndim - 1))
    wanted, found = _back(record, var, seed * c.reshape(along)), np.tensordot(c, split, 1)
    room = 64 * len(c) * np.finfo(split.dtype).eps * np.tensordot(c, np.abs(split), 1).max(initial=0)
    return bool(np.allclose(found, wanted, rtol=0, atol=room, equal_nan=True))


def _one_at_a_time(record: Record, var: Var, seed: Array) -> np.ndarray[Any, Any]:
    """Return the same by one sweep for each element or for each sample, whichever are fewer."""
    n, type = len(seed), var.type
    if type.size <= n:
        found = np.zeros((n, type.size), type.dtype)
        for i, unit in enumerate(np.eye(type.size, dtype=type.dtype)):
            found[:, i] = _paired(record, seed, var, unit.reshape(type.shape))
        return found.reshape(n, *type.shape)
    alone = np.zeros((n, *type.shape), type.dtype)
    for i in range(n):
        mask = np.zeros_like(seed)
        mask[i] = seed[i]
        alone[i] = _back(record, var, mask)
    return alone


class _Split:
    """One backward sweep, split where a value without samples enters one that has a row for each."""

    def __init__(self, record: Record, var: Var, seed: Array) -> None:
        self.record, self.var, self.seed = record, var, seed
        self.graph, self.n = model_graph(record), len(seed)
        self.active = reached(self.graph, [var])
        self.sampled = self._sampled()
        self.found: dict[Var, Any] = {}

    def _sampled(self) -> set[Var]:
        """Return what depends on the samples, and what is repeated for each of them."""
        sampled = {self.graph.inputs[-1]}
        for eqn in self.graph.eqns:
            if any(atom in sampled for atom in eqn.inputs) or self._repeats(eqn):
                sampled.add(eqn.out)
        return sampled

    def _repeats(self, eqn: Eqn) -> bool:
        if eqn.primitive.name != "broadcast_to":
            return False
        before, after = eqn.inputs[0].type.shape, eqn.out.type.shape
        return after[0] == self.n and (len(before) < len(after) or before[0] == 1)

    def result(self) -> np.ndarray[Any, Any] | None:
        """Return float[n, ...]; None if some value does not have the samples on its first axis."""
        errors: dict[Var, Array] = {}
        with np.errstate(all="ignore"):
            for step in sweep(self.graph, self.record.values, [self.seed], [self.var], errors):
                if step.eqn.out in self.sampled and not self._enter(step.eqn, step.ct):
                    return None
                if step.eqn.out in self.found:
                    self._pass(step.eqn)
        zeros = np.zeros((self.n, *self.var.type.shape), self.var.type.dtype)
        return np.asarray(self.found.get(self.var, zeros))

    def _shared(self, eqn: Eqn) -> list[int]:
        return [i for i, a in enumerate(eqn.inputs) if a in self.active and a not in self.sampled]

    def _add(self, atom: Atom, share: Array | None) -> None:
        if share is not None and isinstance(atom, Var):
            self.found[atom] = self.found[atom] + share if atom in self.found else share

    def _enter(self, eqn: Eqn, ct: Array) -> bool:
        """Split the share of each input without samples; False if the result has them elsewhere."""
        shared = self._shared(eqn)
        if shared and (not ct.ndim or not len(ct) or len(ct) % self.n):
            return False
        for i in shared:
            self._add(eqn.inputs[i], self._split(eqn, i, ct))
        return True

    def _split(self, eqn: Eqn, i: int, ct: Array) -> Array:
        rows = ct.reshape(self.n, -1, *ct.shape[1:])
        if isinstance(eqn.primitive.lowering, Contract) and i == 1 and ct.ndim == 2:
            a = self._value(eqn.inputs[0])
            return np.matmul(np.swapaxes(a.reshape(self.n, -1, a.shape[1]), 1, 2), rows)
        if isinstance(eqn.primitive.lowering, View) and self._repeats(eqn):
            shape = eqn.inputs[i].type.shape
            lead = ct.ndim - len(shape)
            gone = [j for j in range(1, ct.ndim) if j < lead or shape[j - lead] == 1]
            return np.sum(ct, axis=tuple(gone)).reshape(self.n, *shape)
        shares, mask = [], np.zeros_like(rows)
        for k in range(self.n):
            mask[k] = rows[k]
            shares.append(self._back(eqn, i, mask.reshape(ct.shape)))
            mask[k] = 0
        return np.stack(shares)

    def _pass(self, eqn: Eqn) -> None:
        """Carry shares of samples back through an equation that knows none."""
        for i in self._shared(eqn):
            self._add(eqn.inputs[i], np.stack([self._back(eqn, i, ct) for ct in self.found[eqn.out]]))

    def _back(self, eqn: Eqn, i: int, ct: Array) -> Array:
        wanted = [j == i for j in range(len(eqn.inputs))]
        xs = [self._value(a) for a in eqn.inputs]
        share = eqn.primitive.derivative.vjp(ct, self._value(eqn.out), xs, eqn.params, wanted)[i]
        return np.zeros(eqn.inputs[i].type.shape, ct.dtype) if share is None else share

    def _value(self, atom: Atom) -> Array:
        return read(self.record.values, atom)
