"""The formulas of a pass with its numbers filled in, in the notation of the textbooks.

aˡ = σ(Wˡ aˡ⁻¹ + bˡ), δᴸ = ∇C ⊙ σ′(zᴸ), δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ), ∂C/∂Wˡ = δˡ (aˡ⁻¹)ᵀ, ∂C/∂bˡ = δˡ: Nielsen,
"Neural Networks and Deep Learning" (2015), chapter 2, BP1 to BP4. A formula is written only if its right side, computed
from the numbers of the pass, gives its left side; else the number stands alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...api.gradients import vjp
from ...core.graph import Graph
from ...core.types import is_float
from ...nn.dense import Dense
from ...ops import activations
from ...transform.reverse import pullback
from ..layers import Layer, letter
from .costs import COSTS, Columns
from .formulas import Equation, Formulas, Section
from .notation import MOST, Matrix, Number, Part, Raised, Row, Sign, Symbol, partial, row

if TYPE_CHECKING:
    from ..explain import Explanation

NAMES = {activations.sigmoid: "σ", activations.relu: "ReLU", activations.leaky_relu: "LReLU"}
"""What textbooks call an activation, if not by its name."""


def formulas(e: Explanation, digits: int) -> Formulas:
    """Return the formulas of an explanation, each one checked against its numbers."""
    writer = Derivation(e, digits)
    notes = [
        "aˡ = σ(Wˡ aˡ⁻¹ + bˡ) as in Nielsen (2015), chapter 2; C is the loss.",
        "Wˡ has a row for each neuron: it is the transpose of the layer's weight, [n_in, n_out].",
    ]
    n = e.record.samples or 1
    if n > 1:
        notes.append(
            f"The {n} samples are columns; bˡ is added to each. C is the {e.record.reduction} over them."
        )
    forward = [writer.forward(layer) for layer in e.layers]
    backward = [writer.backward(i) for i in reversed(range(len(e.layers)))]
    sections = (*forward, writer.cost(), *backward)
    return Formulas(tuple(notes), tuple(s for s in sections if s.equations))


def columns(value: Any) -> Columns:
    """Return an array with its last axis as rows, and all others, samples first, as columns."""
    value = np.asarray(value)
    matrix: Columns = value.reshape(-1, value.shape[-1]).T if value.ndim else value.reshape(1, 1)
    return matrix


def holds(left: Any, right: Any) -> bool:
    """Whether two arrays are equal, up to rounding if they are floats."""
    left, right = np.asarray(left), np.asarray(right)
    if left.shape != right.shape:
        return False
    if left.dtype == object or right.dtype == object:
        return bool(np.all(left == right))
    exact = 1e-9 if left.dtype == np.float64 else 1e-4
    scale = float(np.max(np.abs(right), initial=0.0))
    return bool(np.allclose(left, right, rtol=exact, atol=exact * scale, equal_nan=True))


def slope_of(activation: Any, z: Any) -> Any:
    """Return φ′(z) if φ is applied to each element: the errors at z of errors of 1."""
    from ..exact import computed

    return computed(lambda v: vjp(activation, v)[1](np.ones(v.shape, np.float64))[0], z)


class Derivation:
    """Makes equations of layers, each one checked."""

    def __init__(self, e: Explanation, digits: int) -> None:
        self.e, self.record, self.layers, self.digits = e, e.record, e.layers, digits
        self.single = (e.record.samples or 1) == 1

    # ---- what is written

    def matrix(self, value: Any, up: str = "") -> Matrix:
        """Return an array as a part."""
        return Matrix(np.asarray(value), self.digits, up)

    def equation(self, *sides: Part | Columns) -> Equation:
        """Return sides that are equal; arrays are written as matrices."""
        return Equation(tuple(self.matrix(s) if isinstance(s, np.ndarray) else s for s in sides))

    def symbol(self, base: str, layer: Layer, back: int = 0) -> Symbol:
        """Return a symbol with the number of its layer."""
        return Symbol(base, str(layer.number - back))

    def title(self, layer: Layer) -> str:
        """Return what a layer is called in a heading."""
        return f"layer {layer.number}, {layer.name or 'the model'}: {layer.kind}"

    # ---- forward

    def forward(self, layer: Layer) -> Section:
        """Return z and a of a layer."""
        title = f"Forward, {self.title(layer)}"
        a = self.symbol("a", layer)
        if layer.variables["a"] is layer.variables["inputs"]:
            return Section(title, (self.equation(a, self.symbol("a", layer, 1), columns(layer.a)),))
        if not self.is_dense(layer):
            applied = row(Symbol(layer.kind), Sign("(", False), self.symbol("a", layer, 1), Sign(")", False))
            return Section(title, (self.equation(a, applied, columns(layer.a)),))
        weight, inputs, z = self.weight(layer), columns(layer.inputs), columns(layer.z)
        w, before = self.symbol("W", layer), self.symbol("a", layer, 1)
        symbols: list[Any] = [w, Sign(" ", False), before]
        figures: list[Any] = [self.matrix(weight), Sign(" ", False), self.matrix(inputs)]
        if "bias" in layer.parameters:
            b = np.broadcast_to(layer.parameters["bias"].value[:, None], z.shape)
            symbols += [Sign("+"), self.symbol("b", layer)]
            figures += [Sign("+"), self.matrix(b)]
        lines = [self.equation(self.symbol("z", layer), row(*symbols), row(*figures), z)]
        lines.append(self.equation(a, self.applied(layer), columns(layer.a)))
        return Section(title, tuple(lines))

    def applied(self, layer: Layer) -> Part:
        """Return σ(z)."""
        z = self.symbol("z", layer)
        if layer.variables["a"] is layer.variables["z"]:
            return z
        return row(Symbol(self.named(layer)), Sign("(", False), z, Sign(")", False))

    def named(self, layer: Layer) -> str:
        """Return what the activation of a layer is called."""
        activation = layer.call.layer.activation
        return NAMES.get(activation) or getattr(activation, "__name__", "φ").replace("<lambda>", "φ")

    def is_dense(self, layer: Layer) -> bool:
        """Whether a layer is Dense and its numbers are those of z = W a + b."""
        if not isinstance(layer.call.layer, Dense) or "weight" not in layer.parameters:
            return False
        bias = layer.parameters["bias"].value[:, None] if "bias" in layer.parameters else 0
        return holds(self.weight(layer) @ columns(layer.inputs) + bias, columns(layer.z))

    def weight(self, layer: Layer) -> Columns:
        """Return the textbook's W, a row for each neuron."""
        return np.asarray(layer.parameters["weight"].value.T)

    # ---- the loss

    def outputs(self) -> tuple[Columns, Columns] | None:
        """Return the last layer's activations and the targets, labels as one-hot columns."""
        last, y = self.layers[-1] if self.layers else None, np.asarray(self.record.y)
        if last is None or last.variables["a"] is not self.record.graph.outputs[1]:
            return None
        a = columns(last.a)
        if y.shape == last.a.shape:
            return a, columns(y if a.dtype != object else _decimals(y))
        if (
            y.shape == last.a.shape[:-1]
            and not is_float(y.dtype)
            and y.size
            and 0 <= y.min() <= y.max() < len(a)
        ):
            return a, np.asarray(np.arange(len(a))[:, None] == y.reshape(-1), np.float64)
        return None

    def known(self) -> Any:
        """Return the formulas of the loss, if they give its numbers; p of the outputs, and the targets."""
        cost, found = COSTS.get(self.record.loss), self.outputs()
        if cost is None or found is None or (cost.first and found[0].dtype == object):
            return None
        a, y = found
        p = a if cost.first is None else cost.first(a)
        value, slope = cost.value(p, y), cost.slope(p, y)
        total = self.record.value(self.record.graph.outputs[0])
        right = holds(value, total) and holds(slope, columns(self.layers[-1].da))
        return (cost, p, y) if right else None

    def cost(self) -> Section:
        """Return the loss."""
        c, total = Symbol("C"), Number(self.record.value(self.record.graph.outputs[0]).item(), self.digits)
        known = self.known()
        name = getattr(self.record.loss, "__name__", "loss")
        if known is None:
            outputs = Symbol("a", str(self.layers[-1].number)) if self.layers else Symbol("ŷ")
            said = row(
                Symbol(name), Sign("(", False), outputs, Sign(", ", False), Symbol("y"), Sign(")", False)
            )
            return Section(f"Loss: {name}", (self.equation(c, said, total),))
        cost, p, y = known
        a = self.symbol("a", self.layers[-1])
        lines = [self.equation(Symbol("y"), y)]
        if cost.first is not None:
            said = row(Symbol(cost.first_symbol), Sign("(", False), a, Sign(")", False))
            lines.append(self.equation(Symbol("p"), said, p))
            a = Symbol("p")
        lines.append(self.equation(c, cost.symbols(a, p.shape), total))
        return Section(f"Loss: {name}", tuple(lines))

    # ---- backward

    def backward(self, i: int) -> Section:
        """Return δ of a layer and the gradients of its parameters."""
        layer = self.layers[i]
        title = f"Backward, {self.title(layer)}"
        by_a = partial("C", self.symbol("a", layer))
        lines, arrived = self.arrived(i)
        da, delta = columns(layer.da), columns(layer.delta)
        if not self.is_dense(layer):
            symbols, figures = arrived
            lines.append(self.equation(by_a, *filter(None, (symbols, figures)), da))
            lines += [
                self.equation(partial("C", self.symbol(letter(name), layer)), columns(gradient.value).T)
                for name, gradient in layer.gradients.items()
            ]
            return Section(title, tuple(lines))
        lines.append(self.delta(layer, arrived, da, delta))
        lines += self.gradients(layer, delta)
        return Section(title, tuple(lines))

    def arrived(self, i: int) -> tuple[list[Equation], tuple[Part | None, Part | None]]:
        """Return how ∂C/∂a comes to be, in symbols and in numbers; what cannot be shown to be right is None."""
        layer = self.layers[i]
        da = columns(layer.da)
        if i == len(self.layers) - 1:
            known = self.known()
            if known is None:
                return [], (None, None)
            cost, p, _ = known
            a = self.symbol("a", layer) if cost.first is None else Symbol("p")
            return [], (cost.slope_symbols(a, p.shape), None)
        after = self.layers[i + 1]
        if after.variables["inputs"] is not layer.variables["a"]:
            return [], (None, None)
        if self.is_dense(after):
            weight, error = self.weight(after), columns(after.delta)
            if holds(weight.T @ error, da):
                w, d = self.symbol("W", after), self.symbol("δ", after)
                return [], (
                    row(Raised(w, "T"), Sign(" ", False), d),
                    row(self.matrix(weight, "T"), Sign(" ", False), self.matrix(error)),
                )
        elif holds(self.pulled(after), layer.da.value):
            ratio = Raised(_ratio(self.symbol("a", after), self.symbol("a", layer)), "T")
            symbols = row(ratio, Sign(" ", False), partial("C", self.symbol("a", after)))
            jacobian = self.jacobian(after)
            if jacobian is None:
                return [], (symbols, None)
            error = columns(after.da)
            return [], (symbols, row(self.matrix(jacobian, "T"), Sign(" ", False), self.matrix(error)))
        return [], (None, None)

    def delta(
        self, layer: Layer, arrived: tuple[Part | None, Part | None], da: Columns, delta: Columns
    ) -> Equation:
        """Return δ, by whichever formula holds."""
        d, z, (symbols, figures) = self.symbol("δ", layer), self.symbol("z", layer), arrived
        if layer.variables["a"] is layer.variables["z"]:
            return self.equation(d, *filter(None, (symbols or _nabla(), figures)), delta)
        slope = columns(slope_of(layer.call.layer.activation, layer.z.value))
        if not holds(da * slope, delta):  # as of softmax, where each output depends on each z
            ratio = Raised(_ratio(self.symbol("a", layer), z), "T")
            return self.equation(
                d, row(ratio, Sign(" ", False), partial("C", self.symbol("a", layer))), delta
            )
        prime = row(Symbol(self.named(layer), prime=True), Sign("(", False), z, Sign(")", False))
        first = symbols or partial("C", self.symbol("a", layer))
        left, right = Sign("(", False), Sign(")", False)
        return self.equation(
            d,
            row(left, first, right, Sign("⊙"), prime),
            row(left, figures, right, Sign("⊙"), self.matrix(slope))
            if figures
            else None or row(self.matrix(da), Sign("⊙"), self.matrix(slope)),
            delta,
        )

    def gradients(self, layer: Layer, delta: Columns) -> list[Equation]:
        """Return ∂C/∂W and ∂C/∂b."""
        inputs, d = columns(layer.inputs), self.symbol("δ", layer)
        change = layer.gradients["weight"].value.T
        by_w = partial("C", self.symbol("W", layer))
        lines = []
        if holds(delta @ inputs.T, change):
            symbols = row(d, Sign(" ", False), Raised(self.symbol("a", layer, 1), "T"))
            figures = row(self.matrix(delta), Sign(" ", False), self.matrix(inputs, "T"))
            lines.append(self.equation(by_w, symbols, figures, change))
        else:  # weights that serve more than once
            lines.append(self.equation(by_w, change))
        if "bias" in layer.gradients:
            total = layer.gradients["bias"].value[:, None]
            by_b = partial("C", self.symbol("b", layer))
            if holds(np.sum(delta, axis=1, keepdims=True), total):
                lines.append(
                    self.equation(
                        by_b, d if delta.shape[1] == 1 else row(Symbol("Σ"), Sign(" ", False), d), total
                    )
                )
            else:
                lines.append(self.equation(by_b, total))
        return lines

    # ---- other layers

    def _graph(self, layer: Layer) -> Graph:
        call = layer.call
        eqns = self.record.graph.eqns[call.start : call.stop]
        return Graph((layer.variables["inputs"],), eqns, (layer.variables["a"],))

    def pulled(self, layer: Layer, seed: Any = None) -> Any:
        """Return what a layer alone makes of the error at its output."""
        seed = layer.da.value if seed is None else seed
        if layer.variables["a"] is layer.variables["inputs"]:
            return seed
        if seed.dtype == object:
            return None
        with np.errstate(all="ignore"):
            inputs = layer.variables["inputs"]
            (error,) = pullback(self._graph(layer), self.record.values, [seed], [inputs])
        return np.zeros(inputs.type.shape) if error is None else error

    def jacobian(self, layer: Layer) -> Columns | None:
        """Return ∂aˡ/∂aˡ⁻¹ of the one sample, if it is small enough to be shown."""
        size = layer.a.value.size
        if not self.single or max(size, layer.inputs.value.size) > MOST or layer.a.value.dtype == object:
            return None
        seeds = np.eye(size).reshape(size, *layer.a.shape)
        return np.array([np.ravel(self.pulled(layer, seed)) for seed in seeds])


def _nabla() -> Part:
    return row(Symbol("∇"), Symbol("C"))


def _ratio(above: Symbol, below: Symbol) -> Part:
    from .notation import Fraction

    return Fraction(Row((Symbol("∂"), above)), Row((Symbol("∂"), below)))


def _decimals(y: Any) -> Any:
    from ..exact import fractions

    return fractions(y)
