"""What an explanation answers beside its arrays: who is to blame, how sensitive an output is, what an update does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from ..layers import Layer, layers_of, parameter
from ..quantity import Quantity
from ..record import Record, X

if TYPE_CHECKING:
    from ...optim import Optimizer
    from .blame import Blame
    from .integrated import IntegratedGradients
    from .jacobian import Jacobian
    from .samples import SampleShares
    from .sensitivity import Sensitivity
    from .update import ModelUpdate, WeightUpdate

Index = int | Sequence[int]


class Answers:
    """The questions that an `Explanation` answers with a table that adds up."""

    record: Record

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, in order."""
        return layers_of(self.record)

    def blame(self, k: int = 5) -> Blame:
        """Return each sample's share of L and each neuron's share of its layer's error; print it to see them.

        Parameters
        ----------
        k : int
            How many samples, and neurons of each layer, are printed.

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> model = cp.nn.MLP(2, (3,), 1, activation=np.tanh, rng=0)
        >>> e = cp.explain(model, cp.losses.mean_squared_error, np.eye(2), np.ones((2, 1)))
        >>> blame = e.blame()
        >>> bool(np.isclose(blame.samples.sum(), e.loss)), blame["layers.0"].shares.sum().round(9)
        (True, np.float64(1.0))
        """
        from .blame import blame_of

        return blame_of(self.record, self.layers, k)

    def samples(
        self, name: str, index: Index = (), k: int = 5, optimizer: Any = None, state: Any = None
    ) -> SampleShares:
        """Return which samples want to move a weight, and which way: gᵢ, with Σ gᵢ = ∂L/∂w.

        Parameters
        ----------
        name : str
            Of a parameter, ``"layers.0.weight"``.
        index : int or tuple of int
            Of one element.
        k : int
            How many samples are printed.
        optimizer : Optimizer, optional
            With it, the update of the weight is shared out too: a part that the optimiser remembers, a part of
            weight decay, and this batch's part, which each sample gets in proportion to gᵢ. For an optimiser
            that moves each element by its own gradient, these are the Aumann-Shapley values (the path integral
            from a gradient of 0); the factor of ``clip_norm`` is taken as one for all samples.
        state : dict, optional
            Of the optimiser before the update; by default that of the first one.

        Raises
        ------
        SettingError
            If there is no such weight, or the model mixes samples, which is tried out.

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> model = cp.nn.Dense(1, 1, weight=[[0.0]], bias=None)
        >>> e = cp.explain(model, cp.losses.mean_squared_error, np.array([[1.0], [2.0]]), np.array([[1.0], [-1.0]]))
        >>> shares = e.samples("weight", (0, 0), optimizer=cp.optim.SGD(0.1))
        >>> shares.each, shares.gradient, shares.moved.shares
        (array([-1.,  2.]), 1.0, array([ 0.1, -0.2]))
        """
        from .samples import shares_of

        return shares_of(self.record, name, index, k, optimizer, state)

    def sample_gradients(self, name: str) -> Quantity:
        """Return gᵢ of a whole parameter: float[n, ...], which sums to its gradient over the first axis.

        Raises
        ------
        SettingError
            If there is no such parameter, the model mixes samples, or the result would take more than 4 GiB.
        """
        from .by_sample import of_array

        value = of_array(self.record, name)
        axes = ("sample", *parameter(self.record, name, "", value[0]).axes)
        return Quantity(f"d{name}", f"gᵢ of {name}", value, axes, "a row for each sample; their sum is ∂L/∂w")

    def sensitivity(self, sample: int = 0, output: Any = None, eps: float = 1e-3, k: int = 10) -> Sensitivity:
        """Return ∂ŷ/∂x of one output of a sample, and what ŷ really does when each input moves by eps.

        Parameters
        ----------
        sample : int
        output : int or tuple of int, optional
            Which number of the prediction; by default the largest.
        eps : float
            In units of x.
        k : int
            How many inputs are printed, the steepest first.

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> model = cp.nn.Dense(2, 1, np.square, weight=[[3.0], [0.0]], bias=None)
        >>> s = cp.explain(model, cp.losses.mean_squared_error, np.ones((1, 2)), np.ones((1, 1))).sensitivity(eps=0.1)
        >>> s.slope, s.actual.round(6)
        (array([18.,  0.]), array([1.89, 0.  ]))
        """
        from .sensitivity import sensitivity_of

        return sensitivity_of(self.record, sample, output, eps, k)

    def jacobian(self, of: str = "prediction", to: str = X, sample: int | None = 0) -> Jacobian:
        """Return ∂of/∂to of a sample, by backward sweeps, checked by a forward sweep.

        Parameters
        ----------
        of, to : str
            "x", "prediction", a layer's ``"layers.0.z"``, ``.a`` or ``.inputs``; ``to`` may be a parameter.
        sample : int or None
            None for all samples: float[n, ...].

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> model = cp.nn.Dense(2, 1, np.square, weight=[[3.0], [1.0]], bias=None)
        >>> e = cp.explain(model, cp.losses.mean_squared_error, np.ones((1, 2)), np.ones((1, 1)))
        >>> e.jacobian().value
        array([[24.,  8.]])
        """
        from .jacobian import jacobian_of

        return jacobian_of(self.record, self.layers, of, to, sample)

    def integrated_gradients(
        self, baseline: Any = None, output: Any = None, steps: int = 512, tolerance: float = 1e-5
    ) -> IntegratedGradients:
        """Return what each input accounts for in ŷ(x) − ŷ(baseline): the attributions add up to it.

        Parameters
        ----------
        baseline : array like x or like one sample, optional
            By default zeros.
        output : int or tuple of int, optional
            Which number of the prediction; by default each sample's largest.
        steps : int
            At most so many points of the path; fewer if the sum closes sooner.
        tolerance : float
            Of the sum, relative to the largest change of ŷ.

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> model = cp.nn.Dense(2, 1, np.square, weight=[[3.0], [1.0]], bias=None)
        >>> e = cp.explain(model, cp.losses.mean_squared_error, np.ones((1, 2)), np.ones((1, 1)))
        >>> e.integrated_gradients().attributions.round(9)
        array([[12.,  4.]])
        """
        from .integrated import integrated_gradients_of

        return integrated_gradients_of(self.record, baseline, output, steps, tolerance)

    @overload
    def update(
        self, optimizer: Optimizer, name: None = None, index: Index = (), state: Any = None
    ) -> ModelUpdate: ...

    @overload
    def update(
        self, optimizer: Optimizer, name: str, index: Index = (), state: Any = None
    ) -> WeightUpdate: ...

    def update(
        self, optimizer: Optimizer, name: str | None = None, index: Index = (), state: Any = None
    ) -> ModelUpdate | WeightUpdate:
        """Return what an optimiser makes of the gradient, by running its update: of a weight, or of the whole model.

        Parameters
        ----------
        optimizer : Optimizer
        name : str, optional
            Of a parameter; without one, the whole update.
        index : int or tuple of int
            Of one element.
        state : dict, optional
            Of the optimiser before the update; by default that of the first one.

        Returns
        -------
        WeightUpdate or ModelUpdate

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> model = cp.nn.Dense(1, 1, weight=[[0.5]], bias=None)
        >>> e = cp.explain(model, cp.losses.half_squared_error, np.array([[1.0]]), np.array([[1.0]]))
        >>> print(e.update(cp.optim.SGD(0.1), "weight", (0, 0)))
        weight[0, 0] by SGD(0.1)
          w     0.5  the weight before
          g    -0.5  ∂L/∂w
          η     0.1  the learning rate
          −ηg  0.05  the step down the slope
          Δw  +0.05  the change
          w    0.55  the weight after
        The slope is negative (-0.5): a larger weight makes the loss smaller, so the weight grows by 0.05,
            from 0.5 to 0.55.
        formula = update: relative error 8e-17
        """
        from .update import update_of, updated

        if name is None:
            return updated(self.record, optimizer, state)
        return update_of(self.record, optimizer, name, index, state)
