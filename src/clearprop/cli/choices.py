"""What can be chosen by name on the command line, and how numbers there are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .. import losses, optim
from ..core.errors import SettingError
from ..data.preprocessing import CLASSIFICATION, REGRESSION
from ..data.table import nearest
from ..ops import activations

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    name: getattr(activations, name)
    for name in ["relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "tanh", "sigmoid", "identity"]
}


def hinge(prediction: Any, target: Any) -> Any:
    """Return the hinge loss of several classes (Weston and Watkins, 1999)."""
    return losses.hinge(prediction, target, kind="weston-watkins")


LOSSES: dict[str, dict[str, Callable[..., Any]]] = {
    CLASSIFICATION: {"cross_entropy": losses.cross_entropy, "hinge": hinge},
    REGRESSION: {
        name: getattr(losses, name) for name in ["mean_squared_error", "mean_absolute_error", "huber"]
    },
}
"""By task; the first one is taken by default."""


def _momentum(rate: float = 0.01) -> optim.SGD:
    return optim.SGD(rate, momentum=0.9)


def _nesterov(rate: float = 0.01) -> optim.SGD:
    return optim.SGD(rate, momentum=0.9, nesterov=True)


OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "adamax": optim.Adamax,
    "nadam": optim.NAdam,
    "rmsprop": optim.RMSProp,
    "adagrad": optim.Adagrad,
    "adadelta": optim.Adadelta,
    "lion": optim.Lion,
    "sgd": optim.SGD,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "lbfgs": optim.LBFGS,
}

MOST_NEURONS = 100_000


def named(option: str, name: str, choices: Mapping[str, Any]) -> Any:
    """Return the choice of this name, whatever the case of its letters.

    Raises
    ------
    ClearpropError
        If there is none; the message lists the choices and suggests the nearest.
    """
    found = choices.get(name.lower())
    if found is None:
        raise SettingError(f"{option} {name!r}: must be one of {one_of(choices)}.{_hint(name, choices)}")
    return found


def loss_for(task: str, name: str | None) -> Callable[..., Any]:
    """Return the loss of this name for a task, or its default."""
    choices = LOSSES[task]
    if name is None:
        return next(iter(choices.values()))
    elsewhere = [t for t, others in LOSSES.items() if name.lower() in others and t != task]
    if elsewhere:
        raise SettingError(
            f"--loss {name!r} is for {elsewhere[0]}, and this is {task}: choose {one_of(choices)}, or --task"
        )
    return named("--loss", name, choices)  # type: ignore[no-any-return]  # a loss


def optimizer_for(name: str, rate: float | None) -> Any:
    """Return the optimiser of this name, with its own learning rate if none is given."""
    make = named("--optimizer", name, OPTIMIZERS)
    if rate is None:
        return make()
    if make is optim.LBFGS:
        raise SettingError("--rate does not go with --optimizer lbfgs, which searches for its step")
    if not (rate > 0 and math.isfinite(rate)):
        raise SettingError(f"--rate {rate:g}: must be a number above 0, such as 0.001")
    return make(rate)


def hidden_sizes(text: str) -> tuple[int, ...]:
    """Return the numbers of neurons that a text such as "64,32" lists; none for a linear model.

    >>> hidden_sizes("64, 32"), hidden_sizes("none")
    ((64, 32), ())
    """
    if text.strip().lower() == "none":
        return ()
    sizes = [part.strip() for part in text.split(",")]
    if not all(s.isascii() and s.isdigit() and 0 < int(s[:9]) <= MOST_NEURONS for s in sizes):
        raise SettingError(
            f"--hidden {text!r}: must list numbers of neurons from 1 to {MOST_NEURONS:,}, such as 64 or 64,32, or "
            f"be none for a linear model"
        )
    return tuple(map(int, sizes))


def at_least(option: str, value: int, least: int) -> int:
    """Return a count that is large enough, or raise SettingError."""
    if value < least:
        raise SettingError(f"{option} {value}: must be at least {least}")
    return value


def fraction(option: str, value: float) -> float:
    """Return a fraction of the rows, from 0 to less than 1, or raise SettingError."""
    if not 0 <= value < 1:
        raise SettingError(f"{option} {value:g}: must be at least 0 and less than 1, such as 0.2")
    return value


def one_of(choices: Collection[str]) -> str:
    """Return the names of the choices, for a message or the help.

    >>> one_of(["a", "b"])
    'a, b'
    """
    return ", ".join(choices)


def _hint(name: str, choices: Collection[str]) -> str:
    near = nearest(name, choices)
    return f" Did you mean {near!r}?" if near else ""
