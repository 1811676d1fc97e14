"""Every run of the tests is the same, whoever starts it."""

import os
import signal
import sys

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# a shell that runs the tests in the background has them, and what they start, ignore Ctrl-C; some send it
signal.signal(signal.SIGINT, signal.default_int_handler)

# the machine code of a test is made anew, of text that LLVM has checked; no test reads or fills the user's cache
os.environ["CLEARPROP_CACHE"] = "off"
os.environ["CLEARPROP_VERIFY"] = "1"


@pytest.fixture
def without_llvmlite(monkeypatch):
    """As where llvmlite is not installed."""
    from clearprop.api import compiled
    from clearprop.compile import engine

    monkeypatch.setitem(sys.modules, "llvmlite", None)
    for known in (compiled.native_code, engine._ready):
        known.cache_clear()
    yield
    for known in (compiled.native_code, engine._ready):
        known.cache_clear()
