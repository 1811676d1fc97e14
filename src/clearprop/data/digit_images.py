"""The handwritten digits that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .preprocessing import CLASSIFICATION, Standardizer, TableMapping

PIXEL_MAX = 16
"""The darkest pixel: each counts the dark dots of a block of 4 x 4."""

PIXELS = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
"""Names of the 64 pixels, row by row; scikit-learn's ``load_digits`` names them so too."""


def digits() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return 1,797 images of handwritten digits, 8 x 8 pixels, and what they show.

    E. Alpaydin, C. Kaynak: "Optical Recognition of Handwritten Digits" (UCI, 1998), the test part.

    Returns
    -------
    x : f32[1797,64]
        Pixels, row by row, from 0 (white) to 1 (black).
    y : i64[1797]
        The digits, 0 to 9.

    Examples
    --------
    >>> x, y = digits()
    >>> x.shape, float(x.max()), y[:5]
    ((1797, 64), 1.0, array([0, 1, 2, 3, 4]))
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as stored:
        images, labels = stored["images"], stored["labels"]
    return images.reshape(len(images), -1).astype(np.float32) / PIXEL_MAX, labels.astype(np.int64)


def digits_mapping() -> TableMapping:
    """Return how a table of pixels, 0 to 16 as in the original, becomes inputs like those of `digits`."""
    n = len(PIXELS)
    return TableMapping(
        columns=PIXELS,
        target="digit",
        task=CLASSIFICATION,
        classes=tuple("0123456789"),
        inputs=Standardizer(mean=np.zeros(n), scale=np.full(n, float(PIXEL_MAX))),
        output=None,
    )
