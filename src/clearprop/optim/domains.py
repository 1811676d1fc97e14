"""What numbers a setting may be: an annotation on the field, checked when the dataclass is made.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Decay(Settings):
...     beta: Fraction = 0.9
>>> Decay(1.5)
Traceback (most recent call last):
    ...
clearprop.core.errors.SettingError: Decay(beta=1.5): beta must be a number in [0, 1)
"""

from __future__ import annotations

import dataclasses
import math
from numbers import Integral, Real
from typing import Annotated, NoReturn, TypeAlias, get_args, get_type_hints

from ..core.errors import SettingError
from ..core.frozen import frozen


@frozen
class Domain:
    """The numbers from low to high that a setting may be.

    Attributes
    ----------
    low, high : float
        The bounds; high itself, and low if ``open``, are left out.
    open : bool
    whole : bool
        Whether only integers are meant.
    """

    low: float
    high: float = math.inf
    open: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, Integral if self.whole else Real):
            return False
        number = float(value)
        return self.low < number < self.high or (number == self.low and not self.open)

    def __str__(self) -> str:
        left = "(" if self.open else "["
        right = "∞" if self.high == math.inf else f"{self.high:g}"
        return f"{'an integer' if self.whole else 'a number'} in {left}{self.low:g}, {right})"


NONNEGATIVE = Domain(0)
NonNegative: TypeAlias = Annotated[float, NONNEGATIVE]
Positive: TypeAlias = Annotated[float, Domain(0, open=True)]
Fraction: TypeAlias = Annotated[float, Domain(0, 1)]
Count: TypeAlias = Annotated[int, Domain(1, whole=True)]
CountOrZero: TypeAlias = Annotated[int, Domain(0, whole=True)]


class Settings:
    """Base of dataclasses whose annotated fields are checked and made Python numbers.

    Python's own float, unlike NumPy's float64, lets float32 arrays stay float32.
    """

    def __post_init__(self) -> None:
        for name, (domain, optional) in _domains(type(self)).items():
            if not (optional and getattr(self, name) is None):
                check(self, name, domain)


def check(owner: Settings, name: str, domain: Domain, otherwise: str = "") -> None:
    """Make a setting a Python number, or raise SettingError if it is not in the domain."""
    value = getattr(owner, name)
    if value not in domain:
        refuse(owner, name, f"{name} must be {domain}{otherwise}")
    object.__setattr__(owner, name, int(value) if domain.whole else float(value))


def refuse(owner: Settings, name: str, needed: str) -> NoReturn:
    """Raise ClearpropError for one setting."""
    raise SettingError(f"{type(owner).__name__}({name}={getattr(owner, name)!r}): {needed}")


def _domains(cls: type[Settings]) -> dict[str, tuple[Domain, bool]]:
    """Return the domain of each annotated field, and whether None is allowed too."""
    hints = get_type_hints(cls, include_extras=True)
    found = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # every subclass is a dataclass
        hint = hints[field.name]
        for part in (hint, *get_args(hint)):
            domain = next((m for m in getattr(part, "__metadata__", ()) if isinstance(m, Domain)), None)
            if domain is not None:
                found[field.name] = domain, part is not hint
    return found
