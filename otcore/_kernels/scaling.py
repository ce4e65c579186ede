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
from otcore._kernels.sinkhorn import sound
from otcore._kernels.sums import fma

__all__ = ["absorb", "scaled_pass"]

ROWS = 8  # that are summed, answered and added to the column sums together: in two fours, side by side, all at once


@kernel
def absorb(M, factor, F, G, K):
    """``K_ij = 2**(F_i + G_j - factor M_ij)``; M (n, m), inf allowed."""
    for i in range(M.shape[0]):
        entries(M[i], factor, F[i], G, K[i])


@kernel
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
        add_eight(four_scalars(K, u, 0), four_rows(K, i0), four_scalars(K, u, 4), four_rows(K, i0 + 4), w)
    return error


@kernel
def four_rows(K, i):
    """Rows from i on; the last again where fewer than four are left."""
    last = K.shape[0] - 1
    return K[min(i, last)], K[min(i + 1, last)], K[min(i + 2, last)], K[min(i + 3, last)]


@kernel
def four_scalars(K, u, k):
    """``u_k, u_k+1, ...`` in the kind of the kernel."""
    kind = K.dtype.type
    return kind(u[k]), kind(u[k + 1]), kind(u[k + 2]), kind(u[k + 3])


@kernel
def add_eight(r, x, s, y, w):
    """``w += sum_i r_i x_i + s_i y_i`` over four rows x and four rows y, all but the last sum in their kind."""
    r0, r1, r2, r3 = r
    x0, x1, x2, x3 = x
    s0, s1, s2, s3 = s
    y0, y1, y2, y3 = y
    for j in range(w.size):
        four = fma(r0, x0[j], r1 * x1[j]) + fma(r2, x2[j], r3 * x3[j])
        w[j] += four + (fma(s0, y0[j], s1 * y1[j]) + fma(s2, y2[j], s3 * y3[j]))
