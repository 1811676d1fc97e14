"""Schedules: tables of PyTorch's numbers, and laws that hold for every schedule."""

import math

import numpy as np
import pytest

import clearprop as cp
from clearprop import optim
from clearprop.core.errors import ClearpropError
from clearprop.core.interpret import interpret

# PyTorch 2.13: the rate of updates 0, 1, 2, ... from its lr_scheduler of the name in the comment
RATES = [
    (optim.Constant(0.1), [0.1] * 3),
    # StepLR
    (optim.StepDecay(0.1, every=3, factor=0.5), [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025]),
    # MultiStepLR
    (
        optim.PiecewiseConstant([0.1, 0.01, 0.001], [2, 5]),
        [0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001],
    ),
    # ExponentialLR
    (optim.ExponentialDecay(0.1, 0.9), [0.1, 0.09, 0.081, 0.0729, 0.06561]),
    (optim.ExponentialDecay(0.1, 0.81, every=2), [0.1, 0.09, 0.081, 0.0729, 0.06561]),
    # CosineAnnealingLR, which PyTorch does not hold at the floor as we do
    (
        optim.CosineDecay(0.1, 5, floor=0.01),
        [
            0.1,
            0.09140576474687263,
            0.06890576474687263,
            0.04109423525312736,
            0.018594235253127367,
            0.01,
            0.01,
            0.01,
        ],
    ),
    # SequentialLR of LinearLR(start_factor=¼, total_iters=3) and CosineAnnealingLR
    (
        optim.CosineDecay(0.1, 5, warmup_steps=3, floor=0.01),
        [
            0.025,
            0.05,
            0.075,
            0.1,
            0.09140576474687263,
            0.06890576474687263,
            0.04109423525312736,
            0.018594235253127367,
            0.01,
        ],
    ),
    # OneCycleLR; the last number is final_div_factor's
    (
        optim.OneCycle(1.0, 10),
        [
            0.04,
            0.52,
            1.0,
            0.9504846320134737,
            0.8117456539497631,
            0.6112620219362893,
            0.38874197806371075,
            0.18825834605023697,
            0.049519367986526286,
            4e-6,
            4e-6,
        ],
    ),
    (
        optim.OneCycle(1.0, 9, pct_start=0.4, div_factor=10, final_div_factor=100),
        [
            0.1,
            0.39042780083085893,
            0.8868298366769953,
            0.9865359128546219,
            0.8432776981154325,
            0.5872372647446318,
            0.3026581568634414,
            0.08317383819923817,
            0.001,
        ],
    ),
    # the highest rate at update 0 itself, where PyTorch divides by zero, and before it
    (optim.OneCycle(1.0, 10, pct_start=0.1), [0.04, 4e-6 + (1 - 4e-6) * (1 + math.cos(math.pi / 9)) / 2]),
    (
        optim.OneCycle(1.0, 2, pct_start=0.0),
        [(1 + 4e-6) / 2 + (1 - 4e-6) / 2 * math.cos(math.pi / 2), 4e-6, 4e-6],
    ),
]
SCHEDULES = [schedule for schedule, _ in RATES]
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


def label(value):
    return repr(value) if isinstance(value, optim.Schedule) else ""


def test_every_schedule_has_a_row():
    exported = {getattr(optim, name) for name in optim.__all__}
    schedules = {c for c in exported if isinstance(c, type) and issubclass(c, optim.Schedule)}
    assert schedules - {optim.Schedule} == {type(schedule) for schedule in SCHEDULES}


@pytest.mark.parametrize(("schedule", "rates"), RATES, ids=label)
def test_rates(schedule, rates):
    np.testing.assert_allclose([schedule(step) for step in range(len(rates))], rates, rtol=1e-12)


@each_schedule
def test_an_array_of_steps_gives_an_array_of_rates(schedule):
    steps = np.arange(12)
    np.testing.assert_allclose(schedule(steps), [schedule(int(step)) for step in steps], rtol=1e-15)


@each_schedule
def test_traced_equals_plain(schedule):
    graph = cp.make_graph(schedule)(np.asarray(0))
    assert str(graph.outputs[0].type) == "f64[]"
    for step in np.arange(12):
        rate = schedule(step)
        assert isinstance(rate, float)
        assert interpret(graph, [np.asarray(step)]) == [rate]


@each_schedule
def test_an_optimiser_follows_it(schedule):
    optimiser = optim.SGD(schedule)
    w, state = np.zeros((), np.float32), optimiser.init(np.zeros((), np.float32))
    for step in range(4):
        before, (w, state) = w, optimiser.update(w, np.float32(1), state)
        assert w.dtype == np.float32
        assert before - w == pytest.approx(float(schedule(step)), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.Constant(-1), r"Constant\(rate=-1\): rate must be a number in \[0, ∞\)"),
        (lambda: optim.StepDecay(0.1, every=0), r"every must be an integer in \[1, ∞\)"),
        (lambda: optim.StepDecay(0.1, every=2.5), "every must be an integer"),
        (lambda: optim.ExponentialDecay(0.1, factor=0), r"factor must be a number in \(0, ∞\)"),
        (lambda: optim.CosineDecay(0.1, 0), "decay_steps must be"),
        (lambda: optim.CosineDecay(0.1, 10, warmup_steps=-1), "warmup_steps must be"),
        (lambda: optim.OneCycle(0.1, 10, pct_start=1.0), r"pct_start must be a number in \[0, 1\)"),
        (lambda: optim.OneCycle(0.1, 10, div_factor=0), "div_factor must be"),
        (lambda: optim.PiecewiseConstant((0.1,), (5,)), "for 1 boundaries, give one rate more"),
        (lambda: optim.PiecewiseConstant((0.1, -1), (5,)), "each rate must be"),
        (lambda: optim.PiecewiseConstant((1, 2, 3), (5, 5)), "must increase"),
        (lambda: optim.ReduceOnPlateau(factor=1.0), "factor must be"),
        (lambda: optim.ReduceOnPlateau(patience=-1), "patience must be"),
        (lambda: optim.ReduceOnPlateau(mode="low"), "mode must be 'min' or 'max'"),
    ],
)
def test_settings_outside_their_domain(make, message):
    with pytest.raises(ClearpropError, match=message):
        make()


# ---- plateau

NAN = math.nan
LOSSES = [1.0, 0.9, 0.95, 0.9, 0.89999, 0.91, 0.5, NAN, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]


def factors_after(plateau, values):
    state, total, totals = plateau.init(), 1.0, []
    for value in values:
        state, factor = plateau.observe(state, value)
        total *= factor
        totals.append(total)
        assert state["factor"] == pytest.approx(total)
    return totals


@pytest.mark.parametrize(
    ("plateau", "expected"),  # PyTorch 2.13, ReduceLROnPlateau, from a rate of 1
    [
        (optim.ReduceOnPlateau(0.5, 2), [1] * 4 + [0.5] * 5 + [0.25] * 3 + [0.125] * 3),
        (optim.ReduceOnPlateau(0.5, 0, min_factor=0.1), [1, 1, 0.5, 0.25, 0.125] + [0.1] * 10),
        (
            optim.ReduceOnPlateau(0.1, 3, threshold=0.01, mode="max"),
            [1] * 4 + [0.1] * 4 + [0.01] * 4 + [0.001] * 3,
        ),
    ],
    ids=["patient", "floor", "max"],
)
def test_plateau(plateau, expected):
    np.testing.assert_allclose(factors_after(plateau, LOSSES), expected, rtol=1e-12)


def test_plateau_of_negative_values():
    plateau = optim.ReduceOnPlateau(0.5, patience=0, threshold=0.1)
    assert factors_after(plateau, [-1.0, -1.05, -1.2, -1.2]) == [1, 0.5, 0.5, 0.25]


def test_plateau_is_pure_and_remembers_in_arrays():
    plateau = optim.ReduceOnPlateau(0.0, patience=0)
    state, _ = plateau.observe(plateau.init(), 1.0)
    assert plateau.observe(state, 2.0) == plateau.observe(state, 2.0)
    state, factor = plateau.observe(state, 2.0)
    assert factor == 0
    assert plateau.observe(state, 2.0)[1] == 1.0
    assert {name: (type(v), v.dtype.kind) for name, v in state.items()} == {
        "best": (np.ndarray, "f"),
        "waited": (np.ndarray, "i"),
        "factor": (np.ndarray, "f"),
    }
