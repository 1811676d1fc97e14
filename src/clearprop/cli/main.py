"""The program ``clearprop``: its commands, and what becomes of errors."""

from __future__ import annotations

import functools
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from .._version import __version__
from ..core.errors import ClearpropError
from .cache import cache
from .check import check
from .doctor import doctor
from .exits import BAD_INPUT, FAILED, FINE, INTERRUPTED
from .explain import explain
from .output import fail
from .predict import predict
from .train import train
from .worksheet import worksheet

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


def _guarded(command: Callable[..., int]) -> Callable[..., int]:
    """Return a command that answers errors with one message on standard error and an exit code."""

    @functools.wraps(command)
    def guarded(**options: Any) -> int:
        try:
            code = command(**options)
            sys.stdout.flush()
            return code
        except ClearpropError as error:
            fail(str(error))
            return BAD_INPUT
        except KeyboardInterrupt:
            fail("interrupted")
            return INTERRUPTED
        except BrokenPipeError:
            _close_output()
            return FINE
        except MemoryError:
            fail("there is not enough memory for this network and this table")
            return FAILED
        except Exception as error:
            if os.environ.get("CLEARPROP_TRACEBACK"):
                raise
            fail(
                f"unexpected {type(error).__name__}: {error}\nThis is a fault in clearprop; please report it. "
                f"CLEARPROP_TRACEBACK=1 shows where it is."
            )
            return FAILED

    return guarded


def _close_output() -> None:
    """Let nothing more be written to a pipe that nobody reads: the interpreter would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _add(command: Callable[..., int], *examples: str) -> None:
    epilog = "\n\n".join(["[bold]Examples[/]", *examples]) if examples else None
    app.command(help=_paragraphs(command.__doc__ or ""), epilog=epilog)(_guarded(command))


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
_add(
    explain,
    "clearprop explain iris.safetensors iris.csv --row 3",
    'clearprop explain iris.safetensors iris.csv --row 3 --weight "layers.0.weight[3,4]"',
)
_add(
    worksheet,
    "clearprop worksheet --blanks --key",
    "clearprop worksheet --network 3-2-1 --exact --format latex --output sheet.tex",
)
_add(
    doctor,
    "clearprop doctor iris.safetensors iris.csv",
    "clearprop doctor digits.safetensors digits --json",
)
_add(check)
_add(cache, "clearprop cache", "clearprop cache --clear")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clearprop {__version__}")
        raise typer.Exit(FINE)


_HELP = """Train neural networks, and apply them, from the command line.

Exit codes: 0 all is well, 1 a check or a training has failed or a network is sick, 2 files, data or options
cannot be used, 130 interrupted."""


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
    """Run one command and return its exit code."""
    try:
        code: Any = app(args=list(arguments) or ["--help"], prog_name="clearprop", standalone_mode=False)
        return int(code or FINE)
    except SystemExit as end:  # typer's own, when the help is written to a closed pipe
        return int(end.code or FINE)
    except Exception as error:
        # typer's usage errors, whose base class moves between its versions, have this method
        if not hasattr(error, "format_message"):
            raise
        fail(f"{error.format_message()}\nclearprop --help, or clearprop COMMAND --help, lists what there is")
        return BAD_INPUT


def run() -> None:
    """Run the command line of this process."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that knows no R² gets R\xb2, not an exception
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))
