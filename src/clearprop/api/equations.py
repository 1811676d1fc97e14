"""A graph and its gradient as equations to read: infix, with the user's own names, folded to lines of some length."""

from __future__ import annotations

import itertools
import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.graph import Atom, Const, Eqn, Graph, Location, Var
from ..core.interpret import evaluate
from ..core.lowering import Map, View
from ..core.trace import trace
from ..core.traced import Traced
from ..core.types import Type, is_float
from ..transform.reverse import sweep
from ..transform.simplify import simplify

FOLDED = 44
"""An expression longer than this, used by another one, gets a line of its own."""

_CALL, _POSTFIX, _PRODUCT, _SUM, _COMPARISON = 5, 4, 3, 2, 1

INFIX: dict[str, tuple[str, int]] = {
    "add": ("+", _SUM),
    "subtract": ("-", _SUM),
    "multiply": ("·", _PRODUCT),
    "chain": ("·", _PRODUCT),
    "divide": ("/", _PRODUCT),
    "matmul": ("@", _PRODUCT),
    "equal": ("==", _COMPARISON),
    "not_equal": ("!=", _COMPARISON),
    "less": ("<", _COMPARISON),
    "less_equal": ("<=", _COMPARISON),
    "greater": (">", _COMPARISON),
    "greater_equal": (">=", _COMPARISON),
}
"""Operations that are written between their arguments, and how strongly they bind."""

AROUND: dict[str, tuple[str, str, int]] = {
    "negative": ("-", "", _PRODUCT),
    "square": ("", "²", _POSTFIX),
    "reciprocal": ("1 / ", "", _PRODUCT),
    "absolute": ("|", "|", _CALL),
}
"""Operations that are written around their argument; all others are called by their names."""

_SYMMETRIC = {"+", "·"}


@dataclass(frozen=True)
class Expression:
    """A text, how strongly it binds, and the shape that NumPy would give it.

    That shape is smaller than the value's where arithmetic broadcasts, as it does without being told.
    """

    text: str
    binds: int
    shape: tuple[int, ...]
    symbol: str = ""

    def within(self, binds: int) -> str:
        """Return the text as a part of something that binds so strongly."""
        return self.text if self.binds >= binds else f"({self.text})"


def equations(graph: Graph, heading: str, gradient: bool) -> str:
    """Return a graph as equations with shapes and, if asked, those of its gradient.

    Parameters
    ----------
    graph : Graph
    heading : str
        The name of the function.
    gradient : bool
        Also write the backward pass: ∂L/∂v of what has a name, from the output to the inputs.
    """
    names = {**{var: var.name for var in graph.inputs if var.name}, **source_names(graph)}
    result: Any = graph.outputs[0] if graph.outputs else None
    count, top = len(graph.outputs), ""
    if isinstance(result, Var) and count == 1:
        top = names.setdefault(result, _free("y" if result.type.ndim else "L", names.values()))
    given = ", ".join(f"{names.get(var, '_')}: {var.type}" for var in graph.inputs)
    back = gradient and bool(top) and is_float(result.type.dtype)
    joint, forward, labels = _joint(graph, names, top if back else "")
    writer = _Writer(joint, labels)
    shown = [(line, var in forward) for var, line in writer.lines()]
    width = max((len(line) for (line, _), _ in shown), default=0)

    def block(want: bool) -> list[str]:
        return [f"  {line:<{width}}   {shape}" for (line, shape), is_forward in shown if is_forward is want]

    text = [f"{heading}({given})", *block(True)]
    if not top:
        returned = [writer.name(a) for a in joint.outputs[:count]]
        short = sum(map(len, returned)) <= 2 * FOLDED
        text.append(
            f"  return {', '.join(returned)}" if short else "  return\n    " + "\n    ".join(returned)
        )
    seed = f", from ∂L/∂{top}: {result.type}" if back and result.type.ndim else ""
    return "\n".join([*text, f"backward{seed}", *block(False)] if back else text)


# ---- names


_ASSIGNED = re.compile(r"([A-Za-z_]\w*)\s*=[^=]")


def source_names(graph: Graph) -> dict[Var, str]:
    """Return the user's own names: what a line ``z = ...`` computes last is z; a second z is z2."""
    found: dict[Var, str] = {}
    taken = {var.name for var in graph.inputs}
    for eqn, following in itertools.zip_longest(graph.eqns, graph.eqns[1:]):
        if following is not None and following.where == eqn.where:
            continue
        name = _assigned(eqn.where)
        if name:
            found[eqn.out] = _free(name, taken)
            taken.add(found[eqn.out])
    return found


def _assigned(where: Location | None) -> str:
    text = str(where).partition("   ")[2] if where is not None else ""
    match = _ASSIGNED.match(text)
    return match[1] if match and "lambda" not in text else ""  # that line gives a name to something else


def _free(name: str, taken: Any) -> str:
    taken = set(taken)
    return next(
        n for n in itertools.chain([name], (f"{name}{i}" for i in itertools.count(2))) if n not in taken
    )


# ---- forward and backward as one graph


def _joint(
    graph: Graph, names: Mapping[Var, str], top: str
) -> tuple[Graph, set[Var], list[tuple[Atom, str]]]:
    """Return the graph with its gradient, simplified; which variables are the forward pass; and what has a name.

    The labels come in the order of the outputs: the function's results, values with names, their errors.
    """
    values: dict[Var, Any] = {}
    errors: dict[Var, Any] = {}
    named = [var for var in names if var not in graph.inputs]
    seeded = bool(top) and bool(graph.outputs[0].type.ndim)
    types = [*(var.type for var in graph.inputs), *([graph.outputs[0].type] if seeded else [])]
    asked: list[Var] = []

    def both(*leaves: Any) -> Sequence[Any]:
        values.update(evaluate(graph, leaves[: len(graph.inputs)]))
        results = [a.value if isinstance(a, Const) else values[a] for a in graph.outputs]
        if top:
            seed = leaves[-1] if seeded else np.ones((), graph.outputs[0].type.dtype)
            wanted = [var for var in graph.inputs if is_float(var.type.dtype)]
            for _ in sweep(graph, values, [seed], wanted, errors):
                pass
            asked.extend(v for v in reversed([*wanted, *named]) if v in errors and v is not graph.outputs[0])
        return [*results, *(values[v] for v in named), *(errors[v] for v in asked)]

    total = "L" if seeded else top
    hints = [names.get(v, "") for v in graph.inputs] + [f"∂L/∂{top}"] * seeded
    joint, _ = trace(both, types, hints)
    joint = simplify(joint)
    forward = {v.variable for v in values.values() if isinstance(v, Traced)}
    texts = [""] * len(graph.outputs) + [names[v] for v in named] + [f"∂{total}/∂{names[v]}" for v in asked]
    return joint, forward, list(zip(joint.outputs, texts, strict=True))


# ---- expressions


class _Writer:
    """Writes the equations of a graph, each line one named value."""

    def __init__(self, graph: Graph, labels: Sequence[tuple[Atom, str]]) -> None:
        self.graph, self.labels = graph, labels
        self.names: dict[Var, str] = {v: v.name for v in graph.inputs if v.name}
        for atom, text in labels:
            if text and isinstance(atom, Var):
                self.names.setdefault(atom, text)
        self.defined = {eqn.out: eqn for eqn in graph.eqns}
        self.uses = Counter(a for eqn in graph.eqns for a in eqn.inputs if isinstance(a, Var))
        self.uses.update({a for a, text in labels if not text and isinstance(a, Var)})
        taken = set(self.names.values())
        self.letters = (c for c in _letters() if c not in taken)
        for var in graph.inputs:
            self.names.setdefault(var, next(self.letters))
        self.folded: dict[Var, Expression] = {}

    def lines(self) -> list[tuple[Var, tuple[str, str]]]:
        """Return the variables with lines of their own: equation and shape."""
        written: list[tuple[Var, tuple[str, str]]] = []
        for eqn in self.graph.eqns:
            expression = self.expression(eqn)
            view = isinstance(eqn.primitive.lowering, View) and len(expression.text) < FOLDED
            once = self.uses[eqn.out] == 1 and len(expression.text) <= FOLDED
            if eqn.out not in self.names and (view or once):
                self.folded[eqn.out] = expression
                continue
            name = self.names.setdefault(eqn.out, "") or next(self.letters)
            self.names[eqn.out] = name
            written.append((eqn.out, (f"{name} = {expression.text}", _shape(eqn.out.type))))
        for atom, text in self.labels:
            if text and (self.name(atom) != text):
                written.append((Var(atom.type), (f"{text} = {self.name(atom)}", _shape(atom.type))))
        return written

    def name(self, atom: Atom) -> str:
        """Return what stands for a value in a line."""
        return self.read(atom).text

    def read(self, atom: Atom) -> Expression:
        if isinstance(atom, Const):
            number = atom.owned().uniform
            if number is None:
                return Expression(f"constant{_shape(atom.type)}", _CALL, atom.type.shape)
            text = f"{number.item():.6g}" if is_float(atom.type.dtype) else str(number)
            return Expression(text, _CALL if not text.startswith("-") else _SUM, ())
        if atom in self.folded:
            return self.folded[atom]
        return Expression(self.names.get(atom, "_"), _CALL, atom.type.shape)

    def whole(self, atom: Atom) -> Expression:
        """Return an argument where NumPy would not broadcast by itself."""
        found = self.read(atom)
        if found.shape == atom.type.shape:
            return found
        return Expression(f"broadcast({found.text}, {_shape(atom.type)})", _CALL, atom.type.shape)

    def expression(self, eqn: Eqn) -> Expression:
        name, shape = eqn.primitive.name, eqn.out.type.shape
        arithmetic = isinstance(eqn.primitive.lowering, Map)
        args = [self.read(a) if arithmetic else self.whole(a) for a in eqn.inputs]
        if arithmetic:
            shape = np.broadcast_shapes(*(a.shape for a in args))
        if name == "broadcast_to" or (name == "reshape" and _leads(eqn)):
            return self.read(eqn.inputs[0])
        if name == "transpose" and eqn.params["axes"] == (1, 0):
            return Expression(f"{args[0].within(_CALL)}ᵀ", _CALL, shape)
        if mean := self.mean(eqn):
            return mean
        if name in INFIX and len(args) == 2:
            symbol, binds = INFIX[name]
            left, right = args
            first = left.within(binds + (binds == _PRODUCT and left.symbol not in ("", symbol)))
            same = right.symbol == symbol and symbol in _SYMMETRIC
            return Expression(f"{first} {symbol} {right.within(binds + (not same))}", binds, shape, symbol)
        if name in AROUND:
            before, after, binds = AROUND[name]
            inner = args[0].text if before == after else args[0].within(binds + 1)
            return Expression(f"{before}{inner}{after}", binds, shape, "around")
        words = [*(a.text for a in args), *_settings(eqn)]
        return Expression(f"{name}({', '.join(words)})", _CALL, shape)

    def mean(self, eqn: Eqn) -> Expression | None:
        """Return a sum that is divided by the number of its terms as the mean that it is."""
        if eqn.primitive.name != "divide" or not isinstance(eqn.inputs[0], Var):
            return None
        total = self.defined.get(eqn.inputs[0])
        count: Any = eqn.inputs[1].uniform if isinstance(eqn.inputs[1], Const) else None
        if total is None or total.primitive.name != "sum" or total.out not in self.folded or count is None:
            return None
        if total.inputs[0].type.size != count * max(1, total.out.type.size):
            return None
        return Expression(f"mean{self.folded[total.out].text.removeprefix('sum')}", _CALL, eqn.out.type.shape)


def _leads(eqn: Eqn) -> bool:
    """Whether a reshape only adds axes of length 1 in front, as broadcasting does by itself."""
    before, after = eqn.inputs[0].type.shape, eqn.out.type.shape
    added = len(after) - len(before)
    return added >= 0 and after == (1,) * added + before


def _settings(eqn: Eqn) -> Iterator[str]:
    for key, value in eqn.params.items():
        if key == "axes" and eqn.out.type.ndim == 0:
            continue
        if key == "axes" and len(value) == 1:
            key, value = "axis", value[0]
        yield f"{key}={value}"


def _shape(type: Type) -> str:
    return f"[{','.join(map(str, type.shape))}]"


def _letters() -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield "".join(letters)
