"""When to stop: after epochs without progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.errors import DataError, SettingError

_LARGER_IS_BETTER = ("accuracy", "score")


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after ``patience`` epochs without a better value, and keep the best weights.

    Parameters
    ----------
    metric : str
        A column of the history, such as "val_loss", "loss" or "val_accuracy".
    patience : int
        Epochs to wait for something better.
    min_delta : float
        How much better counts as better.
    mode : {"auto", "min", "max"}
        Whether small or large is good; "auto" takes large for names that end in accuracy or score.

    Examples
    --------
    >>> EarlyStopping("val_accuracy").better(0.9, than=0.8)
    True
    """

    metric: str = "val_loss"
    patience: int = 10
    min_delta: float = 0.0
    mode: str = "auto"

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "min", "max"):
            raise SettingError(f"EarlyStopping(mode={self.mode!r}): must be 'auto', 'min' or 'max'")
        if self.patience < 1 or self.min_delta < 0:
            raise SettingError(
                f"EarlyStopping(patience={self.patience}, min_delta={self.min_delta}): patience must be at "
                f"least 1 and min_delta at least 0"
            )

    def better(self, value: float, than: float | None) -> bool:
        """Tell whether a value beats the best one so far."""
        if than is None:
            return value == value
        larger = self.metric.endswith(_LARGER_IS_BETTER) if self.mode == "auto" else self.mode == "max"
        return value > than + self.min_delta if larger else value < than - self.min_delta

    def read(self, row: Mapping[str, float]) -> float:
        """Return the value in a row of the history.

        Raises
        ------
        DataError
            If the history has no such column.
        """
        if self.metric not in row:
            hint = " (val_ columns need validation=...)" if self.metric.startswith("val_") else ""
            raise DataError(f"early stopping on {self.metric!r}: the history has {', '.join(row)}{hint}")
        return row[self.metric]
