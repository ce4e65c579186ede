"""One 1-Lipschitz function on the union of two supports, on a grid where every difference is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from otcore._types import Potential

if TYPE_CHECKING:
    from otcore.costs._cost import Cost

__all__ = ["mcshane_on_grid"]

LARGEST_UNION = 20_000  # points; the McShane sweeps below are quadratic (about 0.4 s a sweep here)
SWEEPS = 8  # two suffice in practice; more would mean that the declared metric is none


def mcshane_on_grid(cost: Cost, u_x: Potential, u_y: Potential) -> tuple[Potential, Potential] | None:
    """McShane-lift u on a grid until it no longer changes: then ``u_i - u_j <= D_ij`` exactly.

    Rounds u to multiples of ``q = 2^-53 scale`` and repeats ``u_i <- min(u_i, min_j u_j + floor_q(D_lo_ij))``
    on the union of the supports; a fixpoint satisfies every constraint, and all differences of grid values
    are floats.  [docs/certificates.md, "One potential"]

    Returns
    -------
    ``(u at rows, -u at columns)``, or None where the union is unknown, too large, or no fixpoint is found.
    """
    union = cost.union()
    if union is None or union[0].shape[0] > LARGEST_UNION:
        return None
    D, rows, columns = union
    u = np.empty(D.shape[0])
    u[columns] = u_y
    u[rows] = u_x
    scale = float(max(np.abs(u).max(), D.bounds()[1]))
    if not 0 < scale < np.inf:
        return None
    q = 2.0 ** (int(np.frexp(scale)[1]) - 52)
    u = np.floor(u / q) * q
    for _ in range(SWEEPS):
        lifted = u.copy()
        for i0, i1, block in D.blocks():
            steps = np.floor(np.maximum(D.enclosure.lower(block), 0.0) / q) * q
            np.minimum(lifted[i0:i1], (steps + u).min(axis=1), out=lifted[i0:i1])
        if np.array_equal(lifted, u):
            return u[rows], -u[columns]
        u = lifted
    return None
