"""Anything at all at the gate: a correct answer or a typed error; no crash, no warning, no changed input."""

from __future__ import annotations

import inspect
import time
import warnings
from array import array
from decimal import Decimal
from fractions import Fraction

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import otcore
from otcore import Measure, OTError, Problem
from otcore.cli import main
from otcore.costs import MatrixMetricCost

SECONDS = 10.0
REAL = [np.bool_, np.int8, np.uint8, np.int32, np.uint64, np.int64, np.float16, np.float32, np.float64, np.longdouble]
STRANGE = [
    np.complex128,
    np.dtype("U3"),
    np.dtype("S2"),
    np.dtype("datetime64[D]"),
    np.dtype("m8[s]"),
    np.dtype(object),
]
LAYOUTS = ["C", "F", "reversed", "strided", "transposed", "read-only", "list", "big-endian", "subclass", "broadcast"]


class Tagged(np.ndarray):
    """A subclass whose operators must not matter."""

    def __array_finalize__(self, other):
        pass


def laid_out(x, layout):
    """The same numbers, differently in memory."""
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "reversed" and x.ndim:
        return x[::-1].copy()[::-1]
    if layout == "strided":
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype) if x.ndim else np.zeros(2, x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2] if x.ndim else x
    if layout == "transposed":
        return np.ascontiguousarray(x.T).T
    if layout == "read-only":
        y = x.copy()
        y.setflags(write=False)
        return y
    if layout == "list":
        return x.tolist()
    if layout == "big-endian":
        return x.astype(x.dtype.newbyteorder(">"))
    if layout == "subclass":
        return x.view(Tagged)
    if layout == "broadcast" and x.size == 1:
        return np.broadcast_to(x, x.shape)
    return x


@st.composite
def arrays(draw, shape, nice=False):
    """An array of some dtype and layout; ``nice``: finite, not negative, of moderate size."""
    dtype = np.dtype(draw(st.sampled_from(REAL if nice else REAL + REAL + STRANGE)))
    if dtype.kind == "O":
        elements = st.sampled_from([None, "x", 1.0, 2, object(), Fraction(1, 3), 1j, [1.0]])
    elif nice and dtype.kind in "iuf":
        elements = st.integers(0, 20).map(dtype.type)
    else:
        elements = hnp.from_dtype(dtype)
    x = draw(hnp.arrays(dtype, shape, elements=elements))
    return laid_out(x, draw(st.sampled_from(LAYOUTS)))


SHAPES = st.sampled_from(
    [(), (0,), (1,), (2,), (3,), (4,), (0, 2), (3, 0), (1, 3), (3, 1), (3, 2), (2, 2), (3, 3), (2, 2, 2)]
)
VALUES = SHAPES.flatmap(arrays) | st.sampled_from(
    [
        None, 1.0, "text", {}, [], [[]], [[1.0], []], object(), float, Measure([0.0, 1.0]), range(3), b"x", {1.0, 2.0},
        np.ma.masked_array([1.0, 2.0], [True, False]), np.ma.masked_array([1.0, 2.0]),
        memoryview(b"abc"), array("d", [1.0, 2.0]), np.array([Fraction(1, 3), Decimal("0.5")]), iter([1.0, 2.0]),
        np.zeros(2, dtype=[("x", float)]), np.full((2, 2), "1"), [[1, 2], [3, 4]], ((1.0, 2.0),), [np.float32(1), True],
    ]
)  # fmt: skip
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(
            ["auto", "line", "linprog", "dual", "emd", "sinkhorn", "sinkorn", None, 3, "", "__init__"]
        ),
        "order": st.sampled_from([1, 1.5, 2, 0, -1, np.nan, np.inf, "2", None, 60, 1e9]),
        "metric": st.sampled_from(["euclidean", "cityblock", "chebyshev", "minkowski", "", None, 7]) | VALUES,
        "cost": st.sampled_from(["sqeuclidean", "euclidean", ""]) | VALUES,
        "rtol": st.sampled_from([1e-9, 1e-2, 0, -1, np.nan, np.inf, "x", None]),
        "atol": st.sampled_from([0, 1e-9, -1, np.nan, np.inf, "x", None]),
        "max_seconds": st.sampled_from([0, 1e-3, 5, -1, np.nan, "x", None]),
        "start": st.sampled_from([None, 3, "x", otcore.Candidate()]),
    },
)


def answered(call, *inputs):
    """The answer of ``call``, or None for a typed error; everything else is a failure of the test."""
    before = [copy_of(x) for x in inputs]
    begin = time.monotonic()
    answer = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            answer = call()
        except OTError as error:
            assert len(str(error)) > 20, "says something"
    assert time.monotonic() - begin < SECONDS
    for x, old in zip(inputs, before, strict=True):
        if isinstance(x, np.ndarray):
            assert x.tobytes() == old, "an input array was changed"
    return answer


def copy_of(x):
    return x.tobytes() if isinstance(x, np.ndarray) else None


@given(VALUES, VALUES, OPTIONS)
@settings(max_examples=400)
def test_solve_answers_or_raises_a_typed_error(p, q, options):
    arrays_ = [p, q, options.get("metric"), options.get("cost")]
    solution = answered(lambda: otcore.solve(p, q, **options), *arrays_)
    if solution is not None:
        assert solution.lower <= solution.upper
        assert solution.certificate.verify(), str(solution.certificate.verify())


@given(VALUES, VALUES, VALUES)
@settings(max_examples=400)
def test_w1_answers_or_raises_a_typed_error(a, b, M):
    value = answered(lambda: otcore.w1(a, b, M), a, b, M)
    assert value is None or isinstance(value, float)


@given(VALUES, VALUES)
@settings(max_examples=300)
def test_wasserstein_measures_and_problems_answer_or_raise_a_typed_error(p, q):
    value = answered(lambda: otcore.wasserstein(p, q), p, q)
    assert value is None or (isinstance(value, float) and value >= 0)
    for make in (Measure, Measure.from_samples, Measure.from_histogram, otcore.DenseCost):
        answered(lambda make=make: make(p), p)
    answered(lambda: Measure(p, q), p, q)
    answered(lambda: Measure.from_counts(p, q), p, q)
    answered(lambda: Measure.from_histogram(p, spacing=q), p, q)
    answered(lambda: Problem(p, q, otcore.DenseCost([[1.0, 2.0], [3.0, 4.0]])), p, q)


@given(st.lists(VALUES, max_size=3) | VALUES, st.none() | st.lists(VALUES, max_size=2), OPTIONS)
@settings(max_examples=150)
def test_pairwise_answers_or_raises_a_typed_error(measures, others, options):
    known = {k: v for k, v in options.items() if k in inspect.signature(otcore.pairwise).parameters}
    found = answered(lambda: otcore.pairwise(measures, others, **known), *(measures if type(measures) is list else ()))
    if found is not None:
        assert (found.lower <= found.distance).all() and (found.distance <= found.upper).all()


@given(VALUES, VALUES, st.sampled_from([1.0, 1e-2, 0, -1, np.nan, np.inf, "x", None, 1e300]), OPTIONS)
@settings(max_examples=150)
def test_the_sinkhorn_divergence_answers_or_raises_a_typed_error(p, q, epsilon, options):
    known = {k: v for k, v in options.items() if k in ("order", "metric", "cost", "start")} | {"max_seconds": 2}
    found = answered(lambda: otcore.sinkhorn_divergence(p, q, epsilon=epsilon, **known), p, q)
    if found is not None:
        assert found.lower <= found.upper


ODD = st.sampled_from([1, 2, 1.5, 2.3, 0, -1, 60, 1e9, np.nan, np.inf, "2", None, [1.0], True])
NAMES = st.sampled_from(["euclidean", "cityblock", "chebyshev", "sqeuclidean", "", None, 7])


@given(VALUES, VALUES, NAMES, ODD, st.lists(VALUES, max_size=2), st.lists(VALUES, max_size=2))
@settings(max_examples=300)
def test_costs_are_made_or_raise_a_typed_error(p, q, metric, exponent, axes_p, axes_q):
    makers = [
        lambda: otcore.CloudCost(p, q, metric, exponent),
        lambda: otcore.LineCost(p, q, exponent),
        lambda: MatrixMetricCost(p, exponent),
        lambda: otcore.GridCost(p, q, metric, exponent),
        lambda: otcore.GridCost(axes_p, axes_q, metric, exponent),
    ]
    for make in makers:
        cost = answered(make, p, q, *axes_p, *axes_q)
        if cost is not None and np.isfinite(cost.bounds()).all() and max(cost.shape) < 50:
            n, m = cost.shape
            solution = answered(
                lambda n=n, m=m, cost=cost: otcore.solve(np.full(n, 1 / n), np.full(m, 1 / m), cost=cost)
            )
            assert solution is None or solution.lower <= solution.upper


FIELDS = ("epsilon", "ladder", "tol", "max_iter", "accelerate", "threads")


@given(st.dictionaries(st.sampled_from(FIELDS), ODD | st.sampled_from([0.5, 1e-3, 1e300, 5e-324])))
@settings(max_examples=150)
def test_sinkhorn_with_any_options_answers_or_raises_a_typed_error(options):
    def solve():
        method = otcore.Sinkhorn(**options)
        return otcore.solve([0.5, 0.5], [0.25, 0.75], cost=[[0.0, 1.0], [1.0, 0.0]], method=method, max_seconds=1)

    solution = answered(solve)
    assert solution is None or solution.lower <= 0.25 <= solution.upper


NONSENSE = [
    "--sizes x", "--sizes -1", "--sizes 0", "--instances nothing", "--methods nobody", "--methods", "--rounds 0",
    "--report nowhere", "--data /nowhere", "--rtol x", "extra words",
]  # fmt: skip


@pytest.mark.parametrize("words", NONSENSE)
def test_the_races_refuse_nonsense_in_words(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["bench", *words.split()])
    except SystemExit as stop:  # argparse
        status = stop.code
    assert status == 2
    assert capsys.readouterr().err


def test_every_public_function_is_fuzzed():
    """A function that comes later must come here, too."""
    source = inspect.getsource(inspect.getmodule(test_every_public_function_is_fuzzed))
    for name in otcore.__all__:
        takes_arrays = name not in ("methods", "marginal_matrix", "warmup")
        if inspect.isfunction(getattr(otcore, name)) and takes_arrays:
            assert f"otcore.{name}(" in source, name


@given(st.data())
@settings(max_examples=150)
def test_good_numbers_of_any_dtype_and_layout_give_the_right_answer(data):
    n, m = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    M = data.draw(arrays((n, m), nice=True))
    a, b = (data.draw(arrays((k,), nice=True)) for k in (n, m))
    A, B = (np.array(w, dtype=np.float64) for w in (a, b))
    if not (A.any() and B.any()) or A.sum() != B.sum():
        A = B = None
        a, b = np.full(n, m), np.full(m, n)
    weights = (a, b) if A is None else (A, B)
    solution = answered(lambda: otcore.solve(a, b, cost=M), a, b, M)
    truth = naive.transport(*(np.asarray(w).tolist() for w in weights), np.array(M, dtype=float).tolist())
    assert solution is not None
    assert Fraction(solution.lower) <= truth <= Fraction(solution.upper)


# -- the readers of the command line ------------------------------------------------------------------------------

NUMBERS = st.sampled_from(["1", "0", "2.5", "-1", "1e3", "nan", "inf", "", "x", '"1"', "1,5", "0x10", "1_000", "١"])
LINES = st.builds(str.join, st.sampled_from([",", ";", "\t", " "]), st.lists(NUMBERS, max_size=4))
TEXTS = st.builds(str.join, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(LINES, max_size=5))
BYTES = TEXTS.map(str.encode) | st.binary(max_size=40) | st.binary(max_size=20).map(lambda b: b"\x93NUMPY" + b)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@given(
    BYTES,
    BYTES,
    st.sampled_from(["csv", "npy", "txt"]),
    st.sampled_from([(), ("--metric", "c"), ("--cost", "c")]),
    BYTES,
    st.sampled_from([("w1",), ("wasserstein",), ("wasserstein", "--order", "2"), ("w1", "--json", "--rtol", "nan")]),
    st.sampled_from([(), ("--weights-column", "1"), ("--weights-column", "-1"), ("--max-seconds", "0")]),
)
@settings(max_examples=300)
def test_the_command_line_reads_any_file(folder, first, second, suffix, ground, third, verb, more):
    paths = [folder / f"{name}.{suffix}" for name in "abc"]
    for path, content in zip(paths, (first, second, third), strict=True):
        path.write_bytes(content)
    ground = tuple(str(paths[2]) if x == "c" else x for x in ground)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main([*verb, str(paths[0]), str(paths[1]), *ground, *more]) in (0, 1, 2)


@given(st.binary(max_size=60) | TEXTS.map(str.encode))
@settings(max_examples=200)
def test_the_checker_reads_any_file(folder, content):
    path = folder / "proof.json"
    path.write_bytes(content)
    assert main(["verify", str(path)]) == 2
