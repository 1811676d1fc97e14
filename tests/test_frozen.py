"""`frozen` makes what ``dataclass(frozen=True)`` makes, tried beside it on the same classes."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from clearprop.core.frozen import frozen


@frozen
class Point:
    """Fields with and without defaults."""

    x: int
    y: int = 0
    marks: list[str] = field(default_factory=list)

    @cached_property
    def norm(self) -> int:
        return self.x**2 + self.y**2


@frozen(slots=True)
class Short:
    """Slots, and a field that is worked out."""

    x: int
    y: int = 7

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", abs(self.x))


@frozen(eq=False)
class Itself:
    """Equal only to itself, shown in its own way."""

    x: int

    def __repr__(self) -> str:
        return "itself"


@frozen
class Single:
    """One field."""

    x: object


@frozen
class Pair:
    """Two fields."""

    x: int
    y: object


@frozen
class Nothing:
    """No fields."""


@frozen
class Further(Point):
    """Fields of its own after those of another."""

    z: int = 1


@dataclass(frozen=True)
class Beside:
    """What Point is to be like."""

    x: int
    y: int = 0
    marks: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1,), {}),
        ((1, 2), {}),
        ((1, 2, ["a"]), {}),
        ((), {"x": 1}),
        ((1,), {"marks": []}),
        ((), {"y": 3, "x": 1}),
    ],
)
def test_arguments_become_fields_as_of_a_dataclass(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    made, beside = Point(*args, **kwargs), Beside(*args, **kwargs)
    assert vars(made) == vars(beside)
    assert repr(made) == repr(beside).replace("Beside", "Point")
    assert made == Point(*args, **kwargs) != Point(9)
    assert replace(made, y=5).y == 5


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ((), {}, r"Point lacks x\. Its fields are x, y, marks"),
        ((1,), {"z": 2}, "Point has no field z"),
        ((1,), {"x": 2}, "Point was given twice x"),
        ((1, 2, [], 4), {}, "Point was given more than its fields: 4"),
        ((), {"z": 1}, "Point lacks x; has no field z"),
    ],
)
def test_wrong_arguments_are_refused(args: tuple[Any, ...], kwargs: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Point(*args, **kwargs)
    with pytest.raises(TypeError):
        Beside(*args, **kwargs)


@pytest.mark.parametrize("made", [Point(1), Short(1), Itself(1), Further(1)])
def test_nothing_changes_a_field(made: Any) -> None:
    for name in ("x", "new"):
        with pytest.raises(FrozenInstanceError, match=rf"\.{name} cannot change"):
            setattr(made, name, 2)
    with pytest.raises(FrozenInstanceError):
        del made.x


def test_equality_and_hashes_are_those_of_the_fields_of_one_class() -> None:
    assert Short(-1) == Short(1, 7)
    assert len({Short(1), Short(-1), Short(2)}) == 2
    assert Short(1) != Short(1, 8)
    assert Point(1) != Further(1)
    assert Point(1) != Beside(1)
    assert Nothing() == Nothing() != Point(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point(1))  # holds a list
    assert Itself(1) != Itself(1)
    assert len({Itself(1), Itself(1)}) == 2


def test_a_field_is_equal_to_itself() -> None:
    """As in a tuple: NaN too, and an array."""
    for value in (float("nan"), np.zeros(3)):
        assert Single(value) == Single(value)
        assert Pair(1, value) == Pair(1, value)
    assert Single(float("nan")) != Single(float("inf"))
    assert hash(Single(1)) == hash(Single(1))


def test_copies_are_equal() -> None:
    for made in (Point(1, 2, ["a"]), Short(-3), Nothing(), Further(1, z=4)):
        assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == copy.deepcopy(made) == made


def test_dataclasses_know_it() -> None:
    assert is_dataclass(Short)
    assert [f.name for f in fields(Further)] == ["x", "y", "marks", "z"]
    assert not hasattr(Short(1), "__dict__")
    assert Point(3, 4).norm == 25
    assert repr(Itself(1)) == "itself"
    match Short(-2):
        case Short(x, y):
            assert (x, y) == (2, 7)


def test_each_instance_has_a_default_of_its_own() -> None:
    Point(1).marks.append("a")
    assert Point(1).marks == []
