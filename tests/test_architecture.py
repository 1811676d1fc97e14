"""The architecture, held: who imports whom, how long files are, what importing costs, what is documented."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import clearprop as cp

ROOT = Path(cp.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
NAMES = [str(f.relative_to(ROOT)) for f in FILES]

LAYERS = [
    {"core"},
    {"transform", "compile"},
    {"ops"},
    {"api", "nn", "losses", "optim", "data"},
    {"explanation"},
    {"train"},
    {"estimators", "report", "cli"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
SIBLINGS_ALLOWED = {("api", "transform"), ("api", "compile")}
HEAVY = {"llvmlite": "compile", "sklearn": "estimators", "typer": "cli"}
MOST_LINES = 400


def imports(file):
    """Yield (layer or outside package, whether at module level) for each import of a file."""
    package = ("clearprop", *file.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            parts = [*base, *(node.module.split(".") if node.module else [])]
            if parts == ["clearprop"]:
                yield from (["clearprop", alias.name] for alias in node.names)
            else:
                yield parts


def layer(file):
    parts = file.relative_to(ROOT).parts
    return parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_left_never_imports_right_and_siblings_keep_apart(file):
    own = layer(file)
    if own not in RANK:
        return  # the package itself and its version
    for parts in imports(file):
        if parts[0] != "clearprop" or len(parts) < 2 or parts[1] not in RANK or parts[1] == own:
            continue
        assert RANK[parts[1]] < RANK[own] or (own, parts[1]) in SIBLINGS_ALLOWED, f"{own} imports {parts[1]}"


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_heavy_packages_have_one_door(file):
    for parts in imports(file):
        if parts[0] in HEAVY:
            assert layer(file) == HEAVY[parts[0]]


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_one_idea_a_file(file):
    assert len(file.read_text().splitlines()) <= MOST_LINES
    assert file.stem not in {"utils", "helpers", "common", "misc"}


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_every_module_says_what_it_is(file):
    assert ast.get_docstring(ast.parse(file.read_text())), "a module docstring is missing"


def test_import_costs_numpy_and_nothing_else():
    code = (
        "import sys, numpy\n"
        "before = set(sys.modules)\n"
        "import clearprop\n"
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    outside = {m for m in loaded if m not in sys.stdlib_module_names} - {"clearprop", "numpy"}
    assert not outside


def test_a_bare_import_loads_no_part_of_the_package():
    code = "import sys, clearprop; print(*(m for m in sys.modules if m.startswith('clearprop')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()) == {"clearprop", "clearprop._on_demand", "clearprop._version"}


SLOW_TO_LOAD = {"numpy.random", "numpy.ma", "scipy", "typer", "rich", "safetensors", "json", "csv"}


def test_a_training_loads_nothing_that_it_does_not_need():
    code = (
        "import sys, numpy as np, clearprop as cp\n"
        "x, model = np.cos(np.arange(120.0)).reshape(40, 3), cp.nn.MLP(3, (4,), 1, rng=0)\n"
        "cp.fit(model, (x, x[:, :1] ** 2), loss=cp.losses.mean_squared_error, epochs=1, progress=False)\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not SLOW_TO_LOAD & set(loaded.split())


def bound(statements):
    """Yield (name, module it comes from) for the imports among statements."""
    for node in statements:
        if isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, node.module or "") for alias in node.names)


PACKAGES = [f.parent for f in FILES if f.name == "__init__.py" and "on_demand(" in f.read_text()]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_what_loads_on_demand_is_what_a_type_checker_sees(package):
    """The imports under TYPE_CHECKING, the table of homes and ``__all__`` name the same."""
    body = ast.parse((package / "__init__.py").read_text()).body
    (block,) = [node for node in body if isinstance(node, ast.If)]
    seen = dict(bound(block.body))
    table = ast.literal_eval(block.orelse[0].value.args[1])
    assert {name: home for home, names in table.items() for name in names.split()} == seen
    name = ".".join(("clearprop", *package.relative_to(ROOT).parts))
    module = importlib.import_module(name)
    assert {*seen, *dict(bound(body))} - {"TYPE_CHECKING", "on_demand"} == set(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    submodules = {file.stem for file in package.iterdir() if file.is_dir() or file.suffix == ".py"}
    for exported, home in seen.items():
        value = getattr(module, exported)
        assert not home or exported not in submodules, "the module of this name would take its place"
        assert not home or value is getattr(importlib.import_module(f"{name}.{home}"), exported)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_a_name_that_is_not_there_is_an_attribute_error(package):
    module = importlib.import_module(".".join(("clearprop", *package.relative_to(ROOT).parts)))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018  # asking is the test


NAMESPACES = {
    "clearprop": cp,
    "clearprop.nn": cp.nn,
    "clearprop.losses": cp.losses,
    "clearprop.optim": cp.optim,
    "clearprop.random": cp.random,
    "clearprop.tree": cp.tree,
}


@pytest.mark.parametrize("name", NAMESPACES)
def test_exported_names_are_the_documented_names(name):
    text = (ROOT.parents[1] / "docs" / "reference.md").read_text()
    _, _, section = text.partition(f"## `{name}`\n")
    section = section.partition("\n## ")[0]
    documented = {line.split("`")[1].split("(")[0] for line in section.splitlines() if line.startswith("| `")}
    assert documented == set(NAMESPACES[name].__all__)


@pytest.mark.parametrize("name", NAMESPACES)
def test_exported_names_have_docstrings(name):
    for exported in NAMESPACES[name].__all__:
        value = getattr(NAMESPACES[name], exported)
        if callable(value):
            assert value.__doc__, exported
            assert not value.__doc__.startswith(f"{exported}("), f"{exported} has a generated docstring only"
