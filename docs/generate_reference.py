"""Write docs/reference.md: every exported name with its signature and the first line of its docstring.

Run as ``python docs/generate_reference.py``; a test fails when the page is out of date.
"""

import inspect
from pathlib import Path

import clearprop as cp

PAGE = Path(__file__).with_name("reference.md")
NAMESPACES = {
    "clearprop": cp,
    "clearprop.nn": cp.nn,
    "clearprop.losses": cp.losses,
    "clearprop.optim": cp.optim,
    "clearprop.data": cp.data,
    "clearprop.random": cp.random,
    "clearprop.tree": cp.tree,
}


def row(namespace: object, name: str) -> str:
    """Return the table row of one name."""
    value = getattr(namespace, name)
    signature = name
    if inspect.isfunction(value):
        parameters = inspect.signature(value).parameters.values()
        signature += f"({', '.join(str(p).split(':')[0].split('=')[0].strip() for p in parameters)})"
    first = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
    if name == "__version__":
        first = "The version of clearprop."
    return f"| `{signature}` | {first} |"


def page() -> str:
    """Return the whole page."""
    lines = [
        "# Reference",
        "",
        "Every exported name. `help(name)` shows shapes, errors and examples. This page is generated.",
    ]
    for title, namespace in NAMESPACES.items():
        lines += ["", f"## `{title}`", "", "| name | what it is |", "|---|---|"]
        lines += [row(namespace, name) for name in namespace.__all__]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
