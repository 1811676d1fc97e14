"""What to call the elements of a record, and the partial derivatives between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.graph import Atom, Const, Eqn, Var
from ...core.lowering import Contract, View
from ..layers import Layer, letter, lowered, raised
from ..record import Record, X
from .entries import Factor, Path


class Names:
    """Names for elements: those of the layers, else that of the operation and its number."""

    def __init__(self, record: Record, layers: Sequence[Layer]) -> None:
        self.record, self.layers = record, layers
        self.bases: dict[Var, str] = {}
        for layer in layers:
            for name in layer.parameters:
                path = f"{layer.name.split(':')[0]}.{name}" if layer.name else name
                self.bases.setdefault(record.inputs[path], f"{letter(name)}{raised(layer.number)}")
            for key in ("z", "a"):
                self.bases.setdefault(layer.variables[key], f"{key}{raised(layer.number)}")
        self.bases[record.inputs[X]] = X
        loss, prediction = record.graph.outputs
        if isinstance(prediction, Var):
            self.bases.setdefault(prediction, "ŷ")
        if isinstance(loss, Var):
            self.bases[loss] = "L"
        self.others: dict[Var, str] = {}
        self.fixed = {record.inputs[name] for name in record.parameters}
        self.makers: dict[Var, Eqn] = {eqn.out: eqn for eqn in record.graph.eqns}
        for number, eqn in enumerate(record.graph.eqns, start=1):
            self.others[eqn.out] = f"{eqn.primitive.name}{lowered(number)}"

    def of(self, atom: Atom, element: int) -> str:
        """Return the name of an element: ``"z²[4]"``; with several samples ``"z²[0,4]"``, the sample first."""
        base = "constant" if isinstance(atom, Const) else self.bases.get(atom) or self.others[atom]
        shape = atom.type.shape
        place = [int(i) for i in np.unravel_index(element, shape)] if shape else []
        if len(place) > 1 and self.record.samples == 1 and shape[0] == 1 and atom not in self.fixed:
            place = place[1:]
        return f"{base}[{','.join(map(str, place))}]" if place else base

    def path(
        self, steps: Sequence[tuple[Var, int]], factors: Sequence[float], product: float, full: bool
    ) -> Path:
        """Return a path; unless in full, without values that have no name and a factor of 1 before or behind them."""
        kept: list[tuple[Var, int]] = [steps[0]]
        found: list[Factor] = []
        value, means = 1.0, ""
        for number, (factor, (var, element)) in enumerate(zip(factors, steps[1:], strict=True)):
            source, source_element = steps[number]
            value *= factor
            means = means or self._means(source, source_element, var, element)
            if not (full or var in self.bases) and 1 in (value, factors[number + 1]):
                continue
            found.append(Factor(self.of(var, element), self.of(*kept[-1]), value, means))
            kept.append((var, element))
            value, means = 1.0, ""
        return Path(tuple(self.of(*step) for step in kept), tuple(found), product)

    def _means(self, source: Var, element: int, target: Var, result: int) -> str:
        """Return what a partial derivative is, where that is one named number."""
        eqn = self.makers.get(target)
        if eqn is not None and isinstance(eqn.primitive.lowering, Contract) and source in eqn.inputs:
            return self._operand(eqn, source, element, result)
        for layer in self.layers:
            z, a = layer.variables["z"], layer.variables["a"]
            if source is z and target is a and z is not a:
                activation = getattr(layer.call.layer, "activation", layer.call.layer)
                name = getattr(activation, "__name__", "")
                return f"{name}′({self.of(z, element)})" if name else ""
        return ""

    def _operand(self, eqn: Eqn, source: Var, element: int, result: int) -> str:
        """Return the name of the element of a product's other operand that is the partial derivative."""
        left, right = eqn.inputs
        *batch, m, n = (int(i) for i in np.unravel_index(result, eqn.out.type.shape))
        if left is right:
            return ""
        if source is left:
            k = int(np.unravel_index(element, left.type.shape)[-1])
            return self._original(right, int(np.ravel_multi_index((*batch, k, n), right.type.shape)))
        k = int(np.unravel_index(element, right.type.shape)[-2])
        return self._original(left, int(np.ravel_multi_index((*batch, m, k), left.type.shape)))

    def _original(self, atom: Atom, element: int) -> str:
        """Return the name of an element, or of the element of which it is a view."""
        while isinstance(atom, Var) and atom not in self.bases and atom in self.makers:
            eqn = self.makers[atom]
            if not isinstance(eqn.primitive.lowering, View):
                return ""
            given = eqn.inputs[0].type
            places = eqn.primitive.compute(np.arange(given.size).reshape(given.shape), **eqn.params)
            atom, element = eqn.inputs[0], int(np.asarray(places).ravel()[element])
        return self.of(atom, element) if isinstance(atom, Var) and atom in self.bases else ""
