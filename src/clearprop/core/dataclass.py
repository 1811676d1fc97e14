"""``dataclass`` of the standard library, made in a quarter of the time: a process that trains begins with 90 of them.

The standard one writes Python text for each method of each class and compiles it. Here only ``__init__`` is written;
the other methods are the same few functions for all classes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, Field, FrozenInstanceError, field, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "field"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, init=True, repr=True, eq=True, frozen=False, slots=False):
        """Make a class one of data, as `dataclasses.dataclass` does.

        The standard one makes those that have slots, or inherit from frozen ones.
        """

        def made(cls):
            inherits = any(getattr(base, "__dataclass_fields__", None) for base in cls.__mro__[1:])
            if slots or (frozen and inherits):
                how = {"init": init, "repr": repr, "eq": eq, "frozen": frozen, "slots": slots}
                return dataclasses.dataclass(**how)(cls)
            return _made(cls, init, repr, eq, frozen)

        return made if cls is None else made(cls)


def _made(cls: Any, init: bool, repr: bool, eq: bool, frozen: bool) -> Any:
    own = set(cls.__dict__)
    dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
    parameters = cls.__dataclass_params__
    parameters.init, parameters.repr, parameters.eq, parameters.frozen = init, repr, eq, frozen
    parts = fields(cls)
    methods: dict[str, Any] = {}
    if init and "__init__" not in own:
        methods["__init__"] = _init(cls, parts)
    if repr:
        methods["__repr__"] = _repr
    if eq:
        compared = [part.name for part in parts if part.compare]
        cls._compared = attrgetter(*(compared or ["__class__"]))
        methods["__eq__"], methods["__hash__"] = _eq, _hash if frozen else None
    if frozen:
        methods["__setattr__"], methods["__delattr__"] = _set, _delete
    for name, method in methods.items():
        if name not in own:
            setattr(cls, name, method)
    return cls


_CONSTANTS = {"put": object.__setattr__, "MISSING": MISSING}


def _init(cls: Any, parts: tuple[Field[Any], ...]) -> Any:
    names: dict[str, Any] = dict(_CONSTANTS)
    given: list[str] = []
    lines: list[str] = []
    for part in sorted(parts, key=lambda part: bool(part.kw_only)):
        name, value, default = part.name, part.name, ""
        if part.default is not MISSING:
            names[f"_{name}"], default = part.default, f"=_{name}"
        elif part.default_factory is not MISSING:
            names[f"_{name}"], default = part.default_factory, "=MISSING"
            value = f"_{name}() if {name} is MISSING else {name}"
        if part.kw_only and "*" not in given:
            given.append("*")
        given.append(name + default)
        lines.append(f" put(self, {name!r}, {value})\n")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()\n")
    exec(f"def __init__({', '.join(['self', *given])}):\n{''.join(lines) or ' pass'}", names)
    made = names["__init__"]
    made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    made.__annotations__ = {**{part.name: part.type for part in parts}, "return": None}
    return made


@recursive_repr()
def _repr(self: Any) -> str:
    shown = [f"{part.name}={getattr(self, part.name)!r}" for part in fields(self) if part.repr]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return (self._compared(self),) == (self._compared(other),)


def _hash(self: Any) -> int:
    return hash((self._compared(self),))


def _set(self: Any, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
