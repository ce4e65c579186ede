"""One full Sinkhorn iteration in scaling form: exponentials once, then one read of a kernel and products an iteration.

The kernel holds ``K_ij = 2**(F0_i + G0_j - factor M_ij)`` for exponents that have been absorbed into it; the plan is
``u_i K_ij v_j`` with scalings ``u = 2**(F - F0)`` and v near one.  A few rows are summed, answered and, still in cache,
added to the column sums.
"""

from __future__ import annotations

import math

import numpy as np

from otcore._kernels._kernel import kernel
from otcore._kernels.entries import entries
from otcore._kernels.exp2 import exp2
from otcore._kernels.lanes import four_products
from otcore._kernels.sinkhorn import ROWS, add_eight, four_rows, sound

__all__ = ["absorb", "scaled_pass"]


@kernel
def absorb(M, factor, F, G, K):
    """``K_ij = 2**(F_i + G_j - factor M_ij)``; M (n, m), inf allowed."""
    for i in range(M.shape[0]):
        entries(M[i], factor, F[i], G, K[i])


@kernel(error_model="numpy")  # a sum of nothing is no error, but no good
def answered(i, count, F, F0, a, omega, least, s, u):
    """Rows i, i + 1, ... answer their sums ``u_k s_k``: how far off they were; u the scalings after that.

    nan where a sum has lost digits, and F no good.  Step by step, for the exponentials and quotients of all rows side
    by side: one after the other they took as long as the products.
    """
    error, fit = 0.0, True
    for k in range(count):
        u[k] = exp2(F[i + k] - F0[i + k])
        total = u[k] * s[k]
        ratio = a[i + k] / total
        fit &= (s[k] > least) & (s[k] < np.inf) & sound(total, a[i + k])
        error += abs(total - a[i + k])
        s[k] = ratio
    if not fit:
        return np.nan
    for k in range(count):
        step = omega * math.log2(s[k])
        F[i + k] += step
        s[k] = s[k] if omega == 1.0 else exp2(step)
    for k in range(count):
        u[k] *= s[k]
    return error


@kernel
def scaled_pass(K, F0, F, v, a, omega, least, w):
    """Rows answer their sums, ``F_i += omega log2(a_i / u_i s_i)``, in place; ``w_j`` becomes ``sum_i u_i K_ij``.

    Parameters
    ----------
    K : (n, m) kernel, in which F0 (n,) has been absorbed; float64 or float32
    F, v : (n,) exponents and (m,) scalings, v of the kind of K
    a : (n,) row sums wanted, positive
    least : float, a row sum of the kernel that has kept its digits

    Returns
    -------
    float: ``sum_i |u_i s_i - a_i|`` before the update; nan where a row sum is out of range, and F and w no good
    """
    n = K.shape[0]
    s, u = np.empty(ROWS), np.empty(ROWS)
    w[:] = 0.0
    error = 0.0
    for i0 in range(0, n, ROWS):
        count = min(ROWS, n - i0)
        for k in range(0, count, 4):
            k0, k1, k2, k3 = four_rows(K, i0 + k)
            s[k], s[k + 1], s[k + 2], s[k + 3] = four_products(k0, k1, k2, k3, v)
        error += answered(i0, count, F, F0, a, omega, least, s, u)
        u[count:] = 0.0
        add_eight(u, K, i0, w)
    return error
