"""The exact engine against linprog, ot.emd and answers known by theory."""

from __future__ import annotations

import itertools
import time

import numpy as np
import ot
import pytest
from scipy.optimize import linprog

from otcore.costs import CloudCost, DenseCost
from otcore.engines import exact
from otcore.engines.exact import Basis, integer_masses, north_west, solve, tree_from_support
from otcore.errors import InfeasibleError


def optimal(M, a, b, **options):
    """The last state of a solve, checked: a feasible plan on a tree, feasible potentials, no gap."""
    M, a, b = (np.asarray(x, dtype=np.float64) for x in (M, a, b))
    *_, state = solve(DenseCost(M), a, b, **options)
    check(state, M, a, b)
    return state


def check(state, M, a, b):
    n, m = M.shape
    assert state.optimal and state.basis.i.size == n + m - 1
    assert state.flow.min() >= 0
    rounding = (n + m) * 2.0**-50 * a.sum()
    assert np.abs(np.bincount(state.basis.i, state.flow, n) - a).max() <= rounding
    assert np.abs(np.bincount(state.basis.j, state.flow, m) - b * (a.sum() / b.sum())).max() <= rounding
    scale = np.abs(M[np.isfinite(M)]).max() + np.abs(state.f).max() + np.abs(state.g).max()
    assert (state.f[:, None] + state.g - M).max() <= 2.0**-50 * scale
    used = state.flow > 0
    assert np.isfinite(M[state.basis.i, state.basis.j][used]).all()
    assert abs(value(state, M) - dual(state, a, b)) <= (n + m) * 2.0**-50 * scale * a.sum()


def value(state, M):
    used = state.flow > 0
    return state.flow[used] @ M[state.basis.i, state.basis.j][used]


def dual(state, a, b):
    return state.f @ a + state.g @ (b * (a.sum() / b.sum()))


def linprog_value(M, a, b):
    """The optimum by HiGHS, None when infeasible."""
    n, m = M.shape
    finite = np.isfinite(M).ravel()
    if not finite.any():
        return None
    A = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])[:, finite]
    result = linprog(M.ravel()[finite], A_eq=A, b_eq=np.concatenate([a, b]), method="highs")
    return result.fun if result.status == 0 else None


def random_problem(rng, size=7):
    """A small integer problem, often with forbidden arcs, sometimes infeasible."""
    n, m = rng.integers(1, size, 2)
    M = rng.integers(-3, 6, (n, m)).astype(float)
    M[rng.random((n, m)) < rng.choice([0.0, 0.3, 0.5, 0.7])] = np.inf
    plan = rng.integers(0, 4, (n, m)) * (np.isfinite(M) if rng.random() < 0.7 else 1.0)
    plan[0, 0] += 1
    a, b = plan.sum(axis=1), plan.sum(axis=0)
    return np.ascontiguousarray(M[a > 0][:, b > 0]), a[a > 0], b[b > 0]


@pytest.mark.parametrize("seed", range(10))
def test_value_equals_linprog_with_and_without_forbidden_arcs(seed):
    rng = np.random.default_rng(seed)
    feasible = 0
    for _ in range(30):
        M, a, b = random_problem(rng)
        reference = linprog_value(M, a, b)
        if reference is None:
            with pytest.raises(InfeasibleError, match="without a way to go"):
                list(solve(DenseCost(M), a, b))
        else:
            feasible += 1
            assert value(optimal(M, a, b), M) == pytest.approx(reference, abs=1e-9)
    assert 0 < feasible < 30


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(30, 30), (3, 80), (80, 3), (1, 40), (40, 1), (60, 45)])
def test_value_equals_linprog_on_real_data(seed, shape):
    rng = np.random.default_rng(seed)
    M = rng.standard_normal(shape)
    a, b = rng.dirichlet(np.ones(shape[0])), rng.dirichlet(np.ones(shape[1]))
    assert value(optimal(M, a, b), M) == pytest.approx(linprog_value(M, a, b), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("n", [1000, 2000])
@pytest.mark.parametrize("kind", ["random", "plane", "lattice"])
def test_value_equals_emd_to_1e_12(n, kind):
    ot = pytest.importorskip("ot")
    rng = np.random.default_rng(n)
    if kind == "random":
        M = rng.random((n, n))
    else:
        x, y = rng.random((2, n, 2)) if kind == "plane" else rng.integers(0, 30, (2, n, 2))
        M = np.sqrt(((x[:, None] - y) ** 2).sum(axis=2))
    a, b = (np.full(n, 1 / n),) * 2 if kind == "lattice" else rng.dirichlet(np.ones(n), 2)
    b = b * (a.sum() / b.sum())
    state = optimal(M, a, b)
    assert value(state, M) == pytest.approx(ot.emd2(a, b, M, numItermax=10**9), rel=1e-12)


def test_one_by_one():
    state = optimal([[-2.5]], [3.0], [3.0])
    assert value(state, np.array([[-2.5]])) == -7.5


def test_pareto_weights_over_twelve_decades_keep_every_mass():
    rng = np.random.default_rng(0)
    n = 200
    a = 10.0 ** np.linspace(-12, 0, n)
    b = rng.permutation(a)
    M = rng.random((n, n))
    state = optimal(M, a, b)
    rows = np.bincount(state.basis.i, state.flow, n)
    assert np.abs(rows / a - 1).max() < 1e-2  # the unit is about 2^-53 of the total
    assert value(state, M) == pytest.approx(dual(state, a, b), rel=1e-12)


def test_equal_measures_cost_exactly_nothing():
    x = np.random.default_rng(1).random((50, 2))
    a = np.random.default_rng(2).random(50)
    M = np.sqrt(((x[:, None] - x) ** 2).sum(axis=2))
    state = optimal(M, a, a.copy())
    assert value(state, M) == 0.0
    assert abs(dual(state, a, a)) <= 2.0**-52 * a.sum()


def test_same_input_gives_the_same_bits():
    rng = np.random.default_rng(8)
    M, a, b = rng.integers(0, 9, (90, 70)).astype(float), rng.random(90), rng.random(70)
    first, second = optimal(M, a, b), optimal(M.copy(), a.copy(), b.copy())
    for name in ("flow", "f", "g"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert np.array_equal(first.basis.i, second.basis.i) and first.pivots == second.pivots


def test_starting_from_the_optimal_basis_takes_no_pivot():
    rng = np.random.default_rng(3)
    M, a, b = rng.random((60, 60)), rng.random(60), rng.random(60)
    cold = optimal(M, a, b)
    warm = optimal(M, a, b, basis=cold.basis, potentials=(cold.f, cold.g))
    assert cold.pivots > 0 and warm.pivots == 0


@pytest.mark.parametrize("seed", range(20))
def test_an_infeasible_basis_is_rerouted(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 30, 2)
    M, a, b = rng.random((n, m)), rng.random(n), rng.random(m)
    other = integer_masses(rng.random(n), rng.random(m))
    basis = north_west(other.a, other.b)  # a tree that is feasible for other masses
    state = optimal(M, a, b, basis=basis)
    assert value(state, M) == pytest.approx(value(optimal(M, a, b), M), rel=1e-12)


def test_a_basis_that_is_no_tree_is_refused():
    basis = Basis(np.array([0, 0, 1]), np.array([0, 0, 1]))
    with pytest.raises(ValueError, match="spanning tree"):
        list(solve(DenseCost(np.ones((2, 2))), np.ones(2), np.ones(2), basis=basis))


def test_good_potentials_save_pivots():
    rng = np.random.default_rng(5)
    M, a, b = rng.random((200, 200)), rng.random(200), rng.random(200)
    cold = optimal(M, a, b)
    near = (cold.f + 1e-6 * rng.standard_normal(200), cold.g + 1e-6 * rng.standard_normal(200))
    warm = optimal(M, a, b, potentials=near)
    assert value(warm, M) == pytest.approx(value(cold, M), rel=1e-12)
    assert warm.pivots < cold.pivots / 5


def test_crossover_stays_on_the_given_arcs_and_pricing_leaves_them():
    rng = np.random.default_rng(6)
    n = 40
    M, a = rng.random((n, n)), np.ones(n)
    i = np.concatenate([np.arange(n)] * 3)
    j = np.concatenate([np.arange(n), (np.arange(n) + 1) % n, (np.arange(n) + 2) % n])
    banded = np.full((n, n), np.inf)
    banded[i, j] = M[i, j]
    *_, state = solve(DenseCost(banded), a, a, arcs=(i, j), price=False)
    assert state.optimal
    assert value(state, banded) == pytest.approx(linprog_value(banded, a, a), rel=1e-9)
    everywhere = optimal(M, a, a, arcs=(i, j))
    assert value(everywhere, M) == pytest.approx(value(optimal(M, a, a), M), rel=1e-12)


def test_a_deadline_ends_with_a_feasible_plan():
    rng = np.random.default_rng(7)
    n = 1000
    M, a, b = rng.random((n, n)), rng.random(n), rng.random(n)
    states = list(solve(DenseCost(M), a, b, deadline=time.monotonic() - 1.0))
    assert not states[-1].optimal and len(states) == 1
    assert np.abs(np.bincount(states[-1].basis.i, states[-1].flow, n) - a).max() < 1e-12
    assert value(states[-1], M) > value(optimal(M, a, b), M)


def test_states_come_in_descending_cost(monkeypatch):
    monkeypatch.setattr("otcore.engines.generation.CHUNK", 100)
    rng = np.random.default_rng(10)
    n = 700
    M, a, b = rng.random((n, n)), rng.random(n), rng.random(n)
    costs = [value(state, M) for state in solve(DenseCost(M), a, b)]
    assert len(costs) > 1 and all(p >= q - 1e-12 for p, q in itertools.pairwise(costs))


@pytest.mark.parametrize("pattern", ["diagonal", "band", "triangle", "blocks"])
def test_forbidden_patterns_that_leave_one_way_or_few(pattern):
    rng = np.random.default_rng(12)
    n = 60
    i, j = np.indices((n, n))
    keep = {"diagonal": i == j, "band": abs(i - j) <= 1, "triangle": j <= i, "blocks": i // 10 == j // 10}[pattern]
    M = np.where(keep, rng.random((n, n)), np.inf)
    state = optimal(M, np.ones(n), np.ones(n))
    assert value(state, M) == pytest.approx(linprog_value(M, np.ones(n), np.ones(n)), rel=1e-9)


def test_integer_masses_are_exact_for_integers_and_close_for_floats():
    a, b = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0, 2.0])
    masses = integer_masses(a, b)
    assert masses.a.sum() == masses.b.sum()
    assert np.array_equal(np.ldexp(1.0 * (masses.a // 4), -masses.exponent), a)
    assert np.array_equal(np.ldexp(1.0 * (masses.b // 4), -masses.exponent), b)
    rng = np.random.default_rng(0)
    for scale in (1e-300, 1e-9, 1.0, 1e200):
        a, b = scale * rng.random(500), 3.0 * rng.random(500)
        masses = integer_masses(a, b)
        assert masses.a.sum() == masses.b.sum()
        assert (masses.a % 501 == 1).all() and sorted(set(masses.b % 501)) == [0, 500]
        assert masses.a.min() > 0 and masses.b.min() > 0
        assert np.abs((masses.a // 501) / (masses.a.sum() / 501) - a / a.sum()).max() < 2.0**-50
        assert np.abs((masses.b // 501) / (masses.b.sum() / 501) - b / b.sum()).max() < 2.0**-50


def test_tree_from_support_keeps_the_plan_and_prefers_cheap_arcs():
    rng = np.random.default_rng(1)
    for _ in range(50):
        n, m = rng.integers(1, 12, 2)
        M = rng.random((n, m))
        permutation = rng.permutation(min(n, m))
        i, j = np.arange(permutation.size), permutation
        basis = tree_from_support(n, m, i, j, np.ones(i.size), DenseCost(M))
        arcs = set(zip(basis.i.tolist(), basis.j.tolist(), strict=True))
        assert len(arcs) == n + m - 1 and set(zip(i.tolist(), j.tolist(), strict=True)) <= arcs
        rest = sum(M[p, q] for p, q in arcs) - M[i, j].sum()
        assert rest == pytest.approx(kruskal(M, list(zip(i, j, strict=True))), rel=1e-12)


def kruskal(M, first):
    """Weight of the cheapest arcs that complete ``first`` to a spanning tree."""
    n, m = M.shape
    joined, weight = list(range(n + m)), 0.0
    rest = sorted(((M[p, q], p, q) for p in range(n) for q in range(m)), key=lambda arc: arc[0])
    for c, p, q in [(0.0, p, q) for p, q in first] + rest:
        u, v = joined[p], joined[n + q]
        if u != v:
            joined = [u if x == v else x for x in joined]
            weight += c
    return weight


def test_tree_from_support_cuts_a_cycle_at_its_lightest_arc():
    i, j = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    basis = tree_from_support(2, 2, i, j, np.array([0.4, 0.3, 0.2, 0.1]), DenseCost(np.zeros((2, 2))))
    assert (1, 1) not in set(zip(basis.i.tolist(), basis.j.tolist(), strict=True))


def test_greedy_with_cheap_arcs_beats_the_north_west_corner():
    rng = np.random.default_rng(2)
    M = rng.random((30, 30))
    masses = integer_masses(rng.random(30), rng.random(30))
    i, j = np.indices(M.shape).reshape(2, -1)
    for basis in (greedy := exact.greedy(masses.a, masses.b, i, j, M.ravel()), north := north_west(masses.a, masses.b)):
        assert basis.i.size == 59
    assert M[greedy.i, greedy.j].sum() < M[north.i, north.j].sum() / 2


@pytest.mark.parametrize("order", [1, 2])
def test_clouds_that_lie_apart_take_few_pivots(order):
    """Regression: chosen by the minima of columns, candidate arcs all led to the same few of them."""
    rng = np.random.default_rng(11)
    n = 600
    x, y = rng.normal(size=(n, 8)), rng.normal(size=(n, 8)) + 3.0
    a, b = rng.random(n), rng.random(n)
    cost = CloudCost(x, y, "euclidean", order)
    *_, state = solve(cost, a / a.sum(), b / b.sum())
    assert state.optimal and state.pivots < 4 * n  # it took 25 n and more
    M = cost.to_dense()
    assert value(state, M) == pytest.approx(ot.emd2(a / a.sum(), b / b.sum(), M), rel=1e-9)
