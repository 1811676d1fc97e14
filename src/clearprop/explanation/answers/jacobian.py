"""Jacobians between values of a network: ∂(prediction or activation)/∂(input, activation or parameter)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import SettingError
from ...core.graph import Graph, Var
from ...core.types import is_float
from ...transform.forward import pushforward
from ...transform.reverse import pullback, reached
from ..layers import Layer
from ..record import Record, X
from .columns import Printed, gap, number
from .independence import require_independent
from .variants import row, sample_number

_MOST_SHOWN = 8  # columns up to which a matrix is printed


@dataclass(frozen=True, eq=False, repr=False)
class Jacobian(Printed):
    """∂of/∂to, each for one sample.

    Attributes
    ----------
    of, to : str
        Names of the two values.
    sample : int or None
        None if all samples stand on the first axis.
    value : float[..., *shape of of, *shape of to]
    of_shape, to_shape : tuple of int
        The shapes of the two values of one sample.
    error : float
        How far J·v is from the derivative in the direction v that a forward sweep gives, for a random v,
        relative to |J|·|v|.
    """

    of: str
    to: str
    sample: int | None
    value: np.ndarray[Any, Any]
    of_shape: tuple[int, ...]
    to_shape: tuple[int, ...]
    error: float

    def lines(self) -> list[str]:
        """Return the matrix if it is small, else its size and largest element."""
        whose = f"of sample {self.sample}" if self.sample is not None else f"of {len(self.value)} samples"
        shape = "×".join(map(str, self.value.shape))
        lines = [f"∂{self.of}/∂{self.to} {whose}: {shape}"]
        if self.value.ndim == 2 and max(self.value.shape) <= _MOST_SHOWN:
            text = np.array2string(self.value, precision=6, suppress_small=False, max_line_width=96)
            lines += [f"  {line}" for line in text.splitlines()]
        elif self.value.size:
            flat = int(np.argmax(np.abs(self.value)))
            place = ", ".join(str(i) for i in np.unravel_index(flat, self.value.shape))
            largest = number(self.value.ravel()[flat])
            lines.append(
                f"  norm {number(float(np.linalg.norm(self.value)))}, largest {largest} at [{place}]"
            )
        lines.append(f"J·v = forward sweep along a random v: relative error {number(self.error, 1)}")
        return lines


def variable(record: Record, layers: Sequence[Layer], name: str) -> Var:
    """Return the variable of a name: "x", "prediction", a layer's "z", "a" or "inputs", or a parameter.

    Raises
    ------
    SettingError
        If there is none, or it holds no floats.
    """
    found: dict[str, Any] = {**record.inputs, "prediction": record.graph.outputs[1]}
    for layer in layers:
        found[layer.name] = layer.variables["a"]
        found |= {f"{layer.name}.{key}": var for key, var in layer.variables.items()}
    var = found.get(name)
    if not isinstance(var, Var):
        raise SettingError(f"there is no {name!r} to take a Jacobian of or to; there are {', '.join(found)}")
    if not is_float(var.type.dtype):
        raise SettingError(f"{name} is {var.type}: only floats have derivatives")
    return var


def jacobian_of(
    record: Record, layers: Sequence[Layer], of: str = "prediction", to: str = X, sample: int | None = 0
) -> Jacobian:
    """Return ∂of/∂to: a backward sweep for each number of ``of``, all samples at once."""
    top, bottom = variable(record, layers, of), variable(record, layers, to)
    number_ = None if sample is None else sample_number(record, sample)
    graph = _between(record, top)
    _require_path(graph, of, to, top, bottom)
    n = record.samples
    shared = to in record.parameters
    if sample is None:
        if shared:
            raise SettingError(f"{to} is shared by all samples; give the sample, as in sample=0")
        require_independent(record, f"∂{of}/∂{to} of all samples")
    for name, var in ((of, top), *(() if shared else ((to, bottom),))):
        if n is not None and var.type.shape[:1] != (n,):
            raise SettingError(f"{name} is {var.type}, without a row for each of the {n} samples")
    of_shape = top.type.shape[n is not None :]
    to_shape = bottom.type.shape[n is not None and not shared :]
    rows = slice(None) if number_ is None or n is None else slice(number_, number_ + 1)
    parts = []
    for i in np.ndindex(*of_shape):
        seed = np.zeros(top.type.shape, top.type.dtype)
        seed[i if n is None else (rows, *i)] = 1
        share = _back(graph, record, seed, bottom)
        parts.append(share if sample is None or shared else row(record, share, number_ or 0))
    lead = (n,) if sample is None and n is not None else ()
    value = np.stack(parts, axis=len(lead)) if parts else np.zeros((0, *to_shape))
    value = value.reshape(*lead, *of_shape, *to_shape)
    error = _checked(graph, record, bottom, value, number_, shared, len(of_shape))
    return Jacobian(of, to, None if n is None else number_, value, of_shape, to_shape, error)


def _between(record: Record, top: Var) -> Graph:
    """Return the graph up to a value."""
    eqns = record.graph.eqns
    stop = next((i for i, eqn in enumerate(eqns, start=1) if eqn.out is top), 0)
    return Graph(record.graph.inputs, eqns[:stop], (top,), record.graph.name)


def _require_path(graph: Graph, of: str, to: str, top: Var, bottom: Var) -> None:
    if top not in reached(graph, [bottom]):
        raise SettingError(f"no path leads from {to} to {of}: is it the other way round?")


def _back(graph: Graph, record: Record, seed: Any, bottom: Var) -> np.ndarray[Any, Any]:
    with np.errstate(all="ignore"):
        share = pullback(graph, record.values, [seed], [bottom])[0]
    return np.zeros(bottom.type.shape, bottom.type.dtype) if share is None else np.asarray(share)


def _checked(
    graph: Graph, record: Record, bottom: Var, value: Any, sample: int | None, shared: bool, of_axes: int
) -> float:
    """Compare J·v with what a forward sweep gives, for a random v."""
    v = np.random.default_rng(0).standard_normal(bottom.type.shape).astype(bottom.type.dtype)
    n, each = record.samples, sample is None and record.samples is not None
    if n is not None and not each and not shared:
        kept = v[sample].copy()
        v[...] = 0
        v[sample] = kept
    with np.errstate(all="ignore"):
        moved = pushforward(graph, record.values, {bottom: v})[0]
    assert moved is not None  # a path leads there
    if each:
        along = v.reshape(n, *[1] * of_axes, *v.shape[1:])
        found, size = (_summed(value * along, of_axes + 1), _summed(np.abs(value * along), of_axes + 1))
    else:
        along = v if shared or n is None else v[sample]
        moved = moved if n is None else moved[sample]
        found, size = _summed(value * along, of_axes), _summed(np.abs(value * along), of_axes)
    if not found.size:
        return 0.0
    return gap(float(np.max(np.abs(found - moved))), 0.0, float(np.max(size)))


def _summed(products: Any, keep: int) -> np.ndarray[Any, Any]:
    return np.asarray(np.sum(products, axis=tuple(range(keep, products.ndim))))
