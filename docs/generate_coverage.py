"""Write docs/numpy-coverage.md: what of NumPy a traced value answers, and what it refuses.

Run as ``python docs/generate_coverage.py``; a test fails when the page is out of date. Formulas come from the
operations' docstrings, slopes and errors from running the code that stands beside them.
"""

from pathlib import Path

import numpy as np

import clearprop as cp
import clearprop.ops  # fills the table NUMPY
from clearprop.core.errors import ClearpropError
from clearprop.core.traced import NUMPY, Traced

PAGE = Path(__file__).with_name("numpy-coverage.md")

INTRODUCTION = """\
# NumPy on traced values

While clearprop records a function, its arguments are *traced values*. They answer NumPy: the functions,
operators and methods below work on them as on arrays, with NumPy's own rules for shapes and dtypes, and have
derivatives of any order in both modes. The arguments `where`, `initial`, `casting`, `order` and `subok` are not
covered. This page is generated.
"""

TOPICS = [
    ("pointwise", "Arithmetic, powers, exponentials, trigonometry"),
    ("compare", "Comparisons, logic, bits"),
    ("reduce", "Sums and extremes along axes"),
    ("composite", "Means, variances, limits, rounding"),
    ("shape", "Shapes and axes"),
    ("joins", "Joining, splitting, repeating, padding"),
    ("index", "Indexing and diagonals"),
    ("linalg", "Products and norms"),
    ("operators", "Conversions and choice, and what is known without computing"),
]

KINKS = [  # expression, at x = ; a pair is the arguments a and b
    ("np.abs(x)", 0.0),
    ("np.sign(x)", 0.0),
    ("np.sqrt(x)", 0.0),
    ("np.cbrt(x)", 0.0),
    ("x ** 0", 0.0),
    ("x ** 1.5", 0.0),
    ("a ** b", (0.0, 2.0)),
    ("np.maximum(a, b)", (1.0, 1.0)),
    ("np.hypot(a, b)", (0.0, 0.0)),
    ("np.max(x)", [1.0, 2.0, 2.0]),
    ("np.min(x)", [1.0, 1.0, 2.0]),
    ("np.sort(x).sum()", [2.0, 1.0, 1.0]),
    ("np.prod(x)", [0.0, 2.0, 3.0]),
    ("np.clip(x, 0, 1).sum()", [-1.0, 0.0, 1.0, 2.0]),
    ("np.round(x)", 0.5),
    ("x % 2", 2.0),
    ("np.linalg.norm(x)", [0.0, 0.0]),
    ("np.std(x)", [3.0, 3.0]),
    ("np.where(x > 0, np.log(x), 0).sum()", [0.0, 2.0]),
    ("cp.relu(x)", 0.0),
    ("cp.leaky_relu(x, 0.1)", 0.0),
    ("cp.elu(x)", 0.0),
]

REFUSED = [
    "x[0] = 1.0",
    "x += 1",
    "np.exp(x, out=np.zeros(2))",
    "x.sort()",
    "x[x > 0]",
    "np.where(x > 0)",
    "if x[0] > 0: pass",
    "max(x)",
    "float(x[0])",
    "math.sin(x[0])",
    "x.item()",
    "f'{x[0]:.2f}'",
    "np.array([x[0], x[1]])",
    "np.asarray(x)",
    "np.arange(3)[x.astype(int)]",
    "range(x[0].astype(int))",
    "1.0 in x",
    "np.exp(x, dtype=np.float32)",
    "np.sum(x, where=x > 0)",
    "np.mean(np.zeros((0, 2)) * x[0])",
    "np.max(x[:0])",
    "np.pad(x, 1, mode='mean')",
    "x + 1j",
    "np.median(x)",
    "pickle.dumps(x)",
]


def numpy_name(function: object) -> str:
    """Return how NumPy's users write a function, with its other names."""
    if isinstance(function, tuple):
        return f"`np.{function[0].__name__}.{function[1]}`"
    if isinstance(function, str):
        return {"getitem": "`x[...]`", "astype": "`x.astype`"}[function]
    module = getattr(function, "__module__", None) or "numpy"
    own = function.__name__
    others = [name for name in np.__all__ if name != own and getattr(np, name) is function]
    return ", ".join(f"`{module.replace('numpy', 'np', 1)}.{name}`" for name in (own, *sorted(others)))


def topic(module: str, title: str) -> list[str]:
    """Return the table of the functions that a module of operations implements."""
    rows: dict[object, list[object]] = {}
    for function, ours in NUMPY.items():
        if ours.__module__ == f"clearprop.ops.{module}":
            rows.setdefault(ours, []).append(function)
    lines = ["", f"## {title}", "", "| NumPy | result and derivative |", "|---|---|"]
    for ours, functions in rows.items():
        names = ", ".join(map(numpy_name, functions))
        lines.append(f"| {names} | {ours.__doc__.splitlines()[0].replace('|', chr(92) + '|')} |")
    return lines


def show(value: object) -> str:
    """Return numbers as they are read: arguments apart, arrays in brackets."""
    if isinstance(value, tuple):
        return ", ".join(map(show, value))
    return f"[{', '.join(map(show, value))}]" if np.ndim(value) else f"{value:g}"


def kink(code: str, at: object) -> str:
    """Return the row of an expression: where, its value, its slopes."""
    names = "a, b" if isinstance(at, tuple) else "x"
    function = eval(f"lambda {names}: {code}", {"np": np, "cp": cp})
    args = [np.asarray(a) for a in (at if isinstance(at, tuple) else (at,))]
    value, slopes = cp.value_and_grad(function, tuple(range(len(args))))(*args)
    return f"| `{code}` | {show(at)} | {show(value)} | {show(slopes)} |"


def refusal(code: str) -> str:
    """Return the row of code that is refused: the error, and what it says to write instead."""
    body = f"def function(x):\n    {code}\n    return x.sum()"
    space = {"np": np, "math": __import__("math"), "pickle": __import__("pickle")}
    exec(body, space)
    try:
        cp.grad(space["function"])(np.array([1.0, 2.0]))
    except ClearpropError as error:
        lines = [line for line in str(error).splitlines() if not line.startswith("  at ")]
        problem, instead = lines[0], " ".join(line.strip() for line in lines[1:])
        text = (instead or problem).replace("|", "\\|")
        return f"| `{code}` | {type(error).__name__} | {text} |"
    raise AssertionError(f"{code} is not refused")


def page() -> str:
    """Return the whole page."""
    public = [name for name in dir(Traced) if not name.startswith("_")]
    attributes = [name for name in public if isinstance(getattr(Traced, name), property) and name != "type"]
    refused = {"fill", "item", "sort", "tolist"}
    slots = {"recording", "variable", "type"}
    methods = [name for name in public if name not in {*attributes, *refused, *slots}]
    lines = [
        INTRODUCTION,
        "## Operators, attributes and methods",
        "",
        "- Operators: `+ - * / // % ** @ abs()`, on either side of NumPy's arrays and numbers; `~ & | ^` of booleans",
        "  and integers; `== != < <= > >=`; `x[...]` with integers, slices, `None`, `...`, integer arrays, also",
        "  traced ones, and masks that are known; `len`, iteration, unpacking.",
        f"- Attributes: {', '.join(f'`{name}`' for name in attributes)}.",
        f"- Methods: {', '.join(f'`{name}`' for name in methods)}.",
    ]
    unlisted = {ours.__module__.removeprefix("clearprop.ops.") for ours in NUMPY.values()} - {*dict(TOPICS)}
    assert not unlisted, f"give these modules a topic: {unlisted}"
    for module, title in TOPICS:
        lines += topic(module, title)
    lines += [
        "",
        "## At kinks, ties and singular points",
        "",
        "A branch that `np.where` discards adds nothing to a gradient, not even NaN.",
        "",
        "| expression | at | value | slope |",
        "|---|---|---|---|",
        *(kink(code, at) for code, at in KINKS),
        "",
        "## Refused, and what to write instead",
        "",
        "With `x` a traced value of two numbers.",
        "",
        "| code | error | it says |",
        "|---|---|---|",
        *map(refusal, REFUSED),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
