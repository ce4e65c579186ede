"""Newton's method on the few entries that carry an entropic plan at small epsilon.

Sinkhorn's iteration slows down like 1 / epsilon just where the plan becomes sparse.  There the semi-dual, in which
the columns answer the row potentials exactly, is maximised by Newton steps over the entries that matter, each solved
by conjugate gradients.  What is left out is judged by the next pass over the whole cost: the truncation may cost
time, never truth.  [Brauer, Clason, Lorenz, Wirth 2017; Tang et al. 2024]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from otcore._types import Array, Potential, Weights
from otcore.costs import Cost
from otcore.costs._cost import Tail

__all__ = ["newton", "tail_of"]

CUT = 1e-8, 1e-4  # entries below this share of their row's and their column's weight, or of tol, are left out
CURVED = 1e-4, 0.1  # of its row's weight, and of the error: smaller entries do not count for the Hessian, only for
# the gradient (2.7 times fewer); but where the plan falls apart, they carry what the parts owe one another
SHARE = 0.1  # of all entries: a plan denser than that is left to passes over the cost
SMALL, MOST = 100_000, 1 << 22  # entries that are few whatever their share, and many: 64 MB, and as much to work on
SAMPLE = 32  # rows that are asked how dense the plan is
DRIFT = 20.0  # bits that an entry may have gained before the choice of entries is stale
DAMPING = 0.01  # of the Hessian's diagonal, times the error
CLIP = 5.0  # bits a step may change a row potential
STEPS, HALVINGS, SWEEPS = 200, 6, 6
ARMIJO = 0.1  # of the slope's promise that a step must keep
PATIENCE = 10  # steps without a smaller error
INNER = 1000  # steps of conjugate gradients


class _Point(NamedTuple):
    """Exponents whose columns are exact, the entries P, their row sums s, and the L1 error of these."""

    F: Array
    G: Array
    P: Array
    s: Array
    error: float


def tail_of(cost: Cost, a: Weights, b: Weights, epsilon: float, f: Potential, g: Potential, tol: float) -> Tail | None:
    """The entries worth keeping near potentials ``f, g`` for an error of ``tol``; None where they are too many."""
    cut = math.log2(min(CUT[0], CUT[1] * tol))
    log_a, log_b = np.log2(a), np.log2(b)
    factor = 1.0 / (epsilon * math.log(2.0))
    F, G = f * factor + log_a, g * factor + log_b
    n, m = cost.shape
    if n * m > SMALL:  # ask a few rows first, evenly spaced
        some = np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.int64)
        part, limit = cost.restrict(some, np.arange(m)), int(min(SHARE * m, MOST / n) * some.size)
        if part.plan_tail(epsilon, F[some], G, log_a[some] + cut, log_b + cut, limit) is None:
            return None
    limit = max(int(min(2 * SHARE * n * m, MOST)), SMALL)
    tail = cost.plan_tail(epsilon, F, G, log_a + cut, log_b + cut, limit)
    # Unsigned indices need no test for negative ones: its loops are a quarter faster.
    return tail and Tail(tail.start.astype(np.uint32), tail.j.astype(np.uint32), tail.cost)


def newton(
    tail: Tail,
    a: Weights,
    b: Weights,
    epsilon: float,
    f: Potential,
    g: Potential,
    tol: float,
    expired: Callable[[], bool],
) -> tuple[Potential, Potential]:
    """Potentials whose plan on the tail has row sums within ``tol`` of ``a`` in L1, columns exact, or near it.

    Ends earlier where the choice of entries has become stale or steps do not pay.
    """
    log_a, log_b, unit = np.log2(a), np.log2(b), epsilon * math.log(2.0)
    F0, G0 = f / unit + log_a, g / unit + log_b
    here = _at(tail, 1.0 / unit, F0, G0, a, b)
    best, dull = math.inf, 0
    for _ in range(STEPS):
        with np.errstate(invalid="ignore"):
            drift = (here.F - F0).max() + (here.G - G0).max()
        if here.error <= tol or drift > DRIFT or expired():
            break
        step = _step(tail, a, b, here)
        there = _search(tail, 1.0 / unit, a, b, here, step)
        if there is None:  # too far from the quadratic: a few plain sweeps
            there = here
            for _ in range(SWEEPS):
                there = _at(tail, 1.0 / unit, there.F + np.log2(a / np.maximum(there.s, 1e-300)), there.G, a, b)
        here = there
        dull = 0 if here.error < 0.99 * best else dull + 1
        best = min(best, here.error)
        if dull > PATIENCE:
            break
    return (here.F - log_a) * unit, (here.G - log_b) * unit


def _at(tail: Tail, factor: float, F: Array, G: Array, a: Weights, b: Weights) -> _Point:
    from otcore._kernels.tail import evaluate

    G, P, s = G.copy(), np.empty(tail.j.size), np.empty(a.size)
    evaluate(*tail, factor, F, G, b, P, s, np.empty(b.size))
    return _Point(F, G, P, s, float(np.abs(s - a).sum()))


def _search(tail: Tail, factor: float, a: Weights, b: Weights, here: _Point, step: Array) -> _Point | None:
    """The first of the halved steps that lowers the error or raises the dual as its slope promises [Armijo 1966].

    The error alone would refuse steps that mend a small imbalance between parts of the plan at the price of a
    passing one inside them.
    """
    slope = float((a - here.s) @ step)
    for _ in range(HALVINGS):
        there = _at(tail, factor, here.F + step, here.G, a, b)
        gain = float(a @ step + b @ (there.G - here.G))
        if there.error < 0.9 * here.error or gain >= ARMIJO * slope > 0:
            return there
        step, slope = 0.5 * step, 0.5 * slope
    return there if there.error < here.error else None


def _step(tail: Tail, a: Weights, b: Weights, here: _Point) -> Array:
    """The Newton step in bits: ``(diag(d) - P diag(1/b) P^T) x = a - s`` by Jacobi-preconditioned gradients."""
    from otcore._kernels.tail import curve, thin

    start, j, P = np.empty_like(tail.start), np.empty_like(tail.j), np.empty_like(here.P)
    thin(tail.start, tail.j, here.P, min(CURVED[0], CURVED[1] * here.error) * a, start, j, P)
    # With the entries left out, which connect what would else fall apart, and damped while the error is large
    # [Levenberg 1944]: a far start then needs a tenth of the steps.
    d = np.maximum(here.s * (1.0 + DAMPING * here.error), np.finfo(float).tiny)  # a row may have lost all its mass
    columns = np.empty(b.size)

    x, r = np.zeros(a.size), a - here.s
    z = r / d
    p, product = z, float(r @ z)
    q = np.empty(a.size)
    goal = max(1e-3, min(0.1, here.error)) ** 2 * product
    for _ in range(INNER):
        curve(start, j, P, d, b, p, q, columns)
        bend = float(p @ q)
        if not bend > 0:
            break
        x = x + (product / bend) * p
        r = r - (product / bend) * q
        z = r / d
        product, last = float(r @ z), product
        if product <= goal:
            break
        p = z + (product / last) * p
    return np.asarray(np.clip(x / math.log(2.0), -CLIP, CLIP))
