"""Machine code for AArch64, run by QEMU where there is no such processor: each row of the table, and its derivatives.

It needs ``qemu-aarch64`` and ``aarch64-linux-gnu-gcc`` with a C library (Debian: qemu-user, gcc-aarch64-linux-gnu,
libc6-dev-arm64-cross). All programs are linked into one, which reads their arrays from a file.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases import CASES, ELEMENTWISE
from clearprop.compile.engine import assemble
from clearprop.compile.program import Program
from clearprop.compile.target import TARGETS
from clearprop.core.graph import Graph
from clearprop.core.tree import leaves
from clearprop.transform.simplify import simplify
from test_compiled import assert_as_interpreted, moderate, values
from test_operations import DIFFERENTIABLE, FLOATS, Differentiable, drawn

llvm = pytest.importorskip("llvmlite.binding")
EMULATOR, LINKER = "qemu-aarch64", "aarch64-linux-gnu-gcc"
pytestmark = pytest.mark.skipif(
    shutil.which(EMULATOR) is None or shutil.which(LINKER) is None, reason=f"needs {EMULATOR} and {LINKER}"
)
NEON = TARGETS["neon"]
PARTS = 4

DRIVER = """
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
DECLARED
static void (*const runs[])(void **) = {LISTED};

static int64_t number(FILE *file) {
    int64_t n;
    if (fread(&n, 8, 1, file) != 1) exit(3);
    return n;
}

int main(int argc, char **argv) {
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    if (!in || !out) return 2;
    for (size_t p = 0; p < sizeof runs / sizeof *runs; p++) {
        int64_t count = number(in), first = number(in), last = number(in);
        void **table = malloc(8 * count);
        int64_t *sizes = malloc(8 * count);
        for (int64_t i = 0; i < count; i++) {
            sizes[i] = number(in);
            table[i] = aligned_alloc(64, (sizes[i] / 64 + 1) * 64);
            if (fread(table[i], 1, sizes[i], in) != (size_t)sizes[i]) return 4;
        }
        runs[p](table);
        fwrite(table[0], 1, sizes[0], out);
        for (int64_t i = first; i < last; i++) fwrite(table[i], 1, sizes[i], out);
        for (int64_t i = 0; i < count; i++) free(table[i]);
        free(sizes), free(table);
    }
    return fclose(out);
}
"""

Job = tuple[Graph, list[Any], bool]
OF_THE_PROCESSOR = ("astype int64",)  # what NaN and infinities become as integers, in NumPy too
EXTREMES = {"maximum", "minimum", "max", "min"}


def run_all(folder: Path, jobs: list[Job]) -> list[list[Any]]:
    """The results of all programs, computed in one run of the emulator."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    objects, fed, programs = [], bytearray(), []
    for n, (graph, args, _) in enumerate(jobs):
        program = Program(simplify(graph), NEON)
        text = program.text.replace("@run(", f"@run{n}(")
        objects.append(folder / f"{n}.o")
        objects[-1].write_bytes(assemble([[text]], NEON)[0][8:])  # after its length
        made = program.schedule
        results = [np.full(b.type.shape, 7).astype(b.type.dtype) for b in made.outputs]
        work = np.zeros(program.extent.bytes(1), np.uint8)
        given = [np.require(a, b.type.dtype, "C") for a, b in zip(args, made.inputs, strict=True)]
        table = [np.zeros(4, np.int64), work, *given, *results, *(a for _, a in made.constants)]
        first = 2 + len(given)
        fed += struct.pack("<qqq", len(table), first, first + len(results))
        for array in table:
            fed += struct.pack("<q", array.nbytes) + array.tobytes()
        programs.append(program)
    (folder / "in").write_bytes(fed)
    names = [f"run{n}" for n in range(len(jobs))]
    code = DRIVER.replace("DECLARED", "\n".join(f"void {name}(void **);" for name in names))
    (folder / "driver.c").write_text(code.replace("LISTED", ", ".join(names)))
    subprocess.run(
        [LINKER, "-O1", "-static", "-o", folder / "all", folder / "driver.c", *objects], check=True
    )
    subprocess.run([EMULATOR, folder / "all", folder / "in", folder / "out"], check=True, timeout=300)
    content, at, found = (folder / "out").read_bytes(), 0, []
    for program in programs:
        assert not any(content[at : at + 32])
        at += 32
        results = []
        for buffer in program.schedule.outputs:
            read = np.frombuffer(content, buffer.type.dtype, buffer.type.size, at)
            results.append(read.reshape(buffer.type.shape))
            at += buffer.bytes
        found.append(results)
    assert at == len(content)
    return found


def assert_all(folder: Path, jobs: list[Job]) -> None:
    with np.errstate(all="ignore"):
        for (graph, args, single), results in zip(jobs, run_all(folder, jobs), strict=True):
            used = {eqn.primitive.name for eqn in graph.eqns}
            try:  # of 0 and −0 this machine's NumPy may take another one
                assert_as_interpreted(results, graph, args, single, zeros=not used & EXTREMES)
            except AssertionError as error:
                error.add_note(f"in {graph}")
                raise


@pytest.mark.parametrize("number", range(PARTS))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values(number: int, tmp_path: Path) -> None:
    jobs: list[Job] = []
    for case in CASES[number::PARTS]:
        for dtype in (*FLOATS, *[np.float16][: case in ELEMENTWISE]):
            args = drawn(case, dtype) if case.name in OF_THE_PROCESSOR else moderate(case, dtype)
            jobs.append((values(case, args), [np.asarray(a) for a in args], case in ELEMENTWISE))
    assert_all(tmp_path, jobs)


@pytest.mark.parametrize("number", range(PARTS))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients(number: int, tmp_path: Path) -> None:
    jobs: list[Job] = []
    for n, case in enumerate(DIFFERENTIABLE[number::PARTS]):
        graph, args = Differentiable(case, drawn(case, FLOATS[n % 2])).backward()
        jobs.append((graph, [np.asarray(a) for a in leaves(args)], False))
    assert_all(tmp_path, jobs)
