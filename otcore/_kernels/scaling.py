"""One full Sinkhorn iteration in scaling form: exponentials once, then one read of a kernel and products an iteration.

The kernel holds ``K_ij = 2**(F0_i + G0_j - factor M_ij)`` for exponents that have been absorbed into it; the plan is
``u_i K_ij v_j`` with scalings ``u = 2**(F - F0)`` and v near one.  Four rows are summed, answered, and, still in cache,
added to the column sums.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from otcore._kernels.entries import entries
from otcore._kernels.exp2 import exp2
from otcore._kernels.lanes import four_products
from otcore._kernels.sinkhorn import answer, sound
from otcore._kernels.sums import fma

__all__ = ["absorb", "scaled_pass"]


@njit(cache=True, nogil=True)
def absorb(M, factor, F, G, K):
    """``K_ij = 2**(F_i + G_j - factor M_ij)``; M (n, m), inf allowed."""
    for i in range(M.shape[0]):
        entries(M[i], factor, F[i], G, K[i])


@njit(cache=True, nogil=True)
def answered(F, F0, i, s, a, omega, least):
    """Row i answers its sum ``u_i s``: how far it was off, or nan where that is no sum of full precision; the new u."""
    if i >= F.size:  # fewer than four rows are left
        return 0.0, 0.0
    u = exp2(F[i] - F0[i])
    total = u * s
    if not (least < s < np.inf and sound(total, a[i])):
        return np.nan, 0.0
    ratio, step = answer(a[i], total, omega)
    F[i] += step
    return abs(total - a[i]), u * ratio


@njit(cache=True, nogil=True)
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
    w[:] = 0.0
    error = 0.0
    for i in range(0, n, 4):
        k0, k1, k2, k3 = K[i], K[min(i + 1, n - 1)], K[min(i + 2, n - 1)], K[min(i + 3, n - 1)]
        s0, s1, s2, s3 = four_products(k0, k1, k2, k3, v)
        e0, r0 = answered(F, F0, i, s0, a, omega, least)
        e1, r1 = answered(F, F0, i + 1, s1, a, omega, least)
        e2, r2 = answered(F, F0, i + 2, s2, a, omega, least)
        e3, r3 = answered(F, F0, i + 3, s3, a, omega, least)
        error += (e0 + e1) + (e2 + e3)
        add_four(K.dtype.type(r0), K.dtype.type(r1), K.dtype.type(r2), K.dtype.type(r3), k0, k1, k2, k3, w)
    return error


@njit(cache=True, nogil=True)
def add_four(r0, r1, r2, r3, k0, k1, k2, k3, w):
    """``w += sum_k r_k row_k``, products and their sum in the kind of the kernel."""
    for j in range(w.size):
        w[j] += fma(r0, k0[j], r1 * k1[j]) + fma(r2, k2[j], r3 * k3[j])
