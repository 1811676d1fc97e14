"""``clearprop train``: learn the digits, or a column of a table, and write the model to a file."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..core.errors import ClearpropError, FileError
from ..data.preprocessing import TASKS
from ..nn import MLP
from ..train import EarlyStopping, Run, fit
from ..train.fit import predict
from ..train.storage import write_whole
from . import choices
from .choices import one_of
from .files import csv_text, require_writable
from .output import Output, places
from .problem import TEST, TRAINING, VALIDATION, Problem, Shares, digits_problem, table_problem
from .results import Scores, baseline, score_table, scores

INTERRUPTED = 130

_DIGITS = "digits"
_HIDDEN_FOR_DIGITS, _HIDDEN_FOR_TABLES = "256,128", "64,32"
_SUFFIX = ".safetensors"

_DATA, _NETWORK, _TRAINING, _OUTPUT = "What to learn", "Network", "Training", "Output"


def train(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="digits (1,797 handwritten digits), or a CSV file with a header.")
    ],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column to learn.", rich_help_panel=_DATA)
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            metavar="TASK", help=f"{one_of(TASKS)}; auto decides by the target.", rich_help_panel=_DATA
        ),
    ] = "auto",
    ignore: Annotated[
        str | None,
        typer.Option(metavar="COLUMNS", help="Columns to leave out, such as id,name.", rich_help_panel=_DATA),
    ] = None,
    skip_incomplete: Annotated[
        bool,
        typer.Option("--skip-incomplete", help="Leave out rows that lack a value.", rich_help_panel=_DATA),
    ] = False,
    validation_fraction: Annotated[
        float,
        typer.Option(
            metavar="F", help="Rows set aside to see when to stop; 0 for none.", rich_help_panel=_DATA
        ),
    ] = 0.2,
    test_fraction: Annotated[
        float,
        typer.Option(metavar="F", help="Rows set aside to test the result; 0 for none.", rich_help_panel=_DATA),
    ] = 0.2,
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="SIZES",
            help=f"Neurons of the hidden layers, or none. By default {_HIDDEN_FOR_TABLES}; {_HIDDEN_FOR_DIGITS} for "
            f"the digits.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    activation: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"{one_of(choices.ACTIVATIONS)}.", rich_help_panel=_NETWORK),
    ] = "relu",
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="; ".join(f"for {t}: {one_of(ls)}" for t, ls in choices.LOSSES.items())
            + ". By default the first.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    optimizer: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"{one_of(choices.OPTIMIZERS)}.", rich_help_panel=_TRAINING),
    ] = "adam",
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Learning rate. By default the optimizer's own, such as 0.001 for adam.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(metavar="N", help="Rows in a mini-batch.", rich_help_panel=_TRAINING)
    ] = 32,
    epochs: Annotated[
        int, typer.Option(metavar="N", help="Passes through the data, at most.", rich_help_panel=_TRAINING)
    ] = 100,
    patience: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Stop after so many epochs without a better validation loss; 0 for never.",
            rich_help_panel=_TRAINING,
        ),
    ] = 10,
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="The same seed gives the same result.", rich_help_panel=_TRAINING),
    ] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"The model file, by default DATA{_SUFFIX} in this folder; the history goes beside it.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results as JSON.", rich_help_panel=_OUTPUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print errors only.", rich_help_panel=_OUTPUT)
    ] = False,
) -> int:
    """Train a network and write it to a file.

    Rows are set aside for validation and for a test; the weights of the best validation loss are kept.
    Ctrl-C ends the training and keeps what was learned.

    Examples:

      clearprop train digits

      clearprop train iris.csv --target species

      clearprop train houses.csv --target price --ignore id,town --hidden 128,64
    """
    out = Output(as_json, quiet)
    target_loss = loss
    shares = _shares(test_fraction, validation_fraction, seed)
    sizes = choices.hidden_sizes(hidden or (_HIDDEN_FOR_DIGITS if data == _DIGITS else _HIDDEN_FOR_TABLES))
    function = choices.named("--activation", activation, choices.ACTIVATIONS)
    method = choices.optimizer_for(optimizer, rate)
    choices.at_least("--epochs", epochs, 1)
    choices.at_least("--batch-size", batch_size, 1)
    choices.at_least("--patience", patience, 0)
    choices.named("--task", task, dict.fromkeys(("auto", *TASKS), True))
    model_file, history_file = _files(data, output)
    if data == _DIGITS:
        _refuse_table_options(target=target, ignore=ignore)
        problem = digits_problem(shares)
    else:
        problem = table_problem(data, target, task.lower(), _names(ignore), skip_incomplete, shares)
    cost = choices.loss_for(problem.mapping.task, target_loss)
    for note in problem.notes:
        out.note(note)
    x, _ = problem.parts[TRAINING]
    model = MLP(x.shape[1], sizes, problem.mapping.n_outputs, activation=function, rng=seed)
    start = time.perf_counter()
    run = _fit(
        model,
        problem,
        loss=cost,
        optimizer=method,
        epochs=epochs,
        batch_size=batch_size,
        early_stopping=EarlyStopping("val_loss", patience) if patience and VALIDATION in problem.parts else None,
        seed=seed,
        progress=not quiet,
    )
    seconds = time.perf_counter() - start
    rows = {name: scores(problem.mapping, cost, predict(run.model, x), y) for name, (x, y) in problem.parts.items()}
    if not all(np.isfinite(v) for row in rows.values() for v in row.values()):
        raise TrainingError(_diverged("the loss is not finite"))
    run.save(model_file)
    write_whole(history_file, _history(run).encode())
    _report(out, problem, run, rows, model_file, history_file, seconds)
    return INTERRUPTED if run.stopped == "interrupted" else 0
