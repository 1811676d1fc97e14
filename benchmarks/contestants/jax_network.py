"""The training step for JAX, as a pure function; two contestants call it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from workloads import BETA1, BETA2, EPS, MOMENTUM, Task, Workload

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "identity": lambda z: z,
}


def cross_entropy(z: Any, y: Any) -> Any:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1))


def hinge(z: Any, y: Any) -> Any:
    right = jnp.take_along_axis(z, y[:, None], axis=1)
    wrong = jnp.arange(z.shape[1]) != y[:, None]
    return jnp.mean(jnp.where(wrong, jax.nn.relu(1 + z - right), 0))


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "cross_entropy": cross_entropy,
    "mean_squared": lambda a, y: jnp.mean((a - y) ** 2),
    "half_squared": lambda a, y: jnp.mean(jnp.sum((a - y) ** 2, axis=1)) / 2,
    "hinge": hinge,
}


def cost(w: Workload) -> Callable[..., Any]:
    """Return the loss as a function of [(weight, bias), ...], inputs and targets."""
    hidden, output, loss = ACTIVATIONS[w.activation], ACTIVATIONS[w.output], LOSSES[w.loss]

    def value(layers: Any, x: Any, y: Any) -> Any:
        *inner, (weight, bias) = layers
        for u, b in inner:
            x = hidden(x @ u + b)
        return loss(output(x @ weight + bias), y)

    return value


def optimizer(w: Workload) -> tuple[int, Callable[..., Any]]:
    """Return how many slots each parameter has, and its rule: (step, p, g, *slots) to (p, *slots)."""
    if w.optimizer == "sgd":
        return 0, lambda t, p, g: (p - w.rate * g,)
    if w.optimizer == "momentum":

        def heavy(t: Any, p: Any, g: Any, v: Any) -> Any:
            v = MOMENTUM * v + g
            return p - w.rate * v, v

        return 1, heavy

    def adam(t: Any, p: Any, g: Any, m: Any, s: Any) -> Any:
        m, s = BETA1 * m + (1 - BETA1) * g, BETA2 * s + (1 - BETA2) * g * g
        corrected, square = m / -jnp.expm1(t * math.log(BETA1)), s / -jnp.expm1(t * math.log(BETA2))
        return p - w.rate * corrected / (jnp.sqrt(square) + EPS), m, s

    return 2, adam


def begin(task: Task) -> tuple[Callable[..., Any], Any, Any, Any]:
    """Return step(state, x, y, rows) to (state, loss), the state at the start, all inputs and all targets."""
    value, (slots, rule) = cost(task.workload), optimizer(task.workload)
    layers = [(jnp.array(w), jnp.array(b)) for w, b in zip(task.weights, task.biases, strict=True)]
    leaves, structure = jax.tree.flatten(layers)
    state = jnp.zeros(()), [(p, *(jnp.zeros_like(p) for _ in range(slots))) for p in leaves]

    def step(state: Any, x: Any, y: Any, rows: Any) -> tuple[Any, Any]:
        t, parameters = state
        layers = jax.tree.unflatten(structure, [p for p, *_ in parameters])
        loss, gradient = jax.value_and_grad(value)(layers, x[rows], y[rows])
        t, slopes = t + 1, jax.tree.leaves(gradient)
        moved = [rule(t, p, g, *kept) for (p, *kept), g in zip(parameters, slopes, strict=True)]
        return (t, moved), loss

    return step, state, jnp.array(task.x), jnp.array(task.y)
