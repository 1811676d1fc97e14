"""``explain``: the forward and the backward pass of your own network on your own samples, every number by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import tree
from ..core.errors import SettingError
from ..core.traced import Traced
from ..nn.context import Context
from .answers.methods import Answers
from .layers import parameter, quantity
from .quantity import Quantity
from .record import Record, X, record

if TYPE_CHECKING:
    from .paths.ledger import Ledger
    from .writing.formulas import Formulas
    from .writing.sheet import Sheet
    from .writing.worksheet import Worksheet


class Explanation(Answers):
    """One forward and one backward pass, in numbers. Made by `explain`.

    Attributes
    ----------
    record : Record
        The graph, its values and errors.
    loss : float
        L.
    layers : tuple of Layer
        In order.
    """

    def __init__(self, record: Record) -> None:
        self.record = record

    @property
    def loss(self) -> float:
        """L, of the whole batch; a fraction if the explanation is exact."""
        number: float = self.record.value(self.record.graph.outputs[0]).item()
        return number

    @property
    def terms(self) -> Quantity:
        """Each sample's own loss."""
        says = f"each sample's own loss; L is their {self.record.reduction}"
        return Quantity("terms", "Lᵢ", self.record.terms, ("sample",), says)

    @property
    def prediction(self) -> Quantity:
        """What the model gave: float[n, ...]."""
        return quantity(self.record, "prediction", "ŷ", self.record.prediction)

    def __getitem__(self, name: str) -> Any:
        """Return a layer, ``"layers.0"``, or one of its quantities, ``"layers.0.z"``; or "x", "prediction".

        Raises
        ------
        SettingError
            If there is nothing of that name; the message lists what there is.
        """
        if name == X:
            return quantity(self.record, X, X, self.record.x)
        if name == "prediction":
            return self.prediction
        found = {layer.name: layer for layer in self.layers}
        if name in found:
            return found[name]
        path, _, last = name.rpartition(".")
        layer = found.get(path)
        if layer is None and name in self.record.inputs:  # a parameter that belongs to no layer
            return parameter(self.record, name, name, self.record.value(self.record.inputs[name]))
        if layer is not None:
            own = {k: getattr(layer, k) for k in ("inputs", "z", "a", "delta", "da", "dinputs")}
            own |= {**layer.parameters, **{f"d{k}": g for k, g in layer.gradients.items()}}
            if last in own:
                return own[last]
            raise SettingError(f"{path} has no {last!r}; it has {', '.join(own)}")
        raise SettingError(
            f"there is no {name!r}; layers are {', '.join(found) or 'none'}, parameters "
            f"{', '.join(self.record.parameters) or 'none'}, and there are x and prediction"
        )

    def gradient(self, name: str) -> Quantity:
        """Return ∂L/∂ of a parameter, by its path, or of ``"x"``.

        Raises
        ------
        SettingError
            If there is no such parameter.
        """
        if name not in self.record.inputs:
            raise SettingError(f"there is no parameter {name!r}; there are {', '.join(self.record.inputs)}")
        error = self.record.error(self.record.inputs[name])
        symbol = f"∂L/∂{name}"
        if name == X:
            return quantity(self.record, "dx", symbol, error, error=True)
        return parameter(self.record, name, symbol, error, error=True)

    def paths(
        self, name: str, index: int | Sequence[int], k: int | None = 10, detail: str = "layers"
    ) -> Ledger:
        """Return the path ledger of one element: every way by which it moves the loss, factor by factor.

        Parameters
        ----------
        name : str
            A parameter's path, ``"layers.0.weight"``, or ``"x"``.
        index : int or sequence of int
        k : int or None
            How many paths to write down, the largest first; None all of them, up to 10,000. What is not written
            down is given as one number, so that the ledger always closes.
        detail : {"layers", "operations"}
            Stop at what layers take, sum and give, and add up what lies between; or at each operation.

        Raises
        ------
        SettingError, ShapeError
            If there is no such element or no such detail.
        DataError
            If values on the way are not finite.

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> line = cp.nn.Dense(1, 1, cp.tanh, weight=[[1.0]], bias=[0.0])
        >>> e = cp.explain(line, cp.losses.half_squared_error, np.array([[0.5]]), np.array([[1.0]]))
        >>> print(e.paths("weight", (0, 0)))
        ∂L/∂W¹[0,0], weight[0, 0]: 1 path to the loss
        <BLANKLINE>
           1  W¹[0,0] → z¹[0] → a¹[0] → L
                ∂z¹[0]/∂W¹[0,0] = x[0]         =   +0.500000000
                ∂a¹[0]/∂z¹[0]   = tanh′(z¹[0]) =   +0.786447733
                ∂L/∂a¹[0]                      =   -0.537882843
                their product                  =   -0.211508371
        <BLANKLINE>
          sum of this path                      -0.211508371
          ∂L/∂W¹[0,0] of the backward pass      -0.211508371
          difference                                      +0
        """
        from .paths.ledger import paths

        return paths(self.record, self.layers, name, index, k, detail)

    def table(self, sample: int | None = None, *, digits: int = 6, most: int = 5) -> Sheet:
        """Return every number of the pass, layer by layer, as tables: they print, and are HTML in a notebook.

        Parameters
        ----------
        sample : int, optional
            Values of this sample alone. Gradients of parameters are those of the batch, as they say.
        digits : int
            Significant ones.
        most : int
            Of samples, neurons and rows of weights so many are shown, and how many are left out is said.

        Raises
        ------
        SettingError
            If there is no such sample.

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> model = cp.nn.Dense(2, 1, weight=[[1.0], [-1.0]], bias=[0.5])
        >>> e = cp.explain(model, cp.losses.half_squared_error, np.array([[1.0, 2.0]]), np.array([[0.0]]))
        >>> print(e.table().title)
        L = 0.125, one sample
        """
        from .writing.table import table

        return table(self, sample, digits, most)

    def formulas(self, *, digits: int = 6) -> Formulas:
        """Return the formulas of the pass with the numbers filled in, as textbooks write them.

        In the notation of Nielsen (2015, chapter 2), where W has a row for each neuron: the transpose of our weight.
        Each formula has been checked against the numbers of the pass. It prints as text.

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> model = cp.nn.Dense(2, 1, weight=[[1.0], [-1.0]], bias=[0.5])
        >>> e = cp.explain(model, cp.losses.half_squared_error, np.array([[1.0, 2.0]]), np.array([[0.0]]))
        >>> [line.strip() for line in str(e.formulas()).splitlines() if "∂C/∂W" in line]
        ['∂C/∂W¹ = δ¹ (a⁰)ᵀ = [−0.5] [1;  2]ᵀ = [−0.5  −1]']
        """
        from .writing.derivation import formulas

        return formulas(self, digits)

    def latex(self, *, digits: int = 6) -> str:
        """Return the formulas, as `formulas` does, in LaTeX for the package amsmath."""
        return self.formulas(digits=digits).latex()

    def mathml(self, *, digits: int = 6) -> str:
        """Return the formulas, as `formulas` does, as HTML with MathML: well-formed, without script."""
        return self.formulas(digits=digits).mathml()

    def worksheet(self, rate: float = 0.5, *, digits: int = 4) -> Worksheet:
        """Return one step of gradient descent as an exercise for a class: every number, or blanks and a key.

        Of one sample, Dense layers and the loss half_squared_error, mean_squared_error or cross_entropy.

        Parameters
        ----------
        rate : float
            η, the learning rate.
        digits : int
            Significant ones.

        Raises
        ------
        SettingError
            If the network is another one, or too large for anybody's hands.

        See Also
        --------
        clearprop.worksheet : one of a network with round numbers

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> model = cp.nn.Dense(1, 1, weight=[[1.0]], bias=[0.5])
        >>> e = cp.explain(model, cp.losses.half_squared_error, np.array([[2.0]]), np.array([[1.0]]))
        >>> [line.strip() for line in str(e.worksheet()).splitlines() if "new w" in line]
        ['new w¹₁₁ = w¹₁₁ − η · ∂C/∂w¹₁₁ = 1 − 0.5 · 3 = −0.5']
        """
        from .writing.exercise import worksheet_of

        return worksheet_of(self, rate, digits)

    def _repr_html_(self) -> str:
        """Return the tables as static HTML, for notebooks."""
        return self.table().html()

    def __repr__(self) -> str:
        n = self.record.samples or 1
        of = "" if n == 1 else f", the {self.record.reduction} over {n} samples"
        lines = [f"<Explanation: L = {self.record.total:.6g}{of}", *(f"  {layer!r}" for layer in self.layers)]
        return "\n".join(lines) + ">"


def explain(
    model: Any,
    loss: Callable[..., Any],
    x: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    training: bool = False,
    seed: int = 0,
    dtype: Any = np.float64,
    exact: bool = False,
) -> Explanation:
    """Run a model forward and backward on some samples, and keep every number by name.

    Parameters
    ----------
    model : Module or callable
        As for `fit`; the numbers of its arrays are what is explained. It is not changed.
    loss : callable
        ``loss(prediction, target)``, to one number.
    x, y : array
        Samples on the first axis, and their targets. Of one sample keep that axis: ``x[:1], y[:1]``.
    sample_weight : array[n], optional
        Passed to the loss.
    training : bool
        Whether dropout drops: as in a step of training, with the random numbers of ``seed``.
    seed : int
    dtype : dtype or None
        In what to compute: double precision by default, so that sums close to the last digits that anyone
        prints. None keeps the dtype of the parameters, as training does.
    exact : bool
        Compute with fractions, ``fractions.Fraction``, of which 0.1 is 1/10: for small networks whose functions are
        rational (identity, relu, leaky_relu, Maxout; squared, absolute and hinge losses).

    Returns
    -------
    Explanation

    Raises
    ------
    DataError
        If x and y do not go together.
    ShapeError
        If the loss is not one number.
    SettingError
        If exact is asked for, and an operation is not rational.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> model = cp.nn.Dense(2, 1, cp.sigmoid, weight=[[1.0], [-1.0]], bias=[0.0])
    >>> e = cp.explain(model, cp.losses.half_squared_error, np.array([[1.0, 1.0]]), np.array([[1.0]]))
    >>> e.loss, e.gradient("weight").value
    (0.125, array([[-0.125],
           [-0.125]]))
    """
    if isinstance(x, Traced) or isinstance(y, Traced):
        raise SettingError("explain needs numbers; call it outside of functions that are traced")
    context = Context(training=training, rng=seed if training else None)
    if exact:
        from .exact import decimals, exactly

        model, x, y, dtype = tree.map(decimals, model), decimals(x), decimals(y), np.float64
    made = record(model, loss, x, y, sample_weight=sample_weight, context=context, dtype=dtype)
    return Explanation(exactly(made) if exact else made)
