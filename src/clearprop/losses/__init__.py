"""Loss functions: ``loss(prediction, target, *, sample_weight=None, ..., reduction="mean")``.

Plain NumPy code that can be traced. A loss has the dtype of its prediction, to which targets and weights are
converted; shapes are never broadcast. Weights multiply the losses of samples, and the mean divides by their
sum: Σ wᵢ lᵢ / Σ wᵢ.

| target        | loss                                                                          |
|---------------|-------------------------------------------------------------------------------|
| numbers       | mean_squared_error, half_squared_error, mean_absolute_error, huber            |
| counts        | poisson                                                                       |
| yes or no     | log_loss, hinge                                                               |
| one of k      | cross_entropy, hinge with kind="weston-watkins" or "crammer-singer"           |
| probabilities | log_loss, cross_entropy, kl_divergence                                        |
"""

from typing import TYPE_CHECKING

from .._on_demand import on_demand

if TYPE_CHECKING:
    from .classification import cross_entropy, kl_divergence, log_loss
    from .margin import hinge
    from .regression import half_squared_error, huber, mean_absolute_error, mean_squared_error, poisson
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "classification": "cross_entropy kl_divergence log_loss",
            "margin": "hinge",
            "regression": "half_squared_error huber mean_absolute_error mean_squared_error poisson",
        },
    )

__all__ = [
    "cross_entropy",
    "half_squared_error",
    "hinge",
    "huber",
    "kl_divergence",
    "log_loss",
    "mean_absolute_error",
    "mean_squared_error",
    "poisson",
]
