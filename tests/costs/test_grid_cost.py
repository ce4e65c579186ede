"""Lattices: every pass axis by axis answers what the streaming defaults answer, and bounds hold in real numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import otcore
from otcore import CloudCost, GridCost, Measure, Problem
from otcore.certify.certifier import Certifier
from otcore.costs import Cost
from otcore.plans import GibbsPlan

GROUNDS = [("euclidean", 2), ("cityblock", 1)]


def grids(d, metric, exponent, seed=0):
    """A grid cost of irregular spacing, and the same scaled, restricted, and both."""
    rng = np.random.default_rng(seed)
    axes_x = [np.sort(rng.random(3 + k)) for k in range(d)]
    axes_y = [np.sort(rng.random(5 - k)) + 0.2 for k in range(d)]
    cost = GridCost(axes_x, axes_y, metric, exponent)
    n, m = cost.shape
    some = cost.restrict(rng.permutation(n)[: (n + 1) // 2], rng.permutation(m)[: (m + 1) // 2])
    for grid in (cost, cost.scaled(3), some, some.scaled(-2)):
        assert isinstance(grid, GridCost) and "grid" in grid.traits
        yield grid, rng


@pytest.mark.parametrize("share", [1.0, 0.05, 2e-3, 1e-4], ids="{:g} of the largest cost".format)
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("ground", GROUNDS, ids=str)
def test_every_pass_equals_its_streaming_twin(ground, d, share):
    for cost, rng in grids(d, *ground):
        n, m = cost.shape
        top = cost.bounds()[1]
        epsilon = share * top
        a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
        a, b = a / a.sum(), b / b.sum()
        f, g = rng.normal(size=n) * epsilon, rng.normal(size=m) * epsilon
        f = np.minimum(f, Cost.softmin(cost, epsilon, g, np.log(b), 1))  # rows of at most their weight
        row, column = f / epsilon + np.log(a), g / epsilon + np.log(b)
        for verb, arguments in (
            ("softmin", (epsilon, g, np.log(b), 1)),
            ("softmin", (epsilon, f, np.log(a), 0)),
            ("softmin", (0.0, f, np.log(a), 0)),
            ("sinkhorn_pass", (epsilon, f, g, a, b, 1.3)),
            ("rounding_pass", (epsilon, row, column, a)),
            ("remainder_pass", (epsilon, row, column, b, b**2)),
            ("bilinear", (a, b)),
        ):
            with np.errstate(over="ignore"):  # rows that the twin sees carry next to nothing
                ours, twin = getattr(cost, verb)(*arguments), getattr(Cost, verb)(cost, *arguments)
            for mine, other in zip(*((v if isinstance(v, tuple) else (v,)) for v in (ours, twin)), strict=True):
                np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12 * top, err_msg=verb)


def test_weights_of_zero_count_nothing():
    cost = GridCost([np.arange(4.0), np.arange(3.0)], [np.arange(2.0), np.arange(5.0)])
    b = np.random.default_rng(0).random(10)
    b[:5] = 0.0  # a whole line of the lattice
    with np.errstate(divide="ignore"):
        log_b = np.log(b / b.sum())
    for epsilon in (10.0, 1e-3):  # products of matrices, and logarithms
        ours = cost.softmin(epsilon, np.zeros(10), log_b, 1)
        np.testing.assert_allclose(ours, Cost.softmin(cost, epsilon, np.zeros(10), log_b, 1), rtol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("ground", GROUNDS, ids=str)
def test_a_ctransform_is_feasible_in_real_numbers_and_almost_the_largest(ground, d):
    for cost, rng in grids(d, *ground, seed=1):
        n, m = cost.shape
        for axis, size in ((0, n), (1, m)):
            h = rng.normal(size=size)
            other = cost.ctransform(h, axis)
            f, g = (h, other) if axis == 0 else (other, h)
            unit = Fraction(2) ** cost.shift
            for i in range(n):
                for j in range(m):
                    steps = [abs(Fraction(s) - Fraction(t)) for s, t in zip(cost.x[i], cost.y[j], strict=True)]
                    real = unit * sum(s ** int(cost.exponent) for s in steps)
                    assert Fraction(f[i]) + Fraction(g[j]) <= real
            largest = Cost.ctransform(cost, h, axis)
            assert np.abs(other - largest).max() <= 4 * (d + 3) * 2.0**-53 * (np.abs(h).max() + cost.bounds()[1])


def test_the_zero_potential_is_exactly_zero_on_one_lattice():
    axes = [np.linspace(0.0, 1.0, 7), np.linspace(0.0, 3.0, 5)]
    cost = GridCost(axes, axes)
    assert not cost.ctransform(np.zeros(35), 0).any() and not cost.ctransform(np.zeros(35), 1).any()


def images(shape, seed):
    rng = np.random.default_rng(seed)
    for _ in range(2):
        image = rng.random(shape) ** 3
        image[rng.random(shape) < 0.3] = 0.0
        yield Measure.from_histogram(image, spacing=0.5).normalized()


@pytest.mark.parametrize("shape", [(6, 7), (3, 4, 3)], ids=str)
@pytest.mark.parametrize("kinds", [{"order": 2}, {"metric": "cityblock"}, {"cost": "sqeuclidean"}], ids=str)
def test_histograms_on_lattices_are_solved_on_the_grid_with_the_same_answers(shape, kinds):
    p, q = images(shape, 0)
    p_cloud, q_cloud = (Measure(z.points, z.weights) for z in (p, q))
    for method in ("auto", "sinkhorn"):
        on_grid = otcore.solve(p, q, method=method, rtol=1e-3, **kinds)
        assert isinstance(on_grid.problem.cost, GridCost)
        exact = otcore.wasserstein(p_cloud, q_cloud, **kinds) ** on_grid.problem.cost.order
        assert on_grid.lower <= exact * (1 + 1e-9) and on_grid.upper >= exact * (1 - 1e-9)
        assert on_grid.certified and on_grid.certificate.verify(exact=True)
    there, here = (otcore.sinkhorn_divergence(*pair, epsilon=0.1, **kinds) for pair in ((p, q), (p_cloud, q_cloud)))
    assert max(there.lower, here.lower) <= min(there.upper, here.upper) and there.upper - there.lower < 1e-6


def test_an_entropic_plan_on_a_grid_is_bounded_from_above():
    """The exact optimum and the plan's own cost by a cloud's kernels lie below the bound made axis by axis."""
    p, q = images((8, 9), 2)
    for epsilon in (1.0, 1e-2):
        s = otcore.solve(p, q, order=2, method=otcore.Sinkhorn(epsilon=epsilon, tol=1e-4))
        problem, cloud = s.problem, CloudCost(p.points, q.points, "euclidean", 2)
        f, g = s.f, s.g
        certifiers = []
        for cost in (problem.cost, cloud):
            certifier = Certifier(Problem(p.weights, q.weights, cost))
            certifier.offer(otcore.Candidate(GibbsPlan(f, g, epsilon, p.weights, q.weights, cost)))
            certifiers.append(certifier)
        assert certifiers[0].upper == pytest.approx(certifiers[1].upper, rel=1e-8)  # it is widened more
        assert certifiers[0].upper >= otcore.wasserstein(p, q, order=2) ** 2 * (1 - 1e-9)


def test_a_small_part_of_a_lattice_is_a_cloud_and_other_powers_are_refused():
    cost = GridCost([np.arange(20.0)] * 2, [np.arange(20.0)] * 2)
    few = cost.restrict(np.arange(5), np.arange(400))
    assert type(few) is CloudCost and np.array_equal(few.to_dense(), cost.rows(0, 5))
    with pytest.raises(otcore.UnsupportedProblemError, match="sum over axes"):
        GridCost([[0.0], [1.0]], [[0.0], [1.0]], "euclidean", 1)
    with pytest.raises(otcore.ShapeError):
        GridCost([[0.0], [1.0]], [[0.0]])


def test_a_measure_keeps_its_lattice():
    p = Measure.from_histogram(np.ones((2, 3)), spacing=(1.0, 2.0), origin=(0.0, -1.0))
    assert [axis.tolist() for axis in p.lattice] == [[0.0, 1.0], [-1.0, 1.0, 3.0]]
    assert p.normalized().lattice is p.lattice and Measure(p.points).lattice is None
