"""``python -m clearprop``: the command line."""

from .cli.main import run

run()
