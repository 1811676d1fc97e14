"""``clearprop explain`` and ``clearprop worksheet``: what they print and write, messages and exit codes."""

import json
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.cli import main
from clearprop.cli.explain import element

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train one small model of each task; a row of the table is short of nothing."""
    folder = tmp_path_factory.mktemp("explained")
    x = RNG.normal(size=(60, 2)).round(3)
    rows = {
        "kind": [(a, b, "iris" if a + b > 0 else "rose") for a, b in x],
        "price": [(a, b, round(3 * a - b, 3)) for a, b in x],
    }
    for target, lines in rows.items():
        text = "\n".join(",".join(map(str, line)) for line in [("width", "length", target), *lines])
        (folder / f"{target}.csv").write_text(text + "\n")
        arguments = ["train", f"{folder}/{target}.csv", "--target", target, "--hidden", "3", "--epochs", "2"]
        assert main.main([*arguments, "--quiet", "--output", f"{folder}/{target}.safetensors"]) == 0
    return folder


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def explained(folder, target, row):
    run = cp.load(folder / f"{target}.safetensors")
    table = cp.data.read_csv(folder / f"{target}.csv").take([row - 1])
    x, y = run.preprocessing.inputs_of(table), run.preprocessing.targets_of(table)
    loss = cp.losses.cross_entropy if target == "kind" else cp.losses.mean_squared_error
    return cp.explain(run.model, loss, x, y)


@pytest.mark.parametrize("target", ["kind", "price"])
def test_explain_prints_the_row(cli, trained, target):
    arguments = ["explain", trained / f"{target}.safetensors", trained / f"{target}.csv", "--row", 3]
    code, out, err = cli(*arguments)
    e = explained(trained, target, 3)
    assert (code, err) == (0, "")
    assert "row 3 (line 4)" in out
    for word in ("Layer 1: layers.0, Dense, relu", "Layer 2", "∂L/∂W¹", "Loss: "):
        assert word in out
    assert f"L = {e.loss:.6g}" in out
    weight = ["--weight", "layers.0.weight[1, 2]"]
    code, out, _ = cli(*arguments, *weight)
    assert code == 0
    assert str(e.paths("layers.0.weight", (1, 2))) in out


def test_explain_as_json_and_as_formulas(cli, trained):
    arguments = ["explain", trained / "kind.safetensors", trained / "kind.csv"]
    code, out, _ = cli(*arguments, "--json", "--weight", "layers.0.weight[0,0]")
    facts, e = json.loads(out), explained(trained, "kind", 1)
    assert code == 0
    assert facts["loss"] == e.loss
    np.testing.assert_array_equal(facts["layers"][0]["dweight"], e.gradient("layers.0.weight").value)
    assert facts["weight"]["name"] == "layers.0.weight[0,0]"
    _, out, _ = cli(*arguments, "--formulas")
    assert "δ² = p − y = " in out
    assert cli(*arguments, "--quiet")[1] == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--row", "61"], "60 rows, numbered from 1"),
        (["--row", "0"], "60 rows, numbered from 1"),
        (["--weight", "layers.0.weight"], "must name one element"),
        (["--weight", "layers.7.weight[0,0]"], "layers.7.weight"),
        (["--weight", "layers.0.weight[9,9]"], "9"),
        (["--paths", "0"], "at least 1"),
    ],
)
def test_explain_refuses(cli, trained, options, said):
    code, out, err = cli("explain", trained / "kind.safetensors", trained / "kind.csv", *options)
    assert (code, out) == (2, "")
    assert said in err


def test_explain_needs_the_answer_and_a_model_of_tables(cli, trained):
    Path("new.csv").write_text("width,length\n1,2\n")
    code, _, err = cli("explain", trained / "kind.safetensors", "new.csv")
    assert code == 2
    assert "no column 'kind'" in err
    cp.load(trained / "kind.safetensors").__class__(cp.nn.Dense(2, 1)).save("plain.safetensors")
    code, _, err = cli("explain", "plain.safetensors", trained / "kind.csv")
    assert code == 2
    assert "not trained on a table" in err


def test_elements():
    assert element(" layers.0.weight[3,-4] ") == ("layers.0.weight", (3, -4))


# ---- worksheets


def test_worksheet_prints_what_python_makes(cli):
    code, out, err = cli("worksheet", "--network", "2-1", "--exact", "--seed", "4", "--blanks", "--key")
    assert (code, err) == (0, "")
    assert out == cp.worksheet("2-1", exact=True, seed=4).write(blanks=True)
    assert cli("worksheet")[1] == cp.worksheet().write()
    assert cli("worksheet", "--blanks")[1] == cp.worksheet().write(blanks=True, key=False)
    loss = {"loss": cp.losses.cross_entropy, "activation": cp.tanh, "rate": 0.1}
    arguments = ["--loss", "cross_entropy", "--activation", "tanh", "--rate", "0.1", "--format", "markdown"]
    assert cli("worksheet", *arguments)[1] == cp.worksheet(**loss).write("markdown")


def test_worksheet_writes_a_file_in_one_go(cli):
    code, out, err = cli("worksheet", "--format", "latex", "--output", "sheet.tex")
    assert (code, out) == (0, "")
    assert "sheet.tex" in err
    assert Path("sheet.tex").read_text() == cp.worksheet().write("latex")
    assert [p.name for p in Path().iterdir()] == ["sheet.tex"]


def test_worksheet_of_a_model(cli, trained):
    files = ["--model", trained / "price.safetensors", "--table", trained / "price.csv", "--row", 2]
    code, out, _ = cli("worksheet", *files)
    assert code == 0
    assert out == explained(trained, "price", 2).worksheet().write()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--network", "2"], "must list"),
        (["--network", "784-30-10"], "at most 200"),
        (["--format", "pdf"], "must be one of text, markdown, latex"),
        (["--loss", "hinge"], "--loss 'hinge'"),
        (["--activation", "gelu", "--exact"], "not rational"),
        (["--rate", "0"], "above 0"),
        (["--table", "x.csv"], "goes with --model"),
        (["--model", "x.safetensors"], "needs --table"),
        (["--output", "none/sheet.tex"], "no folder"),
    ],
)
def test_worksheet_refuses(cli, options, said):
    code, out, err = cli("worksheet", *options)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())
