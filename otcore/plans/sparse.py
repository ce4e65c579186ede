"""A plan with few entries: index pairs and the mass that goes along each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from otcore._types import Array, Indices, Matrix

if TYPE_CHECKING:
    from otcore.costs import Cost

__all__ = ["SparsePlan"]


@dataclass(frozen=True, eq=False, repr=False)
class SparsePlan:
    """Mass ``mass[k] + mass_low[k]`` goes from row ``i[k]`` to column ``j[k]``.

    Parameters
    ----------
    i, j : (k,) int64 row and column of each entry
    mass : (k,) float64 mass of each entry, in units of the weights
    shape : (n, m)
    mass_low : (k,) float64, optional
        What rounding ``mass`` to double left over.  A certified plan carries it, so that its
        marginals can be checked exactly; everything else may ignore it.

    Examples
    --------
    >>> plan = SparsePlan.from_dense([[0.5, 0.0], [0.25, 0.25]])
    >>> plan.nnz, plan.marginals()[0].tolist()
    (3, [0.5, 0.5])
    """

    i: Indices
    j: Indices
    mass: Array
    shape: tuple[int, int]
    mass_low: Array = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        mass = np.ascontiguousarray(self.mass, dtype=np.float64)
        low = np.zeros(mass.size) if self.mass_low is None else self.mass_low
        vars(self).update(
            i=np.ascontiguousarray(self.i, dtype=np.int64),
            j=np.ascontiguousarray(self.j, dtype=np.int64),
            mass=mass,
            mass_low=np.ascontiguousarray(low, dtype=np.float64),
        )

    def __repr__(self) -> str:
        n, m = self.shape
        return f"<SparsePlan {n} x {m}, {self.nnz} entries, mass {self.mass.sum():.6g}>"

    @classmethod
    def from_dense(cls, matrix: Any) -> SparsePlan:
        """The non-zero entries of a plan matrix (n, m)."""
        matrix = np.ascontiguousarray(matrix, dtype=np.float64)
        arcs = np.flatnonzero(matrix.ravel() != 0)  # seven times faster than nonzero of a float matrix
        return cls(*np.divmod(arcs, matrix.shape[1]), matrix.ravel()[arcs], matrix.shape)

    @property
    def nnz(self) -> int:
        """Number of entries."""
        return self.mass.size

    def cost(self, cost: Cost) -> float:
        """``sum P_ij M_ij`` in plain floats."""
        return float(self.mass @ cost.at(self.i, self.j)) if self.nnz else 0.0

    def marginals(self) -> tuple[Array, Array]:
        """Row sums (n,) and column sums (m,)."""
        n, m = self.shape
        row, column = np.zeros(n), np.zeros(m)
        np.add.at(row, self.i, self.mass)
        np.add.at(column, self.j, self.mass)
        return row, column

    def apply(self, v: Array, axis: int = 1) -> Array:
        """``P @ v`` for ``axis == 1`` (v has m rows), ``P.T @ v`` for ``axis == 0`` (v has n rows)."""
        P = self.to_scipy_sparse()
        return np.asarray(P @ v if axis == 1 else P.T @ v)

    def to_dense(self) -> Matrix:
        """The plan matrix P (n, m)."""
        P = np.zeros(self.shape)
        np.add.at(P, (self.i, self.j), self.mass)
        return P

    def to_scipy_sparse(self) -> Any:
        """The plan as a ``scipy.sparse.coo_array`` (n, m)."""
        from scipy.sparse import coo_array

        return coo_array((self.mass, (self.i, self.j)), shape=self.shape)
