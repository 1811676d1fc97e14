"""The package's own ``dataclass`` makes what that of the standard library makes."""

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError

import pytest

from clearprop.core import dataclass as own

HOW = {
    "plain": {},
    "frozen": {"frozen": True},
    "frozen, by identity": {"frozen": True, "eq": False},
    "by identity": {"eq": False},
    "no repr": {"eq": False, "repr": False},
    "no init": {"init": False, "frozen": True},
    "slots": {"frozen": True, "slots": True},
}


def point(make, how):
    class Point:
        """A point."""

        x: int
        y: float = 2.0
        tags: list = dataclasses.field(default_factory=list, repr=False)
        note: str = dataclasses.field(default="", compare=False)
        _: dataclasses.KW_ONLY
        scale: int = 1

        if not how.get("init", True):

            def __init__(self, x, y=2.0):
                for name, value in {"x": x, "y": y, "tags": [], "note": "", "scale": 1}.items():
                    object.__setattr__(self, name, value)

    return make(**how)(Point)


@pytest.fixture(params=HOW)
def both(request):
    """The class as it is made here, and as the standard library makes it."""
    how = HOW[request.param]
    return point(own.dataclass, how), point(dataclasses.dataclass, how)


def answer(function, *args):
    """Return what a call gives, or the error that it raises."""
    try:
        return function(*args)
    except (TypeError, AttributeError) as error:
        return type(error), str(error).replace("'", "")


ASKED = {
    "repr": lambda C: "object at" if C.__repr__ is object.__repr__ else repr(C(1)),
    "equal": lambda C: C(1, 3.0) == C(1, 3.0),
    "not equal": lambda C: C(1) == C(2),
    "not compared": lambda C: C(1, note="a") == C(1, note="b"),
    "another kind": lambda C: C(1) == (1, 2.0),
    "hash": lambda C: C.__hash__ is None or C.__hash__ is object.__hash__,
    "fields": lambda C: [(f.name, f.type, f.kw_only) for f in dataclasses.fields(C(1))],
    "replace": lambda C: dataclasses.replace(C(1), y=5.0).y,
    "changed": lambda C: setattr(C(1), "x", 3),
    "removed": lambda C: delattr(C(1), "x"),
    "missing": lambda C: C(),
    "shown": lambda C: "tags" in repr(C(1)),
    "too many": lambda C: C(1, 2.0, [], "", 5),
    "own list": lambda C: C(1).tags is C(1).tags,
    "copied": lambda C: vars(copy.copy(C(1))) if hasattr(C(1), "__dict__") else copy.copy(C(1)).x,
    "parameters": lambda C: (C.__dataclass_params__.frozen, C.__dataclass_params__.eq),
    "match": lambda C: C.__match_args__,
    "signature": lambda C: [(p.name, p.kind) for p in inspect.signature(C).parameters.values()],
}


@pytest.mark.parametrize("asked", ASKED)
def test_answers_as_the_standard_one_does(both, asked):
    mine, standard = (answer(ASKED[asked], kind) for kind in both)
    assert mine == standard


def test_what_compares_equal_has_one_hash_and_may_hold_itself():
    kind = point(own.dataclass, {"frozen": True})
    assert own.dataclass(frozen=True)(type("None", (), {"__doc__": ""}))() is not None

    @own.dataclass(frozen=True)
    class Pair:
        """Two."""

        a: object
        b: object = None

    assert hash(Pair(1, (2,))) == hash(Pair(1, (2,))) != hash(Pair(1, (3,)))
    ring: list = []
    ring.append(Pair(ring))
    assert "..." in repr(ring[0])
    assert kind(1) != Pair(1)


def test_a_frozen_subclass_may_be_made_by_either():
    for first, second in ((own.dataclass, dataclasses.dataclass), (own.dataclass, own.dataclass)):

        @first(frozen=True)
        class Base:
            """A base."""

            a: int

            def __post_init__(self):
                assert self.a

        @second(frozen=True)
        class Derived(Base):
            """Derived."""

            b: int = 2

        assert (Derived(1).a, Derived(1).b, Derived(1) == Derived(1, 2)) == (1, 2, True)
        with pytest.raises(FrozenInstanceError):
            Derived(1).b = 3
        with pytest.raises(AssertionError):
            Base(0)


def test_what_is_pickled_comes_back():
    from clearprop.compile.cache import Code

    assert pickle.loads(pickle.dumps(Code(b"a", 1))) == Code(b"a", 1)
