"""One training step as an exercise: every number asked for, with the answer from the record."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction as Rational
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import losses
from ...core import tree
from ...core.errors import SettingError
from ...core.interpret import read
from ...ops import activations
from ..layers import Layer
from ..record import Record, X, record
from .costs import over
from .derivation import NAMES, Derivation, columns, holds, slope_of
from .notation import Matrix, Number, Part, Row, Sign, Symbol, partial, row
from .worksheet import Line, Step, Worksheet

if TYPE_CHECKING:
    from ..explain import Explanation

MOST = 200
"""More parameters than this are too many for anybody's hands."""

_SPACE = Sign(" ", False)
_LEFT, _RIGHT = Sign("(", False), Sign(")", False)


def worksheet_of(e: Explanation, rate: Any, digits: int) -> Worksheet:
    """Return the worksheet of an explanation of one sample.

    Raises
    ------
    SettingError
        If it is not of one sample, of Dense layers and of a loss whose formula is known, or is too long.
    """
    return _Maker(e, rate, digits).worksheet()


_RULES = {
    activations.relu: "The slope is 1 where z is above 0, else 0.",
    activations.leaky_relu: "The slope is 1 where z is above 0, else 0.01.",
}
_COSTS = (losses.half_squared_error, losses.mean_squared_error, losses.cross_entropy)


class _Maker:
    """Makes lines of layers."""

    def __init__(self, e: Explanation, rate: Any, digits: int) -> None:
        self.e, self.record, self.layers, self.digits = e, e.record, e.layers, digits
        self.derivation = Derivation(e, digits)
        self.exact = isinstance(e.loss, Rational)
        self.rate = Rational(str(rate)) if self.exact else float(rate)
        self.require()
        self.cost, self.p, self.y = self.derivation.known()

    def require(self) -> None:
        count = sum(np.size(leaf) for leaf in tree.leaves(self.record.model))
        if count > MOST:
            raise SettingError(
                f"a worksheet of {count:,} weights is too long; take a network of at most {MOST}"
            )
        if self.record.samples not in (None, 1):
            raise SettingError(
                f"a worksheet is of one sample, not of {self.record.samples}: explain x[:1], y[:1]"
            )
        if not self.layers or not all(self.derivation.is_dense(layer) for layer in self.layers):
            kinds = ", ".join(layer.kind for layer in self.layers)
            raise SettingError(
                f"a worksheet is of Dense layers one after the other; this model has {kinds or 'none'}"
            )
        for layer, after in zip(self.layers, self.layers[1:], strict=False):
            if after.variables["inputs"] is not layer.variables["a"]:
                raise SettingError(
                    f"a worksheet is of layers in a chain; {after.name} does not follow {layer.name}"
                )
        for layer in self.layers:
            slope = slope_of(layer.call.layer.activation, layer.z.value)
            if not holds(layer.da.value * slope, layer.delta.value):
                raise SettingError(
                    f"a worksheet needs activations that act on each neuron; {layer.name}'s does not"
                )
        if self.record.loss not in _COSTS or self.derivation.known() is None:
            named = ", ".join(cost.__name__ for cost in _COSTS)
            raise SettingError(
                f"a worksheet needs a loss whose formula it can print, without weights: {named}"
            )

    # ---- writing

    def number(self, value: Any, bracketed: bool = False) -> Number:
        return Number(value.item() if hasattr(value, "item") else value, self.digits, bracketed)

    def line(self, asked: Part, value: Any, *ways: Part) -> Line:
        return Line(asked, ways, self.number(value))

    def at(self, base: str, layer: Layer | int, *places: int) -> Symbol:
        number = layer if isinstance(layer, int) else layer.number
        between = "," if max(places, default=0) > 8 else ""
        return Symbol(base, str(number), between.join(str(i + 1) for i in places))

    def products(self, pairs: Sequence[tuple[Part, Part]], last: Part | None = None) -> Row:
        """Return Σ left · right + last."""
        parts: list[Part] = []
        for left, right in pairs:
            parts += [*([Sign("+")] if parts else []), left, Sign("·"), right]
        return row(*parts, *([Sign("+"), last] if last is not None else []))

    def activation(self, layer: Layer, prime: bool = False) -> Symbol:
        function = layer.call.layer.activation
        return Symbol(NAMES.get(function) or str(getattr(function, "__name__", "φ")), prime=prime)

    def linear(self, layer: Layer) -> bool:
        return layer.variables["a"] is layer.variables["z"]

    # ---- the sheet

    def worksheet(self) -> Worksheet:
        sizes = [self.layers[0].inputs.shape[-1], *(layer.a.shape[-1] for layer in self.layers)]
        network = "-".join(map(str, sizes))
        steps = [step for layer in self.layers for step in self.forward(layer)]
        steps.append(self.loss())
        for layer in reversed(self.layers):
            steps += [self.error(layer), self.gradient(layer)]
        steps.append(self.update())
        note = "w with the lowered digits jk leads from k to j: W has a row for each neuron. " + (
            "All numbers are exact."
            if self.exact
            else f"Numbers are given to {self.digits} significant digits; the key was computed without rounding."
        )
        return Worksheet(
            f"One step of backpropagation by hand: a {network} network", self.given(), tuple(steps), note
        )

    def given(self) -> tuple[Row, ...]:
        """Return the data and the weights, which have a row for each neuron."""
        facts = [(Symbol("x"), columns(self.layers[0].inputs)), (Symbol("y"), self.y)]
        for layer in self.layers:
            facts.append((Symbol("W", str(layer.number)), self.derivation.weight(layer)))
            if "bias" in layer.parameters:
                facts.append((Symbol("b", str(layer.number)), layer.parameters["bias"].value[:, None]))
        equations = [row(symbol, "=", Matrix(np.asarray(value), self.digits)) for symbol, value in facts]
        cost = self.cost.symbols(
            Symbol("p") if self.cost.first else Symbol("a", str(len(self.layers))), self.p.shape
        )
        return (*equations, row(Symbol("C"), "=", cost), row(Symbol("η"), "=", self.number(self.rate)))

    def before(self, layer: Layer, k: int) -> Symbol:
        return _plain("x", k) if layer.number == 1 else self.at("a", layer.number - 1, k)

    def forward(self, layer: Layer) -> list[Step]:
        weight, inputs = self.derivation.weight(layer), columns(layer.inputs)[:, 0]
        bias = layer.parameters["bias"].value if "bias" in layer.parameters else None
        z, a = columns(layer.z)[:, 0], columns(layer.a)[:, 0]
        sums, outputs = [], []
        for j in range(len(z)):
            symbols = self.products(
                [(self.at("w", layer, j, k), self.before(layer, k)) for k in range(len(inputs))],
                None if bias is None else self.at("b", layer, j),
            )
            figures = self.products(
                [(self.number(weight[j, k], True), self.number(inputs[k], True)) for k in range(len(inputs))],
                None if bias is None else self.number(bias[j], True),
            )
            sums.append(self.line(self.at("z", layer, j), z[j], symbols, figures))
            sides: list[Part] = [self.at("z", layer, j), self.number(z[j])]
            applied = [row(self.activation(layer), _LEFT, part, _RIGHT) for part in sides]
            outputs.append(
                self.line(self.at("a", layer, j), a[j], *(sides[:1] if self.linear(layer) else applied))
            )
        title = f"Forward through layer {layer.number}"
        says = "Each neuron weighs its inputs, adds its bias, and applies the activation."
        return [Step(title, says, (*sums, *outputs))]

    def loss(self) -> Step:
        last, a, y = self.layers[-1], self.p[:, 0], self.y[:, 0]
        lines = []
        target = [_plain("y", j) for j in range(len(y))]
        if self.cost.first is not None:
            z = columns(last.a)[:, 0]
            output = [_plain("p", j) for j in range(len(a))]
            for j in range(len(a)):
                ways = [
                    row(_exponential(part[j]), Sign("/"), _LEFT, *_joined(map(_exponential, part)), _RIGHT)
                    for part in ([self.at("a", last, k) for k in range(len(a))], [*map(self.number, z)])
                ]
                lines.append(self.line(output[j], a[j], *ways))
            right = [j for j in range(len(y)) if y[j] != 0]
            symbols = row(Sign("−", False), *_joined(self._log(target[j], output[j]) for j in right))
            figures = row(
                Sign("−", False), *_joined(self._log(self.number(y[j]), self.number(a[j])) for j in right)
            )
            says = "Softmax makes probabilities of the outputs; C is minus the logarithm of the right one."
        else:
            output = [self.at("a", last, j) for j in range(len(a))]
            top, below = self.cost.per(self.p.shape)
            factor = over(top, 2 * below)  # ∇C = (top/below) (a − y), so C = (top/2 below) Σ (a − y)²
            if top == 2:
                factor = over(1, below)
            symbols = self.squares(factor, list(zip(output, target, strict=True)))
            figures = self.squares(
                factor, [(self.number(p, True), self.number(t, True)) for p, t in zip(a, y, strict=True)]
            )
            says = "The distance of the outputs from their targets, squared."
        total = self.record.value(self.record.graph.outputs[0])
        lines.append(self.line(Symbol("C"), total, symbols, figures))
        return Step("The loss", says, tuple(lines))

    def _log(self, factor: Part, of: Part) -> Row:
        return row(factor, Sign("·"), Symbol("ln"), _SPACE, of)

    def squares(self, factor: Part | None, pairs: list[tuple[Part, Part]]) -> Row:
        terms = _joined(row(_LEFT, a, Sign("−"), y, _RIGHT, Sign("²", False)) for a, y in pairs)
        if factor is None:
            return row(*terms)
        return row(factor, _SPACE, *terms) if len(pairs) == 1 else row(factor, _SPACE, _LEFT, *terms, _RIGHT)

    # ---- backward

    def error(self, layer: Layer) -> Step:
        delta, lines = columns(layer.delta)[:, 0], []
        z, a = columns(layer.z)[:, 0], columns(layer.a)[:, 0]
        slope = columns(slope_of(layer.call.layer.activation, layer.z.value))[:, 0]
        if not self.linear(layer):
            for j in range(len(z)):
                asked = row(self.activation(layer, prime=True), _LEFT, self.at("z", layer, j), _RIGHT)
                lines.append(self.line(asked, slope[j], *self.slope(layer, j, a[j])))
        for j in range(len(z)):
            symbols, figures = self.arrived(layer, j)
            if not self.linear(layer):
                prime = row(self.activation(layer, prime=True), _LEFT, self.at("z", layer, j), _RIGHT)
                symbols = row(_LEFT, symbols, _RIGHT, Sign("·"), prime)
                figures = row(_LEFT, figures, _RIGHT, Sign("·"), self.number(slope[j], True))
            lines.append(self.line(self.at("δ", layer, j), delta[j], symbols, figures))
        rule = _RULES.get(layer.call.layer.activation)
        last = layer is self.layers[-1]
        says = (
            "The slope of the loss by each sum z: how far the output is off, times the slope of its activation."
            if last
            else "The errors of the next layer, weighed by the weights that lead there, times the activation's slope."
        )
        if rule:
            says += f" {rule}"
        return Step(f"The error of layer {layer.number}", says, tuple(lines))

    def slope(self, layer: Layer, j: int, a: Any) -> list[Part]:
        function, symbol = layer.call.layer.activation, self.at("a", layer, j)
        one = Number(1)
        if function is activations.sigmoid:
            return [row(part, Sign("·"), _LEFT, one, "−", part, _RIGHT) for part in (symbol, self.number(a))]
        if function is activations.tanh:
            squares = [row(_LEFT, part, _RIGHT, Sign("²", False)) for part in (symbol, self.number(a))]
            return [row(one, "−", square) for square in squares]
        return []

    def arrived(self, layer: Layer, j: int) -> tuple[Row, Row]:
        if layer is self.layers[-1]:
            factor = over(*self.cost.per(self.p.shape))
            output = _plain("p", j) if self.cost.first else self.at("a", layer, j)
            symbols = row(output, "−", _plain("y", j))
            figures = row(self.number(self.p[j, 0]), "−", self.number(self.y[j, 0], True))
            if factor is None:
                return symbols, figures
            return row(factor, _SPACE, _LEFT, symbols, _RIGHT), row(factor, _SPACE, _LEFT, figures, _RIGHT)
        after = self.layers[layer.number]
        weight, error = self.derivation.weight(after), columns(after.delta)[:, 0]
        places = range(len(error))
        return (
            self.products([(self.at("w", after, k, j), self.at("δ", after, k)) for k in places]),
            self.products([(self.number(weight[k, j], True), self.number(error[k], True)) for k in places]),
        )

    def gradient(self, layer: Layer) -> Step:
        change, delta = layer.gradients["weight"].value, columns(layer.delta)[:, 0]
        inputs, lines = columns(layer.inputs)[:, 0], []
        for j in range(len(delta)):
            for k in range(len(inputs)):
                symbols = row(self.at("δ", layer, j), Sign("·"), self.before(layer, k))
                figures = row(self.number(delta[j], True), Sign("·"), self.number(inputs[k], True))
                asked = partial("C", self.at("w", layer, j, k))
                lines.append(self.line(asked, change[k, j], symbols, figures))
        if "bias" in layer.gradients:
            slopes = layer.gradients["bias"].value
            lines += [
                self.line(partial("C", self.at("b", layer, j)), slopes[j], self.at("δ", layer, j))
                for j in range(len(delta))
            ]
        says = "The error of the neuron a weight leads to, times the activation it comes from."
        return Step(f"The gradient of layer {layer.number}", says, tuple(lines))

    def update(self) -> Step:
        lines = []
        for layer in self.layers:
            for name, base in (("weight", "w"), ("bias", "b")):
                if name not in layer.parameters:
                    continue
                value, slope = layer.parameters[name].value.T, layer.gradients[name].value.T
                for place in np.ndindex(value.shape):
                    symbol = self.at(base, layer, *place)
                    symbols = row(symbol, "−", Symbol("η"), Sign("·"), partial("C", symbol))
                    old, change = self.number(value[place]), self.number(slope[place], True)
                    figures = row(old, "−", self.number(self.rate), Sign("·"), change)
                    new = value[place] - self.rate * slope[place]
                    lines.append(self.line(row(Symbol("new"), _SPACE, symbol), new, symbols, figures))
        lines.append(self.line(row(Symbol("new"), _SPACE, Symbol("C")), after(self.record, self.rate)))
        says = "Each weight moves against its gradient, by the learning rate. Then the loss is computed once more."
        return Step("The step", says, tuple(lines))


def after(now: Record, rate: Any) -> Any:
    """Return the loss after a step of gradient descent; a fraction if the record is exact."""
    variables = [now.inputs[name] for name in now.parameters]
    moved = [now.value(var) - rate * now.error(var) for var in variables]
    if not isinstance(now.value(now.graph.outputs[0]).item(), Rational):
        model = tree.unflatten(tree.structure(now.model), moved)
        return record(model, now.loss, now.x, now.y, dtype=None).total
    from ..exact import run

    found = run(now.graph, [*moved, now.value(now.inputs[X])])
    return np.asarray(read(found, now.graph.outputs[0])).item()


def _exponential(part: Part) -> Row:
    return row(Symbol("exp"), _LEFT, part, _RIGHT)


def _plain(base: str, j: int) -> Symbol:
    return Symbol(base, "", str(j + 1))


def _joined(rows: Any) -> list[Part]:
    parts: list[Part] = []
    for part in rows:
        parts += [*([Sign("+")] if parts else []), part]
    return parts
