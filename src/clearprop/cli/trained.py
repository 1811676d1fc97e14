"""A model file of the command line: the run, the table's columns, and what it was trained with."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .. import optim
from ..core.errors import ClearpropError, FileError
from ..data import TableMapping
from ..train.run import Run, load
from .choices import LOSSES, one_of


def load_trained(model: str, instead: str) -> tuple[Run, TableMapping]:
    """Return the run in a file, and how it reads tables.

    Raises
    ------
    FileError
        If the file cannot be read, or was not trained on a table; the message names what to use instead.
    """
    run = load(model)
    if not isinstance(run.preprocessing, TableMapping):
        raise FileError(f"{model} was not trained on a table and knows no columns; use {instead} in Python")
    return run, run.preprocessing


def loss_of(run: Run, mapping: TableMapping, instead: str) -> Callable[..., Any]:
    """Return the loss that a run was trained with.

    Raises
    ------
    FileError
        If it is none of the command line's; the message names what to use instead.
    """
    known, name = LOSSES[mapping.task], run.settings.get("loss", "")
    if name not in known:
        raise FileError(
            f"the model was trained with the loss {name!r}, which is not one of {one_of(known)}; use {instead} in "
            f"Python"
        )
    return known[name]


def optimizer_of(run: Run) -> Any:
    """Return the optimiser that a file names, or None: its class and numbers are read, nothing is run.

    >>> optimizer_of(Run(None, settings={"optimizer": "SGD(learning_rate=0.1, momentum=0.9)"})).momentum
    0.9
    """
    try:
        call = ast.parse(run.settings.get("optimizer", ""), mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)) or call.args:
            return None
        kind = getattr(optim, call.func.id, None) if call.func.id in optim.__all__ else None
        settings = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        return None if kind is None else kind(**settings)
    except (SyntaxError, ValueError, TypeError, ClearpropError):
        return None
