"""``wasserstein``, ``w1``, ``solve``: what users call.  Coercion of their input, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otcore._gate import as_array, as_power, as_weights, eps_of
from otcore._habits import answers_habits
from otcore._solve import require_certified, run
from otcore.costs import CallableCost, CloudCost, Cost, DenseCost, GridCost, LineCost, MatrixMetricCost
from otcore.costs.grid import SEPARABLE
from otcore.errors import ShapeError, UnsupportedProblemError
from otcore.measure import Measure
from otcore.problem import Problem
from otcore.solution import Candidate, Solution
from otcore.solvers._protocol import Solver

__all__ = ["as_problem", "solve", "w1", "wasserstein"]

METRICS = ("euclidean", "cityblock", "chebyshev")
IMAGE_SIDE = 16  # a square array above this side is more likely an image than n = d samples


class _Default(str):
    """A default that can be told from the same value given by the user."""


EUCLIDEAN: str = _Default("euclidean")

Metric = str | Callable[[Any, Any], Any] | Any


@answers_habits
def solve(
    p: Any,
    q: Any,
    *,
    method: str | Solver = "auto",
    order: float = 1,
    metric: Metric = EUCLIDEAN,
    cost: Any = None,
    rtol: float | None = None,
    atol: float | None = None,
    max_seconds: float | None = None,
    start: Candidate | Solution | None = None,
    progress: bool = False,
) -> Solution:
    """Optimal transport between two measures, with a certified interval around its cost.

    Parameters
    ----------
    p, q : Measure or array_like
        Samples (n,) or (n, d), (m,) or (m, d) of uniform weight; with a ``cost`` or ``metric`` *matrix* weights
        (n,), (m,).  For samples the certificate speaks of the empirical distance, not of the population's.
    method : str or solver instance
        One of :func:`otcore.methods`, or an instance that carries options, as ``Sinkhorn(epsilon=0.1)``.
    order : float >= 1
        The p of W_p: costs are ``metric ** order``.
    metric : {"euclidean", "cityblock", "chebyshev"}, callable or (n, n) array_like
        Declared a metric: a name, a callable ``(X, Y) -> (n, m)``, or distances on one common support.
    cost : (n, m) array_like, Cost or "sqeuclidean", optional
        Used as it is instead of ``metric ** order``; ``+inf`` forbids an arc.  A float64 matrix is not copied: the
        certificate speaks of it as long as it is left unchanged.
    rtol, atol : float, optional
        Done when ``gap <= rtol * max(|lower|, |upper|) + atol``, in units of ``value``.  Default: the method's
        ``rtol``; for ``atol`` what rounding alone can leave.
    max_seconds : float, optional
        End early with an interval that holds.
    start : Solution or Candidate, optional
        A plan and potentials to start from, on the same supports.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    Solution

    Raises
    ------
    InvalidProblemError, UnsupportedProblemError, UnknownMethodError, MissingDependencyError

    Examples
    --------
    >>> import otcore
    >>> s = otcore.solve([0.0, 1.0], [5.0, 6.0])
    >>> s.lower <= 5.0 <= s.upper, s.status.name
    (True, 'CERTIFIED')
    """
    problem = as_problem(p, q, order=order, metric=metric, cost=cost)
    return run(
        problem, method, rtol=rtol, atol=atol, max_seconds=max_seconds, start=start, progress=progress
    )  # fmt: skip


@answers_habits
def wasserstein(
    p: Any,
    q: Any,
    *,
    method: str | Solver = "auto",
    order: float = 1,
    metric: Metric = EUCLIDEAN,
    cost: Any = None,
    rtol: float | None = None,
    atol: float | None = None,
    max_seconds: float | None = None,
    start: Candidate | Solution | None = None,
    progress: bool = False,
) -> float:
    """Wasserstein distance ``W_order(p, q)``, or the optimal cost where ``cost`` is given: certified, or raised.

    The arguments are those of :func:`solve`.  For samples this is the empirical distance.

    Raises
    ------
    NotCertifiedError
        When the gap asked for was not reached; ``.solution`` carries the interval that was.

    Examples
    --------
    >>> import otcore
    >>> otcore.wasserstein([0.0, 1.0], [5.0, 6.0])
    5.0
    >>> otcore.wasserstein([0.5, 0.5], [1.0, 0.0], cost=[[0.0, 1.0], [3.0, 0.0]])
    1.5
    """
    solution = solve(
        p, q, method=method, order=order, metric=metric, cost=cost, rtol=rtol, atol=atol,
        max_seconds=max_seconds, start=start, progress=progress,
    )  # fmt: skip
    return require_certified(solution).distance


@answers_habits
def w1(
    a: Any,
    b: Any,
    M: Any,
    *,
    method: str | Solver = "auto",
    rtol: float | None = None,
    atol: float | None = None,
    max_seconds: float | None = None,
    start: Candidate | Solution | None = None,
    progress: bool = False,
) -> float:
    """Optimal transport cost ``min sum P * M`` for weights ``a`` (n,), ``b`` (m,) and costs ``M`` (n, m).

    The other arguments are those of :func:`solve`.

    Raises
    ------
    NotCertifiedError
        When the gap asked for was not reached; ``.solution`` carries the interval that was.

    Examples
    --------
    >>> import otcore
    >>> otcore.w1([0.5, 0.5], [0.25, 0.75], [[0.0, 1.0], [1.0, 0.0]])
    0.25
    """
    problem = Problem(a, b, M if isinstance(M, Cost) else DenseCost(M))
    solution = run(
        problem, method, rtol=rtol, atol=atol, max_seconds=max_seconds, start=start, progress=progress
    )  # fmt: skip
    return require_certified(solution).value


def as_problem(p: Any, q: Any, *, order: float = 1, metric: Metric = EUCLIDEAN, cost: Any = None) -> Problem:
    """The :class:`Problem` that ``solve`` would solve; the meaning follows from the arguments' kinds, never values."""
    power = as_power(order, "order")
    explicit = metric is not EUCLIDEAN
    if cost is not None:
        if power != 1:
            raise UnsupportedProblemError(
                f"order is {order} together with cost; a cost is used as it is, without a power. "
                "Pass metric=... for W_order, or raise the matrix to the power yourself"
            )
        if explicit:
            raise UnsupportedProblemError("metric and cost are both given; pass one of them")
        return _from_cost(p, q, cost)
    if isinstance(metric, str):
        if metric not in METRICS:
            squared = "; it is a cost, not a metric: pass cost='sqeuclidean', or order=2"
            hint = squared if metric == "sqeuclidean" else ""
            raise UnsupportedProblemError(f"metric {metric!r} is unknown; expected one of {', '.join(METRICS)}{hint}")
        return _from_points(p, q, str(metric), power, power, explicit)
    if callable(metric):
        x, y = _measures(p, q, explicit=True)
        return _problem(x, y, CallableCost(x.points, y.points, metric, power))
    return _from_weights(p, q, MatrixMetricCost(metric, power), "metric")


def _from_cost(p: Any, q: Any, cost: Any) -> Problem:
    if isinstance(cost, str):
        if cost != "sqeuclidean":
            raise UnsupportedProblemError(
                f"cost {cost!r} is unknown; the only named cost is 'sqeuclidean'. Distances go into metric=..."
            )
        return _from_points(p, q, "euclidean", 2.0, 1.0, explicit=False)
    if callable(cost):
        raise UnsupportedProblemError("cost is a callable; pass the matrix cost(x, y), or metric=... if it is a metric")
    return _from_weights(p, q, cost if isinstance(cost, Cost) else DenseCost(cost), "cost")


def _from_weights(p: Any, q: Any, cost: Cost, name: str) -> Problem:
    for argument, value in (("p", p), ("q", q)):
        if isinstance(value, Measure):
            raise ShapeError(
                f"{argument} is a Measure, whose points say nothing beside a {name} matrix; "
                f"pass {argument}.weights, or leave {name} away"
            )
        array = as_array(value, argument)
        if array.ndim == 2 and 1 not in array.shape:
            raise ShapeError(
                f"{argument} has shape {array.shape}; beside a {name} matrix it must be weights, shape (n,). "
                f"For points leave {name} away"
            )
    eps = max(eps_of(p), eps_of(q))
    return Problem(as_weights(p, "p"), as_weights(q, "q"), cost, eps=eps)


def _from_points(p: Any, q: Any, metric: str, exponent: float, order: float, explicit: bool) -> Problem:
    x, y = _measures(p, q, explicit)
    if x.dim == 1:
        return _problem(x, y, LineCost(x.points, y.points, exponent, order))
    if x.lattice is not None and y.lattice is not None and (metric, exponent) in SEPARABLE:
        return _problem(x, y, GridCost(x.lattice, y.lattice, metric, exponent, order))
    return _problem(x, y, CloudCost(x.points, y.points, metric, exponent, order))


def _problem(x: Measure, y: Measure, cost: Cost) -> Problem:
    return Problem.between(x.weights, y.weights, cost, max(x.eps, y.eps))


def _measures(p: Any, q: Any, explicit: bool) -> tuple[Measure, Measure]:
    x, y = _measure(p, "p", explicit), _measure(q, "q", explicit)
    if x.dim != y.dim:
        raise ShapeError(f"p has dimension {x.dim} and q has dimension {y.dim}; both must live in the same space")
    return x, y


def _measure(value: Any, name: str, explicit: bool) -> Measure:
    if isinstance(value, Measure):
        return value
    x = as_array(value, name)
    if x.ndim == 2 and x.shape[0] == x.shape[1] > IMAGE_SIDE and not explicit:
        raise ShapeError(
            f"{name} has shape {x.shape}: {x.shape[0]} samples in {x.shape[1]} dimensions, or an image? For an image "
            f"pass Measure.from_histogram({name}, spacing=...); for samples say so with metric='euclidean'"
        )
    return Measure.from_samples(x, name)
