"""An entropic plan: two vectors and epsilon, rounded onto the marginals; never stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from otcore._types import Array, Matrix, Potential, Weights

if TYPE_CHECKING:
    from otcore.costs import Cost

__all__ = ["GibbsPlan", "Rounding"]


class Rounding(NamedTuple):
    """Row and column scalings and the rank-one remainder [Altschuler, Weed, Rigollet 2017, Alg. 2]."""

    x: Array  # (n,) <= 1
    y: Array  # (m,) <= 1
    alpha: Array  # (n,) mass that the rows still lack
    beta: Array  # (m,) mass that the columns still lack
    left: float  # sum(alpha)
    cost: float  # of the whole in plain floats,
    fill: float  # and of its rank-one remainder
    total: float  # sum K, before any scaling


@dataclass(frozen=True, eq=False, repr=False)
class GibbsPlan:
    """``P = x_i K_ij y_j + alpha_i beta_j / left`` with ``K_ij = a_i b_j / B exp((f_i + g_j - M_ij) / epsilon)``.

    The scalings x, y <= 1 and the rank-one remainder follow from the rest: rows are scaled down to ``a``,
    then columns to ``b``, and what is missing is filled in [Altschuler, Weed, Rigollet 2017, Alg. 2].

    Parameters
    ----------
    f, g : (n,) and (m,) potentials, in units of the cost
    epsilon : float > 0, in units of the cost
    a, b : (n,) and (m,) weights
    ground : Cost
        The ground cost M.
    """

    f: Potential
    g: Potential
    epsilon: float
    a: Weights
    b: Weights
    ground: Cost

    def __repr__(self) -> str:
        n, m = self.shape
        return f"<GibbsPlan {n} x {m}, epsilon {self.epsilon:.6g}>"

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return self.ground.shape

    @property
    def targets(self) -> tuple[Weights, Weights]:
        """Row and column marginals: a, and b scaled to the mass of a."""
        return self.a, self.b * (self.a.sum() / self.b.sum())

    @property
    def exponents(self) -> tuple[Array, Array]:
        """Rows and columns of ``log K + M / epsilon``; -inf where a weight is zero."""
        with np.errstate(divide="ignore"):
            return self.f / self.epsilon + np.log(self.a), self.g / self.epsilon + np.log(self.b / self.b.sum())

    @property
    def faint(self) -> float:
        """Entries of K below it are none: all of them together are less than the rounding of a row or a column."""
        from otcore._kernels.sinkhorn import FAINTEST

        a, b = self.targets
        return FAINTEST * float(min(a[a > 0].min(), b[b > 0].min()))

    def kernel_blocks(self) -> Iterator[tuple[int, int, Matrix, Matrix]]:
        """(i0, i1, K rows, cost rows) over all rows: what ``rounding`` saw, but for rounding and faint entries."""
        row, column = self.exponents
        for i0, i1, M in self.ground.blocks():
            z = M * (-1.0 / self.epsilon)
            z += row[i0:i1, None]
            z += column
            np.exp(z, out=z)
            yield i0, i1, z, M

    @cached_property
    def rounding(self) -> Rounding:
        """The scalings that make the plan feasible and its cost, in floats; two passes over the cost."""
        a, b = self.targets
        s, sums, costs = self.ground.rounding_pass(self.epsilon, *self.exponents, a, self.faint)
        x = np.divide(a, s, out=np.ones_like(s), where=s > a)  # Alg. 2, lines 1-2
        y = np.minimum(1.0, _ratio(b, sums))  # lines 3-4
        beta = np.maximum(b - y * sums, 0.0)
        held, price = self.ground.remainder_pass(self.epsilon, *self.exponents, y, beta, self.faint)
        with np.errstate(over="ignore", invalid="ignore"):  # a cost that is no number bounds nothing
            alpha, total = np.maximum(a - x * held, 0.0), float(s.sum())  # line 5
        missing = float(beta.sum())
        fill = float(alpha @ np.where(alpha > 0, price, 0.0)) / missing if missing > 0 else 0.0
        return Rounding(x, y, alpha, beta, float(alpha.sum()), float(costs @ y) + fill, fill, total)

    def row_blocks(self) -> Iterator[tuple[int, int, Matrix, Matrix]]:
        """(i0, i1, P rows, cost rows) of the feasible plan."""
        x, y, alpha, beta, left, *_ = self.rounding
        fill = beta / beta.sum() if left > 0 and beta.sum() > 0 else np.zeros_like(beta)
        for i0, i1, K, M in self.kernel_blocks():
            K *= x[i0:i1, None]
            K *= y
            K += alpha[i0:i1, None] * fill
            yield i0, i1, K, M

    def cost(self, cost: Cost | None = None) -> float:
        """``sum P_ij M_ij`` in plain floats; pass another ``cost`` of the same shape to price the plan by it."""
        if cost is None:
            return self.rounding.cost
        return float(sum(np.vdot(P, np.where(P > 0, cost.rows(i0, i1), 0.0)) for i0, i1, P, _ in self.row_blocks()))

    def marginals(self) -> tuple[Array, Array]:
        """Row sums (n,) and column sums (m,)."""
        rows = [(P.sum(axis=1), P.sum(axis=0)) for _, _, P, _ in self.row_blocks()]
        return np.concatenate([r for r, _ in rows]), np.asarray(sum(c for _, c in rows))

    def apply(self, v: Array, axis: int = 1) -> Array:
        """``P @ v`` for ``axis == 1`` (v has m rows), ``P.T @ v`` for ``axis == 0`` (v has n rows)."""
        if axis == 1:
            return np.concatenate([P @ v for _, _, P, _ in self.row_blocks()])
        return np.asarray(sum(P.T @ v[i0:i1] for i0, i1, P, _ in self.row_blocks()))

    def to_dense(self) -> Matrix:
        """The plan matrix P (n, m)."""
        return np.concatenate([P for _, _, P, _ in self.row_blocks()])

    def to_scipy_sparse(self) -> object:
        """The plan as a ``scipy.sparse.coo_array`` (n, m); it has n m entries."""
        from scipy.sparse import coo_array

        return coo_array(self.to_dense())


def _ratio(target: Array, total: Array) -> Array:
    """``target / total``, and 1 where nothing needs scaling down."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(np.where(total > 0, target / total, 1.0))
