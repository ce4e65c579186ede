"""One 1-Lipschitz function on the union of two supports, on a grid where every difference is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from otcore._types import Potential

if TYPE_CHECKING:
    from otcore.costs._cost import Cost

__all__ = ["mcshane_on_grid"]

LARGEST_UNION = 20_000  # points; the pass below is quadratic


def mcshane_on_grid(cost: Cost, u_x: Potential, u_y: Potential) -> tuple[Potential, Potential] | None:
    """Raise u on a grid until it no longer changes: then ``u_i - u_j <= D_ij`` exactly.

    Rounds u to multiples of ``q = 2^-53 scale``, where all differences are floats, and sets
    ``u_j = max_i u_i - D_ij`` over all paths of steps ``floor_q(D_lo_ij)`` on the union of the supports.  Rounded steps
    need not obey the triangle inequality, so that one maximum is not enough; taken from the highest point down it
    is [Dijkstra 1959].  [docs/certificates.md, "One potential"]

    Returns
    -------
    ``(u at rows, -u at columns)``, or None where the union is unknown, too large, or all distances are zero.
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
    waiting = np.ones(u.size, dtype=bool)
    for _ in range(u.size):
        i = int(np.argmax(np.where(waiting, u, -np.inf)))  # nothing can raise it any more
        waiting[i] = False
        steps = np.floor(np.maximum(D.enclosure.lower(D.rows(i, i + 1)[0]), 0.0) / q) * q
        np.maximum(u, u[i] - steps, out=u, where=waiting)
    return u[rows], -u[columns]
