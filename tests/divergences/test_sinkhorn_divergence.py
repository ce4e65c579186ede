"""The Sinkhorn divergence: its interval holds, it is a divergence, its gradients are those of its value."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import ot
import pytest
from scipy.optimize import minimize

import otcore
from otcore import Measure, sinkhorn_divergence
from otcore.certify.reals import total
from otcore.divergences import regularised
from otcore.divergences.regularised import solve_regularised, solve_symmetric
from otcore.divergences.sinkhorn import _combined
from otcore.solvers import sinkhorn as sinkhorn_solver
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


# -- masses that agree within the precision of their weights ------------------------------------------------------

FEW, ONE_TWO_THREE = np.array([[0.0, 0.0], [3.0, 1.0], [1.0, 2.0]]), np.array([1.0, 2.0, 3.0])
ROUGH_MASSES = [
    (np.float16(ONE_TWO_THREE * 1.005), np.float16(ONE_TWO_THREE)),
    (np.float16(ONE_TWO_THREE), np.float16(ONE_TWO_THREE * 1.005)),
    (np.float32(ONE_TWO_THREE * (1 + 2e-7)), np.float32(ONE_TWO_THREE)),
    (np.float16(ONE_TWO_THREE), np.float16(ONE_TWO_THREE[::-1] * 1.008)),
]


@pytest.mark.parametrize(("a", "b"), ROUGH_MASSES)
def test_q_counts_with_the_mass_of_p_in_its_own_problem_too(a, b):
    y = FEW + 0.01
    share = float(Fraction(total(np.float64(a)), total(np.float64(b))))
    rough = sinkhorn_divergence(Measure(FEW, a), Measure(y, b), epsilon=1.0, order=2, tol=1e-12)
    exact = sinkhorn_divergence(
        Measure(FEW, np.float64(a)), Measure(y, np.float64(b) * share), epsilon=1.0, order=2, tol=1e-12
    )
    assert max(rough.lower, exact.lower) <= min(rough.upper, exact.upper)
    assert rough.upper - rough.lower < 1e-9 and rough.lower <= rough.value <= rough.upper
    assert np.allclose(rough.grad_x, exact.grad_x, atol=1e-9) and np.allclose(rough.grad_a, exact.grad_a, atol=1e-9)
    assert np.allclose(rough.grad_y, exact.grad_y, atol=1e-9)
    assert np.allclose(rough.grad_b, share * exact.grad_b, rtol=1e-9, atol=1e-9)  # b moves, share b enters


def test_bounds_are_combined_without_a_rounding_inwards():
    def halves(cross, p, q, share):
        return Fraction(cross) - (Fraction(p) + share * Fraction(q)) / 2

    rng = np.random.default_rng(0)
    for _ in range(200):
        bounds = (rng.normal(size=3) * 10.0 ** rng.integers(-320, 300, 3)).tolist()
        share = Fraction(*rng.integers(1, 10**9, 2).tolist())
        lower, upper = (_combined(*bounds, share, towards) for towards in (-np.inf, np.inf))
        truth = halves(*bounds, share)
        assert lower < truth < upper and upper <= np.nextafter(np.nextafter(lower, np.inf), np.inf)
    assert _combined(np.inf, 1.0, 1.0, Fraction(1), np.inf) == np.inf
    assert _combined(0.0, 1.0, np.inf, Fraction(1), -np.inf) == -np.inf
    assert _combined(-1.5e308, 1.5e308, 1.5e308, Fraction(1), np.inf) == np.nextafter(-np.finfo(float).max, 0)


def test_what_is_no_number_bounds_nothing_and_a_value_is_one(monkeypatch):
    x, y, *_ = clouds(11)
    monkeypatch.setattr(regularised, "regularised_interval", lambda plan: (np.nan, np.nan))
    s = sinkhorn_divergence(x, y, epsilon=0.5)
    assert (s.lower, s.upper, s.value) == (0.0, np.inf, 0.0)  # of a divergence 0 is known
    monkeypatch.setattr(sinkhorn_solver, "regularised_interval", lambda plan: (np.nan, np.nan))
    with pytest.raises(otcore.UnsupportedProblemError, match=r"epsilon is 0\.5"):
        sinkhorn_divergence(x, y, epsilon=0.5, debiased=False)
    with pytest.raises(otcore.UnsupportedProblemError, match=r"epsilon is 0\.5"):
        sinkhorn_divergence(x, y, epsilon=0.5, metric="chebyshev")


@pytest.mark.parametrize("w", [[1e-300, 1.0, 5e-324], [5e-324, 1e10, 0.0], [1e-320, 5e-324, 1e-310]])
def test_weights_that_vanish_beside_the_others_leave_the_problem_of_a_measure_with_itself(w):
    own = solve_symmetric(otcore.Problem(w, w, otcore.CloudCost(FEW, FEW)), 0.5, 1e-10, Budget())
    top = max(w)
    rest = np.array(w) / top
    alone = solve_symmetric(otcore.Problem(rest, rest, otcore.CloudCost(FEW, FEW)), 0.5, 1e-10, Budget())
    assert alone.lower <= alone.upper < alone.lower + 1e-9
    assert np.isfinite([own.lower, own.upper]).all() and np.isfinite(own.potentials).all()
    assert own.lower <= alone.upper * top * (1 + 1e-9) + 1e-12 * top
    assert own.upper >= alone.lower * top * (1 - 1e-9) - 1e-12 * top


# -- input that means nothing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("debiased", [True, False])
def test_where_forbidden_arcs_leave_no_plan_it_says_so(debiased):
    inf = np.inf
    if not debiased:
        with pytest.raises(otcore.InfeasibleError, match="allow more arcs"):
            sinkhorn_divergence([0.5, 0.5], [0.5, 0.5], epsilon=0.1, cost=[[0, inf], [0, inf]], debiased=False)
    with pytest.raises(otcore.InfeasibleError, match="allow more arcs"):
        sinkhorn_divergence([1.0, 0], [0.0, 1], epsilon=0.1, metric=[[0, inf], [inf, 0]], debiased=debiased)
    s = sinkhorn_divergence([0.5, 0.5], [0.5, 0.5], epsilon=0.1, metric=[[0, inf], [inf, 0]], debiased=debiased)
    assert s.lower <= (0 if debiased else 0.1 * np.log(2)) <= s.upper and np.isfinite(s.value)


@pytest.mark.parametrize(
    ("options", "error", "names"),
    [
        ({"start": 3}, otcore.InvalidProblemError, "start is a int"),
        ({"max_seconds": -1}, otcore.InvalidProblemError, "max_seconds"),
        ({"max_seconds": np.nan}, otcore.InvalidProblemError, "max_seconds"),
        ({"max_seconds": "x"}, otcore.InvalidProblemError, "max_seconds"),
        ({"max_seconds": [1]}, otcore.InvalidProblemError, "max_seconds"),
        ({"max_seconds": {}}, otcore.InvalidProblemError, "max_seconds"),
        ({"tol": np.array([0.1, 0.2])}, otcore.InvalidProblemError, "tol"),
        ({"debiased": np.array([2.0, 1])}, otcore.InvalidProblemError, "debiased"),
        ({"debiased": None}, otcore.InvalidProblemError, "debiased"),
        ({"epsilon": None}, otcore.UnsupportedProblemError, "epsilon"),
        ({"epsilon": np.array([0.1, 0.2])}, otcore.UnsupportedProblemError, "epsilon"),
        ({"reg": 0.5}, otcore.UnknownArgumentError, "reg"),
        ({"debias": False}, otcore.UnknownArgumentError, "debiased"),
    ],
    ids=names,
)
def test_an_option_that_means_nothing_is_named(options, error, names):
    x, y, *_ = clouds(12)
    with pytest.raises(error, match=names):
        sinkhorn_divergence(x, y, **({"epsilon": 0.1} | options))


def test_without_epsilon_or_with_one_that_has_no_name_it_says_what_to_write():
    x, y, *_ = clouds(12)
    with pytest.raises(otcore.UnsupportedProblemError, match="epsilon is None"):
        sinkhorn_divergence(x, y)
    with pytest.raises(otcore.UnknownArgumentError, match="without a name"):
        sinkhorn_divergence(x, y, 0.5)


@pytest.mark.parametrize("debiased", [True, False])
def test_a_start_from_other_points_is_refused(debiased):
    x, y, *_ = clouds(13)
    first = sinkhorn_divergence(x, y, epsilon=0.1, debiased=debiased)
    for p, q in ((x[1:], y), (x, y[1:]), (np.concatenate([x, x]), y)):
        with pytest.raises(otcore.ShapeError, match=r"start is between 14 and 11"):
            sinkhorn_divergence(p, q, epsilon=0.1, start=first)


def test_a_start_from_far_away_or_of_another_unit_does_no_harm():
    x, y, *_ = clouds(14)
    far = sinkhorn_divergence(1e100 * x, 1e100 * y, epsilon=1e99)
    s, cold = (sinkhorn_divergence(x, y, epsilon=0.1, start=start) for start in (far, None))
    assert s.value == pytest.approx(cold.value, abs=1e-9) and s.upper - s.lower < 1e-6
    hurried = sinkhorn_divergence(x, y, epsilon=0.1, start=far, max_seconds=0)
    assert hurried.lower <= cold.upper and cold.lower <= hurried.upper < 10.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, Fraction])
def test_an_epsilon_in_another_precision_is_that_number(dtype):
    x, y, *_ = clouds(15)
    s, same = (sinkhorn_divergence(x, y, epsilon=e, order=2) for e in (dtype(0.1), float(dtype(0.1))))
    assert (s.lower, s.upper) == (same.lower, same.upper) and type(s.lower) is type(s.value) is float


def test_to_give_weight_to_a_point_without_a_way_is_infinitely_dear():
    inf = np.inf
    s = sinkhorn_divergence([1.0, 0, 0], [1.0, 0], cost=[[0, 1], [inf, inf], [inf, 0]], debiased=False, epsilon=0.1)
    assert s.grad_a.tolist() == [0.0, inf, inf] and np.isfinite(s.grad_b).all()
    s = sinkhorn_divergence([0.5, 0.5, 0], [0.5, 0.5, 0], metric=[[0, 1, inf], [1, 0, inf], [inf, inf, 0]], epsilon=0.5)
    assert np.abs(s.grad_a[:2]).max() < 1e-6 and not np.isfinite(s.grad_a[2])
