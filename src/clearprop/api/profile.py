"""``profile``: where the time of compiled code goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.errors import SettingError
from .arguments import Argnums
from .inside import require_llvm
from .show import inside

if TYPE_CHECKING:
    from ..compile.profiling import Profile


def profile(
    function: Callable[..., Any],
    *args: Any,
    seconds: float = 0.5,
    static_argnums: Argnums = (),
    **kwargs: Any,
) -> Profile:
    """Return how long each kernel of ``function(*args, **kwargs)`` takes as native code, and how fast that is.

    The code is made once more, with a clock around each kernel; code that is not profiled has none. What a kernel
    does is counted by the schedule: a product of [m, k] and [k, n] is 2mnk operations; elsewhere each elementary
    function with a float result is one for each element, a tanh as a sum, and so is each element that a fold
    adds. Bytes are those that it must read and write at least, each element once. The machine's peaks are
    measured at the first profile of a process.

    Parameters
    ----------
    function : callable
        What `jit` takes or has made. Or `fit` or `steps`: then the training step that they compile, with their
        arguments; it trains a copy of the model meanwhile.
    *args, **kwargs
        Arguments of function. A ``Type``, as graphs have them, stands for an array of zeros.
    seconds : float
        How long to measure, about.
    static_argnums : int or sequence of int
        Of a function that is not jitted yet, as in `jit`.

    Returns
    -------
    Profile
        Prints as a table. ``rows`` has a Row for each kernel in the order in which they run: ``name``, ``kind``,
        ``shape``, ``threads``, ``time`` in µs, ``share``, ``gflops``, ``peak_share``, ``gbps``, ``memory_share``.
        ``time`` is that of a run in µs, ``around`` what of it is in no kernel, ``peaks`` the machine's.

    Raises
    ------
    SettingError
        If there is no time to measure.
    MissingError
        If llvmlite is not installed.

    See Also
    --------
    show

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> w, x = np.ones((30, 20)), np.ones((40, 30))
    >>> found = cp.profile(lambda w, x: np.tanh(x @ w), w, x, seconds=0.01)
    >>> [(row.kind, row.shape) for row in found.rows]  # tanh is a part of it
    [('product', (40, 20, 30))]
    """
    if not seconds > 0:
        raise SettingError(f"profile(seconds={seconds}): must be positive")
    require_llvm("profile")
    from ..compile.profiling import profiled  # what makes code is loaded when code is made

    program, run = inside(function, args, kwargs, static_argnums).timed()
    return profiled(program, run, seconds)
