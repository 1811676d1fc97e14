"""The rules of the doctor, causes before what they lead to."""

from __future__ import annotations

from . import ends, flow, learning, units
from .rule import Rule

RULES = (
    Rule(
        "unscaled inputs",
        ends.unscaled,
        "times the size of 1",
        10.0,
        "LeCun, Bottou, Orr, Müller: Efficient BackProp (1998), section 4.3: mean 0, variance 1; tenfold is our limit",
        (
            "subtract each column's mean and divide by its deviation: cp.data.Standardizer.of(x)",
            "apply the same to new data: fit(..., preprocessing=...)",
        ),
    ),
    Rule(
        "exploding gradients",
        flow.exploding,
        "times the error at the output",
        50.0,
        "Bengio, Simard, Frasconi (1994); Pascanu, Mikolov, Bengio (2013); fiftyfold is our limit",
        (
            "start with he_normal weights for relu and glorot_uniform for tanh",
            "clip_norm=1.0 in the optimizer",
            "put a LayerNorm between the layers",
        ),
    ),
    Rule(
        "rate too high",
        learning.rate_too_high,
        "more of what can be learned, at a smaller rate",
        0.1,
        "an experiment; the limit is our own measurement",
        ("lower the learning rate",),
    ),
    Rule(
        "dead units",
        units.dead,
        "of the units",
        0.4,
        "Karpathy, CS231n: as much as 40 % of a network may die of too high a rate",
        (
            "lower the learning rate, or clip_norm=1.0 in the optimizer",
            "start with bias 0 and he_normal weights",
            "use leaky_relu, elu or gelu, which are never quite off",
        ),
    ),
    Rule(
        "saturated units",
        units.saturated,
        "of a layer's activations",
        0.7,
        "Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks (2010), section 3",
        (
            "scale the inputs, and start with glorot_uniform weights",
            "lower the learning rate, or add weight_decay",
            "use relu",
        ),
    ),
    Rule(
        "vanishing gradients",
        flow.vanishing,
        "of the error at the output",
        1e-3,
        "Hochreiter (1991); Glorot, Bengio (2010), section 4; a thousandth is our limit",
        (
            "use relu with he_normal weights in place of sigmoid or tanh",
            "use fewer layers, or put a LayerNorm between them",
        ),
        below=True,
    ),
    Rule(
        "cannot overfit one batch",
        learning.one_batch,
        "of a few samples learned",
        learning.MEMORISED,
        "Karpathy: A recipe for training neural networks (2019): overfit one batch",
        (
            "check that the loss goes with the output: cross_entropy and log_loss take raw outputs",
            "check that targets are in the range of the output's function",
            "start with weights that differ from each other, not all 0",
            "give the network more hidden units",
        ),
        below=True,
    ),
    Rule(
        "rate too low",
        learning.rate_too_low,
        "more of what can be learned, at a larger rate",
        0.4,
        "an experiment; the limit is our own measurement",
        ("raise the learning rate",),
    ),
    Rule(
        "constant prediction",
        ends.constant,
        "of the targets' deviation",
        0.05,
        "our own measurement",
        (
            "look at the findings above: an error that does not arrive leaves only the last bias to learn",
            "lower weight_decay",
            "check that inputs and targets are in the same order",
        ),
        below=True,
    ),
    Rule(
        "classes never predicted",
        ends.never_predicted,
        "predictions for each sample of the class",
        ends.NEVER,
        "our own measurement; classes of fewer than 10 samples are left out",
        (
            "weigh rare classes more: sample_weight of 1/frequency",
            "collect more samples of these classes",
            "check their labels",
        ),
        below=True,
    ),
    Rule(
        "overfitting",
        learning.overfitting,
        "more learned of the training data",
        0.3,
        "Prechelt: Early stopping - but when? (1998): 5 % above the lowest validation loss; the gap is our limit",
        (
            "stop early: early_stopping=cp.EarlyStopping('val_loss', patience=10)",
            "collect more data",
            "use weight_decay, Dropout or fewer units",
        ),
    ),
    Rule(
        "update-to-weight ratio",
        learning.updates,
        "powers of ten from 1e-3",
        2.0,
        "Karpathy, CS231n: about 1e-3; two powers of ten are our limit",
        ("change the learning rate",),
        severity="watch",
    ),
)
