"""Every pair of a list of measures: matrices of certified intervals, over any executor."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from otcore._api import EUCLIDEAN, Metric, as_problem, solve
from otcore._gate import as_array, as_tolerance
from otcore._habits import answers_habits
from otcore._types import Matrix
from otcore.certify.reals import total
from otcore.certify.rounding import round_outward
from otcore.errors import InvalidProblemError, OTError, UnsupportedProblemError
from otcore.solution import Solution, Status, outward_root
from otcore.solvers import check, method_named
from otcore.solvers._protocol import Solver

__all__ = ["DistanceMatrix", "pairwise"]

ROUNDING = 2.0**-40  # of the mass: two sums of weights that differ by less are meant to be the same
TILE = 8  # measures a side of the block that travels to a worker: 64 solves for 16 measures on the way

Pair = tuple[int, int]
Entries = dict[Pair, tuple[float, float, float, bool]]  # distance, lower, upper, whether the tolerance was reached


@dataclass(frozen=True, eq=False)
class DistanceMatrix:
    """Distances between measures, each with its certified interval.

    Entry (i, j) is scaled to the mass of the i-th row's measure, as in :func:`solve` that of ``p``.  Where the sums of
    float64 weights differ by rounding, one interval holds for (i, j) and (j, i), and the matrix is symmetric; where
    they differ by more, as those of float32 weights may, so do the two entries.

    Attributes
    ----------
    distance : (k, l) array
        ``W_order`` by the best plans: an upper bound, and within the interval.
    lower, upper : (k, l) arrays
        Certified: ``lower <= W_order <= upper``, entry by entry.
    certified : (k, l) array of bool
        Whether the tolerance was reached; where a limit came first, the interval holds all the same.
    """

    distance: Matrix
    lower: Matrix
    upper: Matrix
    certified: np.ndarray[Any, np.dtype[np.bool_]]

    def __repr__(self) -> str:
        k, m = self.distance.shape
        return f"<DistanceMatrix {k} x {m}, widest gap {self.gap.max():.1e}, {int((~self.certified).sum())} open>"

    @property
    def gap(self) -> Matrix:
        """(k, l) array: ``upper - lower``."""
        return self.upper - self.lower


@answers_habits
def pairwise(
    measures: Sequence[Any],
    others: Sequence[Any] | None = None,
    *,
    method: str | Solver = "auto",
    order: float = 1,
    metric: Metric = EUCLIDEAN,
    rtol: float | None = None,
    max_seconds: float | None = None,
    executor: Executor | None = None,
    progress: bool = False,
) -> DistanceMatrix:
    """Wasserstein distances ``W_order(p_i, p_j)`` of all pairs, and how far each may be off.

    Parameters
    ----------
    measures : sequence of k measures
        Each as ``p`` of :func:`solve`: a Measure, samples, or weights beside a ``metric`` matrix.
    others : sequence of l measures, optional
        Distances from ``measures`` to these.  Without it the diagonal is zero and only half of the matrix is solved,
        if ``metric`` is a name or a symmetric matrix; a callable is not taken at its word.  The other half is its
        mirror image, in the masses of the other measures: symmetric where these are equal but for rounding.
    method, order, metric, rtol
        As in :func:`solve`, for every pair.
    max_seconds : float, optional
        For each pair; where it ends a solve, the interval holds and ``certified`` is False.
    executor : concurrent.futures.Executor, optional
        Where the solves run: threads, processes, a cluster.  Default: here, one after the other.  The numbers
        are the same to the last bit.
    progress : bool
        Show a progress bar on stderr, over pairs.

    Returns
    -------
    DistanceMatrix

    Raises
    ------
    OTError
        As :func:`solve`, naming the pair; no entry is ever filled in for a solve that failed.
    InvalidProblemError, UnsupportedProblemError
        Where ``executor`` is none or has been shut down, or runs processes that ``metric`` cannot be sent to.
    KeyboardInterrupt
        At Ctrl-C before the first solve.  From then on it returns: what has come back is kept, and the pairs left end
        as at ``max_seconds=0``, solved here; a second Ctrl-C raises.

    Examples
    --------
    >>> import otcore
    >>> found = otcore.pairwise([[0.0, 1.0], [5.0, 6.0], [2.0, 4.0]])
    >>> found.distance.tolist()
    [[0.0, 5.0, 2.5], [5.0, 0.0, 2.5], [2.5, 2.5, 0.0]]
    >>> bool((found.lower <= found.distance).all() and (found.distance <= found.upper).all())
    True
    """
    from tqdm import tqdm

    measures = _listed(measures, "measures")
    columns = measures if others is None else _listed(others, "others")
    options = {"method": method, "rtol": rtol, "max_seconds": max_seconds, "order": order, "metric": metric}
    with _naming(0, 0):
        first = as_problem(measures[0], columns[0], order=order, metric=metric)
    check(*method_named(method), first)  # here, not in the solves: of one measure there are none
    for name, value in (("rtol", rtol), ("max_seconds", max_seconds)):
        if value is not None:
            as_tolerance(value, name)
    if executor is not None:
        _require_executor(executor, metric=metric, method=method)
    if not isinstance(metric, str) and not callable(metric):  # one matrix for all pairs, its power taken once
        options = {"method": method, "rtol": rtol, "max_seconds": max_seconds, "cost": first.cost}
    half = others is None and _is_symmetric(metric)
    tiles = [
        _Tile({i: measures[i] for i, _ in pairs}, {j: columns[j] for _, j in pairs}, pairs, options, half)
        for pairs in _blocks(len(measures), len(columns), half)
    ]
    found, certified = np.zeros((3, len(measures), len(columns))), np.ones((len(measures), len(columns)), dtype=bool)
    count = sum(len(tile.pairs) for tile in tiles)
    with tqdm(desc="pairwise", unit=" pair", total=count, disable=not progress, leave=False) as bar:

        def enter(entries: Entries) -> None:
            for (i, j), (*interval, reached) in entries.items():
                found[:, i, j], certified[i, j] = interval, reached
            bar.update(len(entries) // (1 + half))

        _fill(tiles, executor, enter)
    distance, lower, upper = found
    return DistanceMatrix(distance, lower, upper, certified)


def _listed(measures: Any, name: str) -> list[Any]:
    try:
        listed = list(measures)
    except TypeError:
        kind = type(measures).__name__
        raise InvalidProblemError(f"{name} is a {kind}; expected a sequence of measures, such as a list") from None
    if not listed:
        raise InvalidProblemError(f"{name} is empty: there are no measures; expected a sequence of at least one")
    return listed


def _require_executor(executor: Any, **travellers: Any) -> None:
    """Raise where it is none, or where it is of processes and what must travel there cannot."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing.reduction import ForkingPickler

    if not isinstance(executor, Executor):
        what = f"the class {executor.__name__}" if isinstance(executor, type) else repr(executor)
        raise InvalidProblemError(
            f"executor is {what}; expected an instance of concurrent.futures.Executor, such as ThreadPoolExecutor()"
        )
    if isinstance(executor, ProcessPoolExecutor):
        for name, value in travellers.items():
            try:
                ForkingPickler.dumps(value)
            except Exception as error:  # PicklingError, AttributeError, TypeError, or what __reduce__ raises
                raise UnsupportedProblemError(
                    f"{name} cannot be sent to other processes: {error}. Define it by name at the top of a module, or "
                    "pass executor=ThreadPoolExecutor()"
                ) from error


@contextmanager
def _naming(i: int, j: int) -> Iterator[None]:
    """Errors raised inside say which pair they are about."""
    try:
        yield
    except OTError as error:
        error.args = (f"measures {i} and {j}: {error.args[0]}", *error.args[1:])
        raise


def _is_symmetric(metric: Metric) -> bool:
    """Whether half of the matrix is enough: by proof, not by declaration."""
    if isinstance(metric, str):
        return True
    if callable(metric):
        return False
    D = as_array(metric, "metric")
    return D.ndim == 2 and D.shape[0] == D.shape[1] and bool((D == D.T).all() and not D.diagonal().any())


def _blocks(k: int, m: int, half: bool) -> Iterator[list[Pair]]:
    """Blocks of pairs that share their measures; above the diagonal only where half of the matrix is enough."""
    for top in range(0, k, TILE):
        for left in range(top if half else 0, m, TILE):
            pairs = [
                (i, j)
                for i in range(top, min(top + TILE, k))
                for j in range(max(left, i + 1) if half else left, min(left + TILE, m))
            ]
            if pairs:
                yield pairs


@dataclass(frozen=True)
class _Tile:
    """Some pairs, and what it takes to solve them in a worker or here."""

    rows: dict[int, Any]
    columns: dict[int, Any]
    pairs: list[Pair]
    options: dict[str, Any]
    half: bool  # of the matrix is solved, and mirrored

    def without(self, entries: Entries) -> _Tile:
        return replace(self, pairs=[pair for pair in self.pairs if pair not in entries])

    def hurried(self) -> _Tile:
        return replace(self, options={**self.options, "max_seconds": 0.0})


def _fill(tiles: Sequence[_Tile], executor: Executor | None, enter: Callable[[Entries], None]) -> None:
    """Enter what the tiles say as they come; after Ctrl-C, in a hurry, of all pairs that are left."""
    left = dict(enumerate(tiles))
    try:
        with closing(_solved(tiles, executor)) as results:
            for k, (entries, interrupted) in results:
                enter(entries)
                left[k] = left[k].without(entries)
                if interrupted:
                    raise KeyboardInterrupt
        return
    except KeyboardInterrupt:
        pass
    for tile in left.values():
        entries, interrupted = _solve_tile(tile.hurried())
        if interrupted:
            raise KeyboardInterrupt
        enter(entries)


def _solved(
    tiles: Sequence[_Tile], executor: Executor | None
) -> Generator[tuple[int, tuple[Entries, bool]], None, None]:
    """(number, result) of each tile, as they come; the first error ends them all."""
    if executor is None:
        yield from enumerate(map(_solve_tile, tiles))
        return
    running: dict[Future[tuple[Entries, bool]], int] = {}
    try:
        for k, tile in enumerate(tiles):
            running[_submitted(executor, tile)] = k
        for future in as_completed(running):
            yield running[future], future.result()
    finally:
        for future in running:
            future.cancel()


def _submitted(executor: Executor, tile: _Tile) -> Future[tuple[Entries, bool]]:
    try:
        return executor.submit(_solve_tile, tile)
    except RuntimeError as error:  # shut down, or broken
        raise InvalidProblemError(f"executor takes no work: {error}; pass one that is open and in order") from error


def _solve_tile(tile: _Tile) -> tuple[Entries, bool]:
    """The entries of its pairs, in a worker or here, up to Ctrl-C, and whether that came."""
    entries: Entries = {}
    masses: dict[int, Fraction] = {}
    try:
        for i, j in tile.pairs:
            with _naming(i, j):
                s = solve(tile.rows[i], tile.columns[j], **tile.options)
            found = {(i, j): (s.distance, s.distance_lower, s.distance_upper, s.certified)}
            if tile.half:
                masses |= {k: total(w) for k, w in ((i, s.problem.a), (j, s.problem.b)) if k not in masses}
                found |= _both_ways(i, j, s, masses[j] / masses[i])
            entries |= found  # both triangles at once, whenever Ctrl-C comes
            if s.status is Status.INTERRUPTED:
                return entries, True
    except KeyboardInterrupt:
        return entries, True
    return entries, False


def _both_ways(i: int, j: int, s: Solution, ratio: Fraction) -> Entries:
    """What a solution says of its two measures in either order: costs are the same, for ``ratio`` times the mass.

    Where the masses differ by rounding only, one interval encloses both, so that the matrix is symmetric.
    """
    here, order = (s.distance, s.distance_lower, s.distance_upper, s.certified), s.problem.cost.order
    if ratio == 1:
        return {(i, j): here, (j, i): here}
    lower, upper = (round_outward(Fraction(end) * ratio, way) for end, way in ((s.lower, -1), (s.upper, 1)))
    ends = outward_root(lower, order, direction=-1), outward_root(upper, order, direction=1)
    if abs(ratio - 1) > ROUNDING:
        return {(i, j): here, (j, i): (outward_root(upper, order), *ends, s.certified)}
    hull = s.distance, min(ends[0], s.distance_lower), max(ends[1], s.distance_upper), s.certified
    return {(i, j): hull, (j, i): hull}
