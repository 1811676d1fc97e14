"""Optimisers: a table of first steps, and laws that hold for every row."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import clearprop as cp
from clearprop import optim
from clearprop.core import tree
from clearprop.core.errors import ClearpropError, ShapeError, StructureError
from clearprop.core.interpret import interpret

# ½ Σ a(w − c)² from w = (1, −2, ½): three elements of different curvature, two of them crossing zero
CURVATURE, CENTRE, START = np.array([1.0, 4.0, 0.5]), np.array([0.0, 1.0, -1.0]), np.array([1.0, -2.0, 0.5])


def slope(w):
    return CURVATURE.astype(w.dtype) * (w - CENTRE.astype(w.dtype))


# After five steps: PyTorch 2.13 in float64; clipping, and Lion from Chen et al. (2023), algorithm 2, by hand
FIVE_STEPS = [
    (optim.SGD(0.1), [0.5904900000000001, 0.7667200000000001, 0.16067140625]),
    (optim.SGD(0.1, momentum=0.9), [-0.02916, 3.187, -0.3742660937500001]),
    (
        optim.SGD(0.1, momentum=0.9, nesterov=True),
        [-0.10458168390000007, 1.4954074047999997, -0.5260865424015626],
    ),
    (
        optim.SGD(0.1, momentum=0.5, weight_decay=0.2),
        [0.2736866368, 1.4558811904, -0.08083670585000005],
    ),
    (
        optim.SGD(0.1, momentum=0.9, clip_value=2.0, clip_norm=1.5),
        [0.2661938084902016, -0.2755526505475563, -0.09714875328563485],
    ),
    (optim.Adagrad(0.5), [0.05089130426300944, -0.5696397289196974, -0.6947081236315379]),
    (
        optim.Adagrad(0.5, initial_accumulator_value=0.3, eps=0.01, weight_decay=0.1),
        [0.07959864643943822, -0.5729448633712907, -0.539605239804505],
    ),
    (optim.RMSProp(0.07), [0.0032957777040868563, -0.115545285613081, -0.8977055199268569]),
    (
        optim.RMSProp(0.1, alpha=0.9, momentum=0.8, eps=0.01),
        [-0.5487195717679061, 0.39146676949503745, -1.4561745695695445],
    ),
    (
        optim.RMSProp(0.02, alpha=0.9, centered=True, eps=0.01),
        [0.771642061968053, -1.7586235671598103, 0.2696751715971044],
    ),
    (
        optim.RMSProp(0.02, alpha=0.8, centered=True, momentum=0.5, eps=0.1, weight_decay=0.1),
        [0.7230647304674687, -1.6628068275588104, 0.23544992354444472],
    ),
    (optim.Adadelta(), [0.9836313873486155, -1.983588433367576, 0.4836099999684684]),
    (
        optim.Adadelta(2.0, rho=0.7, eps=0.01, weight_decay=0.1),
        [0.011674651907088801, -0.2645257011768455, -0.7296064945132393],
    ),
    (optim.Adam(0.3), [-0.300213822920933, -0.523890971135829, -0.9165566407280363]),
    (
        optim.Adam(0.3, beta1=0.8, beta2=0.7, eps=0.01, weight_decay=0.1),
        [-0.34322728777611955, -0.4909104926318436, -0.945141892444082],
    ),
    (
        optim.Adam(0.5, beta1=0.5, beta2=0.4, amsgrad=True),
        [-0.14943637604077625, 0.15009449484055754, -1.1030004946544871],
    ),
    (optim.AdamW(0.3), [-0.30335453126146994, -0.5036284032005858, -0.9148983747648413]),
    (
        optim.AdamW(0.5, beta1=0.5, beta2=0.4, eps=0.01, weight_decay=0.3, amsgrad=True),
        [-0.08463567953153053, 0.45878470336971405, -0.8467516112557685],
    ),
    (optim.Adamax(0.3), [-0.06481927172131433, -0.6546614042101637, -0.6994488257647538]),
    (
        optim.Adamax(0.5, beta1=0.5, beta2=0.4, eps=0.1, weight_decay=0.2),
        [-0.1584496089861014, 1.055703367487737, -0.9743081214337855],
    ),
    (optim.NAdam(0.3), [0.10524869659287128, -0.8709886710327559, -0.5210827819107506]),
    (
        optim.NAdam(0.3, beta1=0.8, beta2=0.7, eps=0.01, momentum_decay=0.1, weight_decay=0.1),
        [-0.004919829390767336, -0.714107854793505, -0.6253765912771316],
    ),
    (optim.Lion(0.3), [0.09999999999999998, -0.49999999999999983, -1.0]),
    (optim.Lion(0.5, beta1=0.5, beta2=0.4, weight_decay=0.2), [0.44294, 0.8665699999999998, -0.752305]),
]
OPTIMISERS = [optimiser for optimiser, _ in FIVE_STEPS]


def label(value):
    return repr(value) if isinstance(value, optim.Optimizer) else ""


each_optimiser = pytest.mark.parametrize("optimiser", OPTIMISERS, ids=label)


def run(optimiser, params, steps, gradient=slope):
    state = optimiser.init(params)
    for _ in range(steps):
        params, state = optimiser.update(params, tree.map(gradient, params), state)
    return params, state


def test_every_optimiser_has_a_row():
    exported = {getattr(optim, name) for name in optim.__all__}
    concrete = {c for c in exported if isinstance(c, type) and issubclass(c, optim.Optimizer)}
    assert concrete - {optim.Optimizer} == {type(optimiser) for optimiser in OPTIMISERS}


@pytest.mark.parametrize(("optimiser", "expected"), FIVE_STEPS, ids=label)
def test_five_steps(optimiser, expected):
    w, state = run(optimiser, START, 5)
    np.testing.assert_allclose(w, expected, rtol=1e-12, atol=1e-14)
    assert state["step"] == 5


@each_optimiser
def test_dtypes_stay(optimiser):
    params = {"single": START.astype(np.float32), "double": START, "scalar": np.float32(2)}
    types = tree.map(lambda leaf: leaf.dtype, params)
    new, state = run(optimiser, params, 5, lambda w: slope(w) if w.ndim else w)
    assert tree.map(lambda leaf: leaf.dtype, new) == types
    for slot in optimiser.slots:
        assert tree.map(lambda leaf: leaf.dtype, state[slot]) == types
    assert state["step"].dtype == np.int64
    assert state["rate_factor"].dtype == np.float64
    np.testing.assert_allclose(new["single"], new["double"], rtol=1e-4, atol=1e-5)


@each_optimiser
def test_traced_equals_plain(optimiser):
    params = {"w": START.astype(np.float32), "more": [START * 2, np.array(3)]}
    gradients = {"w": slope(params["w"]), "more": [START, None]}
    state = run(optimiser, params, 2, lambda w: w * 3)[1]
    graph = cp.make_graph(optimiser.update)(params, gradients, state)
    recorded = interpret(graph, tree.leaves((params, gradients, state)))
    plain = tree.leaves(optimiser.update(params, gradients, state))
    for a, b, atom in zip(recorded, plain, graph.outputs, strict=True):
        np.testing.assert_array_equal(a, b)
        assert atom.type.dtype == b.dtype


@each_optimiser
def test_nothing_is_changed_in_place(optimiser):
    def frozen(leaf):
        copy = np.array(leaf)
        copy.flags.writeable = False
        return copy

    params = {"w": START, "n": np.array(3)}
    gradients = {"w": np.array([10.0, -20.0, 30.0]), "n": None}
    state = run(optimiser, params, 1)[1]
    frozen_args = tree.map(frozen, (params, gradients, state))
    structures = tree.structure(frozen_args)
    first = optimiser.update(*frozen_args)
    assert tree.structure(frozen_args) == structures
    second = optimiser.update(*frozen_args)
    for a, b in zip(tree.leaves(first), tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


@each_optimiser
def test_a_gradient_is_converted_to_the_parameters_dtype(optimiser):
    w, state = START.astype(np.float32), optimiser.init(START.astype(np.float32))
    new, state = optimiser.update(w, slope(START), state)
    same, _ = optimiser.update(w, slope(w), optimiser.init(w))
    np.testing.assert_array_equal(new, same)
    assert {leaf.dtype for leaf in [new, *(state[slot] for slot in optimiser.slots)]} == {w.dtype}


class Net(tree.Module):
    weight: np.ndarray
    bias: np.ndarray | None
    steps: np.ndarray
    name: str = "net"


@each_optimiser
def test_only_floats_with_a_gradient_move(optimiser):
    net = Net(weight=START, bias=START, steps=np.array([1, 2]), name="mine")
    gradients = Net(weight=slope(START), bias=None, steps=np.array([0.5, 0.5]), name="other")
    state = optimiser.init(net)
    new, state = optimiser.update(net, gradients, state)
    assert isinstance(new, Net)
    assert new.name == "mine"
    assert new.bias is net.bias
    assert new.steps is net.steps
    assert not np.array_equal(new.weight, net.weight)
    assert tree.structure(state) == tree.structure(optimiser.init(net))


def test_python_numbers_are_parameters_too():
    w, _ = run(optim.SGD(0.5), {"w": 2.0}, 1, lambda w: w)
    assert w == {"w": 1.0}
    assert isinstance(w["w"], np.float64)


CONVERGE = [
    optim.SGD(0.2),
    optim.SGD(0.05, momentum=0.9, nesterov=True),
    optim.Adagrad(1.0),
    optim.RMSProp(optim.CosineDecay(0.1, 300)),
    optim.Adadelta(eps=1e-2),
    optim.Adam(0.1),
    optim.AdamW(0.1, weight_decay=0.0),
    optim.Adamax(0.1),
    optim.NAdam(0.1),
    optim.Lion(optim.CosineDecay(0.05, 300), beta2=0.9),
]


@pytest.mark.parametrize("optimiser", CONVERGE, ids=label)
def test_converges_on_a_quadratic(optimiser):
    w, _ = run(optimiser, START, 300)
    np.testing.assert_allclose(w, CENTRE, atol=0.02)


def test_a_network_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3)).astype(np.float32)
    y = np.tanh(x @ rng.normal(size=(3, 1))).astype(np.float32)
    params = {
        "w": [rng.normal(size=s).astype(np.float32) for s in [(3, 8), (8, 1)]],
        "b": np.zeros(8, np.float32),
    }

    def loss(p):
        return np.mean((np.tanh(x @ p["w"][0] + p["b"]) @ p["w"][1] - y) ** 2)

    optimiser = optim.Adam(0.02, clip_norm=1.0)
    state, step = optimiser.init(params), cp.value_and_grad(loss)
    first = loss(params)
    for _ in range(100):
        value, gradients = step(params)
        params, state = optimiser.update(params, gradients, state)
    assert value < 0.05 * first


# ---- the learning rate


def test_a_schedule_sees_the_updates_done_so_far():
    seen = []

    def rate(step):
        seen.append(int(step))
        return 0.5

    run(optim.SGD(rate), START, 3)
    assert seen == [0, 1, 2]


def test_the_rate_is_the_schedule_times_the_factor():
    optimiser = optim.SGD(optim.StepDecay(0.5, every=2))
    state = optimiser.init(START) | {"step": np.asarray(2), "rate_factor": np.asarray(0.1)}
    assert optimiser.rate(state) == pytest.approx(0.005)
    w, state = optimiser.update(START, np.ones(3), state)
    np.testing.assert_allclose(w, START - 0.005)
    assert state["rate_factor"] == 0.1


@each_optimiser
def test_rate_zero_stands_still(optimiser):
    still = type(optimiser)(0.0)
    np.testing.assert_array_equal(run(still, START, 3)[0], START)


def test_the_learning_rate_has_a_gradient():
    def after(rate):
        return np.sum(run(optim.SGD(rate), START, 2)[0])

    a = CURVATURE
    expected = np.sum(-2 * (1 - 0.1 * a) * slope(START))
    np.testing.assert_allclose(cp.grad(after)(0.1), expected)


def test_numpy_numbers_become_pythons():
    optimiser = optim.SGD(np.float32(0.5), momentum=np.float64(0.5), weight_decay=np.float64(0.1))
    assert type(optimiser.learning_rate) is type(optimiser.momentum) is float
    assert run(optimiser, START.astype(np.float32), 2)[0].dtype == np.float32


# ---- weight decay


@each_optimiser
@pytest.mark.parametrize("decay", [0.1, 1.5])
def test_weight_decay(optimiser, decay):
    """L2: as if decay·w were part of the gradient. Decoupled: as if w had shrunk, under the same gradient."""
    settings = {"learning_rate": 0.1, "weight_decay": 0.0}
    plain = type(optimiser)(**settings)
    decaying = type(optimiser)(**settings | {"weight_decay": decay})
    w, state = START, plain.init(START)
    for _ in range(3):
        g = slope(w)
        got, _ = decaying.update(w, g, state)
        if type(optimiser) in (optim.AdamW, optim.Lion):
            want, after = plain.update(w * (1 - 0.1 * decay), g, state)
        else:
            want, after = plain.update(w, g + decay * w, state)
        np.testing.assert_allclose(got, want, rtol=1e-13)
        w, state = want, after


# ---- clipping

finite = st.floats(-1e6, 1e6)
trees = st.fixed_dictionaries(
    {
        "a": arrays(float, array_shapes(max_dims=2, max_side=3), elements=finite),
        "b": st.lists(finite, max_size=2),
    }
)
limits = st.floats(1e-3, 1e3)


@given(trees, limits)
def test_clip_by_norm_keeps_the_direction_and_bounds_the_norm(gradients, limit):
    before = optim.global_norm(gradients)
    after = optim.clip_by_norm(gradients, limit)
    assert optim.global_norm(after) <= limit * (1 + 1e-12)
    if before <= limit:
        assert all(
            np.array_equal(a, b) for a, b in zip(tree.leaves(after), tree.leaves(gradients), strict=True)
        )
    else:
        for a, b in zip(tree.leaves(after), tree.leaves(gradients), strict=True):
            np.testing.assert_allclose(a * before, np.multiply(b, limit), rtol=1e-12, atol=1e-300)


@given(trees, limits)
def test_clip_by_value_moves_no_element_further_than_needed(gradients, limit):
    after = optim.clip_by_value(gradients, limit)
    for a, b in zip(tree.leaves(after), tree.leaves(gradients), strict=True):
        np.testing.assert_array_equal(a, np.sign(b) * np.minimum(np.abs(b), limit))


@given(trees)
def test_global_norm_is_that_of_one_long_vector(gradients):
    flat = np.concatenate([np.ravel(leaf) for leaf in tree.leaves(gradients)])
    np.testing.assert_allclose(optim.global_norm(gradients), np.linalg.norm(flat), rtol=1e-12)


def test_clipping_keeps_dtypes_and_skips_integers():
    gradients = {"w": np.full(4, 1e30, np.float32), "n": np.array([7]), "none": None}
    for clipped in (optim.clip_by_norm(gradients, 1.0), optim.clip_by_value(gradients, 0.5)):
        np.testing.assert_array_equal(clipped["w"], np.full(4, 0.5, np.float32))
        assert clipped["w"].dtype == np.float32
        assert clipped["n"] is gradients["n"]
    assert optim.global_norm({}) == 0


def test_zero_and_nan_gradients():
    np.testing.assert_array_equal(optim.clip_by_norm(np.zeros(2), 1.0), np.zeros(2))
    assert np.isnan(optim.clip_by_norm(np.array([1.0, np.nan]), 1.0)).all()
    np.testing.assert_array_equal(optim.clip_by_value(np.array([5.0, np.nan]), 1.0), [1.0, np.nan])


def test_clipping_comes_before_weight_decay():
    w, _ = run(optim.SGD(1.0, clip_value=0.5, weight_decay=0.1), np.array([10.0]), 1, lambda w: w)
    np.testing.assert_allclose(w, 10 - (0.5 + 1.0))


# ---- settings and errors


def test_defaults_are_pytorchs():
    got = {type(o).__name__: vars(type(o)()) for o in OPTIMISERS}
    common = {"weight_decay": 0.0, "clip_value": None, "clip_norm": None}
    adam = common | {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    assert got == {
        "SGD": common | {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
        "Adagrad": common | {"learning_rate": 0.01, "initial_accumulator_value": 0.0, "eps": 1e-10},
        "RMSProp": common
        | {"learning_rate": 0.01, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False},
        "Adadelta": common | {"learning_rate": 1.0, "rho": 0.9, "eps": 1e-6},
        "Adam": adam | {"learning_rate": 1e-3, "amsgrad": False},
        "AdamW": adam | {"learning_rate": 1e-3, "amsgrad": False, "weight_decay": 0.01},
        "Adamax": adam | {"learning_rate": 2e-3},
        "NAdam": adam | {"learning_rate": 2e-3, "momentum_decay": 4e-3},
        "Lion": common | {"learning_rate": 1e-4, "beta1": 0.9, "beta2": 0.99},
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.SGD(-0.1), r"SGD\(learning_rate=-0.1\): learning_rate must be a number in \[0, ∞\)"),
        (lambda: optim.SGD("0.1"), "or a schedule such as optim.CosineDecay"),
        (lambda: optim.SGD(optim.ReduceOnPlateau()), "or a schedule"),
        (lambda: optim.SGD(float("nan")), "learning_rate must be"),
        (lambda: optim.SGD(float("inf")), "learning_rate must be"),
        (lambda: optim.SGD(None), "learning_rate must be"),
        (lambda: optim.SGD(weight_decay=-1), "weight_decay must be"),
        (lambda: optim.SGD(clip_norm=0), r"clip_norm must be a number in \(0, ∞\)"),
        (lambda: optim.SGD(clip_value=-1), "clip_value must be"),
        (lambda: optim.SGD(momentum=-0.5), "momentum must be"),
        (lambda: optim.SGD(momentum=None), "momentum must be"),
        (lambda: optim.SGD(nesterov=True), "needs momentum above 0"),
        (lambda: optim.Adam(beta1=1.0), r"Adam\(beta1=1.0\): beta1 must be a number in \[0, 1\)"),
        (lambda: optim.AdamW(beta2=-0.1), "beta2 must be"),
        (lambda: optim.Adam(eps=-1e-8), "eps must be"),
        (lambda: optim.NAdam(momentum_decay=-1), "momentum_decay must be"),
        (lambda: optim.RMSProp(alpha=1), "alpha must be"),
        (lambda: optim.Adadelta(rho=2), "rho must be"),
        (lambda: optim.Adagrad(initial_accumulator_value=-1), "initial_accumulator_value must be"),
        (lambda: optim.Lion(beta2=1.5), "beta2 must be"),
        (lambda: optim.LBFGS(history_size=0), r"history_size must be an integer in \[1, ∞\)"),
        (lambda: optim.LBFGS(max_iterations=1.5), "max_iterations must be an integer"),
        (lambda: optim.LBFGS(tolerance_grad=-1), "tolerance_grad must be"),
    ],
)
def test_settings_outside_their_domain(make, message):
    with pytest.raises(ClearpropError, match=message):
        make()


def test_what_belongs_to_other_parameters_is_refused():
    adam, params = optim.Adam(), {"w": START, "b": np.zeros(2)}
    state, ones = adam.init(params), tree.map(np.ones_like, params)
    with pytest.raises(StructureError, match="'other' that belongs to no parameter"):
        adam.update(params, {"other": START}, state)
    with pytest.raises(ShapeError, match=r"the gradient at 'b' is f64\[3\], but its parameter is f64\[2\]"):
        adam.update(params, ones | {"b": START}, state)
    with pytest.raises(StructureError, match="'b' is in the first only"):
        adam.update(params, ones, state | {"mean": {"w": START}})
    with pytest.raises(ShapeError, match=r"the mean at 'w' is f64\[1\]"):
        adam.update(params, ones, state | {"mean": {"w": np.ones(1), "b": np.ones(2)}})
    with pytest.raises(StructureError, match=r"the state of Adam must hold \['mean', 'square_mean'\]"):
        adam.update(params, ones, optim.SGD().init(params))
    with pytest.raises(StructureError, match=r"the state of NAdam must hold \['momentum_product'\]"):
        optim.NAdam().update(params, ones, state)


def test_importing_brings_numpy_only():
    code = "import sys, clearprop.optim; print(*(m for m in ('scipy', 'rich', 'typer') if m in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ""
