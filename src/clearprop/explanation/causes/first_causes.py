"""Who made the first NaN or infinity: of recorded passes, and of any function."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ...api.arguments import Argnums, Arguments, named
from ...core import tree
from ...core.interpret import Values, evaluate
from ...core.types import is_float, type_of
from ..observe import Call, observed
from .cause import Cause
from .describe import Data, described
from .not_finite import trail
from .passes import Passes, not_finite, record_passes


def first_cause(function: Callable[..., Any], *args: Any, argnums: Argnums = 0) -> Cause | None:
    """Return what makes a function's value, or its gradient, NaN or infinite; None if both are finite.

    Parameters
    ----------
    function : callable
        Of nested structures of arrays; its gradient is that of the sum of all floats that it returns.
    *args : nested structures
        Integers and strings that stand alone are passed on as they are. Of a Module, the cause names the layer.
    argnums : int or sequence of int
        Which arguments the gradient is taken in, as for `grad`. The rows of the others are the samples.

    Returns
    -------
    Cause or None
        Printed, a paragraph: the operation with its numbers, where, who only passed it on, what would have avoided it.
        What does not reach the value or the gradient is no cause, such as an infinity that ``np.where`` discards.

    Raises
    ------
    TraceError
        If Python branches on a number of an argument.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cause = cp.first_cause(lambda w, x: np.mean(np.log(x @ w)), np.ones(2), np.array([[1.0, 2.0], [1.0, -1.0]]))
    >>> cause.what, cause.index, cause.sample, cause.passed_on
    ('log(0) = -inf', (1,), 1, ('sum', 'divide'))
    >>> cp.first_cause(np.sqrt, 0.0).what
    'the slope of sqrt(0) is inf'
    """
    calls: list[Call] = []
    opened = [n for n, arg in enumerate(args) if not _setting(arg)]

    @wraps(function)
    def watched(*args: Any) -> Any:
        return function(*(observed(arg, calls) if isinstance(arg, tree.Module) else arg for arg in args))

    call = Arguments(watched, args, {}, opened)
    if not call.leaves:
        return None
    leaves = [np.asarray(leaf) for leaf in call.leaves]
    moved = set(call.leaves_of(named("argnums", argnums, len(args))))
    passes = record_passes(
        lambda *traced: tree.leaves(call.call(traced)),
        [type_of(leaf) for leaf in leaves],
        call.names,
        [i for i in sorted(moved) if is_float(leaves[i].dtype)],
        calls,
        lambda _, gradients: gradients,
    )
    data = [v for i, v in enumerate(passes.graph.inputs) if i not in moved and v.type.ndim]
    n = data[0].type.shape[0] if data else 0
    return cause_of(passes, evaluate(passes.graph, leaves), Data([v for v in data if v.type.shape[0] == n]))


def _setting(arg: Any) -> bool:
    """Whether an argument holds no array and no float."""
    leaves = tree.leaves(arg)
    return not any(isinstance(leaf, (np.ndarray, np.generic, float)) for leaf in leaves)


def cause_of(passes: Passes, values: Values, data: Data) -> Cause | None:
    """Return the first cause in the outputs of a function, else in those of what follows it."""
    count = len(passes.graph.outputs)
    for outputs in (range(passes.outputs), range(passes.outputs, count)):
        roots = not_finite(passes, values, outputs)
        if roots:
            found = trail(passes.graph, values, roots)
            return described(passes, values, found, data)
    return None
