"""The doctor finds what networks were made sick with, finds nothing in healthy ones, and says it well."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop import losses, nn, optim
from clearprop.cli import main
from clearprop.cli.trained import optimizer_of
from clearprop.core.errors import DataError, SettingError
from clearprop.explanation.doctor import learning
from clearprop.explanation.doctor.diagnosis import examine
from clearprop.explanation.doctor.evidence import Evidence
from clearprop.explanation.doctor.finding import HEALTHY as WELL
from clearprop.explanation.doctor.finding import SICK as ILL
from clearprop.explanation.doctor.finding import UNCHECKED, WATCH
from clearprop.explanation.doctor.outcome import outcome
from clearprop.explanation.doctor.rules import RULES
from clearprop.explanation.doctor.scale import scale
from clearprop.train.data import Samples
from clearprop.train.run import Run
from clearprop.train.trial import Experiments
from doctor_cases import CLASSES, HEALTHY, NUMBERS, SICK, sick

SHARED = Path(__file__).parents[2] / "shared" / "data"
SEEDS = (100, 101)  # benchmarks/doctor_rates.py has more of them, and others


@pytest.fixture(scope="module", autouse=True)
def shared_code(tmp_path_factory):
    """Make the machine code of networks of one shape once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLEARPROP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def healthy():
    return CLASSES.run(0)


@pytest.fixture(scope="module")
def dying():
    return sick(CLASSES, {"bias": -6.0}).run(0)


@pytest.mark.parametrize(
    ("rule", "way", "twin", "changes"), SICK, ids=[f"{rule}: {way}" for rule, way, *_ in SICK]
)
def test_the_sick_are_found(rule, way, twin, changes):
    for seed in SEEDS:
        finding = sick(twin, changes).run(seed).diagnose()[rule]
        assert finding.severity in (ILL, WATCH), finding
        assert (finding.figure < finding.threshold) == finding.below
        assert finding.fix


@pytest.mark.parametrize("name", HEALTHY)
def test_in_the_healthy_nothing_is_found(name):
    for seed in SEEDS:
        found = HEALTHY[name].run(seed).diagnose()
        assert not found.findings, str(found)
        assert found.verdict.startswith("HEALTHY")


def test_each_rule_has_a_sick_network_and_a_healthy_twin():
    assert {rule for rule, *_ in SICK} == {rule.name for rule in RULES}
    assert all(twin in HEALTHY.values() for _, _, twin, _ in SICK)


def test_each_rule_says_what_it_needs_to():
    for rule in RULES:
        assert rule.fix, rule.name
        assert rule.source, rule.name
        assert rule.unit, rule.name


@pytest.mark.parametrize("hidden", [(32,), (256, 128)], ids=str)
def test_digits_are_healthy(hidden):
    x, y = cp.data.digits()
    run = cp.fit(
        nn.MLP(64, hidden, 10),
        (x, y),
        loss=losses.cross_entropy,
        epochs=10,
        validation=0.2,
        progress=False,
    )
    assert not run.diagnose().findings


def test_pixels_of_0_to_255_are_not_scaled():
    x, y = cp.data.digits()
    run = cp.fit(nn.MLP(64, (32,), 10), (255 * x, y), loss=losses.cross_entropy, epochs=3, progress=False)
    assert run.diagnose()["unscaled inputs"].severity == ILL


@pytest.mark.skipif(not SHARED.is_dir(), reason="the tables are not here")
@pytest.mark.parametrize(("name", "columns"), [("iris.csv", 4), ("student_data.csv", 3)])
def test_tables_are_healthy(name, columns):
    lines = [line.strip().split(",") for line in (SHARED / "csv" / name).read_text().splitlines() if line]
    rows = [line for line in lines if line[-2][:1].isdigit()]
    names = [row[-1] if name == "iris.csv" else row[0] for row in rows]
    x = np.array([row[:columns] if name == "iris.csv" else row[1:] for row in rows], float)
    y = np.unique(names, return_inverse=True)[1]
    run = cp.fit(
        nn.MLP(columns, (16,), len(set(names))),
        (cp.data.Standardizer.of(x)(x), y),
        loss=losses.cross_entropy,
        epochs=60,
        validation=0.2,
        early_stopping=cp.EarlyStopping("val_loss", 10),
        progress=False,
    )
    assert not run.diagnose().findings


@pytest.mark.skipif(not SHARED.is_dir(), reason="the tables are not here")
def test_houses_in_their_own_units_are_not_scaled():
    table = np.load(SHARED / "california_housing.npz")
    x, y = table["X"][:2000], table["y"][:2000, None]
    run = cp.fit(nn.MLP(8, (16,), 1), (x, y / y.std()), loss=losses.huber, epochs=3, progress=False)
    assert run.diagnose()["unscaled inputs"].severity == ILL


# ---- what a diagnosis says


def test_the_verdict_comes_first_then_figure_threshold_and_fix(dying):
    text = str(dying.diagnose())
    assert text.startswith("SICK: all 16 units of layers.0 are off for every sample and cannot learn")
    assert "SICK dead units: all 16 units" in text
    assert "figure   1 of the units; sick above 0.4" in text
    assert "where    layers.0, units 0-15" in text
    assert "try      lower the learning rate" in text
    assert "source   Karpathy" in text


def test_what_is_healthy_and_what_was_not_checked_is_said_too(healthy):
    found = healthy.diagnose()
    text = str(found)
    assert text.startswith("HEALTHY: no rule found anything")
    assert "Found healthy\n  unscaled inputs" in text
    assert "Not checked\n  saturated units           no hidden layer has a bounded function" in text
    assert {f.rule for f in found.examined} == {rule.name for rule in RULES}


@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit(dying, width):
    assert max(map(len, dying.diagnose().text(width).splitlines())) <= width


def test_a_diagnosis_can_be_written_as_json(dying):
    facts = json.loads(json.dumps(dying.diagnose().as_dict()))
    assert facts["healthy"] is False
    assert [f["rule"] for f in facts["examined"]] == [rule.name for rule in RULES]


def test_the_same_run_is_diagnosed_the_same(dying):
    assert str(dying.diagnose()) == str(dying.diagnose())


def test_the_cause_stands_before_what_it_leads_to():
    found = sick(CLASSES, {"optimizer": optim.Adam(3.0)}).run(1).diagnose()
    assert found.findings[0].rule == "rate too high"
    assert len(found.findings) > 1


def test_a_training_that_diverged():
    found = sick(NUMBERS, {"optimizer": optim.SGD(1e3)}).run(0).diagnose()
    assert "the training diverged" in found["rate too high"].verdict
    assert found["rate too high"].severity == ILL


def test_a_class_hidden_behind_another_is_worth_watching_only():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(1000, 3)).astype(np.float32), (random.random(1000) < 0.1).astype(int)
    run = cp.fit(nn.MLP(3, (), 2), (x, y), loss=losses.cross_entropy, epochs=20, progress=False)
    finding = run.diagnose()["classes never predicted"]
    assert finding.severity == WATCH
    assert "another class is always more probable" in finding.verdict


# ---- from where the evidence comes


def test_a_run_knows_its_training_by_reference_and_does_not_save_it(tmp_path):
    x, y = CLASSES.data(0)
    model = CLASSES.model(0)
    run = cp.fit(model, (x, y), loss=losses.cross_entropy, epochs=2, validation=0.25, progress=False)
    assert run.setup.model is model
    assert run.setup.data.x is x
    run.save(tmp_path / "run.safetensors")
    assert cp.load(tmp_path / "run.safetensors").setup is None
    assert (tmp_path / "run.safetensors").stat().st_size < x.nbytes


def test_a_run_from_a_file_is_told_its_data(tmp_path, healthy):
    healthy.save(tmp_path / "run.safetensors")
    loaded = cp.load(tmp_path / "run.safetensors")
    with pytest.raises(SettingError, match="knows neither its data nor its loss"):
        loaded.diagnose()
    found = loaded.diagnose(CLASSES.data(0), loss=losses.cross_entropy, optimizer=optim.Adam(0.01))
    assert not found.findings
    assert "experiments began with one drawn anew" in found.notes[0]


def test_without_optimizer_nothing_is_tried(healthy):
    found = cp.diagnose(healthy.model, CLASSES.data(0), loss=losses.cross_entropy)
    tried = ["rate too high", "rate too low", "cannot overfit one batch", "update-to-weight ratio"]
    assert all(found[rule].severity == UNCHECKED for rule in [*tried, "overfitting"])
    assert found.healthy


def test_lbfgs_searches_for_its_own_step():
    pytest.importorskip("scipy")
    found = sick(CLASSES, {"optimizer": optim.LBFGS(), "epochs": 10}).run(0).diagnose()
    assert found["rate too high"].severity == UNCHECKED
    assert found["dead units"].severity == WELL


def test_a_schedule_counts_with_its_largest_rate():
    warm = optim.LinearWarmup(0.01, 100) if hasattr(optim, "LinearWarmup") else optim.CosineDecay(0.01, 500)
    found = sick(CLASSES, {"optimizer": optim.Adam(warm)}).run(0).diagnose()
    assert found["update-to-weight ratio"].severity == WELL


def test_symbols_have_no_scale():
    random = np.random.default_rng(0)
    x = random.integers(0, 50, size=(300, 4))
    y = (x[:, :1] > 25).astype(np.float32)
    model = nn.Sequential((nn.Embedding(50, 8), nn.Flatten(), nn.Dense(32, 1)))
    run = cp.fit(model, (x, y), loss=losses.log_loss, optimizer=optim.Adam(0.02), epochs=20, progress=False)
    assert not run.diagnose().findings


def test_experiments_leave_the_run_as_it_was(healthy):
    before = [leaf.copy() for leaf in cp.tree.leaves((healthy.model, healthy.setup.model))]
    healthy.diagnose()
    after = cp.tree.leaves((healthy.model, healthy.setup.model))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.usefixtures("without_llvmlite")
def test_the_doctor_needs_no_compiler():
    assert "SICK" in sick(CLASSES, {"bias": -6.0, "epochs": 1, "rows": 100}).run(0).diagnose().verdict


def test_data_that_cannot_be_trained_on_are_refused(healthy):
    with pytest.raises(DataError, match="no rows"):
        cp.diagnose(healthy.model, (np.zeros((0, 5)), np.zeros(0, int)), loss=losses.cross_entropy)


def test_few_rows_are_enough(healthy):
    x, y = CLASSES.data(0)
    found = cp.diagnose(healthy.model, (x[:3], y[:3]), loss=losses.cross_entropy, optimizer=optim.Adam(0.01))
    assert found["unscaled inputs"].severity == WELL


# ---- what predictions mean, and the scale of a loss

Y = np.array([0, 1, 2, 1])
CODES = np.eye(3)[Y]
BITS = np.array([[0.0], [1.0], [1.0], [1.0]])


@pytest.mark.parametrize(
    ("prediction", "target", "loss", "task", "predicted"),
    [
        (CODES, Y, losses.cross_entropy, "classes", [0, 1, 2, 1]),
        (CODES, CODES, losses.cross_entropy, "classes", [0, 1, 2, 1]),
        (BITS - 0.4, BITS, losses.log_loss, "yes or no", [0, 1, 1, 1]),
        (BITS - 0.4, BITS, losses.mean_squared_error, "yes or no", [0, 1, 1, 1]),
        (BITS * 0.4, BITS, losses.mean_squared_error, "yes or no", [0, 0, 0, 0]),
        (BITS - 0.5, 2 * BITS - 1, losses.hinge, "yes or no", [0, 1, 1, 1]),
        (CODES[:, :1], np.array([[0.5], [1.5], [2.0], [0.1]]), losses.huber, "numbers", None),
    ],
    ids=["labels", "one-hot", "logits", "squares", "squares below", "margins", "numbers"],
)
def test_what_predictions_mean(prediction, target, loss, task, predicted):
    found = outcome(prediction, target, loss)
    assert found.task == task
    assert predicted is None or found.predicted.tolist() == predicted


@pytest.mark.parametrize(
    ("loss", "shape", "target", "constant", "perfect"),
    [
        (losses.cross_entropy, (4, 3), Y, 1.0397207708399179, 0.0),  # the entropy of ¼, ½, ¼
        (losses.log_loss, (4, 1), BITS, 0.5623351446188083, 0.0),  # of ¼, ¾
        (losses.mean_squared_error, (4, 1), np.array([[0.5], [1.5], [2.5], [3.5]]), 1.25, 0.0),
        (losses.mean_absolute_error, (4, 1), np.array([[0.0], [0.0], [0.0], [8.0]]), 2.0, 0.0),
        (losses.hinge, (4, 1), BITS, 0.5, 0.0),
    ],
)
def test_the_scale_of_a_loss(loss, shape, target, constant, perfect):
    found = scale(loss, outcome(np.zeros(shape), target, loss), shape, target)
    assert found.constant == pytest.approx(constant)
    assert found.perfect == pytest.approx(perfect, abs=1e-12)


def test_a_rule_that_cannot_be_applied_says_why():
    evidence = Evidence(nn.Dense(2, 1), np.ones((4, 2)), np.ones((4, 1)), losses.mean_squared_error)
    found = examine(evidence)
    assert found["constant prediction"].verdict == "all targets are the same"
    assert found["classes never predicted"].severity == UNCHECKED


# ---- experiments and histories


def experiments(rate):
    x, y = CLASSES.data(0)
    data = Samples(x, y)
    optimizer = optim.SGD(rate, momentum=0.9)
    return Experiments(CLASSES.model(0), data, losses.cross_entropy, optimizer, 16, 100, None)


def leaves(model):
    return [leaf.copy() for leaf in cp.tree.leaves(model)]


def test_experiments_begin_at_the_same_model_and_state():
    tried = experiments(0.01)
    rows = tried.shuffled[: 20 * tried.size]
    first, _, again = (leaves(tried.run(rows, factor)) for factor in (1.0, 10.0, 1.0))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_factor_multiplies_the_rate():
    one, other = experiments(0.01), experiments(0.04)
    rows = one.shuffled[: 20 * one.size]
    fourfold, plain = leaves(one.run(rows, 4.0)), leaves(other.run(rows, 1.0))
    assert all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(fourfold, plain, strict=True))


def test_updates_are_relative_to_the_weights_before():
    """The eleventh to the twentieth step of training, as `steps` does them, in parts of the first weights."""
    tried = experiments(0.01)
    found = tried.updates()
    start = tried.start.layers[0].weight
    stepper = tried.again()
    weights = []
    for step in range(20):
        stepper.run(tried.shuffled[step * tried.size : (step + 1) * tried.size], tried.size)
        weights.append(stepper.model().layers[0].weight.copy())
    moves = [np.linalg.norm(b - a) for a, b in itertools.pairwise(weights[9:])]
    assert found["layers.0.weight"] == pytest.approx(np.median(moves) / np.linalg.norm(start), rel=1e-4)


def test_an_experiment_has_no_more_steps_than_the_training():
    x, y = CLASSES.data(0)
    short = Experiments(CLASSES.model(0), Samples(x, y), losses.cross_entropy, optim.Adam(), 16, 7, None)
    assert short.at_rates([1.0])[0] == 7


def test_what_is_memorised_has_each_class():
    done = experiments(0.01).memorise(lambda prediction, target: False)
    assert sorted(set(done.target.tolist())) == [0, 1, 2]
    assert len(done.target) == 8


T = np.array([[-1.0], [1.0], [-1.0], [1.0]])  # of which the best constant's squared error is 1


@pytest.mark.parametrize(
    ("loss", "val_loss", "kept_best", "figure"),
    [
        ([0.5, 0.1], [0.6, 0.7], False, 0.35),  # medians of the two epochs
        ([0.5, 0.1, 0.1, 0.1, 0.1, 0.1], [0.6, 0.7, 0.7, 0.7, 0.7, 0.7], False, 0.6),
        ([0.5, 0.1], [0.7, 0.7], False, 0.0),  # the loss of new data does not rise
        ([0.5, 0.1, 0.1], [0.6, 0.9, 0.9], True, 0.0),  # and its lowest point was kept
    ],
    ids=["two epochs", "the last five", "not rising", "the best was kept"],
)
def test_overfitting_by_the_history(loss, val_loss, kept_best, figure):
    history = {"loss": loss, "val_loss": val_loss}
    model = nn.Dense(1, 1, weight=[[1.0]], bias=[0.0])
    evidence = Evidence(model, T, T, losses.mean_squared_error, history, kept_best=kept_best)
    assert learning.overfitting(evidence).figure == pytest.approx(figure)


# ---- on the command line


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of three kinds of flowers, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2))
    kinds = np.array(["iris", "rose", "tulip"])[np.digitize(x[:, 0] + x[:, 1] ** 2, [0, 1])]
    rows = [f"{a:.3f},{1000 + b:.3f},{kind}" for (a, b), kind in zip(x, kinds, strict=True)]
    Path("flowers.csv").write_text("\n".join(["width,height,kind", *rows]) + "\n")
    return "flowers.csv"


@pytest.mark.parametrize(
    ("options", "code", "verdict"),
    [
        ((), 0, "HEALTHY: no rule found anything"),
        (("--rate", "1e-7", "--epochs", "3"), 1, "SICK: the learning rate is too low"),
        (("--loss", "hinge"), 0, "HEALTHY: no rule found anything"),
        (("--optimizer", "momentum"), 0, "HEALTHY: no rule found anything"),
    ],
    ids=["healthy", "sick", "hinge", "momentum"],
)
def test_on_the_command_line(table, capsys, options, code, verdict):
    assert main.main(["train", table, "--target", "kind", "--quiet", *options]) == 0
    assert main.main(["doctor", "flowers.safetensors", table]) == code
    assert capsys.readouterr().out.replace("\n  ", " ").startswith(verdict)
    assert main.main(["doctor", "flowers.safetensors", table, "--json"]) == code
    facts = json.loads(capsys.readouterr().out)
    assert facts["healthy"] is (code == 0)
    tried = {f["rule"]: f["severity"] for f in facts["examined"]}
    assert tried["rate too high"] != UNCHECKED


def test_classes_and_columns_have_their_names(table):
    rows = cp.data.read_csv(table)
    mapping = cp.data.TableMapping.of(rows, "kind")
    x, y = rows.numbers(["width", "height"]).astype(np.float32), mapping.targets_of(rows)
    run = cp.fit(
        nn.MLP(2, (8,), 3),
        (x, y),
        loss=losses.cross_entropy,
        sample_weight=np.where(y == 2, 0.0, 1.0),
        epochs=2,
        progress=False,
        preprocessing=mapping,
    )
    found = run.diagnose()
    assert "column 'height' has mean 1e+03" in found["unscaled inputs"].verdict
    assert "tulip" in found["classes never predicted"].where


def test_a_model_that_knows_no_table_is_refused(tmp_path, table, capsys, healthy):
    healthy.save(tmp_path / "run.safetensors")
    assert main.main(["doctor", "run.safetensors", table]) == 2
    assert "was not trained on a table" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SGD(",
        "print(1)",
        "Adam(learning_rate=CosineDecay(0.1, 10))",
        "SGD(learning_rate=-1.0)",
        "open('x')",
        "Optimizer()",
    ],
)
def test_what_names_no_optimizer_is_none(text):
    assert optimizer_of(Run(None, settings={"optimizer": text})) is None


@pytest.mark.parametrize(
    "optimizer", [optim.SGD(0.1, momentum=0.9, nesterov=True), optim.AdamW(), optim.Lion(3e-4)]
)
def test_an_optimizer_is_read_back_from_its_name(optimizer):
    assert optimizer_of(Run(None, settings={"optimizer": repr(optimizer)})) == optimizer
