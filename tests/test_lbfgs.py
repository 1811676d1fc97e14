"""L-BFGS: SciPy's iterations, one at a time, with no thread left behind."""

import sys
import threading

import numpy as np
import pytest

import clearprop as cp
from clearprop import optim
from clearprop.core.errors import ClearpropError, DTypeError, StructureError
from clearprop.optim import lbfgs


def rosenbrock(w):
    return np.sum(100 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2)


def ours_are_gone():
    return not [t for t in threading.enumerate() if t.name.startswith("clearprop conversation")]


def test_minimises_rosenbrock_as_scipy_does():
    from scipy.optimize import minimize

    function, start, theirs = cp.value_and_grad(rosenbrock), np.zeros(4), []
    minimize(
        function,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=lambda x: theirs.append(x.copy()),
        options={"ftol": 1e-9},
    )
    ours = list(optim.LBFGS().iterate(function, start))
    np.testing.assert_array_equal([w for w, _ in ours], theirs)
    np.testing.assert_allclose(ours[-1][0], 1, atol=1e-3)
    assert [value for _, value in ours] == [rosenbrock(w) for w, _ in ours]
    assert ours_are_gone()


def test_walks_trees_and_keeps_dtypes():
    params = {"w": np.full((2, 2), 3.0, np.float32), "b": [np.array(5.0), np.array(7)], "still": np.ones(2)}

    def function(p):
        value = np.sum((p["w"] - 1) ** 2) + (p["b"][0] + 2) ** 2 + np.sum(p["still"])
        return value, {"w": 2 * (p["w"] - 1), "b": [2 * (p["b"][0] + 2), None], "still": None}

    *_, (params, value) = optim.LBFGS().iterate(function, params)
    np.testing.assert_allclose(params["w"], np.ones((2, 2)), atol=1e-5)
    assert params["w"].dtype == np.float32
    assert params["b"][0] == pytest.approx(-2)
    assert params["b"][1] == 7
    np.testing.assert_array_equal(params["still"], [1, 1])
    assert value == pytest.approx(2)


def test_says_why_it_ended():
    def reason(optimiser):
        iterations, n = optimiser.iterate(cp.value_and_grad(rosenbrock), np.array([-1.2, 1.0])), 0
        while True:
            try:
                next(iterations)
            except StopIteration as end:
                return end.value, n
            n += 1

    assert "CONVERGENCE" in reason(optim.LBFGS())[0]
    assert reason(optim.LBFGS(max_iterations=3))[1] == 3
    assert reason(optim.LBFGS(max_evaluations=5))[1] < 6


def test_at_the_minimum_yields_nothing():
    assert list(optim.LBFGS().iterate(cp.value_and_grad(rosenbrock), np.ones(3))) == []


def test_can_be_left_early():
    calls = []

    def function(w):
        calls.append(threading.current_thread())
        return cp.value_and_grad(rosenbrock)(w)

    iterations = optim.LBFGS().iterate(function, np.array([-1.2, 1.0]))
    assert ours_are_gone()
    assert calls == []
    for _, value in iterations:
        if value < 1:
            break
    assert not ours_are_gone()
    so_far = len(calls)
    iterations.close()
    assert ours_are_gone()
    assert len(calls) == so_far
    assert set(calls) == {threading.current_thread()}


@pytest.mark.parametrize("after", [0, 4])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, StopIteration])
def test_passes_the_functions_errors_on(after, error):
    calls = []

    def function(w):
        calls.append(w)
        if len(calls) > after:
            raise error("mine")
        return cp.value_and_grad(rosenbrock)(w)

    expected = RuntimeError if error is StopIteration else error  # as in any generator
    with pytest.raises(expected):
        list(optim.LBFGS().iterate(function, np.array([-1.2, 1.0])))
    assert len(calls) == after + 1
    assert ours_are_gone()


def test_passes_scipys_errors_on():
    def minimize(function, start, **options):
        function(start)
        raise ArithmeticError("SciPy's")

    with pytest.raises(ArithmeticError, match="SciPy's"):
        list(lbfgs._iterations(minimize, {}, lambda w: (0.0, w), np.ones(3)))
    assert ours_are_gone()


def test_names_a_gradient_that_fits_nothing():
    with pytest.raises(StructureError, match="belongs to no parameter"):
        list(optim.LBFGS().iterate(lambda w: (0.0, {"v": w}), np.ones(3)))
    assert ours_are_gone()


def test_without_floats_or_scipy(monkeypatch):
    with pytest.raises(DTypeError, match="no float array"):
        next(optim.LBFGS().iterate(rosenbrock, np.array([1, 2])))
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ClearpropError, match=r"pip install clearprop\[lbfgs\]"):
        optim.LBFGS().iterate(rosenbrock, np.ones(3))
