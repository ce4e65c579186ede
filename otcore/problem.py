"""The transport problem, valid by construction: the one gate that weights and costs pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from otcore._gate import as_weights, eps_of
from otcore._types import ArrayLike, Weights
from otcore.costs import Cost
from otcore.errors import MassMismatchError, NonFiniteError, ShapeError

__all__ = ["Problem", "marginal_matrix"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Problem:
    """Minimise ``sum P_ij M_ij`` over ``P >= 0`` with row sums ``a`` and column sums ``b * sum(a) / sum(b)``.

    Parameters
    ----------
    a : (n,) array_like
        Weights of the first measure, in any unit of mass; not negative, not all zero.
    b : (m,) array_like
        Weights of the second, of the same total mass up to rounding: relatively ``min(n eps, 1e-6)`` with
        the eps of the dtype given (1e-2 for half precision).
    cost : Cost
        Answers the cost matrix M (n, m).
    cost_unit, mass_unit : float
        What one unit of this problem is worth in the user's units; 1 unless a reduction scaled it.
    eps : float
        Machine epsilon of the precision the weights were computed in, where that is coarser than their dtype.

    Raises
    ------
    ShapeError, NegativeWeightError, NonFiniteError, MassMismatchError

    Examples
    --------
    >>> import numpy as np
    >>> from otcore.costs import DenseCost
    >>> Problem([0.5, 0.5], [1.0], DenseCost(np.array([[1.0], [2.0]]))).shape
    (2, 1)
    """

    a: Weights
    b: Weights
    cost: Cost
    cost_unit: float
    mass_unit: float

    def __init__(
        self,
        a: ArrayLike,
        b: ArrayLike,
        cost: Cost,
        *,
        cost_unit: float = 1.0,
        mass_unit: float = 1.0,
        eps: float = 0.0,
    ) -> None:
        p, q = as_weights(a, "a"), as_weights(b, "b")
        n, m = cost.shape
        if p.size != n or q.size != m:
            hint = " (is it transposed?)" if (m, n) == (p.size, q.size) else ""
            raise ShapeError(
                f"a has {p.size} and b has {q.size} weights, but the cost has shape {(n, m)}; "
                f"expected a cost of shape {(p.size, q.size)}{hint}"
            )
        _check_range(_checked_mass(p, q, max(eps, eps_of(a), eps_of(b))), cost)
        vars(self).update(a=p, b=q, cost=cost, cost_unit=cost_unit, mass_unit=mass_unit)

    @classmethod
    def between(cls, a: Weights, b: Weights, cost: Cost, eps: float) -> Problem:
        """A problem from the weights of two measures, which have passed the gate one by one."""
        _check_range(_checked_mass(a, b, eps), cost)
        return cls.trusted(a, b, cost)

    @classmethod
    def trusted(cls, a: Weights, b: Weights, cost: Cost, *, cost_unit: float = 1.0, mass_unit: float = 1.0) -> Problem:
        """A problem from numbers that the gate has passed before, in other units or fewer of them."""
        problem = object.__new__(cls)
        vars(problem).update(a=a, b=b, cost=cost, cost_unit=cost_unit, mass_unit=mass_unit)
        return problem

    def __repr__(self) -> str:
        n, m = self.shape
        return f"<Problem {n} x {m}, {type(self.cost).__name__}, mass {self.mass:.6g}>"

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return self.cost.shape

    @property
    def mass(self) -> float:
        """Total mass ``sum(a)``, rounded to a float."""
        return float(self.a.sum())


def _checked_mass(a: Weights, b: Weights, eps: float) -> float:
    """The larger of the two sums, which must agree."""
    largest = max(float(a.max()), float(b.max()))
    if 2.0**-900 < largest < 2.0**900:
        A, B, largest = float(a.sum()), float(b.sum()), 1.0
    else:  # scaled sums: 1e300 + 1e300 must not overflow, 1e-310 must not vanish
        A, B = float((a / largest).sum()), float((b / largest).sum())
    tolerance = 1e-2 if eps > 1e-4 else min(max(a.size, b.size, 2) * eps, 1e-6)
    difference = abs(A - B) / max(A, B)
    if difference > tolerance:
        raise MassMismatchError(
            f"a sums to {A * largest:.6g} and b to {B * largest:.6g} (relative difference {difference:.1e}, "
            f"allowed {tolerance:.1e}); normalise them first, for example a / a.sum(), "
            "or use Measure(...).normalized()"
        )
    return max(A, B) * largest


def _check_range(mass: float, cost: Cost) -> None:
    largest = max(map(abs, cost.bounds()))
    if not 8.0 * largest * max(2.0 * mass, 1.0) < np.inf:  # differences of costs, times the mass, and their sums
        raise NonFiniteError(
            f"M has entries up to {largest:.3g} for a mass of {mass:.3g}: the value may leave the range of floats; "
            "divide the costs or the weights by a common factor first, and write inf where an arc is forbidden"
        )


def marginal_matrix(problem: Problem | tuple[int, int]) -> Any:
    """The constraint matrix A of the Kantorovich LP: ``A @ P.ravel() = (a, b)``, P row by row.

    Parameters
    ----------
    problem : Problem or (n, m)

    Returns
    -------
    scipy.sparse.csr_array of shape (n + m, n m): row i sums row i of P, row n + j sums column j.

    Examples
    --------
    >>> marginal_matrix((2, 2)).toarray().astype(int)
    array([[1, 1, 0, 0],
           [0, 0, 1, 1],
           [1, 0, 1, 0],
           [0, 1, 0, 1]])
    """
    from scipy.sparse import csr_array

    n, m = problem if isinstance(problem, tuple) else problem.shape
    arc = np.arange(n * m)
    rows = np.concatenate([arc // m, n + arc % m])
    columns = np.concatenate([arc, arc])
    return csr_array((np.ones(2 * n * m), (rows, columns)), shape=(n + m, n * m))
