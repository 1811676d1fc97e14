"""LLVM text to machine code in this process: the only place that talks to llvmlite.

Where CLEARPROP_VERIFY is set, as the tests do, LLVM checks the text before it makes code of it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import weakref
from typing import Any

from .target import Target, chosen

VERIFY = "CLEARPROP_VERIFY"

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


def machine(target: Target) -> Any:
    """Return LLVM's target machine."""
    llvm = _ready()
    kind = llvm.Target.from_triple(target.triple) if target.triple else llvm.Target.from_default_triple()
    return kind.create_target_machine(features=target.features, opt=2, reloc="pic", codemodel="default")


def assemble(text: str, target: Target) -> bytes:
    """Return the machine code of LLVM text, to be linked."""
    with making, _ready().parse_assembly(text) as module, machine(target) as made_for:
        if os.environ.get(VERIFY):
            module.verify()
        code: bytes = made_for.emit_object(module)
        return code


def assembly(text: str, target: Target) -> str:
    """Return the machine code of LLVM text as people read it."""
    with making, _ready().parse_assembly(text) as module, machine(target) as made_for:
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
            made = assemble(code, target) if isinstance(code, str) else code
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine(target))
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(made))
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
