"""The layers of a record: for each, what came in, its weighted sums z, its activations a, and their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.graph import Eqn, Var
from ..core.lowering import View
from .observe import Call
from .quantity import Quantity
from .record import Record

_UP = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_DOWN = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def raised(number: int) -> str:
    """Return a number as it stands above a symbol.

    >>> raised(12)
    '¹²'
    """
    return str(number).translate(_UP)


def lowered(number: int) -> str:
    """Return a number as it stands below a symbol."""
    return str(number).translate(_DOWN)


@dataclass(frozen=True, eq=False)
class Layer:
    """One call of a layer in a record.

    Attributes
    ----------
    name : str
        Its path in the model: ``"layers.0"``.
    number : int
        l, counted from 1: the layer of aˡ = σ(zˡ).
    kind : str
        Its class, or the name of the function.
    call : Call
    inputs, z, a : Quantity
        What came in; the weighted sums, before the activation; what went out. z is the last value into which a
        parameter of the layer enters; of a layer without parameters it is the input.
    delta, da, dinputs : Quantity
        δ = ∂L/∂z, ∂L/∂a and ∂L/∂inputs.
    parameters, gradients : dict of str to Quantity
        By their names in the layer: ``"weight"``, ``"bias"``. Gradients are ∂L/∂W, ∂L/∂b.
    variables : dict of str to Var
        The variables of the graph that are "inputs", "z" and "a".
    """

    name: str
    number: int
    kind: str
    call: Call
    inputs: Quantity
    z: Quantity
    a: Quantity
    delta: Quantity
    da: Quantity
    dinputs: Quantity
    parameters: Mapping[str, Quantity]
    gradients: Mapping[str, Quantity]
    variables: Mapping[str, Var]

    def __repr__(self) -> str:
        return f"<layer {self.number} {self.name}: {self.kind}, {self.inputs.type} -> {self.a.type}>"


def layers_of(record: Record) -> tuple[Layer, ...]:
    """Return the layers of a record, in order: the innermost calls that take and give arrays."""
    calls = [call for call in record.calls if call.innermost and call.output is not None and call.name]
    if not calls:  # a model without parts is one layer
        calls = [call for call in record.calls if call.innermost and call.output is not None]
    return tuple(_layer(record, call, number) for number, call in enumerate(calls, start=1))


def _layer(record: Record, call: Call, number: int) -> Layer:
    assert call.output is not None  # those calls were left out
    own = _own_parameters(record, call)
    variables: dict[str, Var] = {
        "inputs": call.inputs[0],
        "z": weighted_sum(record, call, own),
        "a": call.output,
    }
    up, down, prefix = raised(number), raised(number - 1), call.name or "model"
    letters = {name: letter(name) for name in own}

    def of(key: str, symbol: str) -> Quantity:
        return quantity(record, f"{prefix}.{key}", symbol, record.value(variables[key]))

    def error(key: str, name: str, symbol: str) -> Quantity:
        return quantity(record, f"{prefix}.{name}", symbol, record.error(variables[key]), error=True)

    return Layer(
        name=call.name,
        number=number,
        kind=getattr(call.layer, "__name__", type(call.layer).__name__),
        call=call,
        inputs=of("inputs", f"a{down}"),
        z=of("z", f"z{up}"),
        a=of("a", f"a{up}"),
        delta=error("z", "delta", f"δ{up}"),
        da=error("a", "da", f"∂L/∂a{up}"),
        dinputs=error("inputs", "dinputs", f"∂L/∂a{down}"),
        parameters={
            name: parameter(record, f"{prefix}.{name}", f"{letters[name]}{up}", record.value(var))
            for name, var in own.items()
        },
        gradients={
            name: parameter(
                record, f"{prefix}.d{name}", f"∂L/∂{letters[name]}{up}", record.error(var), error=True
            )
            for name, var in own.items()
        },
        variables=variables,
    )


def letter(name: str) -> str:
    """Return the symbol of a parameter."""
    return {"weight": "W", "bias": "b"}.get(name, name)


def _own_parameters(record: Record, call: Call) -> dict[str, Var]:
    """Return the parameters of the layer, by their names in it."""
    path = call.name.split(":")[0]
    prefix = f"{path}." if path else ""
    return {
        name.removeprefix(prefix): record.inputs[name]
        for name in record.parameters
        if name.startswith(prefix)
    }


def weighted_sum(record: Record, call: Call, own: Mapping[str, Var]) -> Var:
    """Return z: the last value of a call into which a parameter enters directly; without one, the input."""
    fixed, z = set(own.values()), call.inputs[0]
    for eqn in record.graph.eqns[call.start : call.stop]:
        variables = [atom for atom in eqn.inputs if isinstance(atom, Var)]
        if variables and all(var in fixed for var in variables):
            fixed.add(eqn.out)
        elif any(var in fixed for var in variables) or _only_views(eqn, z):
            z = eqn.out
    return z


def _only_views(eqn: Eqn, z: Var) -> bool:
    return isinstance(eqn.primitive.lowering, View) and eqn.inputs[0] is z


def quantity(
    record: Record, name: str, symbol: str, value: np.ndarray[Any, Any], error: bool = False
) -> Quantity:
    """Return an array of the pass through the network as a Quantity."""
    n = record.samples
    if n is None or value.shape[:1] != (n,):
        return Quantity(
            name, symbol, value, _axes(value.ndim), "of the one sample" if n is None else "of all samples"
        )
    says = "a row for each sample"
    if error:
        says += {
            "mean": f"; L is the mean over {n}, so this is 1/{n} of the sample's own" if n > 1 else "",
            "sum": "; L is the sum over samples, so this is the sample's own" if n > 1 else "",
            "other": "; L is not a sum over samples",
        }.get(record.reduction, f"; L is the {record.reduction} over {n} samples")
    return Quantity(name, symbol, value, ("sample", *_axes(value.ndim - 1)), says)


def _axes(ndim: int) -> tuple[str, ...]:
    return (*[f"axis {i}" for i in range(ndim - 1)], "neuron")[-ndim:] if ndim else ()


def parameter(
    record: Record, name: str, symbol: str, value: np.ndarray[Any, Any], error: bool = False
) -> Quantity:
    """Return a parameter, or its gradient, as a Quantity."""
    axes = {1: ("neuron",), 2: ("input", "neuron"), 3: ("piece", "input", "neuron")}.get(
        value.ndim, tuple(f"axis {i}" for i in range(value.ndim))
    )
    if not error:
        return Quantity(name, symbol, value, axes, "shared by all samples")
    n = record.samples
    if n is None or n == 1:
        return Quantity(name, symbol, value, axes, "of the one sample")
    says = {
        "mean": f"the mean over {n} samples of their own gradients",
        "sum": f"the sum over {n} samples of their own gradients",
        "other": f"over {n} samples together",
    }.get(record.reduction, f"the {record.reduction} over {n} samples of their own gradients")
    return Quantity(name, symbol, value, axes, says)
