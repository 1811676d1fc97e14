"""Losses of predicted probabilities: log-loss, cross-entropy and the Kullback-Leibler divergence.

They take logits, from which log-probabilities follow without loss, however sure the network is. From
probabilities, with ``from_logits=False``, the logarithm is taken as it is, but for one thing: a probability
of 0 counts as the smallest positive normal number of its dtype (1.2e-38 in float32, 2.2e-308 in float64),
with slope 0. So a prediction that is certain and right has the loss 0 exactly, and one that is certain and
wrong 87.3 or 708.4 in place of infinity.

What is known to be a softmax or a sigmoid is not taken for logits; ``from_logits="unchecked"`` does so all the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import SettingError, ShapeError
from ..core.types import Array, type_of
from ..ops.activations import softplus
from ..ops.composite import log_softmax
from ..ops.index import gather
from .inputs import (
    as_array,
    as_float,
    as_labels,
    holds_labels,
    like,
    matched,
    require_between,
    require_classes,
    require_distribution,
)
from .probabilities import takes_logits
from .reduction import reduce, weigh

_LOGITS = "of logits leave from_logits=True, the default"


def log_loss(
    prediction: Array,
    target: Any,
    *,
    from_logits: bool | str = True,
    sample_weight: Any = None,
    reduction: str = "mean",
) -> Array:
    """Return the mean of −y·log σ(z) − (1 − y)·log(1 − σ(z)), with the slope (σ(z) − y)/N in the logits z.

    The cross-entropy of yes or no, one for each element. Computed as y·softplus(−z) + (1 − y)·softplus(z),
    which neither overflows nor loses digits.

    Parameters
    ----------
    prediction : float[n] or float[n, k]
        Logits z; with from_logits=False the probabilities p of 1. The loss is computed in its dtype.
    target : array[n] or array[n, k]
        y in [0, 1], of the same shape; any dtype. With k columns each is a label of its own (multi-label).
    from_logits : bool or "unchecked"
        False takes −y·log p − (1 − y)·log(1 − p). A p of 0 counts as the smallest positive normal number of
        its dtype, likewise 1 − p: certain and right is 0 exactly, certain and wrong is 708.4 (float64)
        or 87.3 (float32), with slope 0. "unchecked" takes for logits what is seen to be the result of a sigmoid, too.
    sample_weight : array[n], optional
        w ≥ 0, one a sample, or one an element.
    reduction : {"mean", "sum", "none"}
        Over the N elements l: "mean" Σ w l / Σ w, 0 if all weights are 0; "sum" Σ w l; "none" w l, shaped
        like prediction.

    Raises
    ------
    ShapeError
        If the shapes differ: [n,1] against [n] is not broadcast.
    DataError
        If a target, or a probability, is not in [0, 1].
    SettingError
        If a traced prediction is the result of a sigmoid or a softmax, and taken for logits.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.losses.log_loss(np.array([0.0, 1e4]), np.array([1, 1]), reduction="none")
    array([0.69314718, 0.        ])
    >>> cp.losses.log_loss(np.array([0.5, 1.0]), np.array([1, 1]), from_logits=False, reduction="none")
    array([0.69314718, 0.        ])
    """
    prediction, target = matched("log_loss", prediction, target)
    way = "of labels −1 and 1 use (target + 1) / 2, of more than two classes cp.losses.cross_entropy"
    require_between(0, 1, target, "log_loss: the target", way)
    if takes_logits("log_loss", prediction, from_logits, "sigmoid"):
        losses = target * softplus(-prediction) + (1 - target) * softplus(prediction)
    else:
        require_between(0, 1, prediction, "log_loss: the prediction", _LOGITS)
        losses = -target * _log(prediction) - (1 - target) * _log_complement(prediction)
    return reduce("log_loss", losses, sample_weight, reduction)


def _tiny(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).tiny)


def _log(p: Array) -> Array:
    """Return log p, the logarithm of the smallest normal number below that, NaN of a negative number."""
    tiny = _tiny(p.dtype)
    return np.log(np.where(np.abs(p) < tiny, tiny, p))


def _log_complement(p: Array) -> Array:
    """Return log(1 − p), exact for small p, the logarithm of the smallest normal number at 1, NaN above."""
    return np.where(p == 1, float(np.log(_tiny(p.dtype))), np.log1p(-np.where(p == 1, 0, p)))


def cross_entropy(
    prediction: Array,
    target: Any,
    *,
    from_logits: bool | str = True,
    label_smoothing: float = 0.0,
    class_weight: Any = None,
    sample_weight: Any = None,
    reduction: str = "mean",
) -> Array:
    """Return the mean of −log softmax(z)_y over samples, with the slope (softmax(z) − one_hot(y))/n.

    With probabilities q in place of labels it is −Σ_c q_c log softmax(z)_c; a label y is q = one_hot(y),
    and both give the same loss, with class weights too.

    Parameters
    ----------
    prediction : float[n, ..., k]
        Logits z, with k ≥ 2 classes on the last axis; with from_logits=False probabilities p, where 0 counts
        as the smallest positive normal number of its dtype. The loss is computed in its dtype.
    target : integer array[n, ...] or array[n, ..., k]
        Labels y from 0 to k − 1, or probabilities q with the sum 1.
    from_logits : bool or "unchecked"
        Whether prediction holds logits; log-probabilities are logits too. "unchecked" takes for logits what is seen
        to be the result of a softmax, too.
    label_smoothing : float
        ε in [0, 1]: the loss is (1 − ε) times that of the target plus ε times that of q = 1/k (Szegedy,
        Vanhoucke, Ioffe, Shlens, Wojna: "Rethinking the Inception architecture", 2016, section 7).
    class_weight : array[k], optional
        v ≥ 0: the loss of a sample is −Σ_c v_c q_c log p_c, and its weight in the mean is w Σ_c v_c q_c,
        which is w·v_y for a label. (PyTorch does so for labels, but for probabilities it divides by n.)
    sample_weight : array[n], optional
        w ≥ 0, one a sample, or one a row of the prediction.
    reduction : {"mean", "sum", "none"}
        Over the rows l: "mean" Σ w l / Σ w Σ_c v_c q_c, 0 if all weights are 0; "sum" Σ w l; "none" w l, of
        shape [n, ...].

    Raises
    ------
    ShapeError
        If target is neither labels nor probabilities for this prediction.
    DTypeError
        If the labels are floats.
    DataError
        If a label names no class, or probabilities are negative or do not have the sum 1.
    SettingError
        If the prediction is the result of a softmax, and taken for logits.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> z = np.array([[0.0, 0.0], [0.0, 1e4]])
    >>> cp.losses.cross_entropy(z, np.array([0, 1]), reduction="none")
    array([0.69314718, 0.        ])
    >>> cp.grad(cp.losses.cross_entropy)(z, np.array([0, 1]))
    array([[-0.25,  0.25],
           [ 0.  ,  0.  ]])
    """
    log_p = _log_probabilities("cross_entropy", prediction, from_logits)
    target = as_array(target, "cross_entropy: the target")
    smoothing = float(label_smoothing)
    if not 0 <= smoothing <= 1:
        raise SettingError(f"cross_entropy(label_smoothing={label_smoothing!r}): must be from 0 to 1")
    weight = _class_weight(class_weight, log_p)
    losses, share = _against(target, log_p, weight)
    if smoothing:
        scale = smoothing / log_p.shape[-1]
        uniform = np.sum(log_p if weight is None else weigh(weight, log_p), axis=-1)
        losses = (1 - smoothing) * losses - scale * uniform
    return reduce("cross_entropy", losses, sample_weight, reduction, share)


def _log_probabilities(loss: str, prediction: Any, from_logits: bool | str) -> Array:
    prediction = as_float(prediction, f"{loss}: the prediction")
    require_classes(loss, prediction)
    if takes_logits(loss, prediction, from_logits, "softmax"):
        return log_softmax(prediction)
    require_distribution(prediction, f"{loss}: the prediction", _LOGITS)
    return _log(prediction)


def _class_weight(class_weight: Any, log_p: Array) -> Array | None:
    if class_weight is None:
        return None
    weight = as_array(class_weight, "cross_entropy: class_weight")
    if weight.shape != log_p.shape[-1:]:
        raise ShapeError(
            f"cross_entropy: class_weight is {type_of(weight)}, but the prediction has {log_p.shape[-1]} "
            f"classes: give one weight a class"
        )
    return like(weight, log_p)


def _against(target: Array, log_p: Array, weight: Array | None) -> tuple[Array, Array | None]:
    """Return −Σ_c v_c q_c log p_c for each row, and its weight Σ_c v_c q_c if that is not 1.

    Subtracted from 0, since −x would be −0 where nothing is lost.
    """
    if holds_labels("cross_entropy", log_p, target):
        labels = as_labels("cross_entropy", target, log_p.shape[-1])
        losses = 0 - gather(log_p, *np.indices(labels.shape, sparse=True), labels)
        if weight is None:
            return losses, None
        share = gather(weight, labels)
        return weigh(share, losses), share
    way = "use cp.losses.log_loss if a sample can be of several classes"
    require_distribution(target, "cross_entropy: the target", way)
    q = like(target, log_p)
    if weight is None:
        return 0 - np.sum(weigh(q, log_p), axis=-1), None
    return 0 - np.sum(weigh(q * weight, log_p), axis=-1), np.sum(q * weight, axis=-1)


def kl_divergence(
    prediction: Array,
    target: Any,
    *,
    from_logits: bool | str = True,
    sample_weight: Any = None,
    reduction: str = "mean",
) -> Array:
    """Return the mean of Σ_c q_c (log q_c − log p_c) over samples, with the slope (p − q)/n in the logits.

    The information lost when p = softmax(z) stands for q: cross_entropy less the entropy of q, 0 only
    where p = q, and 0·log 0 = 0 (Kullback and Leibler, 1951).

    Parameters
    ----------
    prediction : float[n, ..., k]
        Logits z, with k ≥ 2 classes on the last axis, or log-probabilities, which softmax leaves as they are;
        with from_logits=False probabilities p, where 0 counts as the smallest positive normal number of its
        dtype. The loss is computed in its dtype.
    target : array[n, ..., k]
        Probabilities q, with the sum 1: not their logarithms.
    from_logits : bool or "unchecked"
        Whether prediction holds logits. "unchecked" takes for logits what is seen to be the result of a softmax, too.
    sample_weight : array[n], optional
        w ≥ 0, one a sample, or one a row of the prediction.
    reduction : {"mean", "sum", "none"}
        Over the rows l, each a sum over classes: "mean" Σ w l / Σ w, 0 if all weights are 0 (PyTorch's
        "batchmean"); "sum" Σ w l; "none" w l, of shape [n, ...].

    Raises
    ------
    ShapeError
        If the shapes differ.
    DataError
        If probabilities are negative or do not have the sum 1.
    SettingError
        If the prediction is the result of a softmax, and taken for logits.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> q = np.array([[0.5, 0.5], [1.0, 0.0]])
    >>> cp.losses.kl_divergence(np.zeros((2, 2)), q, reduction="none")
    array([0.        , 0.69314718])
    """
    log_p = _log_probabilities("kl_divergence", prediction, from_logits)
    log_p, q = matched("kl_divergence", log_p, target)
    require_distribution(q, "kl_divergence: the target", "of logits use cp.softmax(target)")
    log_q = np.log(np.where(q == 0, 1, q))
    return reduce("kl_divergence", np.sum(weigh(q, log_q - log_p), axis=-1), sample_weight, reduction)
