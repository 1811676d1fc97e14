"""Every run of the tests is the same, whoever starts it."""

import os
import signal

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# a shell that runs the tests in the background has them, and what they start, ignore Ctrl-C; some send it
signal.signal(signal.SIGINT, signal.default_int_handler)

# the machine code of a test is made anew, of text that LLVM has checked; no test reads or fills the user's cache
os.environ["CLEARPROP_CACHE"] = "off"
os.environ["CLEARPROP_VERIFY"] = "1"
