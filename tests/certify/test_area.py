"""The interval of a line that is known before its proof: it holds, and the proof is no wider."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction

import naive
import numpy as np
import pytest

import otcore
from otcore._solve import run
from otcore.certify import area
from otcore.cli import main
from otcore.costs import LineCost
from otcore.problem import Problem


@pytest.fixture
def few(monkeypatch):
    """Let lines of a few points be enclosed, too."""
    monkeypatch.setattr(area, "FEWEST", 2)


def line(kind, n, m, rng):
    """A problem of order 1 on the line."""
    x, y, a, b = rng.normal(size=n), rng.normal(size=m) + 0.3, rng.random(n), rng.random(m)
    if kind == "uniform":
        a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    elif kind == "ties":
        x, y = rng.integers(-4, 5, n) * 1.0, rng.integers(-4, 5, m) * 1.0
        a, b = rng.integers(0, 3, n) * 1.0, rng.integers(0, 3, m) * 1.0
        a[0] += b.sum() + 1
        b[0] += a.sum() - b.sum()
    elif kind == "offset":
        x, y = x + 1e8, y + 1e8
    elif kind == "far apart":
        y = y + 1e6
    elif kind == "decades":
        a = 10.0 ** -rng.integers(0, 14, n)
    elif kind == "nearly equal":
        x = y[np.arange(n) % m] + 1e-9 * rng.normal(size=n)
        a = np.full(n, 1.0)
        b = np.bincount(np.arange(n) % m, minlength=m) * 1.0
    return Problem(a, b * (a.sum() / b.sum()), LineCost(x, y))


KINDS = ["normal", "uniform", "ties", "offset", "far apart", "decades", "nearly equal"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_and_the_proof_are_inside(kind, few):
    rng = np.random.default_rng(6)
    for n, m in ((2, 2), (3, 40), (70, 70), (90, 31)):
        problem = line(kind, n, m, rng)
        lower, upper = area.enclose(problem)
        exact = naive.line_area(problem.cost.x, problem.a, problem.cost.y, problem.b)
        assert Fraction(lower) <= exact <= Fraction(upper)
        spread = problem.mass * float(np.ptp(np.append(problem.cost.x, problem.cost.y)))
        assert Fraction(upper) - exact <= exact * Fraction(2) ** -50 + Fraction(spread) * Fraction(2) ** -70
        assert exact - Fraction(lower) <= Fraction(spread) * Fraction(2) ** -48
        solution = run(problem, "line", rtol=1e-3)
        assert "plan" not in vars(solution.certificate) or solution.upper != upper
        assert solution.certificate.verify(exact=True)


def test_a_proof_is_made_when_it_is_asked_for_and_travels(few, tmp_path):
    rng = np.random.default_rng(7)
    solution = otcore.solve(rng.normal(size=50), rng.normal(size=60))
    assert solution.certified and not {"plan", "f", "g"} & vars(solution.certificate).keys()
    assert 0 < solution.gap <= 1e-9 * solution.upper
    other = pickle.loads(pickle.dumps(copy.copy(solution)))
    assert (other.lower, other.upper) == (solution.lower, solution.upper)
    assert np.array_equal(other.f, solution.f) and np.array_equal(other.plan.mass, solution.plan.mass)
    assert solution.certificate.verify(exact=True)
    assert abs(np.diff(solution.potential(np.array([0.0, 1.0])))) <= 1 + 1e-15
    solution.certificate.to_json(tmp_path / "proof.json")
    assert main(["verify", str(tmp_path / "proof.json")]) == 0
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        solution.certificate.nothing_of_the_kind  # noqa: B018


def test_equal_measures_and_tight_tolerances_get_the_sharp_certificate(few):
    x = np.random.default_rng(8).normal(size=40)
    same = otcore.solve(x, x[::-1].copy())
    assert (same.lower, same.upper) == (0.0, 0.0)
    sharp = otcore.solve(x, x + 1e-3, rtol=1e-15)
    assert "plan" in vars(sharp.certificate) and sharp.relative_gap <= 1e-15


@pytest.mark.parametrize("unit", [1e-250, 1e-70, 1e70, 1e250])
def test_the_ends_of_the_range_are_left_to_the_ordinary_certificate(unit, few):
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=30) * unit, rng.normal(size=20) * unit
    known = area.enclose(Problem(np.full(30, 1 / 30), np.full(20, 1 / 20), LineCost(x, y)))
    assert (known is None) == (abs(np.log2(unit)) > 200)
    assert otcore.solve(x, y).certified
    assert area.enclose(Problem([0.5, 0.5], [1.0], LineCost([0.0, 1.0], [2.0], 2))) is None


def test_a_hundred_thousand_points_cost_no_index_and_agree_with_the_proof():
    rng = np.random.default_rng(10)
    p = otcore.Measure(rng.normal(size=70_000), rng.random(70_000))
    q = otcore.Measure(rng.lognormal(size=30_000), rng.random(30_000) + 1)
    p, q = p.normalized(), q.normalized()
    solution = otcore.solve(p, q)
    assert not {"order_x", "order_y"} & vars(solution.problem.cost).keys()
    truth = naive.line_area(p.points, p.weights, q.points, q.weights)
    assert Fraction(solution.lower) <= truth <= Fraction(solution.upper) <= truth * (1 + Fraction(2) ** -50)
    proof = solution.certificate
    assert float(p.weights @ proof.f + q.weights @ proof.g) >= solution.lower * (1 - 1e-12)
    assert proof.plan.nnz <= 100_000 and proof.verify()


def test_positions_that_pack_badly_are_sorted_by_index():
    rng = np.random.default_rng(11)
    x = np.append(1.0 + rng.permutation(80_000) * 2.0**-52, -1e30)
    w = rng.random(x.size)
    z, mass = area._ascending(x, w)
    order = np.argsort(x)
    assert np.array_equal(z, x[order]) and np.array_equal(mass, w[order])
