"""The command line: what it prints and writes, every message and exit code, and what it leaves alone."""

import csv
import io
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import clearprop as cp
from clearprop.cli import checks, choices, files, main, train
from clearprop.cli.problem import Shares, digits_problem
from clearprop.cli.results import baseline
from clearprop.core.primitive import Derivative, Primitive
from clearprop.data import TableMapping, digits, read_csv
from clearprop.data.digit_images import PIXELS
from clearprop.ops.declare import PRIMITIVES
from clearprop.train.run import Run, load

SHARED = Path(__file__).parents[2] / "shared" / "data" / "csv"
RNG = np.random.default_rng(0)


def table_text(header, rows):
    return "\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n"


def flowers():
    """Return a table of two classes that can be told apart."""
    x = RNG.normal(size=(60, 2)).round(3)
    return table_text(["width", "length", "kind"], [(a, b, "iris" if a + b > 0 else "rose") for a, b in x])


def houses():
    """Return a table of a quantity that can be computed."""
    x = RNG.uniform(20, 200, size=(60, 2)).round(1)
    return table_text(["area", "garden", "price"], [(a, b, round(1000 * a + 50 * b + 0.5, 1)) for a, b in x])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder of its own, with two tables."""
    monkeypatch.chdir(tmp_path)
    Path("flowers.csv").write_text(FLOWERS)
    Path("houses.csv").write_text(HOUSES)
    return tmp_path


FLOWERS, HOUSES = flowers(), houses()


@pytest.fixture
def cli(capsys):
    """Run the program in this process: exit code, standard output, standard error."""

    def run(*arguments):
        code = main.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Train one model of each task once."""
    folder = tmp_path_factory.mktemp("models")
    for name, text, target in (("flowers", FLOWERS, "kind"), ("houses", HOUSES, "price")):
        (folder / f"{name}.csv").write_text(text)
        out = folder / f"{name}.safetensors"
        arguments = ["train", folder / f"{name}.csv", "--target", target, "--quiet", "--output", out]
        assert main.main([*map(str, arguments), "--epochs", "5"]) == 0
    return folder


def snapshot(folder):
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def csv_rows(text):
    return list(csv.DictReader(io.StringIO(text)))


# ---- training

TRAIN = ["train", "flowers.csv", "--target", "kind", "--epochs", "3"]


def test_training_prints_a_table_and_writes_two_files(cli, folder):
    code, out, err = cli(*TRAIN)
    assert code == 0
    for word in (
        "flowers.csv: classification",
        "training",
        "validation",
        "test",
        "always '",
        "accuracy",
        "%",
    ):
        assert word in out
    assert "flowers.safetensors" in out
    assert "flowers.history.csv" in out
    assert "'kind' holds 2 classes, so this is classification" in err
    assert "epoch" in err
    history = csv_rows(Path("flowers.history.csv").read_text())
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert {"loss", "val_loss", "accuracy", "val_accuracy", "rate", "seconds"} <= set(history[0])


def test_training_on_quantities(cli):
    code, out, err = cli("train", "houses.csv", "--target", "price", "--epochs", "60", "--seed", "3")
    assert code == 0
    for word in ("regression", "R²", "MAE", "RMSE", "always "):
        assert word in out
    assert "'price' holds numbers, so this is regression" in err


def test_json_is_one_document(cli):
    code, out, _ = cli(*TRAIN, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["task"] == "classification"
    assert facts["classes"] == ["iris", "rose"]
    assert facts["layers"] == [2, 64, 32, 2]
    assert {name: row["samples"] for name, row in facts["results"].items()} == {
        "training": 36,
        "validation": 12,
        "test": 12,
    }
    assert 0 <= facts["results"]["test"]["accuracy"] <= 1
    assert facts["baseline"]["part"] == "test"
    assert facts["model"] == "flowers.safetensors"
    code, out, err = cli(*TRAIN, "--json", "--quiet")
    assert (code, err) == (0, "")
    assert json.loads(out)["results"] == facts["results"]


def test_figures_are_those_of_the_model_in_the_file(cli):
    _, out, _ = cli("train", "houses.csv", "--target", "price", "--json", "--test-fraction", 0,
                    "--validation-fraction", 0, "--epochs", 20)  # fmt: skip
    facts = json.loads(out)
    run, table = load("houses.safetensors"), read_csv("houses.csv")
    predicted = run.preprocessing.predictions(run.model(run.preprocessing.inputs_of(table)))
    true = np.array([float(t) for t in table.texts("price")])
    expected = {
        "mae": np.mean(np.abs(predicted - true)),
        "rmse": np.sqrt(np.mean((predicted - true) ** 2)),
        "r2": 1 - np.sum((predicted - true) ** 2) / np.sum((true - true.mean()) ** 2),
    }
    assert list(facts["results"]) == ["training"]
    for name, value in expected.items():
        assert facts["results"]["training"][name] == pytest.approx(value, rel=1e-5)
    assert facts["baseline"]["r2"] == pytest.approx(0, abs=1e-6)
    assert facts["baseline"]["rmse"] == pytest.approx(true.std())


def test_training_beats_the_trivial_baseline(cli):
    _, out, _ = cli("train", "flowers.csv", "--target", "kind", "--json", "--epochs", 40)
    facts = json.loads(out)
    assert facts["results"]["test"]["accuracy"] > facts["baseline"]["accuracy"] + 0.2


def test_the_same_seed_gives_the_same_result(cli):
    def test_loss(seed):
        return json.loads(cli(*TRAIN, "--json", "--seed", seed)[1])["results"]["test"]["loss"]

    assert test_loss(1) == test_loss(1) != test_loss(2)


def test_seeds_give_different_weights(cli):
    first = []
    for seed in (1, 2):
        cli(*TRAIN, "--quiet", "--seed", seed, "--epochs", 1, "--rate", 1e-9)
        first.append(load("flowers.safetensors").model[0].weight)
    assert not np.allclose(*first, atol=0.01)


def test_scales_are_those_of_the_rows_that_are_trained_on(cli):
    cli(*TRAIN, "--quiet", "--seed", 4)
    table, mapping = read_csv("flowers.csv"), load("flowers.safetensors").preprocessing
    rows = Shares(0.2, 0.2, 4).rows(len(table), mapping.targets_of(table))
    numbers = table.numbers(mapping.columns)
    np.testing.assert_allclose(mapping.inputs.mean, numbers[rows["training"]].mean(axis=0))
    assert not np.allclose(mapping.inputs.mean, numbers.mean(axis=0))
    assert sorted(np.concatenate(list(rows.values()))) == list(range(60))


def test_the_baseline_knows_the_training_targets_alone():
    mapping = TableMapping.of(read_csv("flowers.csv"), "kind")
    name, found = baseline(mapping, np.array([0, 0, 1]), np.array([0, 1, 1, 1]))
    assert (name, found) == ("always 'iris'", {"samples": 4, "accuracy": 0.25})
    mapping = TableMapping.of(read_csv("houses.csv"), "price")
    name, found = baseline(mapping, mapping.output([[1000.0], [3000.0]]), mapping.output([[2500.0]]))
    assert name == "always 2000"
    assert found["mae"] == pytest.approx(500, rel=1e-3)


def test_columns_can_be_left_out_and_incomplete_rows_skipped(cli):
    Path("t.csv").write_text(
        "id,x,note,y\n" + "".join(f"{i},{i % 7},n{i},{i % 2}\n" for i in range(20)) + "20,,n,1\n"
    )
    code, _, err = cli(
        "train", "t.csv", "--target", "y", "--ignore", "id, note", "--skip-incomplete", "--epochs", 1
    )
    assert code == 0
    assert "1 of 21 rows lack a value and are skipped" in err
    assert load("t.safetensors").preprocessing.columns == ("x",)


CHOICES = [
    *(("--activation", name, "flowers.csv", "kind") for name in choices.ACTIVATIONS),
    *(("--loss", name, "flowers.csv", "kind") for name in choices.LOSSES["classification"]),
    *(("--loss", name, "houses.csv", "price") for name in choices.LOSSES["regression"]),
    *(("--optimizer", name, "houses.csv", "price") for name in choices.OPTIMIZERS),
    *(("--hidden", sizes, "houses.csv", "price") for sizes in ("none", "3", "4, 3,2")),
]


@pytest.mark.parametrize(
    ("option", "name", "table", "target"), CHOICES, ids=[f"{c[0]} {c[1]}" for c in CHOICES]
)
def test_every_choice_trains(cli, option, name, table, target):
    if name == "lbfgs":
        pytest.importorskip("scipy")
    code, out, err = cli("train", table, "--target", target, option, name.upper(), "--epochs", 1, "--quiet")
    assert (code, out, err) == (0, "", "")
    assert load(Path(table).with_suffix(".safetensors").name).history["epoch"] == [1]


def test_every_choice_stands_in_the_help(cli):
    code, out, _ = cli("train", "--help")
    assert code == 0
    plain = " ".join(out.replace("│", " ").split())
    for names in (choices.ACTIVATIONS, choices.OPTIMIZERS, *choices.LOSSES.values()):
        for name in names:
            assert name in plain


def test_digits_reach_97_percent():
    found = []
    for seed in range(5):
        arguments = ["train", "digits", "--quiet", "--seed", str(seed), "--output", f"{seed}.safetensors"]
        assert main.main(arguments) == 0
        assert Path(f"{seed}.history.csv").exists()
        x, y = digits_problem(Shares(test=0.2, validation=0.2, seed=seed)).parts["test"]
        assert len(y) == 359
        found.append(np.mean(load(f"{seed}.safetensors").model(x).argmax(axis=1) == y))
    assert statistics.median(found) >= 0.97


# ---- prediction


def test_predictions_are_those_of_the_model(cli, models):
    for name in ("flowers", "houses"):
        run, table = load(models / f"{name}.safetensors"), read_csv(f"{name}.csv")
        mapping = run.preprocessing
        outputs = run.model(mapping.inputs_of(table))
        code, out, err = cli("predict", models / f"{name}.safetensors", f"{name}.csv")
        rows = csv_rows(out)
        assert code == 0
        assert "on 60 rows" in err
        expected = mapping.predictions(outputs)
        if mapping.classes:
            assert [row["prediction"] for row in rows] == expected
            given = np.array([[row["probability_iris"], row["probability_rose"]] for row in rows], np.float32)
            np.testing.assert_array_equal(given, mapping.probabilities(outputs))
        else:
            assert list(rows[0]) == ["prediction"]
            given = np.array([row["prediction"] for row in rows], np.float32)
            np.testing.assert_array_equal(given, np.array(expected, np.float32))


def test_predictions_do_not_depend_on_order_and_number_of_columns(cli, models):
    _, expected, _ = cli("predict", models / "flowers.safetensors", "flowers.csv")
    rows = csv_rows(FLOWERS)
    Path("new.csv").write_text(
        table_text(["length", "id", "width"], [(r["length"], i, r["width"]) for i, r in enumerate(rows)])
    )
    code, out, err = cli("predict", models / "flowers.safetensors", "new.csv")
    assert (code, out) == (0, expected)
    assert "does not know 'id'" in err
    assert "accuracy" not in err
    assert cli("predict", models / "flowers.safetensors", "new.csv", "--quiet") == (0, expected, "")


def test_predictions_in_a_file_and_as_json(cli, models):
    model = models / "flowers.safetensors"
    _, expected, _ = cli("predict", model, "flowers.csv")
    code, out, err = cli("predict", model, "flowers.csv", "--output", "p.csv")
    assert (code, out) == (0, "")
    assert "60 predictions written to p.csv" in err
    assert Path("p.csv").read_text() == expected
    code, out, _ = cli("predict", model, "flowers.csv", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["score"]["samples"] == facts["rows"] == 60
    assert facts["predictions"] == [row["prediction"] for row in csv_rows(expected)]
    assert [p["iris"] for p in facts["probabilities"]] == [
        float(r["probability_iris"]) for r in csv_rows(expected)
    ]


def test_what_cannot_be_scored_is_predicted_all_the_same(cli, models):
    Path("new.csv").write_text("width,length,kind\n1,1,tulip\n")
    code, out, err = cli("predict", models / "flowers.safetensors", "new.csv")
    assert code == 0
    assert len(csv_rows(out)) == 1
    assert "not scored: new.csv, line 2, column 'kind' holds 'tulip'" in err


def test_scores_that_are_no_probabilities_are_not_called_so(cli):
    cli(*TRAIN, "--loss", "hinge", "--quiet")
    _, out, _ = cli("predict", "flowers.safetensors", "flowers.csv")
    assert out.splitlines()[0] == "prediction"


def test_the_digits_model_reads_tables_of_pixels(cli):
    cli("train", "digits", "--epochs", "5", "--quiet")
    x, y = digits()
    Path("pixels.csv").write_text(
        table_text([*PIXELS, "digit"], [[*map(int, 16 * x[i]), y[i]] for i in range(50)])
    )
    code, out, err = cli("predict", "digits.safetensors", "pixels.csv")
    model = load("digits.safetensors").model
    assert code == 0
    assert [int(row["prediction"]) for row in csv_rows(out)] == model(x[:50]).argmax(axis=1).tolist()
    assert "on 50 rows" in err


# ---- checks


def test_derivatives_are_right(cli):
    code, out, err = cli("check")
    assert (code, err) == (0, "")
    assert "all derivatives are right" in out
    facts = json.loads(cli("check", "--json")[1])
    assert facts["passed"]
    assert facts["checks"] == 3 * facts["operations"] == 3 * len(facts["results"])
    assert facts["worst_relative_error"] < facts["tolerance"]


def test_every_differentiable_operation_has_a_case_that_uses_it():
    differentiable = {name for name, p in PRIMITIVES.items() if p.derivative.kind != "constant"}
    assert set(checks.CASES) == differentiable
    for name, case in checks.CASES.items():
        graph = cp.make_graph(case.call)(*checks.points_of(case))
        assert name in {eqn.primitive.name for eqn in graph.eqns}, name


class Faulty(Derivative):
    """A derivative that is right, but for a factor in one of its directions."""

    kind = "elementwise"

    def __init__(self, right, forward=1.0, reverse=1.0):
        self.right, self.forward, self.reverse = right, forward, reverse

    def jvp(self, ts, y, xs, params):
        return self.right.jvp(ts, y, xs, params) * self.forward

    def vjp(self, ct, y, xs, params, wanted):
        return [g * self.reverse for g in self.right.vjp(ct, y, xs, params, wanted)]


@pytest.mark.parametrize("way", ["forward", "reverse"])
def test_a_wrong_derivative_is_found(cli, monkeypatch, way):
    sin = PRIMITIVES["sin"]
    wrong = Primitive("sin", sin.compute, sin.typed, Faulty(sin.derivative, **{way: 1.0001}), sin.prepare)
    monkeypatch.setitem(checks.CASES, "sin", replace(checks.CASES["sin"], call=wrong))
    code, out, err = cli("check")
    assert code == 1
    assert f"sin: the {way} derivative is off by" in err
    assert "1 wrong" in out


def test_an_operation_without_a_case_is_reported(cli, monkeypatch):
    sin = PRIMITIVES["sin"]
    monkeypatch.setitem(
        PRIMITIVES, "novel", Primitive("novel", sin.compute, sin.typed, sin.derivative, sin.lowering)
    )
    code, _, err = cli("check")
    assert code == 1
    assert "novel: has no case to check it on" in err


# ---- errors


def bad_files(models):
    """Return files that cannot be used, by name."""
    model = (models / "flowers.safetensors").read_bytes()
    rows = FLOWERS.splitlines()
    return {
        "empty.csv": b"",
        "header.csv": b"width,length,kind\n",
        "twice.csv": b"a,a,kind\n1,2,x\n",
        "text.csv": "\n".join([*rows[:4], "1,long,rose", *rows[4:]]).encode(),
        "hole.csv": "\n".join([*rows[:4], "1,,rose", *rows[4:]]).encode(),
        "nan.csv": "\n".join([*rows[:4], "1,nan,rose", *rows[4:]]).encode(),
        "inf.csv": "\n".join([*rows[:4], "1,inf,rose", *rows[4:]]).encode(),
        "ragged.csv": "\n".join([*rows[:4], "1,2", *rows[4:]]).encode(),
        "one.csv": "\n".join(rows[:2]).encode(),
        "two.csv": b"width,length,kind\n1,2,x\n2,3,y\n",
        "same.csv": b"width,length,kind\n1,2,x\n2,3,x\n3,3,x\n",
        "latin.csv": "width,length,kind\n1,2,ros\u00e9\n".encode("latin-1"),
        "renamed.csv": FLOWERS.replace("length", "height").encode(),
        "old.csv": b"precious",
        "cut.safetensors": model[: len(model) // 2],
        "short.safetensors": model[:5],
        "text.safetensors": b"hello",
        "flipped.safetensors": model[:200] + b"\xff\xff" + model[202:],
    }


def foreign_files(models):
    """Write model files that are not ours, or of another time."""
    save_file({"w": np.zeros(2)}, "foreign.safetensors")
    with safe_open(models / "flowers.safetensors", "numpy") as file:
        header = json.loads(file.metadata()["clearprop"]) | {"format": 99, "version": "9.0"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    save_file(tensors, "newer.safetensors", metadata={"clearprop": json.dumps(header)})
    Run(cp.nn.Dense(2, 2)).save("bare.safetensors")


TABLE = ["--target", "kind", "--quiet"]
ERRORS = [
    # tables
    ("train none.csv", "there is no file 'none.csv'"),
    ("train folder", "'folder' is a folder, not a CSV file"),
    ("train empty.csv", "empty.csv is empty"),
    ("train header.csv", "header.csv has a header but no rows"),
    ("train twice.csv", "more than one column is named 'a'"),
    ("train text.csv", "text.csv, line 5, column 'length' holds 'long', which is not a number"),
    ("train hole.csv", "hole.csv, line 5, column 'length' is empty"),
    ("train hole.csv", "\n--ignore leaves out columns, --skip-incomplete rows that lack a value"),
    ("train nan.csv", "nan.csv, line 5, column 'length' holds 'nan', which stands for no value"),
    ("train inf.csv", "inf.csv, line 5, column 'length' holds 'inf', which is no finite number"),
    ("train ragged.csv", "ragged.csv, line 5: the number of cells is 2, but the header names 3"),
    ("train one.csv", "one.csv has a single row"),
    ("train two.csv", "two.csv has 2 rows, too few to set some aside"),
    ("train same.csv", "column 'kind' is 'x' in every row"),
    ("train latin.csv", "latin.csv is not UTF-8 text: line 2 holds the byte 0xe9"),
    (
        "train flowers.csv --target king",
        "has no column 'king'; it has 'width', 'length', 'kind'. Did you mean 'kind'?",
    ),
    ("train flowers.csv --ignore x", "has no column 'x'"),
    ("train flowers.csv --ignore width,length", "has no column to learn 'kind' from"),
    (
        "train flowers.csv --task regression",
        "column 'kind' holds text such as 'rose': regression needs numbers",
    ),
    ("train houses.csv --target price --task classification", "too many classes"),
    # options
    ("train flowers.csv --rate 0", "--rate 0: must be a number above 0"),
    ("train flowers.csv --rate -1", "--rate -1: must be a number above 0"),
    ("train flowers.csv --rate nan", "--rate nan: must be a number above 0"),
    ("train flowers.csv --rate inf", "--rate inf: must be a number above 0"),
    ("train flowers.csv --rate fast", "'--rate'"),
    ("train flowers.csv --rate 0.1 --optimizer lbfgs", "--rate does not go with --optimizer lbfgs"),
    ("train flowers.csv --epochs 0", "--epochs 0: must be at least 1"),
    ("train flowers.csv --epochs 1.5", "'--epochs'"),
    ("train flowers.csv --batch-size 0", "--batch-size 0: must be at least 1"),
    ("train flowers.csv --patience -1", "--patience -1: must be at least 0"),
    ("train flowers.csv --hidden a,b", "--hidden 'a,b': must list numbers of neurons"),
    ("train flowers.csv --hidden 0", "--hidden '0'"),
    ("train flowers.csv --hidden 64,", "--hidden '64,'"),
    ("train flowers.csv --hidden 99999999999999999999", "from 1 to 100,000"),
    ("train flowers.csv --seed text", "'--seed'"),
    ("train flowers.csv --seed -1", "--seed -1: must be at least 0"),
    ("train flowers.csv --test-fraction 1", "--test-fraction 1: must be at least 0 and less than 1"),
    ("train flowers.csv --validation-fraction nan", "--validation-fraction nan"),
    ("train flowers.csv --test-fraction 0.6 --validation-fraction 0.6", "leave no rows to train on"),
    ("train flowers.csv --activation rellu", "must be one of relu, leaky_relu, "),
    ("train flowers.csv --activation rellu", "Did you mean 'relu'?"),
    ("train flowers.csv --loss mse", "--loss 'mse': must be one of cross_entropy, hinge"),
    ("train flowers.csv --loss huber", "--loss 'huber' is for regression, and this is classification"),
    ("train flowers.csv --optimizer adamm", "Did you mean 'adam'?"),
    ("train flowers.csv --task cluster", "--task 'cluster': must be one of auto, classification, regression"),
    ("train flowers.csv --fast", "--fast"),
    ("train digits --target kind", "--target goes with a table, not with the digits"),
    ("train digits --task regression", "--task goes with a table"),
    # output
    ("train flowers.csv --output none/m.safetensors", "there is no folder 'none'"),
    ("train flowers.csv --output folder", "must end in .safetensors"),
    ("train flowers.csv --output dir.safetensors", "is a folder"),
    ("train flowers.csv --output flowers.csv", "must end in .safetensors"),
    ("train old.history.csv --output old.safetensors", "would overwrite what is read"),
    ("predict MODEL flowers.csv --output flowers.csv", "would overwrite what is read"),
    ("predict MODEL flowers.csv --output none/p.csv", "there is no folder 'none'"),
    # prediction
    ("predict MODEL none.csv", "there is no file 'none.csv'"),
    ("predict MODEL header.csv --output old.csv", "has a header but no rows"),
    ("predict MODEL text.csv --output old.csv", "line 5, column 'length' holds 'long'"),
    (
        "predict MODEL renamed.csv --output old.csv",
        "renamed.csv has no column 'length'; it has 'width', 'height', 'kind'",
    ),
    ("predict MODEL houses.csv", "houses.csv has no columns 'width', 'length'"),
    ("predict none.safetensors flowers.csv", "there is no file none.safetensors"),
    ("predict folder flowers.csv", "folder is a folder"),
    (
        "predict cut.safetensors flowers.csv",
        "cut.safetensors is no safetensors file, or is cut off or damaged",
    ),
    ("predict short.safetensors flowers.csv", "is cut off or damaged"),
    ("predict text.safetensors flowers.csv", "is no safetensors file"),
    ("predict flipped.safetensors flowers.csv", "flipped.safetensors"),
    ("predict foreign.safetensors flowers.csv", "was not written by clearprop"),
    ("predict newer.safetensors flowers.csv", "was written by clearprop 9.0 in format 99"),
    ("predict bare.safetensors flowers.csv", "was not trained on a table"),
    # usage
    ("train", "Missing argument 'DATA'"),
    ("predict MODEL", "Missing argument 'TABLE'"),
    ("race", "No such command 'race'"),
    ("--colour", "--colour"),
]


@pytest.mark.parametrize(("command", "message"), ERRORS, ids=[f"{e[0]}: {e[1][:20]}" for e in ERRORS])
def test_bad_input_is_one_message_and_changes_nothing(cli, folder, models, command, message):
    for name, content in bad_files(models).items():
        Path(name).write_bytes(content)
    foreign_files(models)
    for name in ("folder", "dir.safetensors"):
        Path(name).mkdir()
    Path("old.history.csv").write_text(FLOWERS)
    arguments = [str(models / "flowers.safetensors") if a == "MODEL" else a for a in command.split()]
    if "train" in arguments[:1] and len(arguments) > 1 and not {"--target", "digits"} & set(arguments):
        arguments += ["--target", "kind"]
    before = snapshot(folder)
    code, out, err = cli(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("error:") == 1
    assert snapshot(folder) == before


def test_a_missing_target_lists_the_columns(cli):
    code, _, err = cli("train", "flowers.csv")
    assert code == 2
    assert "--target is missing" in err
    assert "'width', 'length', 'kind'" in err


def test_numbers_that_overflow_the_network_are_named(cli, models):
    Path("far.csv").write_text("area,garden\n50,60\n3e38,-3e38\n")
    code, out, err = cli("predict", models / "houses.safetensors", "far.csv")
    assert (code, out) == (2, "")
    assert "far.csv, line 3: its numbers are so far from those of the training" in err


def test_a_training_that_diverges_fails_and_keeps_the_old_model(cli, folder):
    cli(*TRAIN, "--quiet")
    before = snapshot(folder)
    code, out, err = cli(*TRAIN, "--optimizer", "sgd", "--rate", "1e30")
    assert (code, out) == (1, "")
    assert "error: the loss is no longer a finite number: try a smaller --rate (it was 1e+30)" in err
    assert "The first number that is not finite arose in the" in err
    assert snapshot(folder) == before


def test_a_folder_that_cannot_be_written_to_is_noticed_before_the_training(cli, folder, monkeypatch):
    def refuse(**kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    code, _, err = cli(*TRAIN)
    assert code == 2
    assert "cannot write to its folder: Permission denied" in err
    assert "epoch" not in err


def test_existing_files_are_replaced_after_success(cli):
    Path("flowers.safetensors").write_text("old")
    Path("flowers.history.csv").write_text("old")
    assert cli(*TRAIN)[0] == 0
    assert load("flowers.safetensors").history["epoch"] == [1, 2, 3]
    assert len(csv_rows(Path("flowers.history.csv").read_text())) == 3
    assert not [p for p in Path().iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RuntimeError("broken"), 1, "unexpected RuntimeError: broken"),
        (MemoryError(), 1, "not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_the_unexpected_has_an_exit_code_and_no_traceback(cli, monkeypatch, error, code, message):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(train, "fit", fail)
    monkeypatch.setattr(main, "_close_output", lambda: None)
    found, out, err = cli(*TRAIN, "--quiet")
    assert (found, out) == (code, "")
    assert message in err


def test_an_interrupted_training_keeps_what_was_learned(cli, monkeypatch):
    real = train.fit

    def interrupted(*args, **kwargs):
        return replace(real(*args, **kwargs), stopped="interrupted")

    monkeypatch.setattr(train, "fit", interrupted)
    code, out, _ = cli(*TRAIN)
    assert code == 130
    assert "interrupted, what was learned is kept" in out
    assert load("flowers.safetensors").history["epoch"] == [1, 2, 3]


# ---- as a process


def start(*arguments, **variables):
    command = [sys.executable, "-c", "from clearprop.cli.main import run; run()", *arguments]
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        command, env=buffered | variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["--version"], 0, f"clearprop {cp.__version__}\n", ""),
        (["train", "none.csv", "--target", "y"], 2, "", "error: there is no file 'none.csv'\n"),
    ],
)
def test_the_process_exits_with_the_code(arguments, code, out, err):
    process = start(*arguments)
    assert process.communicate() == (out, err)
    assert process.returncode == code


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_ctrl_c_ends_the_training_and_saves(folder):
    process = start("train", "digits", "--epochs", "1000000", "--patience", "0")
    assert process.stderr.readline().startswith("epoch")
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted, what was learned is kept" in out
    run = load("digits.safetensors")
    assert run.stopped == "interrupted"
    assert isinstance(run.preprocessing, TableMapping)
    assert len(csv_rows(Path("digits.history.csv").read_text())) == len(run.history["epoch"]) >= 1


@pytest.mark.skipif(os.name == "nt", reason="pipes are POSIX's")
def test_a_pipe_that_nobody_reads_is_no_error(models):
    with start("predict", str(models / "flowers.safetensors"), "flowers.csv", "--quiet") as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_terminal_that_knows_ascii_alone_is_enough():
    process = start("train", "houses.csv", "--target", "price", "--epochs", "1", PYTHONIOENCODING="ascii")
    out, err = process.communicate()
    assert (process.returncode, "error" in err) == (0, False)
    assert "R\\xb2" in out


def test_every_option_is_documented(cli):
    page = Path(__file__).parents[1] / "docs" / "command-line.md"
    for command in ("train", "predict", "check"):
        for option in re.findall(r"--[a-z][a-z-]+", cli(command, "--help")[1]):
            assert option in page.read_text(), option


def test_no_arguments_show_the_help(cli):
    code, out, err = cli()
    assert (code, err) == (0, "")
    for word in ("train", "predict", "check", "--version", "130 interrupted"):
        assert word in out


# ---- tables of the world


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("student_data.csv", ["--target", "admit"]),
        (
            "california_housing.csv",
            ["--target", "median_house_value", "--ignore", "ocean_proximity", "--skip-incomplete"],
        ),
        (
            "titanic_train.csv",
            ["--target", "Survived", "--ignore", "Name,Sex,Ticket,Cabin,Embarked", "--skip-incomplete"],
        ),
        ("bike_sharing_hour.csv", ["--target", "cnt", "--ignore", "dteday,casual,registered"]),
    ],
)
def test_tables_of_the_world_are_learned(cli, name, options):
    if not (SHARED / name).exists():
        pytest.skip(f"{name} is not here")
    code, out, _ = cli("train", SHARED / name, *options, "--epochs", 5, "--batch-size", 128, "--json")
    facts = json.loads(out)
    measure = "accuracy" if facts["task"] == "classification" else "r2"
    assert code == 0
    assert facts["results"]["test"][measure] >= facts["baseline"][measure]


@pytest.mark.parametrize("name", ["iris.csv", "winequality-red.csv", "udacity_perceptron_data.csv"])
def test_tables_without_a_header_are_told_so(cli, name):
    if not (SHARED / name).exists():
        pytest.skip(f"{name} is not here")
    code, _, err = cli("train", SHARED / name, "--target", "target")
    assert code == 2
    assert "The first line looks like data" in err
