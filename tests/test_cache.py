"""Machine code on disk: found again by the next process, never trusted when damaged, never in the way."""

import gc
import json
import os
import stat
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from clearprop.cli.main import main
from clearprop.compile import cache, identity, program, sources
from clearprop.compile.identity import digest
from clearprop.compile.kernels import Buffer
from clearprop.compile.memory import Extent
from clearprop.compile.program import Program
from clearprop.compile.repeat import Repeat, Roles
from clearprop.compile.target import TARGETS, detect
from clearprop.core.errors import SettingError
from clearprop.core.lowering import Contract
from clearprop.core.trace import trace
from clearprop.core.types import Type

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
posix = pytest.mark.skipif(os.name != "posix", reason="permissions and fork are POSIX")


def graph(factor=2.0, shape=(3, 4), name="x"):
    return trace(lambda x: [np.tanh(x) * factor], [Type(shape, np.float32)], [name])[0].owning_constants()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder of an empty cache; that of the compiler's sources has been asked for before."""
    identity.compiler()
    monkeypatch.setenv("CLEARPROP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CLEARPROP_CACHE_MB", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def made(monkeypatch):
    """The texts that machine code was made of."""
    texts, assemble = [], program.assemble

    def counting(programs, target):
        programs = list(programs)
        texts.extend(programs)
        return assemble(programs, target)

    monkeypatch.setattr(program, "assemble", counting)
    return texts


def right(tested=None):
    """Compile and run; tell whether the numbers are right."""
    (found,) = Program(tested or graph())([X])
    np.testing.assert_allclose(found, 2 * np.tanh(X), rtol=2e-6)
    return True


def names_key(file, stems):
    """Tell whether a file holds no code, but the key of some: what a graph was compiled to."""
    return file.is_file() and file.read_bytes()[-40:].decode("latin-1") in stems


def files(place):
    """The files of code."""
    found = sorted(place.iterdir()) if place.is_dir() else []
    stems = {file.stem for file in found}
    return [file for file in found if not names_key(file, stems)]


def known(place):
    """The files that say what graphs were compiled to."""
    return sorted(set(place.iterdir()) - set(files(place)))


# ---- hits


def test_equal_code_is_made_once(place, made):
    assert right()
    again = Program(graph(name="y"))
    again([X])
    assert len(made) == 1
    assert "module" not in vars(again), "the text was written, though the code was there"
    assert "schedule" not in vars(again), "it was scheduled, though the graph was known"
    assert [f.suffix for f in files(place)] == [".object"]


def test_all_of_the_code_is_in_the_file(place):
    code = cache.Code(b"object", Extent(((5, 6), (3, 8))), True)
    first = cache.cached("a", lambda: code)
    assert cache.cached("a", lambda: pytest.fail("it was there")) == first == code


def test_scratch_memory_is_known_from_the_file(place, made):
    order = trace(lambda x: [np.argsort(x)], [Type((1000,), np.float32)])[0]
    first, second = Program(order), Program(order)
    assert first.work(1).size == second.work(1).size >= 8000
    assert len(made) == 1
    assert (second([np.arange(1000, 0, -1, dtype=np.float32)])[0] == np.arange(999, -1, -1)).all()


PROCESS = """
import sys
import numpy as np
from clearprop.compile import program
from clearprop.core.trace import trace
from clearprop.core.types import Type

texts, assemble = [], program.assemble
program.assemble = lambda programs, target: assemble([texts.append(p) or p for p in programs], target)
x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
for factor in map(float, sys.argv[1:]):
    graph = trace(lambda x: [np.tanh(x) * factor, x @ x.T], [Type((3, 4), np.float32)])[0].owning_constants()
    kept = program.Program(graph)
    tanh, squares = kept([x])
    assert abs(tanh - factor * np.tanh(x)).max() < 1e-6
    assert abs(squares - x @ x.T).max() < 1e-6
print(len(texts))
"""


def start(*arguments, code=PROCESS):
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    return out.split()


def test_the_next_process_makes_nothing(place):
    assert finish(start(2, 3)) == ["2"]
    assert finish(start(2, 3)) == ["0"]
    assert finish(start(3, 4)) == ["1"]


def test_processes_share_a_folder(place):
    factors = range(1, 7)
    processes = [start(*order) for order in (factors, reversed(factors), factors)]
    for process in processes:
        finish(process)
    assert len(files(place)) == 6 + (os.name == "posix")  # what the compiler's own sources are is kept too
    assert finish(start(*factors)) == ["0"]


# ---- what a file may be


def flipped(at):
    def damage(content):
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return damage


DAMAGE = {
    "empty": lambda c: b"",
    "half a header": lambda c: c[: cache.HEADER.size // 2],
    "a header alone": lambda c: c[: cache.HEADER.size],
    "half a file": lambda c: c[: len(c) // 2],
    "a byte short": lambda c: c[:-1],
    "a byte long": lambda c: c + b"\0",
    "another mark": flipped(0),
    "another checksum": flipped(20),
    "cut otherwise": flipped(cache.HEADER.size),
    "another number of sizes": flipped(cache.HEADER.size + 8),
    "another size": flipped(cache.HEADER.size + 16),
    "another object": flipped(cache.HEADER.size + 200),
    "another last byte": lambda c: c[:-1] + bytes([c[-1] ^ 128]),
    "zeros": lambda c: bytes(len(c)),
    "something else": lambda c: b"#!/bin/sh\n" * 1000,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_made_again(place, made, kind):
    assert right()
    (file,) = files(place)
    good = file.read_bytes()
    file.write_bytes(DAMAGE[kind](good))
    assert right()
    assert len(made) == 2
    assert file.read_bytes() == good
    assert right()
    assert len(made) == 2


@pytest.mark.parametrize("kind", [kind for kind in DAMAGE if kind != "another object"])  # it holds none
def test_what_a_graph_was_compiled_to_is_found_anew_where_its_file_is_damaged(place, made, kind):
    assert right()
    (file,) = known(place)
    good = file.read_bytes()
    file.write_bytes(DAMAGE[kind](good))
    assert right()
    assert len(made) == 1, "the code was there"
    assert file.read_bytes() == good


def test_code_that_is_gone_is_made_again(place, made):
    assert right()
    (file,) = files(place)
    file.unlink()
    assert right()
    assert len(made) == 2
    assert files(place) == [file]


def test_a_file_of_another_name_is_not_that_code(place, made):
    Program(graph(3.0))([X])
    (other,) = files(place)
    assert right()
    (file,) = set(files(place)) - {other}
    file.write_bytes(other.read_bytes())
    assert right()
    assert len(made) == 3


@posix
def test_files_are_their_users(place, made):
    before = os.umask(0)
    try:
        assert right()
    finally:
        os.umask(before)
    (file,) = files(place)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_can_write_is_not_loaded(place, made, mode):
    assert right()
    (file,) = files(place)
    file.chmod(mode)
    assert right()
    assert len(made) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@posix
def test_what_others_own_is_not_loaded(place, made, monkeypatch):
    assert right()
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(place).st_uid + 1)
    assert right()
    assert len(made) == 2


def test_a_folder_in_the_way_is_no_error(place, made):
    assert right()
    (file,) = files(place)
    file.unlink()
    file.mkdir()
    assert right()
    assert files(place) == [file]


# ---- where there is no cache


def test_off(place, made, monkeypatch):
    monkeypatch.setenv("CLEARPROP_CACHE", "off")
    assert right()
    assert right()
    assert len(made) == 2
    assert not place.exists()
    assert cache.entries() == cache.clear() == []


def test_a_folder_that_cannot_be_made_is_no_error(place, made):
    place.write_text("a file")
    assert right()
    assert len(made) == 1
    assert place.read_text() == "a file"


def test_a_full_disk_is_no_error(place, made, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert right()
    assert files(place) == []


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_no_error(place, made):  # pragma: no cover  # not as root
    place.mkdir(mode=0o500)
    assert right()
    assert files(place) == []


FOLDERS = [
    ("linux", {"XDG_CACHE_HOME": "/var/x", "HOME": "/home/me"}, "/var/x/clearprop"),
    ("linux", {"XDG_CACHE_HOME": "", "HOME": "/home/me"}, "/home/me/.cache/clearprop"),
    ("linux", {"XDG_CACHE_HOME": "here", "HOME": "/home/me"}, "/home/me/.cache/clearprop"),
    ("darwin", {"XDG_CACHE_HOME": "/var/x", "HOME": "/Users/me"}, "/Users/me/Library/Caches/clearprop"),
    ("win32", {"LOCALAPPDATA": "/Users/me/Local", "HOME": "/Users/me"}, "/Users/me/Local/clearprop"),
    ("win32", {"LOCALAPPDATA": "", "HOME": "/Users/me"}, "/Users/me/AppData/Local/clearprop"),
    ("linux", {"CLEARPROP_CACHE": "/elsewhere", "HOME": "/home/me"}, "/elsewhere"),
]


@posix
@pytest.mark.parametrize(("platform", "variables", "expected"), FOLDERS)
def test_folder(monkeypatch, platform, variables, expected):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("CLEARPROP_CACHE", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache.folder() == Path(expected)


def test_without_a_home_there_is_no_cache(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("CLEARPROP_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache.folder() is None
    assert right()


# ---- the limit


def kept(*keys):
    """Put code of 1000 bytes into the cache; the tests can tell the files' times apart."""
    for age, key in enumerate(keys):
        cache.cached(key, lambda: cache.Code(b"x" * (1000 - cache.HEADER.size - cache.FACTS.size)))
        os.utime(cache.folder() / f"{key}.object", (time.time() + age - 1000,) * 2)


def names():
    return [entry.path.stem for entry in cache.entries()]


def test_what_was_used_longest_ago_goes_first(place, monkeypatch):
    monkeypatch.setenv("CLEARPROP_CACHE_MB", str(3500 / 2**20))
    kept("a", "b", "c")
    assert names() == ["a", "b", "c"]
    cache.cached("a", lambda: pytest.fail("it was there"))
    assert names() == ["b", "c", "a"]
    cache.cached("d", lambda: cache.Code(b"x" * 900))
    assert sorted(names()) == ["a", "c", "d"]


def test_what_is_too_large_is_not_kept(place, monkeypatch):
    monkeypatch.setenv("CLEARPROP_CACHE_MB", str(3500 / 2**20))
    kept("a", "b")
    large = cache.Code(b"x" * 3500)
    assert cache.cached("large", lambda: large) == large
    assert names() == ["a", "b"]
    monkeypatch.setenv("CLEARPROP_CACHE_MB", "0")
    assert cache.cached("c", lambda: cache.Code(b"x")).object == b"x"
    assert names() == ["a", "b"]


@pytest.mark.parametrize("wrong", ["many", "-1", "nan", "inf"])
def test_a_limit_that_is_no_size(place, monkeypatch, wrong):
    monkeypatch.setenv("CLEARPROP_CACHE_MB", wrong)
    with pytest.raises(SettingError, match=f"CLEARPROP_CACHE_MB={wrong}: must be a number of MiB"):
        right()


def test_what_dead_processes_left_is_removed(place):
    place.mkdir()
    old, new, others = place / "1.writing", place / "2.writing", place / "notes.txt"
    for file in (old, new, others):
        file.write_text("x")
    os.utime(old, (0, 0))
    os.utime(others, (0, 0))
    kept("a")
    assert files(place) == sorted([new, others, place / "a.object"])


# ---- the key


@dataclass
class Sample:
    value: object


DIFFERENT = {
    "numbers": [(0.0,), (-0.0,), (0,), (False,), ("0.0",), (np.float32(0),), (np.float64(0),), (None,)],
    "nearly equal": [(0.1,), (np.nextafter(0.1, 1).item(),), (np.float32(0.1),)],
    "nested": [(1, 2, 3), ((1, 2), 3), (1, (2, 3)), ((1, 2, 3),), ()],
    "arrays": [(np.zeros((2, 3)),), (np.zeros((3, 2)),), (np.zeros((2, 3), np.float32),), (np.ones((2, 3)),)],
    "names": [({"a": 1},), ({"b": 1},), ({"a": 1, "b": 1},), ({},)],
    "classes": [(Contract(),), (Sample(1),), (Sample(2),), (Sample((1,)),), (Type((1,), "f4"),)],
    "buffers": [
        (Buffer(Type(s, "f4"), h, n),) for s in [(1,), (2,)] for h in ["input", "work"] for n in [0, 1]
    ],
    "dtypes": [(np.dtype(d),) for d in ("f4", "f8", "i4", "i8", ">f4")],
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_digests_tell_apart(kind):
    values = DIFFERENT[kind]
    assert len({digest(*v) for v in values}) == len(values)
    assert [digest(*v) for v in values] == [digest(*v) for v in values]


def test_the_same_buffer_is_not_two():
    one, other = (Buffer(Type((3,), "f4")) for _ in range(2))
    assert digest(one, one) == digest(other, other) != digest(one, other)


def test_programs_differ_by_what_their_text_depends_on():
    roles = [Roles(1, ()), Roles(1, (0,)), Roles(0, ())]
    step = trace(lambda w, x: [w - np.sum(x), w], [Type((), "f4"), Type((5,), "f4")])[0]
    programs = [
        Program(graph()),
        Program(graph(2.0000002)),
        Program(graph(shape=(4, 3))),
        Program(graph(shape=(12,))),
        *(Program(graph(), t) for t in TARGETS.values() if t is not detect()),
        Program(graph(), replace(detect(), fma=not detect().fma)),
        *(Repeat(step, r) for r in roles),
    ]
    assert len({p._digest() for p in programs}) == len(programs)


def test_values_of_constants_are_no_part_of_the_key():
    def with_constant(array):
        return trace(lambda x: [x * array], [Type((3, 4), np.float32)])[0].owning_constants()

    assert Program(with_constant(X))._digest() == Program(with_constant(X + 1))._digest()
    assert Program(with_constant(X))._digest() != Program(with_constant(np.ones_like(X)))._digest()


TABLE = np.array([[5.0, 1.0], [2.0, 4.0]], np.float32)
HOLDING = {
    "none": lambda x: x + 1,
    "numbers": lambda x: x * np.full((3, 4), 2.5, np.float32) + 1,
    "an array": lambda x: x * X + X[:1],
    "one array twice": lambda x: (x @ X.T) @ X + X,
    "a number in memory": lambda x: x @ np.full((4, 4), 0.5, np.float32),
    "rows that repeat": lambda x: x @ np.broadcast_to(X[:1].T, (4, 4)),
    "one that counts": lambda x: x[np.arange(3), np.array([2, 0, 1])],
    "one that is turned": lambda x: np.concatenate([x[:2, :2] @ TABLE.T, TABLE]),
}


@pytest.mark.parametrize("kind", HOLDING)
def test_arrays_of_a_known_graph_are_those_of_the_graph(place, kind):
    def held():
        return Program(trace(lambda x: [HOLDING[kind](x)], [Type((3, 4), np.float32)])[0].owning_constants())

    (first,) = held()([X])
    again = held()
    (second,) = again([X])
    assert "schedule" not in vars(again)
    assert second.tobytes() == first.tobytes()
    np.testing.assert_allclose(second, HOLDING[kind](X), rtol=1e-5)


def test_large_arrays_leave_a_graph_unknown(place, made):
    for factor in (1, 2):
        many = np.arange(40_000, dtype=np.float32).reshape(10_000, 4) * factor
        graph = trace(lambda x, many=many: [many @ x.T], [Type((3, 4), np.float32)])[0].owning_constants()
        np.testing.assert_allclose(Program(graph)([X])[0], many @ X.T, rtol=1e-4, atol=1e-2)
    assert len(made) == 1, "values are no part of the code"
    assert known(place) == []


def test_a_known_step_knows_what_is_held_twice(place):
    step = trace(lambda a, b, x: [a @ a, b + 1, np.sum(x)], [*[Type((2, 2), "f4")] * 2, Type((5,), "f4")])[0]
    first, again = (Repeat(step, Roles(2, (2,))) for _ in range(2))
    program.make([first], first.target)
    program.make([again], again.target)
    assert "schedule" not in vars(again)
    assert list(again.swapped) == list(first.swapped) != []


def test_graphs_that_differ_have_other_digests():
    def of(function, dtype=np.float32):
        return identity.recorded(trace(lambda x: [function(x)], [Type((3, 4), dtype)])[0])

    functions = [np.tanh, np.exp, lambda x: x + 1, lambda x: x + 2, lambda x: x + X, lambda x: x + X[:1]]
    functions += [
        lambda x: np.sum(x, axis=0),
        lambda x: np.sum(x, axis=1),
        lambda x: x[:, ::2],
        lambda x: x[:, 1::2],
    ]
    functions += [lambda x: x - np.sum(x), lambda x: np.sum(x) - x, lambda x: x[:, ::-1], lambda x: x]
    digests = [of(f) for f in functions] + [of(np.tanh, np.float64)]
    assert None not in digests
    assert len(set(digests)) == len(digests)
    assert digests == [of(f) for f in functions] + [of(np.tanh, np.float64)]


def test_an_operation_from_elsewhere_has_no_digest():
    rule = replace(reshaping().lowering, rule=lambda layout, shape: layout.reshaped(shape))
    foreign = replace(reshaping(), lowering=rule)
    graph = trace(lambda x: [foreign(x, shape=(12,))], [Type((3, 4), np.float32)])[0]
    assert identity.recorded(graph) is None
    np.testing.assert_array_equal(Program(graph)([X])[0], X.ravel())


def reshaping():
    (eqn,) = trace(lambda x: [np.reshape(x, (12,))], [Type((3, 4), np.float32)])[0].eqns
    return eqn.primitive


def test_the_compiler_is_a_part_of_the_key(monkeypatch):
    before = digest(1)
    monkeypatch.setattr(identity, "compiler", lambda: "another")
    assert digest(1) != before


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """A file of another compiler, and how to let the time pass in which it may change unseen."""
    file = tmp_path / "package" / "compile" / "loops.py"
    file.parent.mkdir(parents=True)
    file.write_text("x = 1\n")
    monkeypatch.setattr(sources, "__file__", str(file))
    later = time.time_ns() + 10**10
    return file, lambda: monkeypatch.setattr(sources.time, "time_ns", lambda: later)


@posix
def test_sources_that_stand_as_they_were_are_not_read_again(place, compiler, monkeypatch):
    _, settle = compiler
    settle()
    before = sources.sources()
    assert len(files(place)) == 1
    monkeypatch.setattr(sources, "_named", lambda path: pytest.fail("it is read"))
    assert sources.sources() == before


@posix
def test_no_edited_compiler_is_taken_for_the_one_before(place, compiler):
    file, settle = compiler
    settle()
    before, status = sources.sources(), file.stat()
    time.sleep(0.02)  # as long as the system's clock may stand still
    file.write_text("x = 2\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert sources.sources() != before
    file.with_name("more.py").write_text("")
    assert len({sources.sources(), before}) == 2


def test_sources_that_have_just_changed_are_read(place, compiler):
    first = sources.sources()
    assert files(place) == []
    compiler[0].write_text("x = 2\n")
    assert sources.sources() != first


def test_a_compiler_without_sources_has_a_digest(place, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "packed.zip" / "compile" / "sources.py"))
    assert sources.sources() == sources.sources()


def test_what_has_no_digest_is_made_without_the_cache(place, made, monkeypatch):
    assert digest(len) is None
    assert digest(np.array([None])) is None
    monkeypatch.setattr(Program, "_settings", lambda self: (len,))
    assert right()
    assert right()
    assert len(made) == 2
    assert files(place) == []


# ---- how long code lives


def test_a_function_keeps_its_code():
    tested = Program(graph())
    expected = tested([X])[0]
    run, out, work = tested.native("run"), np.empty_like(X), tested.work(1)
    status = np.zeros(2, np.int64)
    arrays = [status, work, X, out]
    table = np.array([a.ctypes.data for a in arrays], np.uint64)
    del tested
    gc.collect()
    for _ in range(20):  # other code would take its place
        Program(graph(), TARGETS["sse2"]).native("run")
    run(table.ctypes.data)
    assert (out == expected).all()


def test_threads_make_code_at_once(made):
    shared, start_line, wrong = Program(graph()), threading.Barrier(4), []

    def work(i):
        start_line.wait()
        for tested in (shared, Program(graph(float(i)))):
            factor = 2.0 if tested is shared else float(i)
            if not np.allclose(tested([X])[0], factor * np.tanh(X)):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(made) == 5


FORK = """
import os, signal, sys, threading, warnings
import numpy as np
from clearprop.compile.program import Program
from clearprop.core.trace import trace
from clearprop.core.types import Type

warnings.simplefilter("ignore", DeprecationWarning)  # that a process with threads forks
x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)

def made(factor):
    graph = trace(lambda x: [np.tanh(x) * factor], [Type((3, 4), np.float32)])[0].owning_constants()
    return Program(graph)

def right(program, factor):
    return np.allclose(program([x])[0], factor * np.tanh(x))

before, busy = made(0.5), True
assert right(before, 0.5)

def work():
    factor = 10.0
    while busy:
        assert right(made(factor), factor)
        factor += 1

thread = threading.Thread(target=work)
thread.start()
codes = []
for factor in range(1, 9):
    child = os.fork()
    if not child:
        signal.alarm(20)
        os._exit(0 if right(before, 0.5) and right(made(factor), factor) else 1)
    codes.append(os.waitpid(child, 0)[1])
busy = False
thread.join()
print(*codes, right(before, 0.5))
"""


@posix
def test_a_forked_child_runs_code_and_makes_code():
    assert finish(start(code=FORK)) == ["0"] * 8 + ["True"]


EXIT = """
import atexit, sys, threading
import numpy as np
from clearprop.compile.program import Program
from clearprop.core.trace import trace
from clearprop.core.types import Type

x = np.ones((300, 300), np.float32)
program = Program(trace(lambda x: [np.tanh(x)], [Type(x.shape, np.float32)])[0])
sys.modules["kept"] = cycle = [program]
cycle.append(cycle)

def work():
    while True:
        program([x])

program([x])
threading.Thread(target=work, daemon=True).start()
atexit.register(lambda: print(program([x])[0].shape[0]))
"""


def test_the_interpreter_ends_while_code_runs():
    assert finish(start(code=EXIT)) == ["300"]


# ---- the command


def command(capsys, *arguments):
    exit_code = main(["cache", *arguments])
    printed = capsys.readouterr()
    return exit_code, printed.out, printed.err


def test_command_shows_the_cache(place, capsys):
    kept("a", "b")
    assert command(capsys, "--json") == (
        0,
        json.dumps(
            {
                "folder": str(place),
                "objects": 2,
                "bytes": 2000,
                "limit_bytes": 256 * 2**20,
                "removed_objects": 0,
                "removed_bytes": 0,
            },
            indent=2,
        )
        + "\n",
        "",
    )
    code, out, err = command(capsys)
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines() if line] == [
        ["folder", *str(place).split()],
        ["objects", "2"],
        ["size", "0.0", "MiB", "of", "at", "most", "256.0", "MiB"],
    ]
    assert command(capsys, "--quiet") == (0, "", "")


def test_command_clears_the_cache_and_nothing_else(place, capsys):
    kept("a", "b")
    (place / "notes.txt").write_text("mine")
    (place / "3.writing").write_text("x")
    code, out, _ = command(capsys, "--clear", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["objects"], found["removed_objects"], found["removed_bytes"]) == (0, 2, 2000)
    assert files(place) == [place / "notes.txt"]
    assert "removed  0 objects, 0.0 MiB" in command(capsys, "--clear")[1]


def test_command_where_there_is_no_cache(capsys, monkeypatch):
    monkeypatch.setenv("CLEARPROP_CACHE", "off")
    assert command(capsys)[:2] == (0, " off (CLEARPROP_CACHE)\n\n")
    assert json.loads(command(capsys, "--json")[1])["folder"] is None


def test_command_says_what_is_wrong(place, capsys, monkeypatch):
    kept("a")

    def refused(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refused)
    assert command(capsys, "--clear") == (
        2,
        "",
        f"error: {place}/a.object cannot be removed: Permission denied\n",
    )
    monkeypatch.setenv("CLEARPROP_CACHE_MB", "many")
    assert command(capsys)[0] == 2
