"""Laws of optimal transport, held as statements about certified intervals.

Two intervals for numbers that a theorem makes equal must overlap: no tolerance is needed for that.
"""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st

import otcore
from otcore import DenseCost, Measure, solve

EXACT = st.sampled_from(["auto", "dual", "emd", "linprog"])
EPS = 2.0**-52


def overlap(first, second, slack=0.0):
    """Whether the two intervals can hold the same number, or numbers that differ by ``slack``."""
    return first[0] <= second[1] + slack and second[0] <= first[1] + slack


def interval(s):
    assert s.certified, s.status
    return s.lower, s.upper


def dense(a, b, M, method="auto"):
    return interval(solve(a, b, cost=M, method=method))


@given(own.dense_problems(forbidden=True), EXACT)
def test_the_optimum_of_exact_arithmetic_is_inside(problem, method):
    a, b, M = problem
    lower, upper = dense(a, b, M, method)
    W = naive.transport(a.tolist(), b.tolist(), M.tolist())
    assert Fraction(lower) <= W <= Fraction(upper)


@given(own.translations(), EXACT)
def test_a_translation_costs_its_length(problem, method):
    p, q, options, W = problem
    s = solve(p, q, method=method, **options)
    assert Fraction(s.lower) <= W <= Fraction(s.upper)
    assert s.certified


@given(own.dense_problems(forbidden=True))
def test_the_transposed_problem_costs_the_same(problem):
    a, b, M = problem
    assert overlap(dense(a, b, M), dense(b, a, M.T))


@given(st.data(), own.METRICS, own.ORDERS, st.integers(1, 2))
def test_distances_are_symmetric(data, metric, order, d):
    p, q = data.draw(own.measures(d)), data.draw(own.measures(d))
    forth, back = (solve(*pair, metric=metric, order=order) for pair in ((p, q), (q, p)))
    # The masses differ by rounding, and each problem is stated in the mass of its first measure.
    assert overlap(interval(forth), interval(back), slack=16 * EPS * forth.upper)


@given(own.dense_problems(), st.data())
def test_separable_costs_add_their_integral(problem, data):
    """min sum P (M + u + v) = min sum P M + sum a u + sum b v."""
    a, b, M = problem
    u, v = (np.array(data.draw(st.lists(own.COORDINATES, min_size=k, max_size=k))) for k in M.shape)
    shifted, plain = dense(a, b, M + u[:, None] + v), dense(a, b, M)
    constant = float(a @ u + b @ v)
    slack = 8 * EPS * (abs(constant) + max(map(abs, plain + shifted)))
    assert overlap(shifted, (plain[0] + constant, plain[1] + constant), slack)


@given(own.dense_problems(forbidden=True), st.floats(-100, 100), st.floats(-100, 100), EXACT)
def test_value_is_homogeneous_in_cost_and_mass(problem, log_s, log_k, method):
    a, b, M = problem
    s, k = 10.0**log_s, 10.0**log_k
    value = solve(a, b, cost=M, method=method).value
    scaled = solve(k * a, k * b, cost=s * M, method=method)
    assert scaled.certified
    # Costs of both signs cancel: relative to the terms of the sum, not to the sum.
    finite = np.abs(np.where(np.isfinite(M), M, 0.0)).max()
    assert scaled.value == pytest.approx(s * k * value, rel=1e-12, abs=1e-14 * s * k * float(a.sum()) * finite)


@given(own.dense_problems(forbidden=True), st.randoms(use_true_random=False))
def test_the_order_of_atoms_does_not_matter(problem, random):
    a, b, M = problem
    i, j = random.sample(range(a.size), a.size), random.sample(range(b.size), b.size)
    assert overlap(dense(a, b, M), dense(a[i], b[j], M[np.ix_(i, j)]))


@given(own.dense_problems(forbidden=True), st.data())
def test_an_atom_may_be_split(problem, data):
    a, b, M = problem
    k = data.draw(st.integers(0, a.size - 1))
    part = data.draw(st.integers(0, int(a[k])))
    split = np.append(a, part)
    split[k] -= part
    assert overlap(dense(a, b, M), dense(split, b, np.vstack([M, M[k]])))


@given(st.data(), own.METRICS, st.sampled_from([1, 2, 3]), st.integers(1, 2))
def test_the_triangle_inequality(data, metric, order, d):
    p, q, r = (data.draw(own.measures(d)) for _ in range(3))
    pq, qr, pr = (solve(*pair, metric=metric, order=order) for pair in ((p, q), (q, r), (p, r)))
    assert pr.distance_lower <= (pq.distance_upper + qr.distance_upper) * (1 + 1e-12)


@given(st.data(), own.METRICS, st.integers(1, 2))
def test_distances_grow_with_the_order(data, metric, d):
    """W_1 <= W_2 for probability measures, by Jensen's inequality."""
    p, q = data.draw(own.measures(d)), data.draw(own.measures(d))
    first, second = (solve(p, q, metric=metric, order=k) for k in (1, 2))
    assert first.distance_lower <= second.distance_upper * (1 + 1e-12)


@given(st.data(), st.integers(1, 2), own.ORDERS)
def test_a_measure_is_at_distance_zero_from_itself(data, d, order):
    p = data.draw(own.measures(d))
    permutation = data.draw(st.permutations(range(p.size)))
    s = solve(p, Measure(p.points[permutation], p.weights[permutation]), order=order)
    assert s.lower <= 0 <= s.upper
    assert s.certified
    assert s.upper <= 1e-14


@given(st.data(), st.integers(1, 2), st.sampled_from([1, 2]), st.floats(-30, 30))
def test_units_of_length_change_the_distance_by_their_ratio(data, d, order, log_s):
    p, q = data.draw(own.measures(d)), data.draw(own.measures(d))
    s = 10.0**log_s
    scaled = solve(Measure(s * p.points, p.weights), Measure(s * q.points, q.weights), order=order)
    assert scaled.certified
    plain = solve(p, q, order=order)
    # Coordinates are rounded when they are scaled: one ulp of the largest of them.
    largest = max(np.abs(p.points).max(), np.abs(q.points).max())
    assert scaled.distance == pytest.approx(
        s * plain.distance, rel=1e-12, abs=1e-7 * s * largest if order == 2 else 1e-14 * s * largest
    )


@given(st.data(), st.integers(1, 2), own.ORDERS)
def test_an_offset_of_1e8_changes_nothing(data, d, order):
    """Dyadic coordinates stay exact at 1e8, so that even the last bit has no excuse."""
    p, q = data.draw(own.measures(d)), data.draw(own.measures(d))
    moved = solve(Measure(p.points + 1e8, p.weights), Measure(q.points + 1e8, q.weights), order=order)
    assert overlap(interval(moved), interval(solve(p, q, order=order)))


CONTAINERS = {
    "list": lambda v: v.tolist(),
    "tuple": lambda v: tuple(v.tolist()),
    "int64": lambda v: v.astype(np.int64),
    "uint8": lambda v: v.astype(np.uint8),
    "float16": lambda v: v.astype(np.float16),
    "float32": lambda v: v.astype(np.float32),
    "longdouble": lambda v: v.astype(np.longdouble),
    "big-endian": lambda v: v.astype(">f8"),
    "Fortran": lambda v: np.asfortranarray(v, dtype=float),
    "strided": lambda v: np.repeat(v.astype(float), 2, axis=-1)[..., ::2],
    "reversed": lambda v: np.ascontiguousarray(v[::-1].astype(float))[::-1],
    "read-only": lambda v: frozen(v.astype(float)),
    "column": lambda v: v[:, None] if v.ndim == 1 else v,
}


def frozen(v):
    v.setflags(write=False)
    return v


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("method", ["auto", "dual", "emd", "linprog", "sinkhorn"])
def test_the_container_of_the_numbers_does_not_matter(container, method):
    put = CONTAINERS[container]
    rng = np.random.default_rng(5)
    M, a, b = rng.integers(0, 9, (4, 3)), np.array([1, 2, 3, 6]), np.array([4, 4, 4])
    x, y = rng.integers(0, 9, (4, 2)), rng.integers(0, 9, (4, 2))
    line = x[:, 0], y[:, 1]
    for p, q, options in (
        (a, b, {"cost": M}),
        (x, y, {}),
        (*line, {}),
        (a, a[::-1].copy(), {"metric": np.abs(np.arange(4)[:, None] - np.arange(4))}),
    ):
        plain = solve(p, q, method=method, **options)
        wrapped = solve(put(p), put(q), method=method, **{k: put(v) for k, v in options.items()})
        assert (wrapped.lower, wrapped.upper) == (plain.lower, plain.upper)


def test_booleans_are_zeros_and_ones():
    a, b, M = np.array([True, True]), np.array([True, True]), ~np.eye(2, dtype=bool)
    assert otcore.w1(a, b, M) == otcore.w1([1, 1], [1, 1], [[0, 1], [1, 0]]) == 0.0
    assert otcore.w1([True, False], [False, True], M) == 1.0


@given(own.dense_problems(forbidden=True), st.sampled_from(["auto", "dual", "emd", "linprog", "sinkhorn"]))
def test_no_input_array_is_changed(problem, method):
    arrays = [np.array(v, dtype=float) for v in problem]
    copies = [v.copy() for v in arrays]
    s = solve(*arrays[:2], cost=arrays[2], method=method, max_seconds=0.5)
    s.certificate.verify()
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert array.flags.writeable


@pytest.mark.parametrize("method", ["auto", "line", "dual", "emd", "linprog", "sinkhorn"])
def test_no_point_is_changed_and_later_changes_do_not_reach_the_certificate(method):
    x, y = np.random.default_rng(0).random(6), np.random.default_rng(1).random(5)
    before = x.copy(), y.copy()
    s = solve(x, y, method=method)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])
    x[:] = 0.0
    assert s.certificate.verify(), "the certificate must not see what the user does to x afterwards"


@given(own.dense_problems(forbidden=True))
def test_a_cost_object_means_the_same_as_its_matrix(problem):
    a, b, M = problem
    assert dense(a, b, M) == dense(a, b, DenseCost(M))


def test_a_zero_weight_far_away_takes_no_digits_from_the_others():
    """Potentials were centred at the median of all rows, rows without mass among them."""
    solution = otcore.solve([0.0, 1.0, 0.45, 0.0], [1.45], cost=[[1e32], [1.4], [1.0], [1e32]])
    assert solution.certified and solution.relative_gap < 1e-15
