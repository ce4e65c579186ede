"""The one Sinkhorn loop: passes over the cost at one epsilon, over-relaxed, until the marginals fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np

from otcore._types import Potential, Weights
from otcore.costs import Cost
from otcore.costs._cost import Passing
from otcore.engines.newton import newton, tail_of

__all__ = ["Iterate", "Relaxation", "at_vertex", "coarse_epsilon", "shares", "sinkhorn"]

TINY = 2.0**-900
TINIEST = 2.0**-1000


class Iterate(NamedTuple):
    """Potentials after a pass, and how far the plan was off before it.

    ``error`` is the L1 distance of both marginals from ``a`` and ``b``, relative to the mass.
    """

    f: Potential
    g: Potential
    error: float
    passes: int


TRUSTED = 3e-2  # error from which on convergence is as between cells
TOO_MUCH, BACK = 30.0, 0.9  # growth of the error beyond which omega - 1 is taken back by that factor
SLOWEST = 1 - 1e-7  # a rate beyond which Newton's method, not relaxation, is the remedy: omega stays below 1.9994
FASTEST = 1e-3  # a rate that needs no relaxation; of an error that begins near infinity the true one may be 0
PATIENCE = 3  # looks for a sparse tail, or Newton's attempts that do not halve the error, before relaxation takes over
FLAT = 2.0**-40  # of the largest cost: a spread below it is rounding
EMPTY = 1e-12  # of the lighter weight: what an arc of the tree without flow is given
AIM = 0.3  # of the error asked for: what Newton's method goes for, since the entries left out add to it


@dataclass
class Relaxation:
    """The factor of over-relaxation, learned from the rate of convergence.

    Sinkhorn's iteration is Gauss-Seidel with two blocks, for which Young's theory holds: a plain rate ``rate`` calls
    for ``omega = 2 / (1 + sqrt(1 - rate))``, and a factor omega below that converges at a ``mu`` with
    ``rate = (mu + omega - 1)**2 / (omega**2 mu)``.  [Young 1971, section 6.2;
    Lehmann et al. 2022; Thibault et al. 2021]

    Parameters
    ----------
    window : int
        Passes over which a plain rate is measured, and twice as many for a relaxed one: errors grow for a while
        after a change of omega, and a rate measured in haste is raised and lowered for ever (twice the passes).
    rate : float
        The plain rate that is expected, 0 where nothing is known: believed once the error is below ``TRUSTED``, before
        it could be measured.
    """

    window: int = 6
    rate: float = 0.0
    omega: float = 1.0
    _first: float = math.inf
    _best: float = math.inf
    _count: int = 0

    def learn(self, error: float) -> None:
        """Take in the error before the next pass."""
        if self._count == 0:
            self._first = error
        if error > TOO_MUCH * self._best:
            self._best = error
            self._change(1.0 + BACK * (self.omega - 1.0), error)
            return
        self._best = min(self._best, error)
        if self.rate > 0 and self.omega == 1.0 and error < TRUSTED:
            self._change(_fastest(self.rate), error)
            return
        self._count += 1
        window = self.window if self.omega == 1.0 else 2 * self.window
        if self._count <= window:
            return
        omega = 1.0 + BACK * (self.omega - 1.0)  # a whole window for nothing
        if 0 < error < self._first:
            mu = max((error / self._first) ** (1 / window), FASTEST)
            omega = self.omega
            if mu > omega - 1.0:  # else it is the best one or above: errors swing, at a rate of omega - 1 on the whole
                omega = max(omega, _fastest((mu + omega - 1.0) ** 2 / (omega**2 * mu)))
        self._change(omega, error)

    def _change(self, omega: float, error: float) -> None:
        self.omega, self._first, self._count = omega, error, 1


def _fastest(rate: float) -> float:
    """The best factor for a plain rate.  [Young 1971, section 6.2]"""
    return 2.0 / (1.0 + math.sqrt(1.0 - min(rate, SLOWEST)))


def sinkhorn(
    cost: Cost,
    a: Weights,
    b: Weights,
    epsilon: float,
    f: Potential | None,
    g: Potential,
    tol: float,
    expired: Callable[[], bool] = lambda: False,
    vertex: bool = False,
    accelerate: bool = True,
    kernel: Passing | None = None,
    rate: float = 0.0,
) -> Iterator[Iterate]:
    """Iterates of Sinkhorn's algorithm, without end: the caller stops.

    The plan is ``P_ij = a_i b_j exp((f_i + g_j - M_ij) / epsilon)``.  An iterate is one pass over the cost, which
    measures the error; between passes, where the plan has few entries that count, Newton's method works on these.

    Parameters
    ----------
    a, b : (n,) and (m,) positive weights of sum 1
    epsilon : float > 0, in units of the cost
    f, g : (n,) and (m,) potentials to start from; f None is what answers g
    tol : float, the error that the caller is after
    expired : callable, whether Newton's method should give up
    vertex : bool
        Where Newton's method gets nowhere, start again from the exact optimum: epsilon is then below the spacing of
        the costs, and the potentials have farther to go than any method on one epsilon would take them.
    accelerate : bool
        False: nothing but passes, each row and column answering in turn.
    kernel : optional
        What :meth:`Cost.passing` gave: takes over the passes, after a first one, while the plan is dense.
    rate : float, at which plain passes are expected to converge, as :class:`Relaxation` takes it
    """
    relaxation, columns, best, patience = Relaxation(rate=rate), 0.0, math.inf, PATIENCE
    passing: Passing = cost
    for passes in count(1):
        f, g, rows, after = passing.sinkhorn_pass(epsilon, f, g, a, b, relaxation.omega)
        error = rows + columns
        yield Iterate(f, g, error, passes)
        if not accelerate:
            passing = kernel or cost
            continue
        tail = tail_of(cost, a, b, epsilon, f, g, tol) if patience > 0 else None
        if tail is None:
            passing = kernel or cost
            patience -= 1  # too dense as yet
            relaxation.learn(error)
            columns = after
            continue
        patience = PATIENCE if error < 0.5 * best else patience - 1
        best = min(best, error)
        if patience == 0 and vertex:
            vertex, patience = False, PATIENCE
            f, g = at_vertex(cost, a, b, epsilon, f, g, expired)
        else:
            f, g = newton(tail, a, b, epsilon, f, g, AIM * tol, expired)
        columns = 0.0


def at_vertex(
    cost: Cost,
    a: Weights,
    b: Weights,
    epsilon: float,
    f: Potential,
    g: Potential,
    expired: Callable[[], bool] = lambda: False,
) -> tuple[Potential, Potential]:
    """Potentials whose entropic plan carries, on the tree of an exact optimal plan P, just that plan's flows.

    ``f_i + g_j = M_ij + epsilon log(P_ij / (a_i b_j))`` on the tree; empty arcs are given next to nothing.
    """
    from otcore._kernels import simplex
    from otcore.engines import exact

    for latest in exact.solve(cost, a, b, potentials=(f, g)):
        state = latest
        if expired():
            break
    i, j = state.basis.i, state.basis.j
    flow = np.maximum(state.flow, np.maximum(EMPTY * np.minimum(a[i], b[j]), np.finfo(float).tiny))
    log_share = np.log(flow) - np.log(a[i]) - np.log(b[j])  # their product may underflow
    tree = simplex.hang(a.size, b.size, i, j, cost.at(i, j) + epsilon * log_share)
    simplex.refresh(tree)
    return tree.potential[: a.size].copy(), -tree.potential[a.size :]


def shares(w: Weights) -> Weights:
    """Weights of sum 1; what is less than ``TINIEST`` of them has no logarithm, and makes no difference."""
    return np.asarray(np.maximum(w / w.sum(), TINIEST))


def coarse_epsilon(cost: Cost, a: Weights, b: Weights) -> float:
    """Mean cost above the least: the epsilon at which every arc still matters; one where all costs are equal."""
    lo, hi = cost.bounds()
    mean = cost.bilinear(a / a.sum(), b / b.sum())
    spread = mean - lo if math.isfinite(mean) else hi - lo
    if spread <= FLAT * max(abs(lo), abs(hi)):  # all costs are equal, up to rounding
        return abs(hi) if abs(hi) > TINY else 1.0  # solvers see costs of about one: this little encloses zero
    return max(spread, TINY)
