"""What machine code is made for: vector width, registers, features. Everything else follows from these."""

from __future__ import annotations

import functools
import os
from dataclasses import replace

from ..core.errors import SettingError
from ..core.frozen import frozen

VARIABLE = "CLEARPROP_TARGET"


@frozen
class Target:
    """A kind of processor.

    Attributes
    ----------
    name : str
        As the environment variable CLEARPROP_TARGET takes it.
    triple : str
        LLVM's name of the architecture; "" for this machine's.
    features : str
        LLVM's features, such as ``+avx2,+fma``.
    vector_bytes : int
        Size of a vector register.
    registers : int
        How many of them there are.
    fma : bool
        Whether a product and a sum are one instruction, rounded once.
    orders_zeros : bool
        Whether the instructions for the larger and the smaller one have −0 below 0, and give NaN for NaN.
    scales : bool
        Whether an instruction multiplies a whole vector by powers of two, subnormal results included.
    halves : bool
        Whether it begins one multiply-add of vectors in a cycle instead of two, most likely in two halves. Then there
        is time to ask for memory meanwhile.
    """

    name: str
    triple: str
    features: str
    vector_bytes: int
    registers: int
    fma: bool
    orders_zeros: bool = False
    scales: bool = False
    halves: bool = False

    def lanes(self, itemsize: int) -> int:
        """Return how many elements of this size a vector holds."""
        return self.vector_bytes // itemsize


# LLVM's names of processors that begin one multiply-add of 512 bits in a cycle, not two
# (Fog, "The microarchitecture of Intel, AMD, and VIA CPUs")
_HALVES = {"znver4", "cannonlake", "icelake-client", "rocketlake", "tigerlake"}
_ASKS = "+prfchw"  # to ask for memory in order to write it; what does not know how goes on
_AVX512 = "+avx512f,+avx512dq,+avx512bw,+avx512vl,+avx2,+fma,+f16c,+bmi2"

TARGETS = {
    t.name: t
    for t in (
        Target("avx512", "", f"{_AVX512},{_ASKS}", 64, 32, True, scales=True),
        Target("avx2", "", f"+avx2,+fma,+f16c,+bmi2,{_ASKS}", 32, 16, True),
        Target("sse2", "", "", 16, 16, False),
        Target("neon", "aarch64-unknown-linux-gnu", "+neon,+fp-armv8", 16, 32, True, True),
    )
}


@functools.cache
def detect() -> Target:
    """Return the best target that this machine runs."""
    import platform

    if platform.machine().lower() in ("aarch64", "arm64"):
        return TARGETS["neon"]
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    for name in ("avx512", "avx2"):
        if all(features.get(f.lstrip("+"), False) for f in TARGETS[name].features.split(",") if f != _ASKS):
            return _here(name)
    return TARGETS["sse2"]


def _here(name: str) -> Target:
    """Return a target as this machine runs it, as far as LLVM is there to tell."""
    target = TARGETS[name]
    if target.vector_bytes < 64:
        return target
    try:
        from llvmlite.binding import get_host_cpu_name
    except (ImportError, OSError):
        return target
    return replace(target, halves=get_host_cpu_name() in _HALVES)


def chosen() -> Target:
    """Return the target that the environment asks for, or the best one.

    Raises
    ------
    SettingError
        If CLEARPROP_TARGET names none.
    """
    name = os.environ.get(VARIABLE, "")
    if not name:
        return detect()
    if name not in TARGETS:
        raise SettingError(f"{VARIABLE}={name}: must be one of {', '.join(TARGETS)}, or unset")
    return _here(name)
