"""Sections 2 and 5 of the design, sentence by sentence: what users were promised."""

from __future__ import annotations

import copy
import pickle
import time
from fractions import Fraction

import naive
import numpy as np
import pytest

import otcore
from otcore import (
    CloudCost,
    DenseCost,
    Measure,
    NotCertifiedError,
    Problem,
    Sinkhorn,
    Status,
    UnsupportedProblemError,
    solve,
    w1,
    wasserstein,
)
from otcore.solvers import auto

RNG = np.random.default_rng(20)
X, Y = RNG.random((12, 2)), RNG.random((9, 2))
A, B = RNG.random(7), RNG.random(8)
A, B = A / A.sum(), B / B.sum()
M = RNG.random((7, 8))
D = np.abs(np.arange(6.0)[:, None] - np.arange(6))
P6, Q6 = np.array([3, 0, 1, 0, 2, 0]) / 6, np.array([0, 1, 1, 1, 1, 2]) / 6
EXACT = ["auto", "dual", "emd", "linprog"]
METHODS = [*EXACT, "sinkhorn"]


def distances(p):
    return np.sqrt(((X[:, None] - Y) ** 2).sum(-1)) ** p


# -- section 2: what the user sees ---------------------------------------------------------------------------


def test_named_distances_return_floats_and_solve_a_solution():
    assert type(w1(A, B, M)) is float
    assert type(wasserstein(X, Y)) is float
    assert type(solve(X, Y)) is otcore.Solution


def test_wasserstein_is_the_root_and_value_the_power():
    for order in (1, 1.5, 2, 3):
        s = solve(X, Y, order=order)
        assert s.value == pytest.approx(w1(np.full(12, 1 / 12), np.full(9, 1 / 9), distances(order)), rel=1e-12)
        assert s.distance == wasserstein(X, Y, order=order) == pytest.approx(s.value ** (1 / order), rel=1e-15)


def test_value_and_distance_are_intervals():
    s = solve(X, Y, order=2, method="sinkhorn")
    assert s.value == s.upper
    assert s.lower <= solve(X, Y, order=2).lower + 1e-12
    assert s.gap == s.upper - s.lower > 0
    assert s.relative_gap == pytest.approx(s.gap / s.upper)
    # Rounded outwards: the squares enclose the interval of the value in exact arithmetic.
    assert Fraction(s.distance_lower) ** 2 <= Fraction(s.lower)
    assert Fraction(s.distance_upper) ** 2 >= Fraction(s.upper)
    assert s.distance_lower <= s.distance <= s.distance_upper


def test_both_ends_are_attained_by_objects_that_can_be_taken_out():
    s = solve(X, Y)
    np.testing.assert_allclose(s.plan.to_dense().sum(axis=1), np.full(12, 1 / 12), rtol=1e-14)
    np.testing.assert_allclose(s.plan.to_dense().sum(axis=0), np.full(9, 1 / 9), rtol=1e-14)
    assert (s.plan.to_dense() * distances(1)).sum() == pytest.approx(s.upper, rel=1e-13)
    assert s.f.mean() + s.g.mean() == pytest.approx(s.lower, rel=1e-13)
    assert (s.f[:, None] + s.g <= distances(1) * (1 + 1e-15)).all()
    np.testing.assert_array_equal(s.plan.to_scipy_sparse().toarray(), s.plan.to_dense())


def test_a_metric_may_be_a_name_a_callable_or_a_matrix_on_one_support():
    named = solve(X, Y, metric="cityblock", order=2)
    called = solve(X, Y, metric=lambda x, y: np.abs(x[:, None] - y).sum(-1), order=2)
    assert called.value == pytest.approx(named.value, rel=1e-13)
    on_nodes = solve(P6, Q6, metric=D, order=2)
    on_line = solve(Measure(np.arange(6), P6), Measure(np.arange(6), Q6), order=2)
    assert on_nodes.value == pytest.approx(on_line.value, rel=1e-13)


def test_a_cost_is_used_as_it_is():
    assert wasserstein(A, B, cost=M**2) == w1(A, B, M**2)
    assert wasserstein(X, Y, cost="sqeuclidean") == pytest.approx(wasserstein(X, Y, order=2) ** 2, rel=1e-13)


def test_a_wrong_declaration_of_a_metric_never_costs_the_truth():
    """Neither symmetric, nor zero on the diagonal, nor obeying the triangle inequality."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        lie = rng.integers(0, 30, (5, 5)) * 1.0
        a, b = rng.integers(0, 5, 5) + np.eye(5)[0], rng.integers(0, 5, 5) + np.eye(5)[1]
        a, b = a * b.sum(), b * a.sum()
        W = naive.transport(a, b, lie)
        for method in METHODS:
            s = solve(a, b, metric=lie, method=method)
            assert Fraction(s.lower) <= W <= Fraction(s.upper), method
            assert s.certificate.verify(), str(s.certificate.verify())


def test_bare_arrays_are_samples_and_beside_a_matrix_weights():
    assert wasserstein([0, 1], [3, 4]) == pytest.approx(3, rel=1e-14)
    assert wasserstein([0, 1], [1, 0], cost=[[0, 5], [5, 0]]) == 5
    assert wasserstein([[0], [1]], [[3], [4]]) == wasserstein([0, 1], [3, 4]), "(n, 1) samples are on the line"
    assert w1([[0.5], [0.5]], [[1.0], [0.0]], [[0, 1], [1, 0]]) == 0.5, "(n, 1) weights are weights"


def test_square_arrays_of_images_raise_unless_a_metric_is_named():
    image = np.random.default_rng(0).random((17, 17))
    with pytest.raises(otcore.ShapeError, match="from_histogram"):
        wasserstein(image, image.T)
    assert wasserstein(image, image.T, metric="euclidean") > 0
    assert wasserstein(image[:16, :16], image[:16, :16] + 1) > 0
    pixels = Measure.from_histogram(image, spacing=0.5)
    assert wasserstein(pixels, pixels) == 0
    assert (pixels.dim, pixels.size, pixels.points.max()) == (2, 289, 8.0)


def test_a_measure_keeps_its_mass_and_value_scales_with_it():
    p, q = Measure([0.0, 1.0], [3, 1]), Measure([5.0], [4])
    assert (p.mass, p.normalized().mass) == (4.0, 1.0)
    assert solve(p, q).value == pytest.approx(19, rel=1e-14)
    assert wasserstein(p.normalized(), q.normalized()) == pytest.approx(19 / 4, rel=1e-14)
    assert Measure.from_samples([1, 2, 3]).mass == pytest.approx(1)


def test_masses_must_agree_to_rounding_of_their_own_type():
    w1([0.5, 0.5], [0.5, 0.5 + 2e-16], np.ones((2, 2)))
    with pytest.raises(otcore.MassMismatchError):
        w1([0.5, 0.5], [0.5, 0.5 + 1e-14], np.ones((2, 2)))
    third = np.full(3, 1 / 3, dtype=np.float32)
    w1(third, [0.25, 0.75], np.ones((3, 2)))
    w1(np.full(3, 1 / 3, dtype=np.float16), [0.25, 0.75], np.ones((3, 2)))


def test_a_method_is_a_name_or_an_instance_with_options():
    by_name, by_instance = solve(X, Y, method="sinkhorn"), solve(X, Y, method=Sinkhorn(ladder=0.5))
    assert by_name.method == by_instance.method == "sinkhorn"
    assert by_instance.certified
    with pytest.raises(TypeError):
        solve(X, Y, ladder=0.5)


@pytest.mark.parametrize("method", METHODS)
def test_one_stopping_contract(method):
    for rtol, atol in ((1e-1, 0.0), (0.0, 1e-2), (1e-3, 1e-3)):
        s = solve(X, Y, method=method, rtol=rtol, atol=atol)
        assert s.certified == (s.gap <= rtol * max(abs(s.lower), abs(s.upper)) + atol)
        assert (s.rtol, s.atol) == (rtol, atol)
        assert s.certified


def test_default_tolerances_are_stated():
    stated = {m.name: m.rtol for m in otcore.methods()}
    exact = ("auto", "dual", "emd", "line", "linprog")
    assert stated == {**dict.fromkeys(exact, 1e-9), "sinkhorn": 1e-2, "critic": 5e-2}
    eps = 2.0**-52
    # mass * spread + sum a |row minima| + sum b |column minima|, the minima taken out row by row, then by column
    rows = M.min(axis=1)
    columns = (M - rows[:, None]).min(axis=0)
    spread = np.ptp(M - rows[:, None] - columns)
    expected = 16 * eps * (A.sum() * spread + A @ abs(rows) + B @ abs(columns))
    assert solve(A, B, cost=M).atol == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("method", EXACT)
def test_equal_and_nearly_equal_measures_are_not_refused(method):
    assert wasserstein(X, X[::-1], method=method) == pytest.approx(0, abs=1e-15)
    moved = X + 1e-10 * RNG.normal(size=X.shape)
    s = solve(X, moved, method=method)
    assert s.certified
    assert s.value == pytest.approx(np.linalg.norm(X - moved, axis=1).mean(), abs=2 * s.atol)
    offset = solve(A, B, cost=M + 1e10, method=method)
    assert offset.certified
    assert solve(A, B, cost=-M - 5, method=method).certified


def test_max_seconds_ends_early_with_an_interval_that_holds():
    rng = np.random.default_rng(0)
    x, y = rng.random((300, 3)), rng.random((300, 3))
    begin = time.perf_counter()
    s = solve(x, y, method="sinkhorn", rtol=1e-12, max_seconds=0.2)
    assert time.perf_counter() - begin < 10
    assert s.status is Status.TIME_LIMIT
    assert not s.certified
    truth = solve(x, y, method="emd")
    assert s.lower <= truth.upper
    assert truth.lower <= s.upper
    assert s.certificate.verify()
    with pytest.raises(NotCertifiedError, match=r"max_seconds") as caught:
        wasserstein(x, y, method="sinkhorn", rtol=1e-12, max_seconds=0.2)
    assert caught.value.solution.status is Status.TIME_LIMIT
    assert caught.value.solution.lower <= truth.upper


def test_no_time_at_all_still_gives_an_interval():
    s = solve(X, Y, max_seconds=0.0, method="sinkhorn", rtol=0.0, atol=0.0)
    truth = solve(X, Y)
    assert s.lower <= truth.upper
    assert truth.lower <= s.upper


def test_ctrl_c_ends_early_with_an_interval_that_holds(monkeypatch):
    def interrupted(self, problem, start, budget):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(Sinkhorn, "candidates", interrupted)
    s = solve(X, Y, method="sinkhorn")
    assert s.status is Status.INTERRUPTED
    assert s.certificate.verify()
    assert 0 <= s.lower <= s.upper < np.inf
    with pytest.raises(NotCertifiedError):
        wasserstein(X, Y, method="sinkhorn")


def test_rtol_never_changes_the_method():
    assert {solve(X, Y, rtol=rtol).method for rtol in (None, 1e-12, 1e-3, 0.5)} == {"linprog"}


def test_auto_says_what_it_would_do_and_why():
    line = Problem([1.0], [1.0], otcore.LineCost([0.0], [1.0]))
    small = Problem(A, B, DenseCost(M))
    large = Problem(np.ones(101), np.ones(101), CloudCost(*np.random.default_rng(0).random((2, 101, 2))))
    assert [auto.select(p).method for p in (line, small, large)] == ["line", "linprog", "emd"]
    assert all(choice.why for choice in (auto.select(line), auto.select(small)))
    assert solve([0.0], [1.0]).method == "line"


@pytest.mark.parametrize("method", METHODS)
def test_the_trace_narrows_and_ends_at_the_answer(method):
    s = solve(X, Y, method=method)
    lower, upper = [t.lower for t in s.trace], [t.upper for t in s.trace]
    assert lower == sorted(lower)
    assert upper == sorted(upper, reverse=True)
    assert (lower[-1], upper[-1]) == (s.lower, s.upper)
    assert [t.seconds for t in s.trace] == sorted(t.seconds for t in s.trace)


@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_a_fixed_epsilon_reports_the_regularised_problem_beside_the_interval(epsilon):
    s = solve(A, B, cost=M, method=Sinkhorn(epsilon=epsilon), rtol=1e-6)
    assert s.report.epsilon == epsilon
    assert 0 <= s.report.gap <= 1e-6
    exact = solve(A, B, cost=M)
    assert s.lower <= exact.upper
    assert exact.lower <= s.upper
    # The regularised value by its own definition, KL against a b^T, from the plan that attains it.
    K = reference = A[:, None] * B
    K = K * np.exp(-M / epsilon)
    for _ in range(5000):  # Sinkhorn as in the textbook
        K = K * (A / K.sum(axis=1))[:, None]
        K = K * (B / K.sum(axis=0))
    value = (K * M).sum() + epsilon * (K * np.log(K / reference)).sum()
    assert s.report.value == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_start_is_used_and_never_harms(method):
    first = solve(X, Y, method="emd")
    again = solve(X, Y, method=method, start=first)
    assert again.certified
    assert (again.lower, again.upper) <= (first.upper, first.upper)
    nonsense = otcore.Candidate(potentials=(np.full(12, 1e9), np.full(9, -3e9)))
    assert solve(X, Y, method=method, start=nonsense).certified


def test_potential_is_one_lipschitz_function_callable_anywhere():
    s = solve(X, Y)
    u = s.potential
    z = np.random.default_rng(3).normal(size=(200, 2))
    slope = (u(z)[:, None] - u(z)) / (np.linalg.norm(z[:, None] - z, axis=-1) + np.eye(200))
    assert slope.max() <= 1 + 1e-9
    assert u(X).mean() - u(Y).mean() == pytest.approx(s.value, rel=1e-9)


@pytest.mark.parametrize(
    ("kwargs", "why"),
    [({"order": 2}, "order is 2"), ({"cost": "sqeuclidean"}, "metric")],
)
def test_potential_raises_with_the_reason(kwargs, why):
    with pytest.raises(UnsupportedProblemError, match=why):
        solve(X, Y, **kwargs).potential  # noqa: B018
    with pytest.raises(UnsupportedProblemError, match="metric"):
        solve(A, B, cost=M).potential  # noqa: B018


def test_a_status_is_a_message():
    assert all(status.value and status.value[0].islower() for status in Status)


def test_progress_goes_to_stderr_and_only_when_asked(capsys):
    solve(X, Y)
    assert capsys.readouterr() == ("", "")
    solve(X, Y, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "linprog" in err


# -- section 5: the certificate ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", [1, 2, 1.5])
def test_every_answer_of_every_method_can_be_checked_twice(method, order):
    c = solve(X, Y, method=method, order=order).certificate
    assert c.verify(), str(c.verify())
    assert c.verify(exact=True), str(c.verify(exact=True))


def test_the_certified_problem_has_the_floats_that_were_given():
    """Weights and costs as given: 0.1 is the float, not a tenth."""
    s = solve([0.1, 0.2], [0.3], cost=[[0.1], [0.7]])
    W = Fraction(0.1) * Fraction(0.1) + Fraction(0.2) * Fraction(0.7)
    assert Fraction(s.lower) <= W <= Fraction(s.upper)
    assert s.upper - s.lower <= 4 * np.spacing(s.upper)


def test_the_zero_potential_gives_exactly_zero_and_the_diagonal_plan_too():
    for method in METHODS:
        s = solve(X, X, method=method)
        assert (s.lower, s.upper) == (0.0, 0.0), method


def test_sinkhorns_potentials_are_far_tighter_than_its_raw_dual():
    s = solve(X, Y, method=Sinkhorn(epsilon=0.3))
    assert s.lower > s.report.dual - 0.3 * np.log(12 * 9)
    assert s.certificate.verify()


def test_nothing_is_pushed_across_a_forbidden_or_huge_arc():
    rng = np.random.default_rng(8)
    for huge in (np.inf, 1e32):
        C = np.where(rng.random((20, 20)) < 0.6, huge, rng.random((20, 20)))
        np.fill_diagonal(C, 1.0)
        a = rng.random(20)
        for method in EXACT:
            s = solve(a, a, cost=C, method=method)
            assert s.upper <= a.sum() * (1 + 1e-12), method
            assert C[s.plan.to_dense() > 0].max() <= 1.0
            assert s.relative_gap <= 1e-9


def test_an_infeasible_pattern_names_rows_and_columns():
    C = np.zeros((4, 4))
    C[1:3, :3] = np.inf  # rows 1 and 2 can only go to column 3, which is too small for them
    with pytest.raises(otcore.InfeasibleError, match=r"1.*2.*3"):
        w1(np.ones(4), np.ones(4), C)


@pytest.mark.parametrize("method", METHODS)
def test_zero_weights_get_feasible_potentials_too(method):
    a, b = np.array([0, 0.5, 0.5, 0]), np.array([0.25, 0, 0.75, 0])
    C = np.random.default_rng(0).random((4, 4))
    s = solve(a, b, cost=C, method=method)
    assert (s.f[:, None] + s.g <= C + 1e-15).all()
    assert s.certificate.verify(exact=True)


def test_weights_of_1e_minus_12_are_not_dropped():
    a = np.array([1.0, 1e-12])
    for method in EXACT:
        s = solve(a, a, cost=[[0.0, 1e9], [1e9, 1e9]], method=method)
        assert s.value == pytest.approx(1e-3, rel=1e-12), method


def test_common_mass_is_left_in_place_and_joins_the_plan():
    rng = np.random.default_rng(2)
    points, a = rng.random((30, 2)), rng.random(30)
    b = a.copy()
    b[3], b[7] = b[3] + 0.01, b[7] - 0.01
    s = solve(Measure(points, a), Measure(points, b))
    assert s.value == pytest.approx(0.01 * np.linalg.norm(points[3] - points[7]), rel=1e-9)
    assert np.diag(s.plan.to_dense()).sum() == pytest.approx(a.sum() - 0.01, rel=1e-12)
    assert s.relative_gap <= 1e-9


def test_a_certificate_travels():
    c = solve(X, Y).certificate
    for twin in (copy.deepcopy(c), pickle.loads(pickle.dumps(c))):
        assert (twin.lower, twin.upper) == (c.lower, c.upper)
        assert twin.verify()


def test_a_refused_answer_travels_with_its_solution():
    with pytest.raises(NotCertifiedError) as caught:
        w1(A, B, M, rtol=0.0, atol=0.0, method="sinkhorn", max_seconds=0.05)
    twin = pickle.loads(pickle.dumps(caught.value))
    assert twin.solution.upper == caught.value.solution.upper
    assert str(twin) == str(caught.value)


@pytest.mark.parametrize("method", ["emd", "linprog"])
def test_what_cannot_fit_is_refused_before_it_is_allocated(method):
    big = Problem(np.ones(10**6), np.ones(10**6), CloudCost(*np.zeros((2, 10**6, 2))))
    with pytest.raises(otcore.ProblemTooLargeError, match=r"GiB.*sinkhorn"):
        from otcore.solvers import method_named
        from otcore.solvers._protocol import Budget

        next(method_named(method)[1].candidates(big, None, Budget()))


def test_methods_lists_the_folder():
    names = {m.name for m in otcore.methods()}
    assert names == {"auto", "critic", "dual", "emd", "line", "linprog", "sinkhorn"}
    assert all(m.summary and (m.available or m.name == "critic") for m in otcore.methods())


def test_a_method_that_does_not_apply_names_the_ones_that_do():
    with pytest.raises(UnsupportedProblemError, match="linprog") as caught:
        solve(X, Y, method="line")
    assert "line" in str(caught.value)


def test_torch_tensors_are_numbers_too():
    torch = pytest.importorskip("torch")
    x, y = torch.tensor(X, requires_grad=True), torch.tensor(Y)
    assert wasserstein(x, y) == wasserstein(X, Y)
    assert w1(torch.tensor(A), torch.tensor(B), torch.tensor(M)) == w1(A, B, M)
