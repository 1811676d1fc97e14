"""``clearprop train``: learn the digits, or a column of a table, and write the model to a file."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from ..core import tree
from ..core.errors import SettingError
from ..data.preprocessing import TASKS
from ..nn import MLP
from ..train.evaluation import predict
from ..train.fit import fit
from ..train.run import Run
from ..train.stopping import EarlyStopping
from ..train.storage import write_whole
from . import choices, options
from .exits import FAILED, FINE, INTERRUPTED
from .files import csv_text, require_writable
from .output import Output, fail, places
from .problem import TEST, TRAINING, VALIDATION, Problem, Shares, digits_problem, table_problem
from .results import Scores, baseline, score_table, scores

_DIGITS = "digits"
_SUFFIX = ".safetensors"
_ENDED = {
    "epochs": "",
    "early stopping": "; stopped early, the best epoch is kept",
    "interrupted": "; interrupted, what was learned is kept",
}


def train(
    data: options.Data,
    target: options.Target = None,
    task: options.Task = "auto",
    ignore: options.Ignore = None,
    skip_incomplete: options.SkipIncomplete = False,
    allow_copies: options.AllowCopies = False,
    validation_fraction: options.ValidationFraction = 0.2,
    test_fraction: options.TestFraction = 0.2,
    hidden: options.Hidden = None,
    activation: options.Activation = "relu",
    loss: options.Loss = None,
    optimizer: options.Optimizer = "adam",
    rate: options.Rate = None,
    batch_size: options.BatchSize = 32,
    epochs: options.Epochs = 100,
    patience: options.Patience = 10,
    seed: options.Seed = 0,
    output: options.ModelFile = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Train a network and write it to a file.

    Some rows are set aside for validation, which keeps the best epoch, and some for a test at the end.
    Ctrl-C ends the training early and keeps what was learned.
    """
    out = Output(as_json, quiet)
    files = _output_files(data, output)
    shares = Shares(test_fraction, validation_fraction, choices.at_least("--seed", seed, 0))
    task = choices.named("--task", task, {name: name for name in ("auto", *TASKS)})
    sizes = choices.hidden_sizes(hidden if hidden is not None else _default_hidden(data))
    function = choices.named("--activation", activation, choices.ACTIVATIONS)
    fitting = {
        "optimizer": choices.optimizer_for(optimizer, rate),
        "batch_size": choices.at_least("--batch-size", batch_size, 1),
        "epochs": choices.at_least("--epochs", epochs, 1),
        "seed": seed,
    }
    stopping = EarlyStopping("val_loss", patience) if choices.at_least("--patience", patience, 0) else None

    if data == _DIGITS:
        asked = {"--task": task != "auto", "--ignore": ignore, "--skip-incomplete": skip_incomplete}
        asked["--allow-copies"] = allow_copies
        _refuse(data, {"--target": target, **asked})
        problem = digits_problem(shares)
    else:
        names = _names(ignore)
        problem = table_problem(data, target, task, names, skip_incomplete, allow_copies, shares)
    cost = choices.loss_for(problem.mapping.task, loss)
    for note in problem.notes:
        out.note(note)

    model = MLP(len(problem.mapping.columns), sizes, problem.mapping.n_outputs, activation=function, rng=seed)
    start = time.perf_counter()
    run = _fit(model, problem, loss=cost, early_stopping=stopping, progress=not quiet, **fitting)
    seconds = time.perf_counter() - start
    if run.stopped == "interrupted" and not run.history:
        fail("interrupted before the first epoch had ended; nothing was learned or written")
        return INTERRUPTED
    rows = _all_scores(problem, run, cost)
    if run.stopped == "not finite" or not all(np.isfinite(row["loss"]) for row in rows.values()):
        used = f" (it was {rate:g})" if rate else ""
        fail(f"the loss is no longer a finite number: try a smaller --rate{used}; nothing was written")
        return FAILED
    run.save(files[0])
    write_whole(files[1], _history(run).encode())
    _report(out, problem, run, rows, files, seconds)
    return INTERRUPTED if run.stopped == "interrupted" else FINE


# ---- before


def _default_hidden(data: str) -> str:
    return options.HIDDEN_FOR_DIGITS if data == _DIGITS else options.HIDDEN_FOR_TABLES


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def _refuse(data: str, given: dict[str, Any]) -> None:
    for option, value in given.items():
        if value:
            raise SettingError(f"{option} goes with a table, not with the {data}")


def _output_files(data: str, output: Path | None) -> tuple[Path, Path]:
    """Return where the model and its history go, if they can go there."""
    model = Path(Path(data).stem + _SUFFIX) if output is None else output
    if model.suffix != _SUFFIX:
        raise SettingError(f"--output {str(model)!r}: the name of a model file must end in {_SUFFIX}")
    history = model.with_suffix(".history.csv")
    for file in (model, history):
        require_writable(file, data)
    return model, history


# ---- training


def _fit(model: MLP, problem: Problem, early_stopping: Any, **settings: Any) -> Run:
    validation = problem.parts.get(VALIDATION)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a loss that is not finite is reported as an error
        return fit(
            model,
            problem.parts[TRAINING],
            validation=validation,
            early_stopping=None if validation is None else early_stopping,
            metrics=() if problem.mapping.output else ("accuracy",),
            preprocessing=problem.mapping,
            allow_target_in_x=True,  # the table has been looked at, where columns have names
            **settings,
        )


def _all_scores(problem: Problem, run: Run, loss: Any) -> dict[str, Scores]:
    with np.errstate(all="ignore"):
        return {
            name: scores(problem.mapping, loss, predict(run.model, x), y)
            for name, (x, y) in problem.parts.items()
        }


def _history(run: Run) -> str:
    return csv_text(list(run.history), zip(*run.history.values(), strict=True))


# ---- after


def _report(
    out: Output,
    problem: Problem,
    run: Run,
    rows: dict[str, Scores],
    files: Sequence[Path],
    seconds: float,
) -> None:
    mapping, epochs = problem.mapping, len(run.history["epoch"])
    judged = TEST if TEST in rows else list(rows)[-1]
    name, trivial = baseline(mapping, problem.parts[TRAINING][1], problem.parts[judged][1])
    sizes = [len(mapping.columns), *(layer.n_out for layer in run.model)]
    parameters = sum(leaf.size for leaf in tree.leaves(run.model))
    facts = {
        "data": problem.name,
        "task": mapping.task,
        "target": mapping.target,
        "classes": mapping.classes,
        "columns": mapping.columns,
        "layers": sizes,
        "parameters": parameters,
        "seed": run.seed,
        "settings": run.settings,
        "stopped": run.stopped,
        "epochs": epochs,
        "seconds": round(seconds, 3),
        "results": rows,
        "baseline": {"name": name, "part": judged, **trivial},
        "model": str(files[0]),
        "history": str(files[1]),
        "notes": problem.notes,
    }
    network = f"{'-'.join(map(str, sizes))} neurons, {parameters:,} parameters"
    title = f" {Path(problem.name).name}: {mapping.task}, {network}"
    described = {
        "trained": f"{epochs} epochs, {seconds:.1f} s{_ENDED[run.stopped]}",
        "model": str(files[0]),
        "history": str(files[1]),
        "next": f"clearprop predict {files[0]} new.csv",
    }
    out.document(facts)
    out.show(Text(title, "bold"), score_table(rows | {f"{name} ({judged})": trivial}), places(described))
