"""The compiler's elementwise functions: their accuracy, special values, and that they are vector code without calls."""

from __future__ import annotations

import ctypes
import functools
import math

import numpy as np
import pytest

from clearprop.compile.engine import Native, machine
from clearprop.compile.module import Module
from clearprop.compile.target import TARGETS
from clearprop.compile.text import Function, Value
from clearprop.compile.vocabulary import FUNCTIONS, compute

llvm = pytest.importorskip("llvmlite.binding")

BOOL, HALF, SINGLE, DOUBLE = (np.dtype(c) for c in "?efd")
INTEGERS = [np.dtype(c) for c in "bBhHiIlL"]
FLOATS = [HALF, SINGLE, DOUBLE]
SLACK = 0.0 if np.finfo(np.longdouble).nmant > 60 else 1.0  # where NumPy has nothing wider than float64
RNG = np.random.default_rng(0)


# ---- kernels: one loop for each function, dtype and number of lanes, all in one module for each target


def _lanes(target, dtypes):
    return min(16, TARGETS[target].lanes(max(d.itemsize for d in dtypes)))


def _write(module, target, name, dtypes, out, lanes, params):
    label = f"{name}_{''.join(d.char for d in dtypes)}_{out.char}_{lanes}".replace("?", "t")
    inputs = "abc"[: len(dtypes)]
    arguments = [*(("ptr", i) for i in inputs), ("ptr", "out"), ("i64", "n")]
    f = Function(module, label, arguments, internal=False)

    def body(i, _):
        values = [
            f.load(f.at(Value(f"%{a}", "ptr"), i, d), d, lanes) for a, d in zip(inputs, dtypes, strict=True)
        ]
        f.store(
            compute(f, TARGETS[target], name, values, dtypes, out, params),
            f.at(Value("%out", "ptr"), i, out),
            out,
        )
        return []

    f.loop(0, Value("%n", "i64"), lanes, [], body)
    f.finish()
    return label


def signatures():
    """Yield (name, dtypes, result dtype, params) of everything that is tested."""
    for name, row in ACCURACY.items():
        for dtype in FLOATS:
            yield name, (dtype,) * row.arity, dtype, row.params
    for name in EXACT:
        for dtypes, out in _loops(name):
            yield name, dtypes, out, {}
    for dtype in (*INTEGERS, BOOL, *FLOATS):
        for out in (*INTEGERS, BOOL, *FLOATS):
            yield "convert", (dtype,), out, {}
        yield "where", (BOOL, dtype, dtype), dtype, {}
        yield "identity", (dtype,), dtype, {}
        if dtype != BOOL:
            yield "relu", (dtype,), dtype, {}


@functools.cache
def native(target):
    module, names = Module(), {}
    for name, dtypes, out, params in signatures():
        for lanes in {1, _lanes(target, (*dtypes, out))}:
            names[name, dtypes, out, lanes] = _write(module, target, name, dtypes, out, lanes, params)
    return Native(module.text(), TARGETS[target]), names


def run(target, name, arrays, out, lanes=None):
    """Compute with native code, in vectors or with a number of lanes."""
    dtypes = tuple(a.dtype for a in arrays)
    code, names = native(target)
    wide = _lanes(target, (*dtypes, out))
    lanes = lanes or wide
    n = len(arrays[0])
    padded = [np.concatenate([a, np.repeat(a[-1:], -n % wide)]) for a in arrays]
    result = np.empty(len(padded[0]), out)
    kernel = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(arrays) + 1), ctypes.c_int64)
    address = code.address(names[name, dtypes, out, lanes])
    kernel(address)(*(a.ctypes.data for a in padded), result.ctypes.data, len(result))
    return result[:n]


def runnable():
    """Return the targets that this machine runs."""
    features, triple = llvm.get_host_cpu_features(), llvm.get_default_triple()
    for name, target in TARGETS.items():
        x86 = not target.triple and triple.startswith("x86_64")
        if x86 and all(features.get(f.lstrip("+"), False) for f in target.features.split(",") if f):
            yield name


RUNNABLE = list(runnable())
on_targets = pytest.mark.parametrize("target", RUNNABLE)


# ---- accuracy


class Row:
    """A function, its range in float32 and float64, and how many ulps it may be off in each."""

    def __init__(self, ulps, single=(-20, 20), double=None, reference=None, arity=1, **params):
        self.ulps, self.ranges = (
            ulps,
            {4: single, 8: double or single, 2: (max(single[0], -6e4), min(single[1], 6e4))},
        )
        self.reference, self.arity, self.params = reference, arity, params


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, np.ones_like(e)) / (1 + e)


def _erf(x):
    """2/√π e^(−x²) Σ 2ⁿ x²ⁿ⁺¹/(2n + 1)!!, whose terms have one sign."""
    a = np.clip(x, -7, 7)
    term = total = a
    for n in range(1, 220):
        term = term * (2 * a * a / (2 * n + 1))
        total = total + term
    root = np.sqrt(np.arccos(np.longdouble(-1)))
    return np.where(np.abs(x) >= 7, np.sign(x), 2 / root * np.exp(-a * a) * total)


def _power(a, b):
    exact = np.power(a, b)
    # glibc's long double is wrong at (−∞)^(−2^63)
    return np.where(np.isinf(a), np.power(a.astype(float), b.astype(float)), exact)


EXP, HYPERBOLIC, ANGLE = (
    ((-104, 89), (-746, 710)),
    ((-89.5, 89.5), (-710.5, 710.5)),
    ((-1e5, 1e5), (-2e6, 2e6)),
)
LOG = ((0, 1e3), (0, 1e3))

ACCURACY = {
    "sqrt": Row(0.5, *LOG),
    "cbrt": Row(1, *ANGLE),
    "exp": Row(1.1, *EXP),
    "exp2": Row(1.2, (-150, 128), (-1075, 1024)),
    "expm1": Row(1.6, *EXP),
    "log": Row(1.1, *LOG),
    "log2": Row(2, *LOG),
    "log10": Row(2, *LOG),
    "log1p": Row(1.6, (-1, 1e3)),
    "logaddexp": Row(2, (0, 50), arity=2),
    "sinh": Row(2.2, *HYPERBOLIC),
    "cosh": Row(1.6, *HYPERBOLIC),
    "tanh": Row(1.8, (-10, 10), (-20, 20)),
    "sigmoid": Row(2, (-105, 20), (-746, 40), _sigmoid),
    "softplus": Row(2, (-104, 104), (-746, 746), lambda x: np.logaddexp(x, np.zeros_like(x))),
    "elu": Row(3, reference=lambda x: np.where(x > 0, x, 0.7 * np.expm1(np.minimum(x, 0))), alpha=0.7),
    "erf": Row(1.5, (-4.5, 4.5), (-6.5, 6.5), _erf),
    "sin": Row(1.8, *ANGLE),
    "cos": Row(1.8, *ANGLE),
    "tan": Row(2.3, *ANGLE),
    "arcsin": Row(2.5, (-1, 1)),
    "arccos": Row(2.5, (-1, 1)),
    "arctan": Row(1.6),
    "arctan2": Row(1.6, arity=2),
    "arcsinh": Row(2.1),
    "arccosh": Row(2.8, (1, 50)),
    "arctanh": Row(2.4, (-1, 1)),
    "hypot": Row(1.3, *ANGLE, arity=2),
    "power": Row(1.2, (0, 40), reference=_power, arity=2),
    "leaky_relu": Row(
        1, reference=lambda x: np.where(x > 0, x, x * np.longdouble(0.25)), negative_slope=0.25
    ),
    "chain": Row(0.5, reference=lambda ct, s: np.where(ct == 0, ct, ct * s), arity=2),
}

SPECIAL = [
    0.0,
    1.0,
    2.0,
    3.0,
    0.5,
    1.5,
    0.7853981633974483,
    1.5707963267948966,
    10.0,
    88.8,
    103.5,
    709.9,
    745.1,
]
SPECIAL += [1e-5, 1e-8, 1e-20, 6e4, 1e6, math.inf]


def special_values(dtype):
    """Return ±0, ±∞, NaN, the smallest and largest numbers, powers of two, integers, thresholds."""
    info = np.finfo(dtype)
    values = [*SPECIAL, info.max, info.tiny, info.smallest_subnormal, 3 * info.smallest_subnormal, info.eps]
    values += [2.0**k for k in range(max(-200, info.minexp), min(200, info.maxexp), 7)]
    with np.errstate(over="ignore", under="ignore"):
        positive = np.array(values, dtype)
    return np.concatenate([positive, -positive, [np.array(np.nan, dtype)]]).astype(dtype)


def samples(dtype, low, high, n=2048):
    """Return numbers spread evenly over a range, over all magnitudes in it, near 1, and over all bits."""
    even = RNG.uniform(low, high, n)
    reach = math.log2(max(abs(low), abs(high)))
    sign = RNG.choice([-1, 1], n) if low < 0 else 1
    magnitudes = np.exp2(RNG.uniform(np.finfo(dtype).minexp, reach, n)) * sign
    some = np.exp2(RNG.uniform(-12, min(reach, 6), n)) * sign
    near = 1 + RNG.uniform(-0.5, 0.5, n) * np.exp2(RNG.uniform(-30, 0, n))
    bits = RNG.integers(0, 256, n * dtype.itemsize, np.uint8).view(dtype)
    with np.errstate(all="ignore"):
        drawn = np.concatenate([even, magnitudes, some, near]).astype(dtype)
        return np.concatenate([drawn, bits, special_values(dtype)])


def ulps(result, exact):
    """Return the error in units of the last place of the result's dtype; 0 where rounding gives just that."""
    info = np.finfo(result.dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(result.dtype)
        same = (result == rounded) | (np.isnan(result) & np.isnan(rounded))
        exponent = np.maximum(np.frexp(np.where(np.isfinite(exact), exact, 1))[1] - 1, info.minexp)
        error = np.abs(result.astype(np.longdouble) - exact) / np.ldexp(
            np.longdouble(1), exponent - info.nmant
        )
    error = np.where(same, np.minimum(error, 0.5), error)
    return np.where(np.isnan(error), np.where(same, 0, np.inf), error)


def arguments(name, dtype):
    """Return the operands of a row: samples, and for two operands pairs of special values too."""
    row = ACCURACY[name]
    drawn = [samples(dtype, *row.ranges[dtype.itemsize]) for _ in range(row.arity)]
    if row.arity == 1:
        return drawn
    x, y = drawn
    with np.errstate(all="ignore"):
        close = (x * RNG.uniform(0.2, 4, len(x))).astype(dtype)
    pairs = special_pairs(dtype)
    return [np.concatenate([x, x, pairs[0]]), np.concatenate([RNG.permutation(y), close, pairs[1]])]


def special_pairs(dtype):
    """Return every other special value against the others."""
    pairs = np.meshgrid(special_values(dtype)[::2], special_values(dtype)[1::2])
    return [np.concatenate([p.ravel(), q.ravel()]) for p, q in (pairs, pairs[::-1])]


@on_targets
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ACCURACY)
def test_is_accurate(name, dtype, target):
    row, xs = ACCURACY[name], arguments(name, dtype)
    result = run(target, name, xs, dtype)
    with np.errstate(all="ignore"):
        exact = (row.reference or getattr(np, name))(*(x.astype(np.longdouble) for x in xs))
    error = ulps(result, exact)
    if name == "logaddexp":  # its own sum may cancel: in ulps of the operands, as NumPy's
        with np.errstate(all="ignore"):
            size = np.maximum(np.abs(xs[0]), np.abs(xs[1])).astype(np.longdouble)
            against = np.abs(result - exact) / (size * np.finfo(dtype).eps)
        error = np.where(np.isfinite(against), np.minimum(error, against), error)
    worst = int(np.argmax(error))
    limit = 0.51 if dtype == HALF else row.ulps + SLACK
    assert error[worst] <= limit, [(x[worst], result[worst], exact[worst]) for x in xs]
    zero = (result == 0) & (exact == 0)
    np.testing.assert_array_equal(np.signbit(result[zero]), np.signbit(exact[zero]))


@on_targets
@pytest.mark.parametrize("name", ACCURACY)
def test_scalars_have_the_bits_of_vectors(name, target):
    for dtype in FLOATS:
        xs = arguments(name, dtype)
        vectors, scalars = run(target, name, xs, dtype), run(target, name, xs, dtype, lanes=1)
        np.testing.assert_array_equal(vectors, scalars)
        known = ~np.isnan(vectors)
        np.testing.assert_array_equal(np.signbit(vectors[known]), np.signbit(scalars[known]))


@on_targets
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_of_any_size_are_reduced(name, target):
    hard = [
        5.319372648326541e255,
        6381956970095103 * 2.0**797,
    ]  # close to multiples of π/2 (J.-M. Muller, 2006)
    for dtype in (SINGLE, DOUBLE):
        x = np.concatenate(
            [np.exp2(RNG.uniform(17, np.finfo(dtype).maxexp - 1, 4000)), [1e5, 2.0**20, 2.0**21]]
        )
        x = np.concatenate([x, hard if dtype == DOUBLE else []]).astype(dtype)
        error = ulps(run(target, name, [x], dtype), getattr(np, name)(x.astype(np.longdouble)))
        assert error.max() <= 2.3 + SLACK, x[error.argmax()]


# ---- what must be NumPy's to the bit

EXACT = [
    *(
        "add",
        "subtract",
        "multiply",
        "divide",
        "floor_divide",
        "remainder",
        "reciprocal",
        "negative",
        "absolute",
    ),
    *("sign", "square", "maximum", "minimum", "floor", "ceil", "trunc", "rint", "positive"),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isnan", "isinf", "isfinite"),
    *(
        "logical_and",
        "logical_or",
        "logical_xor",
        "logical_not",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "invert",
    ),
]
KNOWN = {*INTEGERS, *FLOATS, BOOL}


def _loops(name):
    """Yield the dtypes of NumPy's loops: operands and result; those of longlong are those of long again."""
    ufunc, seen = getattr(np, name), set()
    for loop in ufunc.types:
        inputs, output = loop.split("->")
        if any(c in "gFDGmMO" for c in loop):
            continue
        dtypes = tuple(np.dtype(c) if c not in "qQ" else np.dtype("lL"["qQ".index(c)]) for c in inputs)
        out = np.dtype(output)
        if set(dtypes) <= KNOWN and dtypes not in seen and not (dtypes[0].kind in "iu" and out.kind == "f"):
            seen.add(dtypes)
            yield dtypes, out if out in KNOWN else dtypes[0]


def whole_numbers(dtype, n):
    """Return random bits, small numbers and the extremes of an integer or boolean dtype."""
    if dtype == BOOL:
        return RNG.integers(0, 2, n).astype(bool)
    info = np.iinfo(dtype)
    edges = np.array([0, 1, 2, 3, info.max, info.min, info.max - 1, info.min + 1, info.max // 2], dtype)
    drawn = RNG.integers(info.min, info.max, n, dtype, endpoint=True)
    small = RNG.integers(0, 12, n).astype(dtype) - np.asarray(5 if dtype.kind == "i" else 0, dtype)
    return np.concatenate([RNG.choice(edges, n), drawn, small])[RNG.permutation(3 * n)[:n]]


def numbers(dtype, n):
    """Return numbers of any dtype, with special values among them."""
    if dtype.kind != "f":
        return whole_numbers(dtype, n)
    halves = (RNG.integers(-40, 40, n) / 4).astype(dtype)
    with np.errstate(all="ignore"):
        drawn = np.concatenate(
            [samples(dtype, -50, 50, n // 4), halves, RNG.choice(special_values(dtype), n)]
        )
    return RNG.permutation(drawn)[:n]


@on_targets
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_is_numpys(name, target):
    for dtypes, out in _loops(name):
        xs = [numbers(d, 1500) for d in dtypes]
        if len(xs) == 2 and dtypes[0].kind == "f":
            xs = [np.concatenate(both) for both in zip(xs, special_pairs(dtypes[0]), strict=True)]
        expected = getattr(np, name)(*xs)
        for lanes in (None, 1):
            result = run(target, name, xs, out, lanes)
            np.testing.assert_array_equal(result, expected, err_msg=f"{name} {dtypes}")
        if out.kind == "f" and name not in ("maximum", "minimum"):
            known = ~np.isnan(expected)
            np.testing.assert_array_equal(
                np.signbit(result[known]), np.signbit(expected[known]), err_msg=name
            )


@on_targets
def test_integer_powers_wrap(target):
    for dtype in INTEGERS:
        a, b = whole_numbers(dtype, 1000), RNG.integers(0, 70, 1000).astype(dtype)
        np.testing.assert_array_equal(power(target, a, b), np.power(a, b))


def power(target, a, b):
    module = Module()
    label = _write(module, target, "power", (a.dtype, a.dtype), a.dtype, 4, {})
    code, result = Native(module.text(), TARGETS[target]), np.empty_like(a)
    kernel = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(code.address(label))
    kernel(a.ctypes.data, b.ctypes.data, result.ctypes.data, len(a))
    return result


@on_targets
@pytest.mark.parametrize("dtype", [*INTEGERS, BOOL, *FLOATS], ids=str)
def test_where_chooses_and_relu_cuts(dtype, target):
    condition, x, y = numbers(BOOL, 1000), numbers(dtype, 1000), numbers(dtype, 1000)
    np.testing.assert_array_equal(run(target, "where", [condition, x, y], dtype), np.where(condition, x, y))
    np.testing.assert_array_equal(run(target, "identity", [x], dtype), x)
    if dtype != BOOL:
        np.testing.assert_array_equal(run(target, "relu", [x], dtype), np.maximum(x, np.zeros_like(x)))


def between(narrow, wide):
    """Return numbers of a wide float half way between two of a narrow one, and next to that."""
    low = np.abs(numbers(narrow, 500))
    with np.errstate(all="ignore"):
        middle = (low.astype(np.longdouble) + np.nextafter(low, narrow.type(np.inf))) / 2
        middle = middle.astype(wide)
    return np.concatenate(
        [middle, np.nextafter(middle, wide.type(0)), np.nextafter(middle, wide.type(np.inf))]
    )


@on_targets
@pytest.mark.parametrize("dtype", [*INTEGERS, BOOL, *FLOATS], ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_converts_as_astype(dtype, target):
    for out in (*INTEGERS, BOOL, *FLOATS):
        x = numbers(dtype, 1500)
        if dtype.kind == "f" and out.kind in "iu":  # beyond the range C and NumPy leave the result open
            info = np.iinfo(out)
            x = np.concatenate([x, RNG.uniform(info.min, info.max, 500).astype(dtype)])
            x = x[(x.astype(float) > info.min - 1.0) & (x.astype(float) < float(info.max))]
        if dtype.kind == "f" and out.kind == "f":
            x = np.concatenate([x, between(out, dtype)])
        for lanes in (None, 1):
            np.testing.assert_array_equal(
                run(target, "convert", [x], out, lanes), x.astype(out), err_msg=str(out)
            )


# ---- the code itself


def _assembly(target, only=None):
    module = Module()
    for name, dtypes, out, params in signatures():
        if (only is None or name in only) and all(d.kind in "fb" for d in (*dtypes, out)):
            _write(module, target, name, dtypes, out, _lanes(target, (*dtypes, out)), params)
    return machine(TARGETS[target]).emit_assembly(llvm.parse_assembly(module.text()))


@on_targets
def test_nothing_is_called(target):
    assert "call" not in _assembly(target)


def test_assembles_for_arm():
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    text = _assembly("neon", {*ACCURACY, "remainder", "floor", "where", "convert"})
    assert "fmla" in text
    assert "\tbl\t" not in text


def test_every_function_is_tested():
    tested = {*ACCURACY, *EXACT, "where", "identity", "relu"}
    assert set(FUNCTIONS) - tested == {"stop_gradient", "with_slope"}  # identity by other names


@pytest.mark.parametrize("name", ["exp", "tanh", "log", "sigmoid", "erf"])
def test_is_vector_code(name):
    """Each arithmetic instruction works on a whole register: none of a scalar, none on a part."""
    text = _assembly("avx512", {name})
    arithmetic = [
        line.split()[0] for line in text.splitlines() if line.strip().startswith(("vmul", "vfma", "vadd"))
    ]
    assert arithmetic
    assert not [i for i in arithmetic if i.endswith(("ss", "sd"))]
