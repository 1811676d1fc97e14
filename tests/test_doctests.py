"""The examples in the docstrings print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import clearprop

MODULES = ["clearprop", *(m.name for m in pkgutil.walk_packages(clearprop.__path__, "clearprop."))]
MODULES.remove("clearprop.__main__")  # importing it runs the command line
EXAMPLES = doctest.DocTestFinder(exclude_empty=True)


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_public_functions_have_examples():
    """All that core, api and ops give to users directly."""
    public = [getattr(clearprop, name) for name in clearprop.__all__]
    ours = [f for f in public if getattr(f, "__module__", "").startswith(("clearprop.api", "clearprop.ops"))]
    assert ours
    missing = [f.__name__ for f in ours if callable(f) and not doctest.DocTestFinder().find(f)[0].examples]
    assert not missing
