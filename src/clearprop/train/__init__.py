"""Training: a generator of steps, and ``fit``, which consumes it and keeps what was learned."""

from . import inside  # noqa: F401  # tells what fit and steps compile
from .fit import fit
from .metrics import METRICS, accuracy, mean_absolute_error, r2_score
from .run import Run, load
from .steps import Step, steps
from .stopping import EarlyStopping

__all__ = [
    "METRICS",
    "EarlyStopping",
    "Run",
    "Step",
    "accuracy",
    "fit",
    "load",
    "mean_absolute_error",
    "r2_score",
    "steps",
]
