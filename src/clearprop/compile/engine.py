"""LLVM text to machine code in this process: the only place that talks to llvmlite.

Where CLEARPROP_VERIFY is set, as the tests do, LLVM checks the text before it makes code of it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import threading
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

from ..core.check import VERIFY
from .module import SELDOM
from .side_by_side import SideBySide
from .target import Target, chosen
from .threads import get_threads

_LENGTH = struct.Struct("<q")

making = threading.RLock()
"""Held while code is made or freed; a process does not fork meanwhile, so that its child can make code too."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=making.acquire, after_in_parent=making.release, after_in_child=making.release)


@functools.cache
def _ready() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def missing() -> str:
    """Return why no code can be made; "" if it can."""
    try:
        _ready()
    except ModuleNotFoundError:
        return "llvmlite is not installed"
    except (ImportError, OSError) as error:
        return f"llvmlite cannot be loaded ({error})"
    return ""


def machine(target: Target, text: str = "") -> Any:
    """Return LLVM's target machine for a module's text."""
    llvm = _ready()
    kind = llvm.Target.from_triple(target.triple) if target.triple else llvm.Target.from_default_triple()
    level = 0 if text.startswith(SELDOM) else 2
    return kind.create_target_machine(features=target.features, opt=level, reloc="pic", codemodel="default")


def assemble(programs: Iterable[Iterable[str]], target: Target) -> list[bytes]:
    """Return the machine code of programs, to be linked; all their parts are made side by side.

    Parameters
    ----------
    programs : iterable of iterables of str
        The parts of each, modules of LLVM text that call each other. Parts are made while the next ones are written.
    target : Target
    """
    with making, SideBySide(lambda text: _object(text, target), get_threads()) as made:
        _ready()
        places = [[made.add(text) for text in texts] for texts in programs]
        objects = made.objects()
        return [_packed([objects[i] for i in own]) for own in places]


def _object(text: str, target: Target) -> bytes:
    """Return the object that LLVM makes of a module's text."""
    llvm = _ready()
    with llvm.create_context() as context, llvm.parse_assembly(text, context) as module:
        if os.environ.get(VERIFY):
            module.verify()
        with machine(target, text) as made_for, llvm.ffi.OutputString() as problem:
            buffer = _emit()(made_for, module, 1, problem)
            if not buffer:
                raise RuntimeError(f"LLVM made no object: {problem}")
        lib = llvm.ffi.lib
        try:
            return ctypes.string_at(lib.LLVMPY_GetBufferStart(buffer), lib.LLVMPY_GetBufferSize(buffer))
        finally:
            lib.LLVMPY_DisposeMemoryBuffer(buffer)


@functools.cache
def _emit() -> Any:
    """Return what makes an object, without the lock that llvmlite holds in every call.

    LLVM asks for no lock where modules have contexts of their own.
    """
    locked = (lib := _ready().ffi.lib).LLVMPY_TargetMachineEmitToMemory
    emit = ctypes.CDLL(lib._name, handle=lib._handle).LLVMPY_TargetMachineEmitToMemory
    emit.argtypes, emit.restype = locked.argtypes, locked.restype
    return emit


def _packed(objects: Sequence[bytes]) -> bytes:
    """Return objects as one, each after its length."""
    return b"".join(_LENGTH.pack(len(made)) + made for made in objects)


def _unpacked(code: bytes) -> list[bytes]:
    objects, start = [], 0
    while start < len(code):
        end = start + _LENGTH.size + _LENGTH.unpack_from(code, start)[0]
        objects.append(code[start + _LENGTH.size : end])
        start = end
    return objects


def assembly(text: str, target: Target) -> str:
    """Return the machine code of LLVM text as people read it."""
    with making, _ready().parse_assembly(text) as module, machine(target, text) as made_for:
        return str(made_for.emit_assembly(module))


def _free(engine: Any) -> None:
    with making:  # LLVM has a lock of its own, which a child would find locked
        engine.close()


class Native:
    """Machine code that can be called.

    It stays in memory as long as this object or one of its functions does.

    Parameters
    ----------
    code : str or bytes
        LLVM text, or what `assemble` has made of it.
    target : Target, optional
    """

    def __init__(self, code: str | bytes, target: Target | None = None) -> None:
        target = target or chosen()
        with making:
            llvm = _ready()
            made = assemble([[code]], target)[0] if isinstance(code, str) else code
            empty = llvm.parse_assembly("")
            self._engine = llvm.create_mcjit_compiler(empty, machine(target))
            self._engine.remove_module(
                empty
            )  # it would be compiled, which takes longer than the rest of this
            for part in _unpacked(made):
                self._engine.add_object_file(llvm.ObjectFileRef.from_data(part))
            self._engine.finalize_object()
            weakref.finalize(self, _free, self._engine).atexit = False  # a thread may run it to the very end

    def address(self, name: str) -> int:
        """Return the address of a function, which holds as long as this object lives."""
        with making:
            return int(self._engine.get_function_address(name))

    def function(self, name: str, *types: Any) -> Any:
        """Return a function of arguments of these ctypes."""
        made = ctypes.CFUNCTYPE(None, *types)(self.address(name))
        made.native = self  # type: ignore[attr-defined]  # the code lives as long as the function
        return made
