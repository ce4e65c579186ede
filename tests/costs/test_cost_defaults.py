"""The streaming defaults of every cost: a cost that only answers ``rows`` behaves like the stored matrix."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest

import otcore
from otcore.costs import Cost, DenseCost, Enclosure, LipschitzPotential, _cost
from otcore.costs._cost import round_down, two_difference
from otcore.plans import SparsePlan

INF = np.inf


class Rows(Cost):
    """The least that a cost has to answer."""

    traits = frozenset({"finite"})

    def __init__(self, M, exponent=0):
        self.M, self.exponent = np.asarray(M, dtype=float), exponent
        self.shape = self.M.shape
        if np.isinf(self.M).any():
            self.traits = frozenset()

    def rows(self, i0, i1):
        return np.ldexp(self.M[i0:i1], self.exponent)

    def at(self, i, j):
        return np.ldexp(self.M[i, j], self.exponent)

    def restrict(self, i, j):
        return Rows(self.M[np.ix_(i, j)], self.exponent)

    def scaled(self, exponent):
        return Rows(self.M, self.exponent + exponent)

    def bounds(self):
        finite = self.M[np.isfinite(self.M)]
        return float(np.ldexp(finite.min(), self.exponent)), float(np.ldexp(finite.max(), self.exponent))


@pytest.fixture(params=[1 << 18, 7, 1], ids=["one block", "blocks of some rows", "rows one by one"])
def block(request, monkeypatch):
    monkeypatch.setattr(_cost, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
def test_blocks_cover_every_row_once():
    M = np.random.default_rng(0).random((11, 3))
    cost = Rows(M)
    seen = [(i0, i1) for i0, i1, _ in cost.blocks()]
    assert [i for i0, i1 in seen for i in range(i0, i1)] == list(range(11))
    np.testing.assert_array_equal(cost.to_dense(), M)


@pytest.mark.usefixtures("block")
def test_ctransforms_are_exact_minima_rounded_down():
    rng = np.random.default_rng(1)
    M = rng.normal(size=(9, 4))
    M[rng.random((9, 4)) < 0.3] = INF
    M[3] = INF
    M[:, 1] = INF
    cost = Rows(M)
    for axis in (0, 1):
        h = rng.normal(size=M.shape[axis])
        found = cost.ctransform(h, axis)
        lines = M.T if axis == 0 else M
        for value, line in zip(found, lines, strict=True):
            pairs = [Fraction(float(c)) - Fraction(float(s)) for c, s in zip(line, h, strict=True) if c < INF]
            if not pairs:
                assert value == INF
            else:
                assert (
                    Fraction(float(value)) <= min(pairs) < Fraction(float(np.nextafter(np.nextafter(value, INF), INF)))
                )
    f, g = cost.lift(rng.normal(size=9))
    assert naive.worst_violation(f, g, M) <= 0
    assert f[3] == 0.0
    assert g[1] == 0.0


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("epsilon", [1e-12, 1e-3, 1.0, 1e6])
def test_softmin_is_the_logarithm_of_a_sum_of_exponentials(epsilon):
    rng = np.random.default_rng(2)
    M, w = rng.normal(size=(9, 4)), rng.random(9)
    M[rng.random((9, 4)) < 0.2] = INF
    M[0], M[:, 0] = 1.0, 2.0
    cost = Rows(M)
    for axis, weights in ((0, w), (1, w[:4])):
        h = rng.normal(size=M.shape[axis])
        found = cost.softmin(epsilon, h, np.log(weights), axis)
        lines = M.T if axis == 0 else M
        for value, line in zip(found, lines, strict=True):
            least = min((line - h)[line < INF])
            total = sum(q * np.exp(-(c - s - least) / epsilon) for q, c, s in zip(weights, line, h, strict=True))
            assert value == pytest.approx(least - epsilon * np.log(total), rel=1e-12, abs=1e-12 * max(1, epsilon))


def test_softmin_at_zero_is_the_c_transform_and_is_approached_from_above_for_probability_weights():
    rng = np.random.default_rng(3)
    M, h = rng.normal(size=(5, 6)), rng.normal(size=6)
    cost, log_w = Rows(M), np.log(np.full(6, 1 / 6))
    np.testing.assert_array_equal(cost.softmin(0.0, h, log_w, 1), cost.ctransform(h, 1))
    hard = (M - h).min(axis=1)
    for epsilon in (1e-1, 1e-3, 1e-6):
        soft = cost.softmin(epsilon, h, log_w, 1)
        assert (soft >= hard - 1e-15).all()
        assert (soft <= hard + epsilon * np.log(6) + 1e-15).all()


def test_a_weight_of_zero_takes_no_part_in_a_softmin():
    M = np.array([[0.0, -50.0], [1.0, -50.0]])
    with np.errstate(divide="ignore"):
        log_w = np.log([1.0, 0.0])
    np.testing.assert_allclose(Rows(M).softmin(1.0, np.zeros(2), log_w, 1), [0.0, 1.0])
    np.testing.assert_allclose(Rows(M.T).softmin(1.0, np.zeros(2), log_w, 0), [0.0, 1.0])


@pytest.mark.usefixtures("block")
def test_bilinear_and_rounding_scale():
    M = np.random.default_rng(4).normal(size=(9, 4))
    w, h = np.random.default_rng(5).random(9), np.random.default_rng(6).random(4)
    assert Rows(M).bilinear(w, h) == pytest.approx(w @ M @ h, rel=1e-13, abs=0.0)
    assert Rows(M).rounding_scale(w, h) == pytest.approx(w.sum() * np.ptp(M))


def test_a_new_cost_needs_only_its_rows_to_be_solved_and_certified():
    rng = np.random.default_rng(7)
    M = rng.random((6, 5)) * 1e150
    a, b = rng.integers(1, 9, 6) * 30.0, None
    b = np.full(5, a.sum() / 5)
    W = naive.transport(a.tolist(), b.tolist(), M.tolist())
    for method in ("linprog", "emd", "dual", "sinkhorn"):
        s = otcore.solve(a, b, cost=Rows(M), method=method)
        assert s.certified
        assert Fraction(s.lower) <= W <= Fraction(s.upper)
        assert naive.worst_violation(s.f, s.g, M) <= 0
    assert isinstance(s.problem.cost, Rows)


def test_a_cost_that_knows_no_points_has_no_union_no_shared_points_and_says_so():
    cost = Rows(np.eye(2))
    assert cost.union() is None
    assert cost.common()[0].size == 0
    assert cost.grid_lift(np.zeros(2), np.zeros(2)) is None
    with pytest.raises(TypeError, match="Rows knows its entries"):
        cost.from_points(np.zeros(2))


# -- enclosures ------------------------------------------------------------------------------------------------


def test_shrink_and_grow_are_floats_that_enclose_the_factors():
    for ulps in range(1, 20):
        e = Enclosure(ulps)
        slack = (ulps + 3) * Fraction(2) ** -53
        assert Fraction(e.shrink) == 1 - slack
        assert 1 + slack <= Fraction(e.grow) <= 1 + slack + Fraction(2) ** -53
    assert (Enclosure().shrink, Enclosure().grow, Enclosure().eta) == (1.0, 1.0, 0.0)
    assert Enclosure().exact
    assert not Enclosure(0, 1).exact


@pytest.mark.parametrize("ulps", [1, 4, 11])
def test_an_enclosure_contains_every_number_that_is_k_ulps_off(ulps):
    rng = np.random.default_rng(ulps)
    e = Enclosure(ulps, 2, floor=0.0)
    computed = 10.0 ** rng.uniform(-320, 300, 200)
    for value, lo, hi in zip(computed, e.lower(computed), e.upper(computed), strict=True):
        for sign in (-1, 1):
            # |Mh - M| <= k u M + 2 eta
            exact = (Fraction(float(value)) + sign * 2 * Fraction(2) ** -1074) / (1 + sign * ulps * Fraction(2) ** -53)
            assert Fraction(float(lo)) <= max(exact, Fraction(0)) <= Fraction(float(hi))
    assert (e.lower(np.array([0.0, 5e-324])) == 0).all()


def test_two_difference_and_round_down():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=200) * 10.0 ** rng.integers(-20, 20, 200), rng.normal(size=200)
    s, e = two_difference(x, y)
    down = round_down(s, e)
    for p, q, high, low, below in zip(x, y, s, e, down, strict=True):
        exact = Fraction(float(p)) - Fraction(float(q))
        assert Fraction(float(high)) + Fraction(float(low)) == exact
        assert (
            Fraction(float(below)) <= exact < Fraction(float(np.nextafter(below, INF)))
            or Fraction(float(below)) == exact
        )


# -- one Lipschitz function ------------------------------------------------------------------------------------


def test_the_potential_is_above_f_at_rows_below_minus_g_at_columns_and_lipschitz():
    D = np.abs(np.arange(7.0)[:, None] - np.arange(7.0))
    a, b = np.array([3, 1, 2, 0, 0, 0, 0]), np.array([0, 0, 0, 1, 1, 2, 2])
    s = otcore.solve(a, b, metric=D)
    u = s.potential
    assert isinstance(u, LipschitzPotential)
    nodes = np.arange(7)
    values = u(nodes)
    assert (values >= s.f - 1e-12).all()
    assert (values <= -s.g + 1e-12).all()
    assert (values[:, None] - values <= D + 1e-12).all()
    assert a @ values - b @ values == pytest.approx(s.value)


def test_sparse_plans_price_a_cost_that_is_never_stored():
    M = np.random.default_rng(0).random((4, 3))
    plan = SparsePlan([0, 3], [2, 1], [0.5, 0.25], (4, 3))
    assert plan.cost(Rows(M)) == plan.cost(DenseCost(M)) == pytest.approx(0.5 * M[0, 2] + 0.25 * M[3, 1])
