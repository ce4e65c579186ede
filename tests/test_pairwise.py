"""Pairwise matrices: the same bits everywhere, intervals for every pair, and no number for a failure."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction

import naive
import numpy as np
import pytest

import otcore
from otcore import CloudCost

FIELDS = ("distance", "lower", "upper", "certified")


def clouds(k, n=12, seed=0):
    rng = np.random.default_rng(seed)
    return [otcore.Measure(rng.normal(size=(n + i % 3, 2)), None) for i in range(k)]


def histograms(k, n=10, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.random((n, 2))
    D = np.linalg.norm(z[:, None] - z, axis=2)
    return list(rng.dirichlet(np.ones(n), k)), D


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in FIELDS)


class Counting(Executor):
    """Runs at once, and counts."""

    def __init__(self):
        self.pairs = 0

    def submit(self, function, tile):
        self.pairs += len(tile.pairs)
        future = Future()
        future.set_result(function(tile))
        return future


def test_every_entry_is_what_solve_says_of_the_pair():
    measures = clouds(10)
    found = otcore.pairwise(measures, order=2)
    for i in range(10):
        for j in range(i + 1, 10):
            s = otcore.solve(measures[i], measures[j], order=2)
            assert found.distance[i, j] == s.distance
            assert found.lower[i, j] <= s.distance_lower <= s.distance_upper <= found.upper[i, j]
            assert found.gap[i, j] <= s.distance_upper - s.distance_lower + 1e-15
    for matrix in (found.distance, found.lower, found.upper):  # sums of 1 / n differ by rounding
        assert (matrix == matrix.T).all()
    assert found.certified.all() and not found.distance.diagonal().any() and not found.upper.diagonal().any()
    assert np.array_equal(found.gap, found.upper - found.lower)


@pytest.mark.parametrize("kind", ["clouds", "histograms"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_threads_and_processes_give_the_same_bits(kind):
    measures, options = (clouds(11), {}) if kind == "clouds" else histograms(11)
    options = options if kind == "clouds" else {"metric": options}
    alone = otcore.pairwise(measures, **options)
    with ThreadPoolExecutor(4) as pool:
        assert same(otcore.pairwise(measures, executor=pool, **options), alone)
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        assert same(otcore.pairwise(measures, executor=pool, **options), alone)


def test_a_symmetric_metric_is_solved_for_half_of_the_pairs():
    weights, D = histograms(9)
    count = Counting()
    otcore.pairwise(weights, metric=D, executor=count)
    assert count.pairs == 9 * 8 // 2


def test_a_metric_that_is_not_symmetric_is_not_taken_at_its_word():
    weights, D = histograms(3)
    D = D + np.arange(10) * 0.01  # neither symmetric nor zero on the diagonal
    found = otcore.pairwise(weights, metric=D)
    for i in range(3):
        for j in range(3):
            s = otcore.solve(weights[i], weights[j], metric=D)
            assert found.lower[i, j] <= s.distance_upper and s.distance_lower <= found.upper[i, j]
    count = Counting()
    otcore.pairwise(clouds(3), metric=lambda x, y: np.abs(x[:, None] - y).sum(axis=2), executor=count)
    assert count.pairs == 9


def test_two_lists_give_a_rectangle():
    measures = clouds(10)
    whole = otcore.pairwise(measures)
    part = otcore.pairwise(measures[:3], measures[1:])
    assert part.distance.shape == (3, 9)
    assert np.array_equal(part.distance[0], whole.distance[0, 1:])
    assert part.distance[1, 0] <= 1e-12  # a measure against itself, solved like any other


def test_a_limit_ends_a_pair_with_an_interval_that_holds():
    measures = clouds(4, n=60)
    exact = otcore.pairwise(measures)
    found = otcore.pairwise(measures, method="sinkhorn", rtol=1e-12, max_seconds=0.0)
    off = ~np.eye(4, dtype=bool)
    assert not found.certified[off].any() and (found.gap[off] > 0).all()
    assert (found.lower <= exact.upper).all() and (exact.lower <= found.upper).all()
    assert np.isfinite(found.upper).all() and "12 open" in repr(found)


@pytest.mark.parametrize("threads", [0, 3])
def test_a_pair_that_cannot_be_solved_is_an_error_that_names_it(threads):
    measures = clouds(12)
    measures[10] = otcore.Measure(np.zeros((3, 2)), np.ones(3))  # mass 3 among masses 1
    pool = ThreadPoolExecutor(threads) if threads else None
    with pytest.raises(otcore.MassMismatchError, match=r"measures \d+ and 10: a sums to 1 and b to 3"):
        otcore.pairwise(measures, executor=pool)
    with pytest.raises(otcore.ShapeError, match=r"measures 0 and 1: p has dimension 2 and q has dimension 3"):
        otcore.pairwise([np.zeros((4, 2)), np.zeros((4, 3))], executor=pool)


def test_nothing_to_compare_is_an_error():
    with pytest.raises(otcore.InvalidProblemError, match="no measures"):
        otcore.pairwise([])
    assert otcore.pairwise([[1.0, 2.0]]).distance.tolist() == [[0.0]]


# -- regressions: the mirrored triangle spoke of the mass of the wrong measure ------------------------------------


def line_pair(rng, dtype):
    """Two measures on the line whose weights sum to one up to the rounding of a dtype."""
    pair = []
    for n in rng.integers(2, 9, 2):
        weights = rng.random(n)
        pair.append(otcore.Measure(rng.integers(0, 9, n) * 1.0, (weights / weights.sum()).astype(dtype)))
    return pair


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("order", [1, 1.5, 2])
def test_both_triangles_hold_the_truth_scaled_to_the_mass_of_the_row(order, dtype):
    rng = np.random.default_rng(3)
    power = Fraction(order)
    for _ in range(60 if order == 1 else 10):
        measures = line_pair(rng, dtype)
        found = otcore.pairwise(measures, order=order)
        for i, j in ((0, 1), (1, 0)):
            p, q = measures[i], measures[j]
            truth = naive.line_transport(
                p.points, p.weights, q.points, q.weights, lambda x, y: naive.real_power(abs(x - y), power)
            )
            lower, upper = (naive.real_power(Fraction(end[i, j]), power) for end in (found.lower, found.upper))
            blur = Fraction(2) ** -280 * truth if order == 1.5 else 0  # of the twin's own square roots
            assert lower <= truth + blur and truth <= upper + blur
            assert found.lower[i, j] <= found.distance[i, j] <= found.upper[i, j]
            assert found.gap[i, j] <= 1e-12 * found.upper[i, j], "and says as much as the other triangle"


def test_weights_beside_a_matrix_hold_in_both_triangles():
    weights, D = histograms(5, n=6)
    D = np.round(D * 8)
    D = (D[:, None, :] + D.T[None, :, :]).min(axis=2)  # shortest ways: still a metric, in small integers
    weights = [w.astype(np.float32) for w in weights]
    found = otcore.pairwise(weights, metric=D)
    for i in range(5):
        for j in range(5):
            truth = naive.transport(weights[i].tolist(), weights[j].tolist(), D)
            assert Fraction(found.lower[i, j]) <= truth <= Fraction(found.upper[i, j])


def test_the_matrix_is_symmetric_to_the_bit_where_masses_agree():
    measures = [otcore.Measure(m.points, np.full(m.size, 1.0)) for m in clouds(9) if m.size == 13]
    found = otcore.pairwise(measures, order=1.5)
    assert len(measures) == 3 and same(found, otcore.DistanceMatrix(*(getattr(found, name).T for name in FIELDS)))


# -- Ctrl-C --------------------------------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c(monkeypatch):
    """Presses Ctrl-C at the given calls of the c-transform of clouds."""

    def press(*presses):
        calls, inner = [], CloudCost.ctransform

        def verb(self, h, axis):
            calls.append(None)
            if len(calls) in presses:
                raise KeyboardInterrupt
            return inner(self, h, axis)

        monkeypatch.setattr(CloudCost, "ctransform", verb)

    return press


@pytest.mark.parametrize("pool", [None, Counting, lambda: ThreadPoolExecutor(1)])
def test_ctrl_c_ends_all_pairs_with_intervals_that_hold(ctrl_c, pool):
    measures = clouds(12, n=20)
    exact = otcore.pairwise(measures)
    ctrl_c(40)
    found = otcore.pairwise(measures, executor=pool and pool())
    above = np.triu_indices(12, 1)
    reached = found.certified[above]
    assert 0 < reached.sum() < 46, "the 39 before it were solved, of the 27 others at most a tile under way"
    assert (found.lower <= exact.upper).all() and (exact.lower <= found.upper).all() and np.isfinite(found.upper).all()
    assert np.array_equal(found.upper[above][reached], exact.upper[above][reached]), "what was finished is kept"
    assert (found.lower <= found.distance).all() and (found.distance <= found.upper).all()


def test_a_second_ctrl_c_ends_everything(ctrl_c):
    ctrl_c(*range(40, 1000))
    with pytest.raises(KeyboardInterrupt):
        otcore.pairwise(clouds(12, n=20))


def test_ctrl_c_before_there_is_anything_to_keep_is_a_keyboard_interrupt():
    def metric(x, y):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        otcore.pairwise(clouds(3), metric=metric)


# -- arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"method": "nonsense"}, otcore.UnknownMethodError, "^method 'nonsense' is unknown"),
        ({"method": "line"}, otcore.UnsupportedProblemError, "^method 'line' needs"),
        ({"rtol": -1}, otcore.InvalidProblemError, "^rtol is -1"),
        ({"max_seconds": "x"}, otcore.InvalidProblemError, "^max_seconds is 'x'"),
        ({"executor": 3}, otcore.InvalidProblemError, "^executor is 3; expected .*ThreadPoolExecutor"),
        ({"executor": ThreadPoolExecutor}, otcore.InvalidProblemError, "^executor is the class .*ThreadPoolExecutor"),
    ],
)
def test_arguments_are_checked_however_many_measures_there_are(k, options, error, says):
    with pytest.raises(error, match=says):
        otcore.pairwise(clouds(k), **options)


def test_an_executor_that_takes_no_work_is_an_error_that_says_so():
    with ThreadPoolExecutor() as pool:
        pass
    with pytest.raises(otcore.InvalidProblemError, match=r"executor takes no work.*shutdown; pass one that is open"):
        otcore.pairwise(clouds(3), executor=pool)


def test_a_metric_that_cannot_travel_is_an_error_that_names_the_remedy():
    with (
        ProcessPoolExecutor(1) as pool,
        pytest.raises(otcore.UnsupportedProblemError, match=r"metric cannot be sent.*top of a module.*ThreadPool"),
    ):
        otcore.pairwise(clouds(3), metric=lambda x, y: np.abs(x[:, None] - y).sum(axis=2), executor=pool)


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((), {"p": 2}, "the p of W_p is order="),
        ((), {"cost": "sqeuclidean"}, "metric="),
        ((), {"n_jobs": 4}, "executor="),
        ((None, np.eye(3)), {}, "metric="),
    ],
)
def test_arguments_of_other_libraries_are_answered_with_the_right_name(arguments, options, says):
    with pytest.raises(otcore.UnknownArgumentError, match=says):
        otcore.pairwise(clouds(3), *arguments, **options)
