"""Exit codes."""

FINE = 0
"""All is well."""

FAILED = 1
"""A check has failed, a training has diverged, a network is sick, or there is a fault in clearprop itself."""

BAD_INPUT = 2
"""Files, data or options that cannot be used; existing files are as they were."""

INTERRUPTED = 130
"""Ctrl-C; a training keeps what was learned."""
