"""The generator of training steps: gather a mini-batch, forward, loss, backward, update.

One step is one graph, recorded once for each size of batch and simplified: the model's forward pass, the
loss, backpropagation and the optimiser's update together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..api import value_and_grad
from ..api.compiled import native_code
from ..api.inside import Inside, says_inside
from ..core import tree
from ..core.errors import DataError, SettingError
from ..core.types import Array
from ..nn.context import INFERENCE, Context, apply
from ..ops.random import fold_in, key, permutation
from ..optim import Optimizer
from .data import Samples, samples
from .journal import Journal, all_finite
from .mistakes import require_no_target_among_inputs, require_sound
from .stepper import Interpreted, Native, Stepper

if TYPE_CHECKING:
    from ..explanation.causes.cause import Cause
    from ..optim import LBFGS

Loss = Callable[..., Any]

BACKENDS = ("native", "numpy")

ORDER, NOISE, SPLIT = 0, 1, 2  # what the seed's random numbers are for


@dataclass(eq=False)
class Step:
    """What one step has done, or several that native code did in one go.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    number : int
        Updates so far, counted from 1.
    done : float
        Which part of the epoch is done after it: 1.0 after the last step.
    rows : int
        Samples in its mini-batch.
    loss : float
        Of the mini-batch, before the update.
    rate : float
        Learning rate of the update after it.
    model : Module
        After the update.
    state : dict
        Of the optimiser, after the update.
    prediction, target : array or None
        Of the mini-batch, before the update; kept if asked for.
    losses : array or None
        Of each mini-batch, where this is more than one. The first that is not finite is the last.
    finite : bool
        Whether the model after it holds neither NaN nor infinities; looked at where `fit` ends an epoch.
    """

    epoch: int
    number: int
    done: float
    rows: int
    loss: float
    rate: float
    view: Callable[[], Any]  # the model as it is now, not copied: the next step changes it
    take_state: Callable[[], Any]  # copies it, when somebody asks
    earlier: Callable[[int], Any]  # the model after so many updates, made again
    prediction: Any = None
    target: Any = None
    losses: Any = None
    finite: bool = True
    examine: Callable[[], Cause | None] | None = None
    _cause: Cause | None = None

    @cached_property
    def model(self) -> Any:
        """The model after the update."""
        return tree.map(np.array, self.view())

    @cached_property
    def state(self) -> Any:
        """The optimiser's state after the update."""
        return self.take_state()

    @property
    def sound(self) -> bool:
        """Whether all its losses are finite."""
        return math.isfinite(self.loss) or (self.losses is not None and bool(np.isfinite(self.losses).all()))

    @property
    def cause(self) -> Cause | None:
        """What made its loss, or the model after it, NaN or infinite; None if both are finite.

        To find it the training is done again up to the step that was the first to go wrong, and that step with NumPy.
        It begins at the start, or at a state that was kept about a second before, where those are small.
        """
        if self.examine is not None:
            examine, self.examine = self.examine, None
            self._cause = None if self.sound and all_finite(self.model) else examine()
        return self._cause


def steps(
    model: Any,
    data: Any,
    *,
    loss: Loss,
    optimizer: Optimizer | LBFGS,
    epochs: int = 10,
    batch_size: int = 32,
    sample_weight: Any = None,
    seed: int = 0,
    keep_predictions: bool = False,
    backend: str = "native",
    allow_target_in_x: bool = False,
) -> Iterator[Step]:
    """Train step by step: the loop beneath `fit`, for those who write their own around it.

    Parameters
    ----------
    model : Module or callable in a nested structure
        Called with a batch of inputs. Its float arrays are trained.
    data : (x, y) or (x, y, sample_weight)
        Samples on the first axis.
    loss, optimizer, epochs, batch_size, sample_weight, seed
        As for `fit`.
    keep_predictions : bool
        Whether steps carry the predictions that they made.
    backend : {"native", "numpy"}
        As for `fit`.
    allow_target_in_x : bool
        As for `fit`.

    Yields
    ------
    Step
        After each update; whoever stops consuming stops the training. Nothing is raised where the loss becomes NaN or
        infinite: look at ``step.loss``, and ask ``step.cause`` for the first cause.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> x = np.linspace(-1, 1, 8)[:, None]
    >>> line = cp.nn.Dense(1, 1, weight=[[0.0]], bias=[0.0])
    >>> loop = cp.steps(line, (x, 3 * x), loss=cp.losses.mean_squared_error, optimizer=cp.optim.SGD(0.5), batch_size=8)
    >>> [round(step.loss, 3) for step in loop][:3]
    [3.857, 1.259, 0.411]
    """
    train = samples(data, sample_weight)
    if not allow_target_in_x:
        require_no_target_among_inputs(train)
    return loop(model, train, loss, optimizer, epochs, batch_size, seed, keep_predictions, backend, pause=0.0)


def loop(
    model: Any,
    data: Samples,
    loss: Loss,
    optimizer: Optimizer | LBFGS,
    epochs: int,
    batch_size: int,
    seed: int,
    keep_predictions: bool,
    backend: str,
    pause: float,
) -> Iterator[Step]:
    """Return the generator for an optimiser, after checking the counts.

    Raises
    ------
    DataError
        If there is no epoch to do, or no sample in a batch.
    SettingError
        If there is no such backend, or ``optimizer`` is not an optimizer.
    """
    if epochs < 1 or batch_size < 1:
        raise DataError(f"epochs={epochs}, batch_size={batch_size}: both must be at least 1")
    weighted = data.weighted(loss)
    require_sound(model, data, weighted, batch_size)
    try_loss(model, data, weighted)
    noise = fold_in(key(seed), NOISE)
    if not isinstance(optimizer, Optimizer):
        from ..optim import LBFGS

        if not isinstance(optimizer, LBFGS):
            raise SettingError(
                f"optimizer={optimizer!r}: must be an optimizer, such as cp.optim.Adam(1e-3) or cp.optim.LBFGS()"
            )
        return full_batch(model, data.only(), weighted, optimizer, epochs, noise, keep_predictions)
    if backend not in BACKENDS:
        raise SettingError(f"backend={backend!r}: must be one of {', '.join(map(repr, BACKENDS))}")
    kind = Native if backend == "native" and native_code() else Interpreted
    stepper = kind(model, data, weighted, optimizer, noise, keep_predictions)
    return mini_batches(data, stepper, epochs, batch_size, fold_in(key(seed), ORDER), pause)


def mini_batches(
    data: Samples, stepper: Stepper, epochs: int, batch_size: int, order: Array, pause: float
) -> Iterator[Step]:
    """Yield a step for each mini-batch of epochs that are shuffled anew; or one for ``pause`` seconds of them."""
    number, n, stride = 0, len(data), 1

    def shuffled(epoch: int) -> Array:
        return data.numbers(permutation(fold_in(order, epoch + 1), n))

    journal = Journal(stepper, shuffled, n, batch_size)
    stepper.prepare({min(batch_size, n), n % batch_size or batch_size})
    for epoch in range(1, epochs + 1):
        rows, start = shuffled(epoch - 1), 0
        while start < n:
            size = min(batch_size, n - start)
            count = min(stride, (n - start) // size)
            taken, rate = rows[start : start + size * count], stepper.rate
            begun = time.perf_counter()
            losses, predictions = stepper.run(taken, size)
            if pause:
                stride = max(1, min(2 * stride, round(pause * count / (time.perf_counter() - begun))))
            taken = taken[: size * len(losses)]
            start, number = start + len(taken), number + len(losses)
            target = None if pause and predictions is None else data.y[taken]
            loss = float(np.mean(losses))
            ways = (stepper.model, stepper.state, journal.model)
            step = Step(epoch, number, start / n, len(taken), loss, rate, *ways, predictions, target, losses)
            step.examine = partial(_replayed, journal, number)
            if not step.sound and journal.failed is None:
                journal.failed = number
            if pause and start == n:
                step.finite = all_finite(stepper.leaves[: stepper.parameters])
            if not pause:
                step.model, step.state  # noqa: B018  # takes its copies before the next step
            yield step
            if "state" in step.__dict__:
                stepper.rate_factor = step.state["rate_factor"]
                journal.factor(number, float(stepper.rate_factor))
            if journal.due():
                journal.mark(number)


def try_loss(model: Any, data: Samples, loss: Loss) -> None:
    """Compute the loss once, on the rows with the extreme labels, so that what is wrong is said in numbers."""
    y = data.y.reshape(len(data.y), -1)
    rows = sorted({0, len(y) - 1, *map(int, [*y.argmin(axis=0)[:1], *y.argmax(axis=0)[:1]])})
    few = data.take(rows)
    weight = None if few.weight is None else np.ones_like(few.weight)
    with np.errstate(all="ignore"):
        loss(apply(model, few.x, INFERENCE), few.y, weight)


def full_batch(
    model: Any, data: Samples, loss: Loss, optimizer: LBFGS, epochs: int, noise: Array, keep_predictions: bool
) -> Iterator[Step]:
    """Yield a step for each iteration of L-BFGS on all samples; each counts as an epoch.

    If the loss or its gradient is not finite where it starts, there is one step, which changes nothing.
    """
    first: list[bool] = []  # whether the first loss and gradient were finite

    def step_at(number: int, model: Any, value: float, before: Any) -> Step:
        prediction = apply(model, data.x, INFERENCE) if keep_predictions else None
        ways = (lambda: model, dict, lambda number: before)
        step = Step(number, number, 1.0, len(data), float(value), 1.0, *ways, prediction, data.y)
        step.examine = partial(_of_cost, loss, model, data, noise)
        return step

    @value_and_grad
    def cost(model: Any) -> Array:
        context = Context(training=True, rng=noise)  # the same noise each time: the function must not change
        return loss(apply(model, data.x, context), data.y, data.weight)

    def noted(model: Any) -> tuple[Any, Any]:
        value, gradient = cost(model)
        first.append(bool(np.isfinite(value)) and all_finite(gradient))
        return value, gradient

    number, before = 0, model
    for number, (new, value) in enumerate(optimizer.iterate(noted, model), start=1):
        yield step_at(number, new, value, before)
        before = new
        if number == epochs:
            return
    if not number and first and not first[0]:
        yield step_at(1, model, np.nan, model)


def _replayed(journal: Journal, number: int) -> Cause | None:
    from .replay import cause_of_step  # loaded only when there is something to explain

    return cause_of_step(journal, number)


def _of_cost(loss: Loss, model: Any, data: Samples, noise: Array) -> Cause | None:
    from .replay import cause_of_cost

    context = Context(training=True, rng=noise)
    return cause_of_cost(loss, model, data.x, data.y, data.weight, context)


def _inside(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Inside:
    from .inside import of_steps

    return of_steps(args, kwargs)


says_inside(steps, _inside)
