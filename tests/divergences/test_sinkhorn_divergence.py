"""The Sinkhorn divergence: its interval holds, it is a divergence, its gradients are those of its value."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy.optimize import minimize

import otcore
from otcore import Measure, sinkhorn_divergence
from otcore.divergences.regularised import solve_regularised, solve_symmetric
from otcore.solvers._protocol import Budget

COSTS = [
    {"order": 2},
    {"order": 1},
    {"order": 1.5},
    {"metric": "cityblock"},
    {"cost": "sqeuclidean"},
]
names = "{}".format


def clouds(seed, n=14, m=11, d=2):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)) + 0.5, a / a.sum(), b / b.sum()


def dual_optimum(a, b, M, epsilon):
    """The regularised optimum by a general optimiser: the slow obvious twin."""

    def negative(h):
        f, g = h[: a.size], h[a.size :]
        K = a[:, None] * b * np.exp((f[:, None] + g - M) / epsilon)
        return -(a @ f + b @ g + epsilon * (1 - K.sum())), np.concatenate([K.sum(1) - a, K.sum(0) - b])

    start = np.zeros(a.size + b.size)
    return -minimize(negative, start, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000}).fun


@pytest.mark.parametrize("kinds", COSTS, ids=names)
def test_the_interval_holds_the_divergence(kinds):
    x, y, a, b = clouds(0)
    epsilon = 0.3
    optimum = [
        dual_optimum(*w, otcore.solve(*pair, **kinds).problem.cost.to_dense(), epsilon)
        for w, pair in (((a, b), (x, y)), ((a, a), (x, x)), ((b, b), (y, y)))
    ]
    s = sinkhorn_divergence(Measure(x, a), Measure(y, b), epsilon=epsilon, **kinds)
    truth = optimum[0] - 0.5 * (optimum[1] + optimum[2])
    assert s.lower - 1e-8 <= truth <= s.upper + 1e-8
    assert s.lower <= s.value <= s.upper and s.upper - s.lower < 1e-6
    r = sinkhorn_divergence(Measure(x, a), Measure(y, b), epsilon=epsilon, debiased=False, **kinds)
    assert r.lower - 1e-8 <= optimum[0] <= r.upper + 1e-8 and r.upper - r.lower < 1e-6


def test_the_regularised_value_is_that_of_pot_up_to_the_entropies_of_the_weights():
    x, y, a, b = clouds(1)
    M, epsilon = ot.dist(x, y), 0.5
    P = ot.sinkhorn(a, b, M, epsilon, stopThr=1e-13, numItermax=100_000)
    pots = (P * M).sum() + epsilon * (P * np.log(P)).sum()
    s = sinkhorn_divergence(a, b, cost=M, epsilon=epsilon, debiased=False)
    expected = pots - epsilon * (a @ np.log(a) + b @ np.log(b))
    assert s.value == pytest.approx(expected, abs=1e-9)
    assert np.allclose(s.plan.to_dense(), P, atol=1e-8)


@pytest.mark.parametrize("epsilon", [1.0, 0.1, 1e-3])
def test_it_is_zero_at_equal_measures_and_symmetric(epsilon):
    x, y, a, b = clouds(2)
    shuffled = np.random.default_rng(0).permutation(a.size)
    s = sinkhorn_divergence(Measure(x, a), Measure(x[shuffled], a[shuffled]), epsilon=epsilon, order=2)
    assert s.lower == 0.0 <= s.value <= s.upper < 1e-6
    p, q = Measure(x, a), Measure(y, b)
    there, back = (sinkhorn_divergence(*pair, epsilon=epsilon, order=2) for pair in ((p, q), (q, p)))
    assert max(there.lower, back.lower) <= min(there.upper, back.upper)
    assert there.lower > 0.1


def test_masses_scale_it_and_a_distance_matrix_will_do():
    x, y, a, b = clouds(3)
    one = sinkhorn_divergence(Measure(x, a), Measure(y, b), epsilon=0.2)
    seven = sinkhorn_divergence(Measure(x, 7 * a), Measure(y, 7 * b), epsilon=0.2)
    assert seven.value == pytest.approx(7 * one.value, rel=1e-8)
    z = np.concatenate([x, y])
    p, q = np.append(a, 0 * b), np.append(0 * a, b)
    by_matrix = sinkhorn_divergence(p, q, metric=ot.dist(z, z, "euclidean"), epsilon=0.2)
    assert by_matrix.value == pytest.approx(one.value, abs=1e-8)


@pytest.mark.parametrize("epsilon", [1.0, 0.03, 1e-3])
def test_the_averaged_fixed_point_agrees_with_sinkhorn_in_a_few_passes(epsilon, monkeypatch):
    x, _, a, _ = clouds(4, n=60)
    problem = otcore.Problem(a, a, otcore.CloudCost(x, x, "euclidean", 2))
    passes = []
    plain = otcore.CloudCost.sinkhorn_pass

    def counted(*arguments):
        passes.append(1)
        return plain(*arguments)

    monkeypatch.setattr(otcore.CloudCost, "sinkhorn_pass", counted)
    own = solve_symmetric(problem, epsilon, 1e-10, Budget())
    assert len(passes) <= 25
    general = solve_regularised(problem, epsilon, 1e-10, Budget())
    assert max(own.lower, general.lower) <= min(own.upper, general.upper)
    assert np.array_equal(own.plan.f, own.plan.g)


def test_where_averaging_does_not_converge_sinkhorn_takes_over():
    D = np.array([[0.0, 3.0, 1.0], [3.0, 0.0, 1.0], [1.0, 1.0, 0.0]])  # no metric: two far points, both near a third
    s = sinkhorn_divergence([0.5, 0.5, 0.0], [0.0, 0.5, 0.5], metric=D, order=4, epsilon=0.5)
    assert s.lower <= s.value <= s.upper and s.upper - s.lower < 1e-6
    problem = otcore.Problem([0.4, 0.4, 0.2], [0.4, 0.4, 0.2], otcore.DenseCost(-D))
    own = solve_symmetric(problem, 0.05, 1e-10, Budget())
    assert own.upper - own.lower < 1e-6


def test_a_warm_start_gives_the_same_answer():
    x, y, *_ = clouds(5)
    first = sinkhorn_divergence(x, y, epsilon=0.05, order=2)
    again = sinkhorn_divergence(x + 1e-3, y, epsilon=0.05, order=2, start=first)
    cold = sinkhorn_divergence(x + 1e-3, y, epsilon=0.05, order=2)
    assert again.value == pytest.approx(cold.value, abs=1e-9)


def test_what_has_no_meaning_is_refused():
    x, y, a, b = clouds(6)
    with pytest.raises(otcore.UnsupportedProblemError, match="debiased=False"):
        sinkhorn_divergence(a, b, cost=ot.dist(x, y), epsilon=0.1)
    with pytest.raises(otcore.UnsupportedProblemError, match="epsilon"):
        sinkhorn_divergence(x, y, epsilon=0.0)
    s = sinkhorn_divergence(a, b, cost=ot.dist(x, y), epsilon=0.1, debiased=False)
    with pytest.raises(otcore.UnsupportedProblemError, match="named metric"):
        _ = s.grad_x
    with pytest.raises(otcore.UnsupportedProblemError, match="chebyshev"):
        _ = sinkhorn_divergence(x, y, metric="chebyshev", epsilon=0.1).grad_x


# -- gradients ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("kinds", COSTS, ids=names)
def test_gradients_at_points_are_finite_differences(kinds, d, debiased):
    x, y, a, b = clouds(7, d=d)
    rng = np.random.default_rng(d)
    u, v = rng.normal(size=x.shape), rng.normal(size=y.shape)
    h = 1e-5

    def at(t):
        p, q = Measure(x + t * u, a), Measure(y + t * v, b)
        return sinkhorn_divergence(p, q, epsilon=0.5, debiased=debiased, tol=1e-12, **kinds)

    slope = (at(h).value - at(-h).value) / (2 * h)
    s = at(0.0)
    got = (s.grad_x.reshape(u.shape) * u).sum() + (s.grad_y.reshape(v.shape) * v).sum()
    assert got == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("debiased", [True, False])
def test_gradients_at_weights_are_finite_differences_also_where_a_weight_is_zero(debiased):
    x, y, a, b = clouds(8)
    a[2], b[3] = 0.0, 0.0
    a, b = a / a.sum(), b / b.sum()
    rng = np.random.default_rng(0)
    u, v = rng.random(a.size), rng.random(b.size)  # every weight may grow, the whole is normalised
    u, v = u - u.sum() * a, v - v.sum() * b

    def at(t):
        p, q = Measure(x, a + t * u), Measure(y, b + t * v)
        return sinkhorn_divergence(p, q, epsilon=0.5, order=2, debiased=debiased, tol=1e-12)

    h = 1e-6
    slope = (-3 * at(0.0).value + 4 * at(h).value - at(2 * h).value) / (2 * h)  # weights stay >= 0: one-sided
    s = at(0.0)
    assert s.grad_a @ u + s.grad_b @ v == pytest.approx(slope, abs=1e-6)
    assert abs(a @ s.grad_a) < 1e-12 and abs(b @ s.grad_b) < 1e-12


def test_gradients_vanish_at_equal_measures():
    x, _, a, _ = clouds(9)
    s = sinkhorn_divergence(Measure(x, a), Measure(x, a), epsilon=0.1, order=2, tol=1e-12)
    assert np.abs(s.grad_x).max() < 1e-8 and np.abs(s.grad_a).max() < 1e-6  # f at far points hangs on little mass
    biased = sinkhorn_divergence(Measure(x, a), Measure(x, a), epsilon=0.1, order=2, debiased=False)
    assert np.abs(biased.grad_x).max() > 1e-3  # what debiasing is for


def test_coincident_points_of_order_one_have_a_finite_gradient():
    x, *_ = clouds(10)
    s = sinkhorn_divergence(x, x[:9], epsilon=0.1)
    assert np.isfinite(s.grad_x).all() and np.isfinite(s.grad_y).all()


@pytest.mark.parametrize(
    "y",
    [
        [[1.0 + 1e-15, 0.0], [2.0, 1.0 + 1e-15], [1e-15, 3.0 + 1e-15]],  # their distance is rounded at every shift
        [[1.0, 1e-300], [2.0, 1.0 + 1e-9], [1e-170, 3.0]],  # squares underflow
        [[1.0, 5e-324], [2.0, 1.0], [0.0, 3.0]],
    ],
)
@pytest.mark.parametrize("order", [1, 1.5])
def test_points_however_close_have_their_direction(order, y):
    x, y = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]]), np.array(y)
    s = sinkhorn_divergence(x, y, epsilon=0.1, order=order, debiased=False)
    difference = x[:, None] - y
    d = np.hypot(*difference.T).T[:, :, None]
    slope = s.plan.to_dense()[:, :, None] * order * d ** (order - 1)
    terms = slope * np.divide(difference, d, out=np.zeros_like(difference), where=d > 0)
    assert np.allclose(s.grad_x, terms.sum(axis=1), rtol=1e-12, atol=1e-14)
    assert np.allclose(s.grad_y, -terms.sum(axis=0), rtol=1e-12, atol=1e-14)


def test_the_sign_of_a_close_coordinate_counts_under_city_block_and_on_the_line():
    x, y = np.array([0.0, 1.0, 5.0]), np.array([1e-300, 2.0, 4.0])
    line = sinkhorn_divergence(x, y, epsilon=0.1, debiased=False)
    block = sinkhorn_divergence(np.c_[x, x], np.c_[y, y], metric="cityblock", epsilon=0.2, debiased=False)
    for s, grad in ((line, line.grad_x), (block, block.grad_x[:, 0])):
        assert np.allclose(grad, (s.plan.to_dense() * np.sign(x[:, None] - y)).sum(axis=1), rtol=1e-12)
    assert line.grad_x[0] < -0.3
