"""Every input that means nothing raises a typed error naming the argument, the index and the remedy."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

import otcore
from otcore import (
    InfeasibleError,
    InvalidProblemError,
    MassMismatchError,
    Measure,
    NegativeWeightError,
    NonFiniteError,
    OTError,
    ProblemTooLargeError,
    ShapeError,
    UnknownMethodError,
    UnsupportedProblemError,
)
from otcore.plans import GibbsPlan, SparsePlan

INF, NAN = np.inf, np.nan
A, B, M = [0.5, 0.5], [0.25, 0.75], [[0.0, 1.0], [2.0, 3.0]]
X, Y = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [[1.0, 1.0], [2.0, 2.0]]
REMEDY = (  # a message says what to do, in one of these words
    "pass", "use ", "drop", "fill", "remove", "replace", "normalise", "divide", "convert", "expected", "must",
    "allow", "did you mean", "needs", "go into",
)  # fmt: skip


def with_entry(value, index, entry):
    out = np.array(value, dtype=float)
    out[index] = entry
    return out


class Tensor:
    """Stands for a torch tensor of complex numbers."""

    def detach(self):
        return self

    def cpu(self):
        return self

    def resolve_conj(self):
        return self

    def resolve_neg(self):
        return self

    def numpy(self):
        return np.array([0.5 + 1j, 0.5])


MEANINGLESS = {
    "masked": np.ma.masked_array(A, [True, False]),
    "complex": np.array([0.5 + 0j, 0.5]),
    "object": np.array([object(), object()]),
    "numbers as objects": np.array([0.5, None]),
    "datetime": np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[D]"),
    "timedelta": np.array([1, 2], dtype="timedelta64[s]"),
    "date objects": [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)],
    "strings": ["0.5", "0.5"],
    "structured": np.zeros(2, dtype=[("x", float)]),
    "ragged": [[1.0], [1.0, 2.0]],
    "None": None,
    "dict": {0: 0.5},
    "complex tensor": Tensor(),
    "bytes": b"0.5",
    "masked matrix": np.ma.masked_invalid([[0.0, np.nan], [1.0, 0.0]]),
}


def places(bad):
    """Calls that pass ``bad`` as the argument of that name."""
    return {
        "a": lambda: otcore.w1(bad, B, M),
        "b": lambda: otcore.w1(A, bad, M),
        "M": lambda: otcore.w1(A, B, bad),
        "p": lambda: otcore.wasserstein(bad, Y),
        "q": lambda: otcore.wasserstein(X, bad),
        "weights": lambda: Measure([1.0, 2.0], weights=bad),
        "points": lambda: Measure(bad),
        "metric": lambda: otcore.wasserstein(A, B, metric=bad),
    }


@pytest.mark.parametrize("kind", MEANINGLESS)
@pytest.mark.parametrize("place", places(None))
def test_arrays_that_are_no_real_numbers_are_named(kind, place):
    if kind == "None" and place == "weights":
        pytest.skip("None is the default: equal weights")
    with pytest.raises(InvalidProblemError, match=rf"^{place}\b") as caught:
        places(MEANINGLESS[kind])[place]()
    assert len(str(caught.value)) > 30


BAD = {
    "nan weight": (lambda: otcore.w1([0.5, NAN], B, M), NonFiniteError, r"a\[1\]"),
    "inf weight": (lambda: otcore.w1(A, [INF, 0.5], M), NonFiniteError, r"b\[0\]"),
    "weights that overflow together": (lambda: otcore.w1([1e308, 1e308], [1e308, 1e308], M), NonFiniteError, "a"),
    "nan cost": (lambda: otcore.w1(A, B, with_entry(M, (1, 0), NAN)), NonFiniteError, r"M\[1, 0\]"),
    "-inf cost": (lambda: otcore.w1(A, B, with_entry(M, (0, 1), -INF)), NonFiniteError, r"M\[0, 1\]"),
    "nan beside inf": (lambda: otcore.w1(A, B, [[INF, 1], [1, NAN]]), NonFiniteError, r"M\[1, 1\]"),
    "nan point": (lambda: otcore.wasserstein(with_entry(X, (2, 1), NAN), Y), NonFiniteError, r"p\[2, 1\]"),
    "inf point": (lambda: otcore.wasserstein([0.0, 1.0], [0.0, INF]), NonFiniteError, r"q\[1\]"),
    "nan metric": (lambda: otcore.wasserstein(A, B, metric=[[0, NAN], [NAN, 0]]), NonFiniteError, r"metric\[0, 1\]"),
    "negative weight": (lambda: otcore.w1([1.5, -0.5], B, M), NegativeWeightError, r"a\[1\] is -0\.5"),
    "negative weight in b": (lambda: otcore.w1(A, [-0.5, 1.5], M), NegativeWeightError, r"b\[0\]"),
    "negative weight of a measure": (lambda: Measure([1, 2], [1, -1]), NegativeWeightError, r"weights\[1\]"),
    "all-zero mass": (lambda: otcore.w1([0, 0], B, M), NegativeWeightError, "a is all zero"),
    "all-zero mass both": (lambda: otcore.w1([0, 0], [0, 0], M), NegativeWeightError, "a is all zero"),
    "all-zero histogram": (lambda: Measure.from_histogram(np.zeros((3, 3))), NegativeWeightError, "zero"),
    "unequal mass": (lambda: otcore.w1([1, 1], [1, 2], M), MassMismatchError, "a sums to 2 and b to 3"),
    "unequal tiny mass": (lambda: otcore.w1([1e-8, 0], [4e-8, 0], M), MassMismatchError, "1e-08"),
    "unequal huge mass": (lambda: otcore.w1([1e300, 0], [2e300, 0], M), MassMismatchError, "2e"),
    "mass off by 1e-5": (lambda: otcore.w1(A, [0.25, 0.75001], M), MassMismatchError, "normalise"),
    "unequal measures": (lambda: otcore.wasserstein(Measure([1, 2], [1, 1]), [0.0]), MassMismatchError, "normalized"),
    "transposed cost": (lambda: otcore.w1(A, [0.2, 0.3, 0.5], np.ones((3, 2))), ShapeError, r"transposed"),
    "cost of another shape": (lambda: otcore.w1(A, B, np.ones((2, 3))), ShapeError, r"\(2, 2\)"),
    "flat cost": (lambda: otcore.w1(A, B, [1, 2, 3, 4]), ShapeError, r"M has shape \(4,\)"),
    "scalar cost": (lambda: otcore.w1(A, B, 1.0), ShapeError, "M"),
    "weights as a matrix": (lambda: otcore.w1(np.eye(2), B, M), ShapeError, "a has shape"),
    "scalar weights": (lambda: otcore.w1(1.0, B, M), ShapeError, "a has shape"),
    "three-dimensional samples": (lambda: otcore.wasserstein(np.zeros((2, 2, 2)), Y), ShapeError, "from_histogram"),
    "scalar samples": (lambda: otcore.wasserstein(0.0, Y), ShapeError, "p has shape"),
    "empty weights": (lambda: otcore.w1([], [], np.zeros((0, 0))), ShapeError, "empty"),
    "empty samples": (lambda: otcore.wasserstein([], [1.0]), ShapeError, "p"),
    "points of no dimension": (lambda: otcore.wasserstein(np.zeros((3, 0)), Y), ShapeError, "p"),
    "too few weights": (lambda: Measure([1, 2, 3], [1, 1]), ShapeError, "2 entries for 3 points"),
    "two dimensions": (lambda: otcore.wasserstein(X, [1.0, 2.0]), ShapeError, "dimension 2 and q has dimension 1"),
    "points beside a cost": (lambda: otcore.wasserstein(X, Y, cost=np.ones((3, 2))), ShapeError, "p has shape"),
    "measure beside a cost": (lambda: otcore.wasserstein(Measure(X), B, cost=np.ones((3, 2))), ShapeError, "weights"),
    "measure beside a metric": (lambda: otcore.wasserstein(A, Measure(Y), metric=np.ones((2, 2))), ShapeError, "q"),
    "image": (lambda: otcore.wasserstein(np.ones((32, 32)), np.ones((32, 32))), ShapeError, "from_histogram"),
    "metric not square": (lambda: otcore.wasserstein(A, [1 / 3] * 3, metric=np.ones((2, 3))), ShapeError, "square"),
    "negative distance": (
        lambda: otcore.wasserstein(A, B, metric=[[0, -1], [-1, 0]]),
        InvalidProblemError,
        r"\[0, 1\]",
    ),
    "callable of a wrong shape": (
        lambda: otcore.wasserstein(X, Y, metric=lambda x, y: np.ones((2, 3))),
        ShapeError,
        r"expected \(3, 2\)",
    ),
    "row without arcs": (lambda: otcore.w1(A, B, [[INF, INF], [1, 1]]), InfeasibleError, "0"),
    "column without arcs": (lambda: otcore.w1(A, B, [[1, INF], [1, INF]]), InfeasibleError, "1"),
    "too narrow a passage": (lambda: otcore.w1([0.5, 0.5], [0.1, 0.9], [[0, INF], [0, 0]]), InfeasibleError, "0"),
    "all arcs forbidden": (lambda: otcore.w1(A, B, np.full((2, 2), INF)), InfeasibleError, "forb"),
    "order below 1": (lambda: otcore.wasserstein(X, Y, order=0.5), InvalidProblemError, "order is 0.5"),
    "order nan": (lambda: otcore.wasserstein(X, Y, order=NAN), InvalidProblemError, "order"),
    "order inf": (lambda: otcore.wasserstein(X, Y, order=INF), InvalidProblemError, "order"),
    "order as text": (lambda: otcore.wasserstein(X, Y, order="two"), InvalidProblemError, "order is 'two'"),
    "order with cost": (lambda: otcore.wasserstein(A, B, cost=M, order=2), UnsupportedProblemError, "order is 2"),
    "metric with cost": (lambda: otcore.wasserstein(A, B, cost=M, metric=M), UnsupportedProblemError, "one of them"),
    "unknown metric": (lambda: otcore.wasserstein(X, Y, metric="euclidian"), UnsupportedProblemError, "euclidean"),
    "sqeuclidean is no metric": (
        lambda: otcore.wasserstein(X, Y, metric="sqeuclidean"),
        UnsupportedProblemError,
        "cost='sqeuclidean'",
    ),
    "unknown cost": (lambda: otcore.wasserstein(X, Y, cost="euclidean"), UnsupportedProblemError, "metric="),
    "unknown method": (lambda: otcore.wasserstein(X, Y, method="sinkorn"), UnknownMethodError, "sinkhorn"),
    "no method at all": (lambda: otcore.wasserstein(X, Y, method=3), OTError, "method"),
    "line in the plane": (lambda: otcore.wasserstein(X, Y, method="line"), UnsupportedProblemError, "line"),
    "rtol negative": (lambda: otcore.wasserstein(X, Y, rtol=-1), InvalidProblemError, "rtol"),
    "rtol nan": (lambda: otcore.wasserstein(X, Y, rtol=NAN), InvalidProblemError, "rtol"),
    "atol negative": (lambda: otcore.wasserstein(X, Y, atol=-1e-9), InvalidProblemError, "atol"),
    "max_seconds negative": (lambda: otcore.wasserstein(X, Y, max_seconds=-1), InvalidProblemError, "max_seconds"),
    "rtol as text": (lambda: otcore.wasserstein(X, Y, rtol="small"), InvalidProblemError, "rtol"),
    "distances that overflow": (lambda: otcore.wasserstein(1e200 * np.array(X), Y, order=2), NonFiniteError, "divide"),
    "line distances that overflow": (lambda: otcore.wasserstein([1e200], [0.0], order=2), NonFiniteError, "divide"),
    "metric that overflows": (
        lambda: otcore.wasserstein(A, B, metric=[[0, 1e200], [1e200, 0]], order=2),
        NonFiniteError,
        "divide",
    ),
    "spacing of zero": (lambda: Measure.from_histogram([1, 2], spacing=0), ShapeError, "spacing"),
    "start of another kind": (lambda: otcore.wasserstein(X, Y, start=3), InvalidProblemError, "start is a int"),
    "start of another size": (
        lambda: otcore.wasserstein(X, Y, start=otcore.solve(Y, Y)),
        ShapeError,
        r"start.*expected \(",
    ),
    "start with potentials of another size": (
        lambda: otcore.wasserstein(X, Y, start=otcore.Candidate(potentials=([0.0], [0.0]))),
        ShapeError,
        r"\(1,\)",
    ),
    "start of one vector": (
        lambda: otcore.wasserstein(X, Y, start=otcore.Candidate(potentials=np.zeros(3))),
        ShapeError,
        r"start.potentials .* pair",
    ),
    "start of three": (
        lambda: otcore.wasserstein(X, Y, start=otcore.Candidate(potentials=(1, 2, 3))),
        ShapeError,
        "start.potentials",
    ),
    "start with no plan": (
        lambda: otcore.wasserstein(X, Y, start=otcore.Candidate(plan="x")),
        InvalidProblemError,
        "start.plan is a str; expected",
    ),
    "start with a torn plan": (
        lambda: otcore.wasserstein(X, Y, start=otcore.Candidate(plan=SparsePlan([0, 1], [0], [1.0], (3, 2)))),
        ShapeError,
        "start.plan: expected i, j and mass of the same length",
    ),
    "start with a square plan": (
        lambda: otcore.wasserstein(X, Y, start=otcore.Candidate(plan=SparsePlan([[0]], [[0]], [[1.0]], (3, 2)))),
        ShapeError,
        "start.plan: expected i, j and mass of the same length",
    ),
    "start with a short entropic plan": (
        lambda: otcore.wasserstein(X, Y, start=entropic(f=np.zeros(2))),
        ShapeError,
        r"start.plan: its potentials have shapes \(2,\)",
    ),
    "start with an entropic plan of text": (
        lambda: otcore.wasserstein(X, Y, start=entropic(f=["a", "b", "c"])),
        InvalidProblemError,
        "start.plan",
    ),
    "order of 400 digits": (lambda: otcore.wasserstein(X, Y, order=10**400), InvalidProblemError, "order"),
    "order masked": (lambda: otcore.wasserstein(X, Y, order=np.ma.masked), InvalidProblemError, "order is masked"),
    "rtol masked": (lambda: otcore.wasserstein(X, Y, rtol=np.ma.masked), InvalidProblemError, "rtol is masked"),
    "rtol of two": (lambda: otcore.wasserstein(X, Y, rtol=[1e-3, 1e-3]), InvalidProblemError, "rtol"),
    "forty axes": (lambda: Measure.from_histogram(np.ones((1,) * 40)), ShapeError, "expected at least one bin"),
    "a lattice of seventy axes": (
        lambda: otcore.GridCost([[0.0]] * 70, [[1.0]] * 70),
        ShapeError,
        "axes_x has 70 axes",
    ),
    "a lattice that no machine holds": (
        lambda: otcore.GridCost([np.arange(1e5)] * 3, [[1.0]] * 3),
        ProblemTooLargeError,
        "axes_x, a lattice of 1000000000000000 nodes, needs",
    ),
    "a spacing that overflows": (
        lambda: Measure.from_histogram(np.ones((3, 3)), spacing=1e308),
        NonFiniteError,
        r"points\[2, 1\]",
    ),
    "sparse cost": (lambda: otcore.w1(A, B, sparse()), InvalidProblemError, "toarray"),
}


def entropic(f):
    cost = otcore.CloudCost(X, Y)
    return otcore.Candidate(GibbsPlan(f, np.zeros(2), 0.1, np.full(3, 1 / 3), np.full(2, 0.5), cost))


def sparse():
    from scipy.sparse import csr_array

    return csr_array(np.array(M))


@pytest.mark.parametrize("case", BAD)
def test_bad_input_raises_its_own_error(case):
    call, error, says = BAD[case]
    with pytest.raises(error, match=says) as caught:
        call()
    assert isinstance(caught.value, OTError)
    message = str(caught.value)
    assert "\n" not in message
    assert any(word in message.lower() for word in REMEDY), f"no remedy in: {message}"


def test_typed_errors_are_also_the_built_in_ones():
    for error in (ShapeError, NonFiniteError, MassMismatchError, InfeasibleError, UnknownMethodError):
        assert issubclass(error, ValueError)
    assert issubclass(otcore.NotCertifiedError, ArithmeticError)
    assert issubclass(otcore.MissingDependencyError, ImportError)


@pytest.mark.parametrize("method", [m.name for m in otcore.methods() if not m.needs])
def test_infeasible_is_never_a_number(method):
    with pytest.raises(InfeasibleError, match="0"):
        otcore.w1(A, B, [[INF, INF], [1, 1]], method=method)


HABITS = {
    "reg": (lambda: otcore.w1(A, B, M, reg=0.1), r"Sinkhorn\(epsilon"),
    "p": (lambda: otcore.wasserstein(X, Y, p=2), "order="),
    "u_values": (lambda: otcore.wasserstein(u_values=[1, 2], v_values=[3]), "first two arguments"),
    "u_weights": (lambda: otcore.wasserstein([1, 2], [3, 4], u_weights=A, v_weights=B), "Measure"),
    "numItermax": (lambda: otcore.w1(A, B, M, numItermax=10), "max_seconds"),
    "stopThr": (lambda: otcore.w1(A, B, M, stopThr=1e-9), "rtol"),
    "log": (lambda: otcore.w1(A, B, M, log=True), "otcore.solve"),
    "a twice": (lambda: otcore.w1(A, B, M, a=A), "Measure"),
    "misspelt": (lambda: otcore.solve(X, Y, max_second=3), "did you mean max_seconds="),
    "unheard of": (lambda: otcore.solve(X, Y, zzz=3), "expected p, q, method"),
    "a matrix without a name": (lambda: otcore.wasserstein(A, B, M), "cost="),
    "weights without a name": (lambda: otcore.wasserstein([1, 2], [3, 4], A, B), "Measure"),
}


@pytest.mark.parametrize("habit", HABITS)
def test_arguments_of_other_libraries_are_answered_with_the_right_name(habit):
    call, says = HABITS[habit]
    with pytest.raises(otcore.UnknownArgumentError, match=says) as caught:
        call()
    assert isinstance(caught.value, TypeError)


def test_every_habit_is_a_name_that_is_free_here():
    import inspect

    from otcore._habits import HABITS as known

    for function in (otcore.solve, otcore.wasserstein):
        assert not set(inspect.signature(function).parameters) & set(known) - {"p"}
