"""Networks made sick in a known way, and their healthy twins: the same but for one change."""

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import clearprop as cp
from clearprop import losses, nn, optim


@dataclass(frozen=True)
class Patient:
    """A training, from a seed to a Run. A disease changes some of its fields."""

    task: str = "classes"
    rows: int = 800
    columns: int = 5
    noise: float = 0.1
    shares: tuple[float, ...] = (1 / 3, 2 / 3)
    hidden: tuple[int, ...] = (16, 16)
    activation: Any = cp.relu
    output: Any = cp.identity
    loss: Any = None
    optimizer: Any = field(default_factory=lambda: optim.Adam(0.01))
    epochs: int = 20
    batch_size: int = 16
    validation: float | None = 0.25
    gain: float = 1.0
    bias: float = 0.0
    inputs: Any = None
    targets: Any = None
    weights: Any = None
    dropout: float = 0.0

    def data(self, seed):
        """Return x and y: classes of a bent score, whether it is above a bound, or the score itself."""
        random = np.random.default_rng(seed)
        x = random.normal(size=(self.rows, self.columns))
        bent = x @ random.normal(size=self.columns) / np.sqrt(self.columns)
        score = bent + 0.5 * np.sin(2 * x[:, 0]) + self.noise * random.normal(size=self.rows)
        if self.task == "numbers":
            y = ((score - score.mean()) / score.std())[:, None].astype(np.float32)
        else:
            y = np.digitize(score, np.quantile(score, self.shares))
            y = y if self.task == "classes" else y[:, None].astype(np.float32)
        x = x.astype(np.float32)
        x = x if self.inputs is None else np.asarray(self.inputs(x), np.float32)
        return x, y if self.targets is None else self.targets(y, random)

    def model(self, seed):
        """Return the network before training."""
        outputs = len(self.shares) + 1 if self.task == "classes" else 1
        model = nn.MLP(self.columns, self.hidden, outputs, self.activation, self.output, rng=seed)
        inner = [
            layer.replace(weight=self.gain * layer.weight, bias=layer.bias + np.float32(self.bias))
            for layer in model.layers[:-1]
        ]
        drop = [nn.Dropout(self.dropout)] if self.dropout else []
        return nn.Sequential([part for layer in inner for part in (layer, *drop)] + [model.layers[-1]])

    def run(self, seed):
        """Train."""
        usual = {
            "classes": losses.cross_entropy,
            "yes or no": losses.log_loss,
            "numbers": losses.mean_squared_error,
        }
        x, y = self.data(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of losses that are not finite
            return cp.fit(
                self.model(seed),
                (x, y),
                loss=self.loss or usual[self.task],
                optimizer=self.optimizer,
                epochs=self.epochs,
                batch_size=self.batch_size,
                validation=self.validation,
                sample_weight=None if self.weights is None else self.weights(y),
                seed=seed,
                progress=False,
            )


def thousandfold(x):
    return x * np.array([1000.0] + [1.0] * (x.shape[1] - 1))


def far_off(x):
    return x + 100


def at_random(y, random):
    return random.permutation(y)


def forgetting_class_0(y):
    return np.where(y.reshape(-1) == 0, 0.0, 1.0)


def times_ten(y, random):
    return 10 * y


CLASSES = Patient()
TANH = replace(CLASSES, activation=cp.tanh)
SIGMOID = replace(CLASSES, activation=cp.sigmoid, hidden=(16,), optimizer=optim.Adam(0.03), epochs=30)
SINGLE = replace(CLASSES, task="yes or no", shares=(0.5,))
NUMBERS = replace(CLASSES, task="numbers")
NUMBERS_TANH = replace(NUMBERS, activation=cp.tanh)
DESCENT = replace(CLASSES, optimizer=optim.SGD(0.1))
MOMENTUM = replace(NUMBERS, optimizer=optim.SGD(0.01, momentum=0.9), hidden=(16,))
DEEP = replace(CLASSES, hidden=(16,) * 8, optimizer=optim.Adam(0.003), epochs=15)
DEEP_TANH = replace(DEEP, activation=cp.tanh)
DEEP_DESCENT = replace(DEEP, optimizer=optim.SGD(0.03))

HEALTHY = {
    "classes, relu": CLASSES,
    "classes, tanh": TANH,
    "classes, sigmoid": SIGMOID,
    "yes or no, relu": SINGLE,
    "numbers, relu": NUMBERS,
    "numbers, tanh": NUMBERS_TANH,
    "numbers, gelu": replace(NUMBERS, activation=cp.gelu),
    "gradient descent": DESCENT,
    "momentum": MOMENTUM,
    "eight layers, relu": DEEP,
    "eight layers, gradient descent": DEEP_DESCENT,
    "three layers, sigmoid": replace(SIGMOID, hidden=(16, 16, 16)),
    "eight layers, tanh": DEEP_TANH,
    "one class in ten": replace(SINGLE, shares=(0.9,), rows=1500),
    "three classes, 5 % rare": replace(CLASSES, shares=(0.6, 0.95), rows=1500),
    "linear": replace(NUMBERS, hidden=()),
    "dropout": replace(CLASSES, hidden=(32, 32), dropout=0.2),
    "wide": replace(CLASSES, hidden=(128, 64), columns=20, rows=1000, epochs=5, optimizer=optim.Adam(0.001)),
    "short": replace(CLASSES, rows=600, epochs=4),
    "noisy": replace(NUMBERS, noise=0.8, hidden=(8,), rows=600),
    "large batch": replace(CLASSES, batch_size=1000, epochs=100),
    "hinge": replace(SINGLE, loss=losses.hinge),
}

SICK = [
    ("unscaled inputs", "one column in thousandths", CLASSES, {"inputs": thousandfold}),
    ("unscaled inputs", "all columns about 100", NUMBERS_TANH, {"inputs": far_off}),
    ("dead units", "biases of -6", CLASSES, {"bias": -6.0}),
    ("dead units", "biases of -6, numbers", NUMBERS, {"bias": -6.0}),
    ("saturated units", "weights 20 times as large", TANH, {"gain": 20.0}),
    ("saturated units", "weights 40 times as large", SIGMOID, {"gain": 40.0}),
    ("exploding gradients", "weights 3 times as large", DEEP_DESCENT, {"gain": 3.0}),
    ("exploding gradients", "weights 3 times as large, Adam", DEEP, {"gain": 3.0}),
    ("exploding gradients", "weights 3 times as large, gelu", DEEP, {"gain": 3.0, "activation": cp.gelu}),
    ("vanishing gradients", "eight layers of sigmoids", DEEP_DESCENT, {"activation": cp.sigmoid}),
    ("vanishing gradients", "eight layers of sigmoids, Adam", DEEP, {"activation": cp.sigmoid}),
    ("vanishing gradients", "weights a fifth as large", DEEP_DESCENT, {"gain": 0.2}),
    ("update-to-weight ratio", "Adam at 1e-7", CLASSES, {"optimizer": optim.Adam(1e-7)}),
    ("update-to-weight ratio", "Adam at 1", NUMBERS, {"optimizer": optim.Adam(1.0)}),
    ("rate too high", "Adam at 3", CLASSES, {"optimizer": optim.Adam(3.0)}),
    ("rate too high", "gradient descent at 3", NUMBERS_TANH, {"optimizer": optim.SGD(3.0)}),
    ("rate too high", "momentum at 1", MOMENTUM, {"optimizer": optim.SGD(1.0, momentum=0.9)}),
    ("rate too low", "Adam at 1e-5", CLASSES, {"optimizer": optim.Adam(1e-5)}),
    ("rate too low", "gradient descent at 1e-4", DESCENT, {"optimizer": optim.SGD(1e-4)}),
    (
        "cannot overfit one batch",
        "tenfold targets of a sigmoid",
        NUMBERS,
        {"output": cp.sigmoid, "targets": times_ten},
    ),
    ("cannot overfit one batch", "all weights 0", CLASSES, {"gain": 0.0}),
    ("constant prediction", "weight decay of 1", CLASSES, {"optimizer": optim.SGD(0.1, weight_decay=1.0)}),
    ("constant prediction", "weights 0", NUMBERS, {"gain": 0.0}),
    ("classes never predicted", "class 0 weighs nothing", CLASSES, {"weights": forgetting_class_0}),
    (
        "overfitting",
        "targets in random order",
        CLASSES,
        {"targets": at_random, "rows": 300, "hidden": (64,), "epochs": 60},
    ),
    (
        "overfitting",
        "noise, numbers",
        NUMBERS,
        {"targets": at_random, "rows": 300, "hidden": (64,), "epochs": 100},
    ),
]
"""Rule, the way to be sick, the healthy twin, what is changed."""


def sick(twin, changes):
    """Return the patient with a disease."""
    return replace(twin, **changes)
