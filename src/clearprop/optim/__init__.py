"""Optimisers, schedules and clipping: how the parameters move once the gradient is known.

>>> import numpy as np, clearprop as cp
>>> from clearprop import optim
>>> optimizer = optim.Adam(optim.CosineDecay(0.5, decay_steps=100))
>>> w = np.array([3.0, -2.0])
>>> state = optimizer.init(w)
>>> for _ in range(100):
...     w, state = optimizer.update(w, cp.grad(lambda w: np.sum(w ** 2))(w), state)
>>> bool(np.all(np.abs(w) < 1e-2))
True
"""

from typing import TYPE_CHECKING

from .._on_demand import on_demand

if TYPE_CHECKING:
    from .adam import Adam, Adamax, AdamW, NAdam
    from .adaptive import Adadelta, Adagrad, RMSProp
    from .clipping import clip_by_norm, clip_by_value, global_norm
    from .lbfgs import LBFGS
    from .lion import Lion
    from .optimizer import Optimizer, Rate, State
    from .plateau import ReduceOnPlateau
    from .schedules import (
        Constant,
        CosineDecay,
        ExponentialDecay,
        OneCycle,
        PiecewiseConstant,
        Schedule,
        StepDecay,
    )
    from .sgd import SGD
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "adam": "Adam Adamax AdamW NAdam",
            "adaptive": "Adadelta Adagrad RMSProp",
            "clipping": "clip_by_norm clip_by_value global_norm",
            "lbfgs": "LBFGS",
            "lion": "Lion",
            "optimizer": "Optimizer Rate State",
            "plateau": "ReduceOnPlateau",
            "schedules": "Constant CosineDecay ExponentialDecay OneCycle "
            "PiecewiseConstant Schedule StepDecay",
            "sgd": "SGD",
        },
    )

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "Lion",
    "NAdam",
    "OneCycle",
    "Optimizer",
    "PiecewiseConstant",
    "RMSProp",
    "Rate",
    "ReduceOnPlateau",
    "Schedule",
    "State",
    "StepDecay",
    "clip_by_norm",
    "clip_by_value",
    "global_norm",
]
