"""The program ``clearprop``: its commands, and what becomes of errors."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from .._version import __version__
from ..core.errors import ClearpropError
from .check import check
from .exits import BAD_INPUT, FAILED, FINE, INTERRUPTED
from .output import fail
from .predict import predict
from .train import train

app = typer.Typer(
    name="clearprop",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _paragraphs(text: str) -> str:
    """Return a text with each paragraph on one line, for the terminal to wrap."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(text))


def _add(command: Callable[..., int], *examples: str) -> None:
    epilog = "\n\n".join(["[bold]Examples[/]", *examples]) if examples else None
    app.command(help=_paragraphs(command.__doc__ or ""), epilog=epilog)(command)


_add(
    train,
    "clearprop train digits",
    "clearprop train iris.csv --target species",
    "clearprop train houses.csv --target price --ignore id,town --hidden 128,64",
)
_add(
    predict,
    "clearprop predict iris.safetensors new.csv",
    "clearprop predict iris.safetensors new.csv --output predictions.csv",
)
_add(check)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clearprop {__version__}")
        raise typer.Exit(FINE)


_HELP = """Train neural networks, and apply them, from the command line.

Exit codes: 0 all is well, 1 a check or a training has failed, 2 files, data or options cannot be used,
130 interrupted."""


@app.callback(
    help=_paragraphs(_HELP), epilog="[bold]First steps[/]\n\nclearprop train digits\n\nclearprop train --help"
)
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, metavar="", help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are one message on standard error."""
    try:
        code: Any = app(args=list(arguments) or ["--help"], prog_name="clearprop", standalone_mode=False)
        return int(code or FINE)
    except ClearpropError as error:
        fail(str(error))
        return BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _close_output()
        return FINE
    except MemoryError:
        fail("there is not enough memory for this network and this table")
        return FAILED
    except Exception as error:
        if hasattr(
            error, "format_message"
        ):  # a usage error of typer's, whose base class has moved between versions
            fail(
                f"{error.format_message()}\nclearprop --help, or clearprop COMMAND --help, lists what there is"
            )
            return BAD_INPUT
        if os.environ.get("CLEARPROP_TRACEBACK"):
            raise
        fail(
            f"unexpected {type(error).__name__}: {error}\nThis is a fault in clearprop; CLEARPROP_TRACEBACK=1 shows "
            f"where it is. Please report it."
        )
        return FAILED


def _close_output() -> None:
    """Let nothing more be written to a pipe that nobody reads: the interpreter would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run() -> None:
    """Run the command line of this process."""
    sys.exit(main(sys.argv[1:]))
