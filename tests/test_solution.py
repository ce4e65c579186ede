"""What comes out: roots rounded outwards, the one potential, and objects that travel."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction

import naive
import numpy as np
import pytest

import otcore
from otcore import Measure, Status, UnsupportedProblemError, solve
from otcore.solution import Candidate, Certificate, Snapshot, Solution, outward_root

INF = np.inf
ORDERS = [1.0, 1.3, 1.5, 2.0, 2.5, 3.0, 7.0, 100.0]
VALUES = [5e-324, 1e-310, 1e-300, 1e-20, 0.3, 1.0, 2.0, 8.0, 1e5, 3.7e20, 1e300, 1.7e308]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("value", VALUES)
def test_roots_are_rounded_outwards_and_not_far(order, value):
    """1 / order is a float, too: its rounding is magnified by the logarithm of the value."""
    lower, root, upper = (outward_root(value, order, direction) for direction in (-1, 0, 1))
    exact = real_root(value, order)
    assert Fraction(lower) <= exact <= Fraction(upper)
    assert lower <= root <= upper
    assert upper - lower <= 1e-12 * root


def real_root(value, order):
    from decimal import Decimal, localcontext

    with localcontext(prec=80):
        return Fraction((Decimal(value).ln() / Decimal(order)).exp()) if order != 1 else Fraction(value)


def test_what_is_not_above_zero_has_root_zero_and_order_one_is_the_value_itself():
    for direction in (-1, 0, 1):
        assert outward_root(0.0, 2.0, direction) == outward_root(-1e-17, 3.0, direction) == 0.0
        assert outward_root(-3.0, 1.0, direction) == -3.0
        assert outward_root(0.1, 1.0, direction) == 0.1


@pytest.mark.parametrize("order", [1, 1.3, 2, 2.5, 3])
def test_distances_enclose_the_root_of_the_truth(order):
    rng = np.random.default_rng(0)
    x, y = rng.random(7), rng.random(5)
    s = solve(x, y, order=order)
    W = naive.line_transport(
        x, np.full(7, 1 / 7), y, np.full(5, 1 / 5), lambda u, v: naive.real_power(abs(u - v), Fraction(order))
    )
    root = float(W) ** (1 / order)
    assert s.distance_lower <= root * (1 + 1e-14)
    assert root <= s.distance_upper * (1 + 1e-14)
    assert s.distance_lower <= s.distance <= s.distance_upper
    assert s.distance == pytest.approx(root, rel=1e-12, abs=0.0)
    assert (s.value, s.gap) == (s.upper, s.upper - s.lower)


def certificate_of(lower, upper):
    certificate = solve([0.0], [1.0]).certificate
    return Certificate(certificate.problem, lower, upper, certificate.plan, certificate.f, certificate.g)


@pytest.mark.parametrize(
    ("lower", "upper", "relative"),
    [(1.0, 1.0, 0.0), (0.0, 0.0, 0.0), (-2.0, -1.0, 0.5), (-1.0, 1.0, 2.0), (0.0, 5e-324, 1.0)],
)
def test_the_relative_gap_is_relative_to_the_larger_end(lower, upper, relative):
    s = Solution(certificate_of(lower, upper), Status.CERTIFIED, "line", 1e-9, 0.0)
    assert s.relative_gap == relative
    assert s.gap == upper - lower


def test_certified_means_that_the_status_says_so():
    for status in Status:
        s = Solution(certificate_of(0.0, 1.0), status, "line", 1e-9, 0.0)
        assert s.certified == (status is Status.CERTIFIED)
    assert repr(s).startswith("<Solution 0.0 <= value <= 1.0, relative gap 1.0e+00; line, ")


# -- the one potential -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_potential_attains_the_lower_bound_and_is_lipschitz_anywhere(metric, d):
    rng = np.random.default_rng(d)
    x, y, z = rng.random((8, d)), rng.random((6, d)) + 0.2, rng.normal(size=(50, d)) * 3
    s = solve(x, y, metric=metric)
    u = s.potential
    assert u(x).mean() - u(y).mean() >= s.lower - 1e-13
    assert u(x).mean() - u(y).mean() <= s.upper + 1e-13
    points = z[:, 0] if d == 1 else z
    slope = np.abs(u(points)[:, None] - u(points))
    order = {"euclidean": 2, "cityblock": 1, "chebyshev": INF}[metric]
    distance = np.linalg.norm(z[:, None] - z, axis=-1, ord=order)
    assert (slope <= distance * (1 + 1e-13) + 1e-13).all()


def test_a_callable_metric_has_a_potential_too():
    rng = np.random.default_rng(0)
    x, y = rng.random((5, 2)), rng.random((4, 2))
    s = solve(x, y, metric=lambda p, q: np.abs(p[:, None] - q).max(-1))
    assert s.potential(x).mean() - s.potential(y).mean() == pytest.approx(s.value, rel=1e-12, abs=0.0)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"order": 2}, "order is 2"),
        ({"cost": "sqeuclidean"}, "the cost was given without declaring a metric"),
        ({"order": 1.5, "metric": "cityblock"}, "order is 1.5"),
    ],
)
def test_where_there_is_no_such_function_the_reason_is_given(options, why):
    rng = np.random.default_rng(0)
    s = solve(rng.random((3, 2)), rng.random((3, 2)), **options)
    with pytest.raises(UnsupportedProblemError, match=why):
        s.potential  # noqa: B018


# -- travelling ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["linprog", "emd", "dual", "sinkhorn"])
@pytest.mark.parametrize("kind", ["cost", "metric", "cloud"])
def test_a_solution_travels_with_its_proof(kind, method):
    rng = np.random.default_rng(0)
    a = rng.integers(1, 9, 5) * 1.0
    p, q, options = {
        "cost": (a, a[::-1], {"cost": rng.random((5, 5))}),
        "metric": (a, a[::-1], {"metric": np.abs(np.arange(5.0)[:, None] - np.arange(5.0)), "order": 2}),
        "cloud": (Measure(rng.random((5, 2)), a), Measure(rng.random((5, 2)), a), {}),
    }[kind]
    s = solve(p, q, method=method, **options)
    for twin in (pickle.loads(pickle.dumps(s)), copy.deepcopy(s)):
        assert (twin.lower, twin.upper, twin.status, twin.method) == (s.lower, s.upper, s.status, s.method)
        assert twin.trace == s.trace
        assert type(twin.report) is type(s.report)
        assert twin.certificate.verify()
        np.testing.assert_array_equal(twin.plan.to_dense(), s.plan.to_dense())


def test_repr_of_a_certificate_is_its_interval():
    assert repr(certificate_of(0.5, 1.0)) == "<Certificate 0.5 <= W <= 1.0 for 1 x 1>"


def test_a_candidate_may_be_empty_and_a_snapshot_is_a_tuple():
    empty = Candidate()
    assert (empty.plan, empty.potentials, empty.report) == (None, None, None)
    seconds, lower, upper = Snapshot(0.1, 1.0, 2.0)
    assert (seconds, lower, upper) == (0.1, 1.0, 2.0)


def test_the_plan_and_potentials_of_a_solution_are_those_of_its_certificate():
    s = solve([0.0, 1.0], [5.0, 6.0])
    assert s.plan is s.certificate.plan
    assert s.f is s.certificate.f
    assert s.g is s.certificate.g
    assert s.problem is s.certificate.problem
    assert otcore.wasserstein([0.0, 1.0], [5.0, 6.0]) == s.distance == s.upper
